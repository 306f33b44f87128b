//! Calls that only the revisions with `initialize` have.

use serde::Serialize;

use super::call::{read, write};
use super::{CallOptions, Client};
use crate::Era;
use crate::error::CallError;
use crate::model::{LoggingLevel, Object};

#[derive(Serialize)]
struct ByUri<'a> {
    uri: &'a str,
}

#[derive(Serialize)]
struct SetLevel {
    level: LoggingLevel,
}

impl Client {
    /// Asks whether the server is there, and waits for its answer.
    ///
    /// # Errors
    /// See [`CallError`]; [`is_unsupported`](CallError::is_unsupported) where the revision 2026-07-28 is spoken.
    ///
    /// # Cancel safety
    /// As [`request_raw`](Client::request_raw).
    pub async fn ping(&self) -> Result<(), CallError> {
        self.ping_with(&CallOptions::default()).await
    }

    /// As [`ping`](Client::ping), with other options.
    ///
    /// # Errors
    /// As [`ping`](Client::ping).
    pub async fn ping_with(&self, options: &CallOptions) -> Result<(), CallError> {
        self.ask_legacy("ping", None, None::<&()>, "any other call tells as much", options).await
    }

    /// Has the server log what is at least that important, in [notifications](Client::notifications), and nothing less.
    /// Where the revision 2026-07-28 is spoken, each call says it for itself: [`CallOptions::log_level`].
    ///
    /// # Errors
    /// See [`CallError`]; [`is_unsupported`](CallError::is_unsupported) where the revision 2026-07-28 is spoken.
    ///
    /// # Cancel safety
    /// As [`request_raw`](Client::request_raw).
    pub async fn set_log_level(&self, level: LoggingLevel) -> Result<(), CallError> {
        self.set_log_level_with(level, &CallOptions::default()).await
    }

    /// As [`set_log_level`](Client::set_log_level), with other options.
    ///
    /// # Errors
    /// As [`set_log_level`](Client::set_log_level).
    pub async fn set_log_level_with(&self, level: LoggingLevel, options: &CallOptions) -> Result<(), CallError> {
        self.ask_legacy(
            "logging/setLevel",
            Some(level.as_str()),
            Some(&SetLevel { level }),
            "each call can have its own: CallOptions::log_level",
            options,
        )
        .await
    }

    /// Has the server tell whenever the resource at `uri` changes: `notifications/resources/updated`, among the
    /// [notifications](Client::notifications).
    ///
    /// # Errors
    /// See [`CallError`]; [`is_unsupported`](CallError::is_unsupported) where the revision 2026-07-28 is spoken.
    ///
    /// # Cancel safety
    /// As [`request_raw`](Client::request_raw).
    pub async fn subscribe(&self, uri: &str) -> Result<(), CallError> {
        self.subscribe_with(uri, &CallOptions::default()).await
    }

    /// As [`subscribe`](Client::subscribe), with other options.
    ///
    /// # Errors
    /// As [`subscribe`](Client::subscribe).
    pub async fn subscribe_with(&self, uri: &str, options: &CallOptions) -> Result<(), CallError> {
        self.ask_legacy("resources/subscribe", Some(uri), Some(&ByUri { uri }), "listen for changes instead", options)
            .await
    }

    /// Ends what [`subscribe`](Client::subscribe) began.
    ///
    /// # Errors
    /// See [`CallError`]; [`is_unsupported`](CallError::is_unsupported) where the revision 2026-07-28 is spoken.
    ///
    /// # Cancel safety
    /// As [`request_raw`](Client::request_raw).
    pub async fn unsubscribe(&self, uri: &str) -> Result<(), CallError> {
        self.unsubscribe_with(uri, &CallOptions::default()).await
    }

    /// As [`unsubscribe`](Client::unsubscribe), with other options.
    ///
    /// # Errors
    /// As [`unsubscribe`](Client::unsubscribe).
    pub async fn unsubscribe_with(&self, uri: &str, options: &CallOptions) -> Result<(), CallError> {
        self.ask_legacy("resources/unsubscribe", Some(uri), Some(&ByUri { uri }), "end the listening instead", options)
            .await
    }

    /// Asks what is answered with an empty result. `instead`: what there is in its place.
    async fn ask_legacy<P: Serialize>(
        &self,
        method: &str,
        subject: Option<&str>,
        params: Option<&P>,
        instead: &str,
        options: &CallOptions,
    ) -> Result<(), CallError> {
        let name = self.call_name(method, subject);
        let revision = self.opened(&name).await?.revision;
        if revision.era() == Era::Modern {
            return Err(CallError::unsupported(&name, format!("the revision {revision} does not have it; {instead}")));
        }
        let params = params.map(|params| write(&name, params)).transpose()?;
        let answer = self.ask(&name, params, options).await?;
        read::<Object>(&name, &answer).map(drop)
    }
}
