//! What all typed calls have in common: writing the parameters, asking, reading the result.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::value::{RawValue, to_raw_value};

use super::{CallOptions, Client, ServerInfo};
use crate::decode::decode;
use crate::error::{CallError, CallName};
use crate::session::Answer;

impl Client {
    /// Every typed call goes out here.
    pub(super) async fn ask(&self, name: &CallName, params: Option<Box<RawValue>>, options: &CallOptions) -> Answer {
        let limits = &self.shared.options;
        let timeout = options.timeout.unwrap_or(limits.call_timeout);
        // One that became a task is seen to go on.
        let longest = options.max_timeout.unwrap_or(limits.max_call_timeout).max(timeout);
        let allowance = self.allow(longest);
        let outcome = self.converse(name, params, options).await?;
        self.follow(name, outcome, allowance).await
    }

    /// What is known of the server, once it is open.
    pub(super) async fn opened(&self, name: &CallName) -> Result<Arc<ServerInfo>, CallError> {
        match self.info() {
            Some(info) => Ok(info),
            None => self.wait_ready().await.map_err(|error| CallError::not_opened(name, error)),
        }
    }
}

/// The parameters of a call.
pub(super) fn write<T: Serialize + ?Sized>(name: &CallName, params: &T) -> Result<Box<RawValue>, CallError> {
    to_raw_value(params).map_err(|error| CallError::not_json(name, error.to_string()))
}

/// The result of a call.
pub(super) fn read<'a, T: Deserialize<'a>>(name: &CallName, result: &'a RawValue) -> Result<T, CallError> {
    decode(result.get()).map_err(|why| CallError::malformed(name, why))
}
