use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::Object;

/// A server cannot answer before it knows more: what it answers instead, from the revision 2026-07-28 on. The request is
/// made again with the [`InputResponses`] and the state.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct InputRequired {
    result_type: InputRequiredType,
    /// What it wants to know, by keys of its own; nothing if it only wants to be asked again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input_requests: Option<InputRequests>,
    /// To be sent back as it is, and to be looked into by nobody else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_state: Option<String>,
    /// `_meta`.
    #[serde(default, rename = "_meta", skip_serializing_if = "Option::is_none")]
    pub meta: Option<Object>,
    /// What else the server sent.
    #[serde(flatten)]
    pub extra: Object,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum InputRequiredType {
    InputRequired,
}

impl InputRequired {
    /// As it stands in `resultType`.
    pub const RESULT_TYPE: &str = "input_required";

    /// These questions, of which there may be none only where there is a state.
    pub fn new(input_requests: Option<InputRequests>, request_state: Option<String>) -> Self {
        InputRequired {
            result_type: InputRequiredType::InputRequired,
            input_requests,
            request_state,
            meta: None,
            extra: Object::new(),
        }
    }
}

/// A server's questions, by keys of its own.
pub type InputRequests = BTreeMap<String, InputRequest>;

/// The answers to [`InputRequests`] by the same keys: each the result of its method, as it was sent.
pub type InputResponses = BTreeMap<String, Box<RawValue>>;

/// A question of a server, inside a result.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[non_exhaustive]
pub struct InputRequest {
    /// `elicitation/create`, `sampling/createMessage` or `roots/list`.
    pub method: String,
    /// Its parameters, as they were sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub params: Option<Box<RawValue>>,
    /// What else the server sent.
    #[serde(flatten)]
    pub extra: Object,
}

impl InputRequest {
    /// Asks by `method`.
    pub fn new(method: impl Into<String>, params: Option<Box<RawValue>>) -> Self {
        InputRequest { method: method.into(), params, extra: Object::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::decode;

    #[test]
    fn questions_and_state_are_kept_to_the_letter() {
        let json = r#"{"resultType":"input_required","inputRequests":{"a":{"method":"roots/list"},"b":{"method":"elicitation/create","params":{ "n" : 1.0e2 }}},"requestState":"\u00e9 x"}"#;
        let result: InputRequired = decode(json).unwrap();
        assert_eq!(result.request_state.as_deref(), Some("é x"));
        let written = serde_json::to_string(&result).unwrap();
        assert_eq!(written, json.replace("\\u00e9", "é"));
        assert_eq!(InputRequired::RESULT_TYPE, serde_json::to_value(InputRequiredType::InputRequired).unwrap());
    }

    #[test]
    fn another_type_of_result_is_none_of_these() {
        for (json, named) in [
            (r#"{"resultType":"complete"}"#, "resultType: "),
            (r#"{"requestState":"a"}"#, "missing field `resultType`"),
            (r#"{"resultType":"input_required","inputRequests":[]}"#, "inputRequests: "),
            (
                r#"{"resultType":"input_required","inputRequests":{"a":{"params":{}}}}"#,
                "inputRequests.a: missing field `method`",
            ),
            (r#"{"resultType":"input_required","requestState":{}}"#, "requestState: "),
        ] {
            let error = decode::<InputRequired>(json).unwrap_err();
            assert!(error.starts_with(named), "{json}: {error}");
        }
    }
}
