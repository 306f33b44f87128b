//! What every result of the modern era has, whatever it is of.

use serde_json::value::to_raw_value;

use crate::era::splice;
use crate::jsonrpc::{Json, Rejection};
use crate::model::{InputRequests, InputRequired, meta_key};
use crate::peer::Outcome;

/// Results that a client may keep for a while.
const CACHEABLE: [&str; 6] =
    ["server/discover", "tools/list", "prompts/list", "resources/list", "resources/templates/list", "resources/read"];

/// A result with what the modern era wants in it: its kind, who made it, and for how long it may be kept, which is not at
/// all unless it says otherwise itself. `info` is JSON.
pub(super) fn complete(method: &str, result: &Json, info: &str) -> Outcome {
    if let Some(completed) = prepended(method, result.get(), info) {
        return Ok(completed);
    }
    let members: &[(&str, &str)] = if CACHEABLE.contains(&method) {
        &[("resultType", "\"complete\""), ("ttlMs", "0"), ("cacheScope", "\"private\"")]
    } else {
        &[("resultType", "\"complete\"")]
    };
    splice(result.get(), members, &[(meta_key::SERVER_INFO, info)])
        .map(Json::from)
        .map_err(|why| Rejection::internal(format!("the result is not what a result is: {}", why.0)))
}

/// The usual case: a result that has nothing of all this, and nothing that could be taken for it.
fn prepended(method: &str, result: &str, info: &str) -> Option<Json> {
    let rest = result.strip_prefix('{').filter(|_| !CACHEABLE.contains(&method))?;
    let has = |name: &str| memchr::memmem::find(result.as_bytes(), name.as_bytes()).is_some();
    if has("_meta") || has("resultType") {
        return None;
    }
    let (before, after) = ("{\"_meta\":{\"", "},\"resultType\":\"complete\"");
    let more = before.len() + meta_key::SERVER_INFO.len() + info.len() + after.len();
    let mut text = String::with_capacity(result.len() + more + 3);
    for part in [before, meta_key::SERVER_INFO, "\":", info, after] {
        text.push_str(part);
    }
    if !rest.trim_ascii_start().starts_with('}') {
        text.push(',');
    }
    text.push_str(rest);
    Some(Json::trusted(text))
}

/// The result of a call that has to ask first.
pub(super) fn input_required(asked: &InputRequests, state: &str, info: &str) -> Outcome {
    let asked = (!asked.is_empty()).then(|| asked.clone());
    let result = InputRequired::new(asked, Some(state.to_owned()));
    let result = to_raw_value(&result).map_err(|error| Rejection::internal(error.to_string()))?;
    splice(result.get(), &[], &[(meta_key::SERVER_INFO, info)])
        .map(Json::from)
        .map_err(|why| Rejection::internal(format!("the question is not what a result is: {}", why.0)))
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn a_result_says_what_it_is_unless_it_has_said_so() {
        let raw = |text: &str| Json::trusted(text.to_owned());
        let info = r#"{"name":"s","version":"1"}"#;
        let read = |outcome: Outcome| serde_json::from_str::<Value>(outcome.unwrap().get()).unwrap();
        let result = read(complete("tools/call", &raw(r#"{"content":[]}"#), info));
        assert_eq!(result["resultType"], "complete");
        assert_eq!(result["_meta"][meta_key::SERVER_INFO]["name"], "s");
        assert!(result.get("ttlMs").is_none());
        let result = read(complete("tools/list", &raw(r#"{"tools":[],"ttlMs":500}"#), info));
        assert_eq!((&result["ttlMs"], &result["cacheScope"]), (&500.into(), &"private".into()));
        let result = read(complete("tools/call", &raw(r#"{"resultType":"task"}"#), info));
        assert_eq!(result["resultType"], "task");
        assert!(complete("tools/call", &raw("[]"), info).is_err());
        for (text, completed) in [
            (
                "{}",
                r#"{"_meta":{"io.modelcontextprotocol/serverInfo":{"name":"s","version":"1"}},"resultType":"complete"}"#,
            ),
            (
                "{ \"a\":1}",
                r#"{"_meta":{"io.modelcontextprotocol/serverInfo":{"name":"s","version":"1"}},"resultType":"complete", "a":1}"#,
            ),
        ] {
            assert_eq!(complete("tools/call", &raw(text), info).unwrap().get(), completed);
        }
        let result = read(complete("tools/call", &raw(r#"{"_meta":{"a":1},"content":["resultType"]}"#), info));
        assert_eq!((&result["resultType"], &result["_meta"]["a"]), (&"complete".into(), &1.into()));
        assert_eq!(result["_meta"][meta_key::SERVER_INFO]["name"], "s");
    }
}
