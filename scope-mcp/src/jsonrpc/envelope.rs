use std::borrow::Cow;
use std::fmt;

use serde::de::{Error as _, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::usual;

/// A message, borrowed from the line it came in. An `id` is the text of any JSON value.
#[derive(Debug)]
pub(crate) enum Message<'a> {
    Request { id: &'a str, method: Cow<'a, str>, params: Option<&'a RawValue> },
    Notification { method: Cow<'a, str>, params: Option<&'a RawValue> },
    Answer { id: &'a str, outcome: Outcome<'a> },
}

/// How a request was answered.
#[derive(Debug)]
pub(crate) enum Outcome<'a> {
    Result(&'a RawValue),
    Error(&'a RawValue),
}

/// Why a line is not a message. What is known of the id comes along, so that a call which waits for that answer need
/// not wait for its time-out.
#[derive(Debug)]
pub(crate) enum Malformed<'a> {
    /// Not JSON at all, or JSON with the same key twice.
    NotJson(serde_json::Error),
    /// Begins with a byte order mark, which JSON forbids.
    ByteOrderMark,
    /// An array: several messages in one, if the revision allows that.
    Batch,
    /// JSON, but no JSON-RPC message: a log line, most likely.
    NotAMessage,
    /// An answer with a result and an error.
    Both(&'a str),
    /// An answer with neither.
    Neither(&'a str),
}

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow, default, deserialize_with = "present")]
    jsonrpc: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    id: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    method: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    params: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    result: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    error: Option<&'a RawValue>,
}

/// `null` is a value here: `"result":null` is an answer.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<&'de RawValue>, D::Error> {
    <&RawValue>::deserialize(deserializer).map(Some)
}

/// Reads one line. The line's own end is not part of it.
pub(crate) fn parse(line: &[u8]) -> Result<Message<'_>, Malformed<'_>> {
    match usual::read(line) {
        Some(message) => Ok(message),
        None => parse_any(line),
    }
}

/// The same, whatever form it is of.
pub(super) fn parse_any(line: &[u8]) -> Result<Message<'_>, Malformed<'_>> {
    // A struct could be read from an array as well, field by field; so look first.
    match line.iter().find(|byte| !matches!(byte, b' ' | b'\t' | b'\r')) {
        Some(b'{') => {}
        Some(b'[') => {
            return Err(match serde_json::from_slice::<&RawValue>(line) {
                Ok(_) => Malformed::Batch,
                Err(error) => Malformed::NotJson(error),
            });
        }
        Some(_) if line.starts_with(b"\xef\xbb\xbf") => return Err(Malformed::ByteOrderMark),
        _ => {
            return Err(match serde_json::from_slice::<&RawValue>(line) {
                Ok(_) => Malformed::NotAMessage,
                Err(error) => Malformed::NotJson(error),
            });
        }
    }
    let envelope: Envelope<'_> = serde_json::from_slice(line).map_err(Malformed::NotJson)?;
    if envelope.jsonrpc.is_none_or(|version| version.get() != "\"2.0\"") {
        return Err(Malformed::NotAMessage);
    }
    match (envelope.method, envelope.id.map(RawValue::get)) {
        (Some(method), id) => {
            let method = text(method).ok_or(Malformed::NotAMessage)?;
            Ok(match id {
                Some(id) => Message::Request { id, method, params: envelope.params },
                None => Message::Notification { method, params: envelope.params },
            })
        }
        (None, Some(id)) => match (envelope.result, envelope.error) {
            (Some(result), None) => Ok(Message::Answer { id, outcome: Outcome::Result(result) }),
            (None, Some(error)) => Ok(Message::Answer { id, outcome: Outcome::Error(error) }),
            // Some peers write every field of their type, the unused one as null.
            (Some(result), Some(error)) if error.get() == "null" => {
                Ok(Message::Answer { id, outcome: Outcome::Result(result) })
            }
            (Some(result), Some(error)) if result.get() == "null" => {
                Ok(Message::Answer { id, outcome: Outcome::Error(error) })
            }
            (Some(_), Some(_)) => Err(Malformed::Both(id)),
            (None, None) => Err(Malformed::Neither(id)),
        },
        (None, None) => Err(Malformed::NotAMessage),
    }
}

/// A batch of more messages is not taken: two bytes are enough for one that is answered with a hundred.
const MAX_BATCH: usize = 1024;

/// Splits a batch into its messages, each raw. `None` if it has none, or too many.
pub(crate) fn parse_batch(line: &[u8]) -> Option<Vec<&RawValue>> {
    struct Messages;

    impl<'de> Visitor<'de> for Messages {
        type Value = Vec<&'de RawValue>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "1 to {MAX_BATCH} messages")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
            let mut messages = Vec::new();
            while let Some(message) = seq.next_element()? {
                if messages.len() == MAX_BATCH {
                    return Err(A::Error::invalid_length(MAX_BATCH + 1, &self));
                }
                messages.push(message);
            }
            Ok(messages)
        }
    }

    let messages = serde_json::Deserializer::from_slice(line).deserialize_seq(Messages).ok()?;
    (!messages.is_empty()).then_some(messages)
}

