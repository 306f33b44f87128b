//! What all typed calls have in common: writing the parameters, asking, reading the result.

use std::sync::Arc;
use std::time::Instant;

use serde::{Deserialize, Serialize};
use serde_json::value::{RawValue, to_raw_value};

use super::allowance::Allowance;
use super::connection::Spoken;
use super::input::Outcome;
use super::{CallOptions, Client, ServerInfo};
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
        let start = self.shared.now();
        let outcome = self.converse(name, params, options).await?;
        self.result(name, options, start, outcome).await
    }

    /// The result of a call of the modern era that began at `start`, given its first answer.
    pub(super) async fn result_after(
        &self,
        name: &CallName<'_>,
        params: Written,
        options: &CallOptions,
        start: Option<Instant>,
        first: Given,
    ) -> Answer {
        let outcome = self.further(name, Some(params), options.terms(&self.shared.options), start, first).await?;
        self.result(name, options, start, outcome).await
    }

    /// What comes of a call that began at `start` and has come to `outcome`.
    async fn result(
        &self,
        name: &CallName<'_>,
        options: &CallOptions,
        start: Option<Instant>,
        outcome: Outcome,
    ) -> Answer {
        let task = match outcome {
            Outcome::Result(result) => return Ok(result),
            Outcome::Task(task) => task,
        };
        let limits = &self.shared.options;
        let timeout = options.timeout.unwrap_or(limits.call_timeout);
        // It is seen to go on.
        let longest = options.max_timeout.unwrap_or(limits.max_call_timeout).max(timeout);
        self.follow(name, &task, Allowance::since(start, longest)).await.map(Given::Raw)
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
