//! What all typed calls have in common: writing the parameters, asking, reading the result.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::value::{RawValue, to_raw_value};

use super::connection::Spoken;
use super::input::Outcome;
use super::{CallOptions, Client, ServerInfo};
use crate::Era;
use crate::decode::decode;
use crate::error::{CallError, CallName};
use crate::jsonrpc::Written;
use crate::session::{Answer, Given};

impl Client {
    /// Every typed call goes out here, and most come back as they stood on the wire.
    pub(super) async fn ask(
        &self,
        name: &CallName<'_>,
        params: Option<Written>,
        options: &CallOptions,
    ) -> Result<Box<RawValue>, CallError> {
        self.given(name, params, options).await.map(Given::into_raw)
    }

    /// As [`ask`](Client::ask).
    pub(super) async fn given(&self, name: &CallName<'_>, params: Option<Written>, options: &CallOptions) -> Answer {
        let limits = &self.shared.options;
        let timeout = options.timeout.unwrap_or(limits.call_timeout);
        // One that became a task is seen to go on.
        let longest = options.max_timeout.unwrap_or(limits.max_call_timeout).max(timeout);
        // Only one of the modern era becomes one.
        let legacy = self.shared.spoken.get().is_some_and(|spoken| spoken.revision.era() == Era::Legacy);
        let start = if legacy { None } else { Some(self.allow(longest)) };
        match self.converse(name, params, options).await? {
            Outcome::Result(result) => Ok(result),
            Outcome::Task(task) => {
                self.follow(name, &task, start.unwrap_or_else(|| self.allow(longest))).await.map(Given::Raw)
            }
        }
    }

    /// What is known of the server, once it is open.
    pub(super) async fn opened(&self, name: &CallName<'_>) -> Result<Arc<ServerInfo>, CallError> {
        match self.info() {
            Some(info) => Ok(info),
            None => self.wait_ready().await.map_err(|error| CallError::not_opened(name, error)),
        }
    }

    /// What is spoken with the server, once it is open.
    pub(super) async fn spoken(&self, name: &CallName<'_>) -> Result<&Spoken, CallError> {
        if let Some(spoken) = self.shared.spoken.get() {
            return Ok(spoken);
        }
        self.opened(name).await?;
        self.shared.spoken.get().ok_or_else(|| self.shared.closed(name))
    }
}

/// The parameters of a call.
pub(super) fn write<T: Serialize + ?Sized>(name: &CallName<'_>, params: &T) -> Result<Written, CallError> {
    Written::of(params).map_err(|error| CallError::not_json(name, error.to_string()))
}

/// A part of the parameters.
pub(super) fn written_raw<T: Serialize + ?Sized>(name: &CallName<'_>, part: &T) -> Result<Box<RawValue>, CallError> {
    to_raw_value(part).map_err(|error| CallError::not_json(name, error.to_string()))
}

/// The result of a call.
pub(super) fn read<'a, T: Deserialize<'a>>(name: &CallName<'_>, result: &'a RawValue) -> Result<T, CallError> {
    decode(result.get()).map_err(|why| CallError::malformed(name, why))
}