/// A JSON string's text, borrowed where nothing in it is escaped.
fn text(raw: &RawValue) -> Option<Cow<'_, str>> {
    let inner = raw.get().strip_prefix('"')?.strip_suffix('"')?;
    if inner.contains('\\') { serde_json::from_str(raw.get()).ok().map(Cow::Owned) } else { Some(Cow::Borrowed(inner)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(line: &str) -> (String, Result<String, String>) {
        match parse(line.as_bytes()) {
            Ok(Message::Answer { id, outcome: Outcome::Result(raw) }) => (id.into(), Ok(raw.get().into())),
            Ok(Message::Answer { id, outcome: Outcome::Error(raw) }) => (id.into(), Err(raw.get().into())),
            other => panic!("{line}: {other:?}"),
        }
    }

    #[test]
    fn answers_are_kept_as_they_are() {
        assert_eq!(
            answer(r#"{"jsonrpc":"2.0","id":1,"result":{ "a" : 1.0e2 , "b":[ ] }}"#),
            ("1".into(), Ok(r#"{ "a" : 1.0e2 , "b":[ ] }"#.into()))
        );
        assert_eq!(
            answer(r#"{"error":{"code":-1},"id":"x","jsonrpc":"2.0"}"#),
            ("\"x\"".into(), Err(r#"{"code":-1}"#.into()))
        );
    }

    #[test]
    fn null_is_a_result() {
        assert_eq!(answer(r#"{"jsonrpc":"2.0","id":1,"result":null}"#).1, Ok("null".into()));
        assert_eq!(answer(r#"{"jsonrpc":"2.0","id":1,"result":1,"error":null}"#).1, Ok("1".into()));
        assert_eq!(answer(r#"{"jsonrpc":"2.0","id":null,"error":{}}"#), ("null".into(), Err("{}".into())));
    }

    #[test]
    fn requests_and_notifications_are_told_apart_by_the_id() {
        match parse(br#" {"jsonrpc":"2.0","method":"ping","id":7}"#) {
            Ok(Message::Request { id, method, params: None }) => {
                assert_eq!((id, &*method), ("7", "ping"));
                assert!(matches!(method, Cow::Borrowed(_)));
            }
            other => panic!("{other:?}"),
        }
        match parse(br#"{"jsonrpc":"2.0","method":"a\u002fb","params":[1]}"#) {
            Ok(Message::Notification { method, params: Some(params) }) => {
                assert_eq!((&*method, params.get()), ("a/b", "[1]"));
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn an_answer_has_a_result_or_an_error() {
        assert!(matches!(parse(br#"{"jsonrpc":"2.0","id":1,"result":1,"error":{}}"#), Err(Malformed::Both(_))));
        assert!(matches!(parse(br#"{"jsonrpc":"2.0","id":1}"#), Err(Malformed::Neither(_))));
    }

    #[test]
    fn what_is_no_message_is_named() {
        assert!(matches!(parse(b"hello"), Err(Malformed::NotJson(_))));
        assert!(matches!(parse(b"{\"jsonrpc\":\"2.0\""), Err(Malformed::NotJson(_))));
        assert!(matches!(parse(b"\xef\xbb\xbf{}"), Err(Malformed::ByteOrderMark)));
        assert!(matches!(parse(b"[{}]"), Err(Malformed::Batch)));
        assert!(matches!(parse(b"[{}"), Err(Malformed::NotJson(_))));
        assert!(matches!(parse(b"42"), Err(Malformed::NotAMessage)));
        assert!(matches!(parse(br#"{"level":"info","id":1}"#), Err(Malformed::NotAMessage)));
        assert!(matches!(parse(br#"{"jsonrpc":"1.0","id":1,"result":1}"#), Err(Malformed::NotAMessage)));
        assert!(matches!(parse(br#"{"jsonrpc":"2.0","method":5}"#), Err(Malformed::NotAMessage)));
        assert!(matches!(parse(br#"{"jsonrpc":"2.0","id":1,"id":2,"result":1}"#), Err(Malformed::NotJson(_))));
        assert!(matches!(parse(b"{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":\"\xff\"}"), Err(Malformed::NotJson(_))));
    }

    #[test]
    fn a_batch_is_split_if_it_has_some_messages_and_not_too_many() {
        let messages = parse_batch(b"[{\"a\" : 1}, 7]").unwrap();
        assert_eq!(messages.iter().map(|raw| raw.get()).collect::<Vec<_>>(), ["{\"a\" : 1}", "7"]);
        let many = |count: usize| format!("[{}0]", "0,".repeat(count - 1));
        assert_eq!(parse_batch(many(MAX_BATCH).as_bytes()).unwrap().len(), MAX_BATCH);
        assert!(parse_batch(many(MAX_BATCH + 1).as_bytes()).is_none());
        assert!(parse_batch(b"[]").is_none() && parse_batch(b"[1").is_none());
    }

    #[test]
    fn deep_nesting_is_carried_not_followed() {
        let deep = format!(r#"{{"jsonrpc":"2.0","id":1,"result":{}{}}}"#, "[".repeat(10_000), "]".repeat(10_000));
        assert_eq!(answer(&deep).1.unwrap().len(), 20_000);
    }
}
