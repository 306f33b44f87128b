//! What stands in the `_meta` of every request of ours.

use std::collections::BTreeMap;

use serde_json::value::RawValue;

use crate::Revision;
use crate::model::Object;

/// The key of the revision that a request speaks.
pub(crate) const VERSION: &str = "io.modelcontextprotocol/protocolVersion";

/// The key of what the client can do.
pub(crate) const CAPABILITIES: &str = "io.modelcontextprotocol/clientCapabilities";

/// The key of who the client is.
pub(crate) const CLIENT_INFO: &str = "io.modelcontextprotocol/clientInfo";

const PROGRESS_TOKEN: &str = "progressToken";

/// The members of `_meta` that are the same for every request of a connection: nothing in the legacy era.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stamp(String);

impl Stamp {
    #[allow(dead_code, reason = "for the server, which is being built")]
    /// As the modern era wants it. `capabilities` and `client_info` are JSON.
    pub(crate) fn modern(revision: Revision, capabilities: &str, client_info: &str) -> Stamp {
        Stamp(format!("\"{VERSION}\":\"{revision}\",\"{CAPABILITIES}\":{capabilities},\"{CLIENT_INFO}\":{client_info}"))
    }

    /// `params` with what has to stand in its `_meta`: this stamp, the progress token, and what the caller adds, in this
    /// order of right. Nothing else is touched, not even the spelling. `None` if nothing has to be changed.
    ///
    /// # Errors
    /// If something has to be, and `params` is no object.
    pub(crate) fn on(
        &self,
        params: Option<&RawValue>,
        progress_token: Option<u64>,
        more: &Object,
    ) -> Result<Option<Box<RawValue>>, &'static str> {
        if self.0.is_empty() && progress_token.is_none() && more.is_empty() {
            return Ok(None);
        }
        let params = params.map_or("{}", RawValue::get);
        let Some(members) = params.trim_ascii_start().strip_prefix('{') else {
            return Err("they must be an object, for the protocol has something to add");
        };
        let mut text = String::with_capacity(params.len() + self.0.len() + 64);
        text.push_str("{\"_meta\":{");
        text.push_str(&self.0);
        if let Some(token) = progress_token {
            member(&mut text, PROGRESS_TOKEN, &token.to_string());
        }
        let ours = |key: &str| match key {
            PROGRESS_TOKEN => progress_token.is_some(),
            VERSION | CAPABILITIES | CLIENT_INFO => !self.0.is_empty(),
            _ => false,
        };
        for (key, value) in more.iter().filter(|(key, _)| !ours(key)) {
            member(&mut text, key, &value.to_string());
        }
        // Written with an escape, it would be there without being found. Then it stands there twice, and the peer says so.
        if memchr::memmem::find(params.as_bytes(), b"\"_meta\"").is_none() {
            text.push('}');
            if !members.trim_ascii_start().starts_with('}') {
                text.push(',');
            }
            text.push_str(members);
        } else {
            let members: BTreeMap<String, &RawValue> =
                serde_json::from_str(params).map_err(|_| "they are not proper JSON")?;
            let theirs =
                members.get("_meta").map(|meta| serde_json::from_str::<BTreeMap<String, &RawValue>>(meta.get()));
            let theirs = theirs.transpose().map_err(|_| "their \"_meta\" must be an object")?.unwrap_or_default();
            for (key, value) in theirs.iter().filter(|(key, _)| !ours(key) && !more.contains_key(*key)) {
                member(&mut text, key, value.get());
            }
            text.push('}');
            for (key, value) in members.iter().filter(|(key, _)| *key != "_meta") {
                member(&mut text, key, value.get());
            }
            text.push('}');
        }
        RawValue::from_string(text).map(Some).map_err(|_| "they are not proper JSON")
    }
}

/// Adds a member to an object that is being written.
fn member(text: &mut String, key: &str, value: &str) {
    if !text.ends_with('{') {
        text.push(',');
    }
    // `Value`'s Display writes the JSON of a string.
    text.push_str(&serde_json::Value::from(key).to_string());
    text.push(':');
    text.push_str(value);
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn object(value: Value) -> Object {
        value.as_object().cloned().unwrap()
    }

    fn stamped(stamp: &Stamp, params: &str, token: Option<u64>, more: Value) -> String {
        let params: Box<RawValue> = serde_json::from_str(params).unwrap();
        let stamped = stamp.on(Some(&params), token, &object(more)).unwrap();
        let text = stamped.map_or(params.get().to_owned(), |raw| raw.get().to_owned());
        serde_json::from_str::<Value>(&text).unwrap();
        text
    }

    #[test]
    fn the_legacy_era_adds_nothing_of_its_own() {
        let stamp = Stamp::default();
        assert_eq!(stamped(&stamp, r#"{ "a" : 1.0e2 }"#, None, json!({})), r#"{ "a" : 1.0e2 }"#);
        assert_eq!(stamped(&stamp, r#"{"a":1}"#, Some(7), json!({})), r#"{"_meta":{"progressToken":7},"a":1}"#);
        assert_eq!(stamped(&stamp, " { } ", Some(7), json!({})), r#"{"_meta":{"progressToken":7} }"#);
        assert_eq!(stamp.on(None, None, &Object::new()).unwrap().map(|raw| raw.get().to_owned()), None);
    }

    #[test]
    fn what_is_not_meta_stays_as_it_is_written() {
        let stamp = Stamp::modern(Revision::LATEST, "{}", r#"{"name":"c","version":"1"}"#);
        let text =
            stamped(&stamp, r#"{"n":1.0e2,"s":"\u0041","_meta":{"x":1.50e2,"progressToken":3}}"#, None, json!({}));
        assert!(text.contains(r#""n":1.0e2,"s":"\u0041""#) && text.contains(r#""x":1.50e2"#), "{text}");
        assert!(text.contains(r#""progressToken":3"#), "the caller's own, where we have none");
        let no_params = stamp.on(None, None, &Object::new()).unwrap().unwrap();
        assert!(no_params.get().starts_with(r#"{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28""#));
    }

    #[test]
    fn nobody_writes_over_what_the_protocol_has_there() {
        let stamp = Stamp::modern(Revision::LATEST, "{}", "{}");
        let hostile = json!({ VERSION: "1", "progressToken": 9, "traceparent": "00-1" });
        let text = stamped(&stamp, &json!({ "_meta": hostile, "k": 1 }).to_string(), Some(4), hostile);
        let meta = serde_json::from_str::<Value>(&text).unwrap()["_meta"].clone();
        assert_eq!(meta[VERSION], "2026-07-28");
        assert_eq!((&meta["progressToken"], &meta["traceparent"]), (&json!(4), &json!("00-1")));
        assert_eq!(text.matches(VERSION).count(), 1, "{text}");
    }

    #[test]
    fn an_array_cannot_carry_it() {
        let array: Box<RawValue> = serde_json::from_str("[1]").unwrap();
        assert!(Stamp::default().on(Some(&array), None, &Object::new()).unwrap().is_none());
        assert!(Stamp::default().on(Some(&array), Some(1), &Object::new()).is_err());
    }
}
