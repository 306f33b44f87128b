//! What stands in the `_meta` of every request of ours.

use std::borrow::Cow;

use serde_json::value::RawValue;

use super::splice::{Member, NoObject, may_have_meta, member, splice};
use crate::Revision;
use crate::jsonrpc::{self, Line, Written};
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
pub(crate) struct Stamp {
    members: Vec<(&'static str, String)>,
    /// The same as text.
    text: String,
}

impl Stamp {
    /// As the modern era wants it. `capabilities` and `client_info` are JSON.
    pub(crate) fn modern(revision: Revision, capabilities: &str, client_info: &str) -> Stamp {
        let members = vec![
            (VERSION, format!("\"{revision}\"")),
            (CAPABILITIES, capabilities.to_owned()),
            (CLIENT_INFO, client_info.to_owned()),
        ];
        let mut text = String::new();
        for (key, value) in &members {
            member(&mut text, key, value);
        }
        Stamp { members, text }
    }

    /// Begins a call of a tool, up to its name, behind what stands in each request.
    pub(crate) fn begin_tool_call(&self, line: &mut Vec<u8>, id: u64) {
        jsonrpc::begin_tool_call(line, id, &self.text);
    }

    /// A request, as the line that it is, with what has to stand in its `_meta`: see [`on`](Stamp::on). With `progress`, its
    /// id is the progress token.
    ///
    /// # Errors
    /// As [`on`](Stamp::on).
    pub(crate) fn request(
        &self,
        id: u64,
        method: &str,
        params: Option<Cow<'_, Written>>,
        progress: bool,
        more: &Object,
    ) -> Result<Line, &'static str> {
        if !self.text.is_empty() && !progress && more.is_empty() {
            // As nearly all are: nothing has to be read.
            let params = params.as_deref().map_or(b"{}".as_slice(), Written::as_bytes);
            if let Some(rest) = params.trim_ascii_start().strip_prefix(b"{")
                && !may_have_meta(params)
            {
                return Ok(jsonrpc::request_with_meta(id, method, &self.text, rest).into());
            }
        }
        if self.members.is_empty() && !progress && more.is_empty() {
            return Ok(match params {
                Some(Cow::Owned(params)) => jsonrpc::request_around(id, method, params),
                params => jsonrpc::request(id, method, params.as_deref().map(Written::as_bytes)).into(),
            });
        }
        let params = params.as_deref().map(|params| params.as_raw().ok_or("it is not proper JSON")).transpose()?;
        let stamped = self.on(params, progress.then_some(id), more)?;
        Ok(jsonrpc::request(id, method, stamped.as_deref().or(params).map(|raw| raw.get().as_bytes())).into())
    }

    /// `params` with what has to stand in its `_meta`: this stamp, the progress token, and what the caller adds, in this
    /// order of right. Nothing else is touched, not even the spelling. `None` if nothing has to be changed.
    ///
    /// # Errors
    /// If something has to be, and `params` is no object.
    fn on(
        &self,
        params: Option<&RawValue>,
        progress_token: Option<u64>,
        more: &Object,
    ) -> Result<Option<Box<RawValue>>, &'static str> {
        if self.members.is_empty() && progress_token.is_none() && more.is_empty() {
            return Ok(None);
        }
        let token = progress_token.map(|token| token.to_string());
        let ours = |key: &str| match key {
            PROGRESS_TOKEN => token.is_some(),
            VERSION | CAPABILITIES | CLIENT_INFO => !self.members.is_empty(),
            _ => false,
        };
        let more: Vec<(&str, String)> =
            more.iter().filter(|(key, _)| !ours(key)).map(|(key, value)| (key.as_str(), value.to_string())).collect();
        let fixed = self.members.iter().map(|(key, value)| (*key, value.as_str()));
        let token = token.as_deref().map(|token| (PROGRESS_TOKEN, token));
        let meta: Vec<Member<'_>> =
            fixed.chain(token).chain(more.iter().map(|(key, value)| (*key, value.as_str()))).collect();
        splice(params.map_or("{}", RawValue::get), &[], &meta).map(Some).map_err(|NoObject(why)| why)
    }
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
