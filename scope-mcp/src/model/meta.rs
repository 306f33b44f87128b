use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{ClientCapabilities, Implementation, LoggingLevel, Object};

/// The names in `_meta` that the protocol gives a meaning.
pub mod meta_key {
    /// In requests: the revision they are written in.
    pub const PROTOCOL_VERSION: &str = "io.modelcontextprotocol/protocolVersion";
    /// In requests: what the client can do.
    pub const CLIENT_CAPABILITIES: &str = "io.modelcontextprotocol/clientCapabilities";
    /// In requests: what the client is.
    pub const CLIENT_INFO: &str = "io.modelcontextprotocol/clientInfo";
    /// In requests: the least important lines of the log that the client wants while this runs.
    pub const LOG_LEVEL: &str = "io.modelcontextprotocol/logLevel";
    /// In requests: what notifications of progress are to be marked with.
    pub const PROGRESS_TOKEN: &str = "progressToken";
    /// In results: what the server is.
    pub const SERVER_INFO: &str = "io.modelcontextprotocol/serverInfo";
    /// In what a subscription brings, and in its result: the id of the request that it began with.
    pub const SUBSCRIPTION_ID: &str = "io.modelcontextprotocol/subscriptionId";
    /// In what belongs to a task (2025-11-25): which one.
    pub const RELATED_TASK: &str = "io.modelcontextprotocol/related-task";
    /// Trace context, as the W3C has it.
    pub const TRACEPARENT: &str = "traceparent";
    /// Trace context, as the W3C has it.
    pub const TRACESTATE: &str = "tracestate";
    /// Trace context, as the W3C has it.
    pub const BAGGAGE: &str = "baggage";
}

/// `_meta` of a request. From the revision 2026-07-28 on it says in which revision the request is written and what its
/// client can do; before that, at most a token for progress.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct RequestMeta {
    /// The revision the request is written in, as the client names it.
    #[serde(default, rename = "io.modelcontextprotocol/protocolVersion", skip_serializing_if = "Option::is_none")]
    pub protocol_version: Option<String>,
    /// What the client can do.
    #[serde(default, rename = "io.modelcontextprotocol/clientCapabilities", skip_serializing_if = "Option::is_none")]
    pub client_capabilities: Option<ClientCapabilities>,
    /// What the client is, as it says: not a thing to decide anything by.
    #[serde(default, rename = "io.modelcontextprotocol/clientInfo", skip_serializing_if = "Option::is_none")]
    pub client_info: Option<Implementation>,
    /// The least important lines of the log the client wants while this runs; none if it says nothing.
    #[serde(default, rename = "io.modelcontextprotocol/logLevel", skip_serializing_if = "Option::is_none")]
    pub log_level: Option<LoggingLevel>,
    /// What notifications of progress are to be marked with: a string or a whole number. Without it there are none.
    #[serde(default, rename = "progressToken", skip_serializing_if = "Option::is_none")]
    pub progress_token: Option<Value>,
    /// What else the client sent, [trace context](meta_key::TRACEPARENT) for example.
    #[serde(flatten)]
    pub extra: Object,
}

impl RequestMeta {
    /// Nothing.
    pub fn new() -> Self {
        RequestMeta::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_are_those_that_are_read() {
        let meta = RequestMeta {
            protocol_version: Some("2026-07-28".to_owned()),
            client_capabilities: Some(ClientCapabilities::new()),
            client_info: Some(Implementation::new("a", "1")),
            log_level: Some(LoggingLevel::Info),
            progress_token: Some(7.into()),
            extra: Object::from_iter([(meta_key::TRACEPARENT.to_owned(), "00-1".into())]),
        };
        let written = serde_json::to_value(&meta).unwrap();
        let names: Vec<&str> = written.as_object().unwrap().keys().map(String::as_str).collect();
        let known = [
            meta_key::PROTOCOL_VERSION,
            meta_key::CLIENT_CAPABILITIES,
            meta_key::CLIENT_INFO,
            meta_key::LOG_LEVEL,
            meta_key::PROGRESS_TOKEN,
            meta_key::TRACEPARENT,
        ];
        assert_eq!(names, known);
        assert_eq!(serde_json::from_value::<RequestMeta>(written).unwrap(), meta);
    }

    #[test]
    fn a_level_that_does_not_exist_is_an_error() {
        let error = serde_json::from_str::<RequestMeta>(r#"{"io.modelcontextprotocol/logLevel":"loud"}"#).unwrap_err();
        assert!(error.to_string().contains("`loud`"), "{error}");
    }
}
