//! Messages as we write them: one line each, with its newline.

use serde_json::value::RawValue;

use super::{Id, Json, Line, Rejection, Written};
use crate::unescaped::is_all_plain;

const BEGIN: &[u8] = b"{\"jsonrpc\":\"2.0\"";
const PARAMS: &[u8] = b",\"params\":";
const TEXT_RESULT: &[u8] = b"{\"content\":[{\"type\":\"text\",\"text\":";

/// Longer parameters are copied once to where they belong, not to where there is room around them and then along.
const LONG: usize = 4096;

/// Bytes around what is in a message.
const AROUND: usize = 96;

/// Bytes that most calls of a tool do not need more of, but for their `_meta`.
const CALL: usize = 224;

/// A request of ours. Our ids are whole numbers.
pub(crate) fn request(id: u64, method: &str, params: Option<&[u8]>) -> Vec<u8> {
    let mut line = begin(method.len() + params.map_or(0, <[u8]>::len));
    id_and_method(&mut line, id, method);
    params_member(&mut line, params);
    end(line)
}

/// The same, made of its parameters, which need not be kept.
pub(crate) fn request_around(id: u64, method: &str, params: Written) -> Line {
    if Line::is_long(params.as_bytes()) {
        let mut begin = begin(method.len());
        id_and_method(&mut begin, id, method);
        begin.extend_from_slice(PARAMS);
        return around(begin, params.into_bytes());
    }
    if params.as_bytes().len() > LONG {
        return request(id, method, Some(params.as_bytes())).into();
    }
    let mut line = params.into_bytes();
    to_one_line(&mut line);
    let params = line.len();
    line.reserve(method.len() + AROUND);
    line.extend_from_slice(BEGIN);
    id_and_method(&mut line, id, method);
    line.extend_from_slice(PARAMS);
    let head = line.len() - params;
    line.rotate_right(head);
    end(line).into()
}

/// A message of which the last member's value is long.
fn around(begin: Vec<u8>, mut value: Vec<u8>) -> Line {
    to_one_line(&mut value);
    Line::around(begin, value, b"}\n")
}

/// Begins a call of a tool, up to its name. `meta` is the members of a `_meta`, if there is to be one.
pub(crate) fn begin_tool_call(line: &mut Vec<u8>, id: u64, meta: &str) {
    line.reserve(CALL + meta.len());
    line.extend_from_slice(b"{\"jsonrpc\":\"2.0\",\"id\":");
    number(line, id);
    if meta.is_empty() {
        line.extend_from_slice(b",\"method\":\"tools/call\",\"params\":{\"name\":");
    } else {
        line.extend_from_slice(b",\"method\":\"tools/call\",\"params\":{\"_meta\":{");
        line.extend_from_slice(meta.as_bytes());
        line.extend_from_slice(b"},\"name\":");
    }
}

/// Ends what was [begun](begin_tool_call), when the parameters' members are there.
pub(crate) fn end_tool_call(line: &mut Vec<u8>) {
    to_one_line(line);
    line.extend_from_slice(b"}}\n");
}

/// A request of ours whose parameters begin with `meta`, the members of a `_meta`. `rest` is the text of an object without
/// one, from behind its brace on.
pub(crate) fn request_with_meta(id: u64, method: &str, meta: &str, rest: &[u8]) -> Vec<u8> {
    let mut line = begin(method.len() + meta.len() + rest.len());
    id_and_method(&mut line, id, method);
    line.extend_from_slice(b",\"params\":{\"_meta\":{");
    raw(&mut line, meta.as_bytes());
    let is_empty = rest.trim_ascii_start().starts_with(b"}");
    line.extend_from_slice(if is_empty { b"}" } else { b"}," });
    raw(&mut line, rest);
    end(line)
}

/// A notification of ours.
pub(crate) fn notification(method: &str, params: Option<&RawValue>) -> Line {
    let mut line = begin(method.len() + params.map_or(0, |raw| raw.get().len()));
    line.extend_from_slice(b",\"method\":");
    json(&mut line, method);
    params_member(&mut line, params.map(|raw| raw.get().as_bytes()));
    end(line).into()
}

/// The answer to a request of the peer.
pub(crate) fn result_answer(id: &Id, result: &str) -> Vec<u8> {
    let mut line = begin_answer(id, result.len());
    raw(&mut line, result.as_bytes());
    end(line)
}

/// Up to its result.
fn begin_answer(id: &Id, more: usize) -> Vec<u8> {
    let mut line = begin(id.as_json().len() + more);
    line.extend_from_slice(b",\"id\":");
    raw(&mut line, id.as_json().as_bytes());
    line.extend_from_slice(b",\"result\":");
    line
}

/// What a request of the peer can be answered with.
pub(crate) trait Answer {
    /// The answer to the request `id`.
    fn line(self, id: &Id) -> Line;
}

impl Answer for Json {
    fn line(self, id: &Id) -> Line {
        if Line::is_long(self.get().as_bytes()) {
            return around(begin_answer(id, 0), self.into_bytes());
        }
        result_answer(id, self.get()).into()
    }
}

/// The answer to a call of a tool that gave one text, in the memory of `line`.
pub(crate) fn text_answer(mut line: Vec<u8>, id: &Id, text: String) -> Line {
    let is_long = Line::is_long(text.as_bytes()) && is_all_plain(text.as_bytes());
    line.clear();
    line.reserve(id.as_bytes().len() + if is_long { 0 } else { text.len() } + AROUND);
    line.extend_from_slice(b"{\"jsonrpc\":\"2.0\",\"id\":");
    line.extend_from_slice(id.as_bytes());
    line.extend_from_slice(b",\"result\":");
    if is_long {
        line.extend_from_slice(TEXT_RESULT);
        line.push(b'"');
        return Line::around(line, text.into_bytes(), b"\"}]}}\n");
    }
    text_result(&mut line, &text);
    end(line).into()
}

/// The result of a call of a tool that gave one text.
pub(super) fn text_result(json: &mut Vec<u8>, text: &str) {
    json.extend_from_slice(TEXT_RESULT);
    string(json, text);
    json.extend_from_slice(b"}]}");
}

/// A string as JSON: most have nothing in them that would have to be written otherwise.
pub(super) fn string(line: &mut Vec<u8>, text: &str) {
    if is_all_plain(text.as_bytes()) {
        line.push(b'"');
        line.extend_from_slice(text.as_bytes());
        line.push(b'"');
    } else {
        json(line, text);
    }
}

/// The refusal of a request of the peer. `id` is JSON; there is none for a line of which none is known.
pub(crate) fn rejection_answer(id: Option<&str>, rejection: &Rejection) -> Vec<u8> {
    let error = rejection.raw().get().as_bytes();
    let mut line = begin(id.map_or(0, str::len) + error.len());
    if let Some(id) = id {
        line.extend_from_slice(b",\"id\":");
        raw(&mut line, id.as_bytes());
    }
    line.extend_from_slice(b",\"error\":");
    raw(&mut line, error);
    end(line)
}

/// Room for `more` bytes, and for what stands around them.
fn begin(more: usize) -> Vec<u8> {
    let mut line = Vec::with_capacity(more + AROUND);
    line.extend_from_slice(BEGIN);
    line
}

fn id_and_method(line: &mut Vec<u8>, id: u64, method: &str) {
    line.extend_from_slice(b",\"id\":");
    number(line, id);
    line.extend_from_slice(b",\"method\":");
    if method.bytes().fold(true, |all, byte| all & (byte.is_ascii_graphic() && byte != b'"' && byte != b'\\')) {
        line.push(b'"');
        line.extend_from_slice(method.as_bytes());
        line.push(b'"');
    } else {
        json(line, method);
    }
}

fn number(line: &mut Vec<u8>, number: u64) {
    let written = serde_json::to_writer(line, &number);
    debug_assert!(written.is_ok(), "it cannot fail to be written into memory");
}

fn params_member(line: &mut Vec<u8>, params: Option<&[u8]>) {
    if let Some(params) = params {
        line.extend_from_slice(PARAMS);
        raw(line, params);
    }
}

fn end(mut line: Vec<u8>) -> Vec<u8> {
    line.extend_from_slice(b"}\n");
    line
}

/// Any string.
fn json(line: &mut Vec<u8>, value: &str) {
    let written = serde_json::to_writer(line, value);
    debug_assert!(written.is_ok(), "it cannot fail to be written into memory");
}

/// Copies JSON text. A line break in it can only be white space between tokens, and would end our line too early.
fn raw(line: &mut Vec<u8>, json: &[u8]) {
    let from = line.len();
    line.extend_from_slice(json);
    to_one_line(&mut line[from..]);
}

fn to_one_line(json: &mut [u8]) {
    if memchr::memchr2(b'\n', b'\r', json).is_some() {
        for byte in json {
            if matches!(byte, b'\n' | b'\r') {
                *byte = b' ';
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(line: impl Into<Line>) -> String {
        String::from_utf8(line.into().whole().into_owned()).unwrap()
    }

    #[test]
    fn messages_are_one_line_of_json() {
        let params: Box<RawValue> = serde_json::from_str("{\"a\":\n [1,\r\n 2]}").unwrap();
        assert_eq!(
            text(request(3, "tools/call", Some(params.get().as_bytes()))),
            "{\"jsonrpc\":\"2.0\",\"id\":3,\"method\":\"tools/call\",\"params\":{\"a\":  [1,   2]}}\n"
        );
        for id in [0, 7, 10, u64::MAX] {
            for method in ["tools/call", "a\"b", "a\\", "a b", "é"] {
                let params: Box<RawValue> = serde_json::from_str("{\"a\":\n 1}").unwrap();
                let long = RawValue::from_string(format!("[\n{} 1]", "1,".repeat(50_000))).unwrap();
                assert_eq!(
                    text(request(id, "a", Some(long.get().as_bytes()))),
                    text(request_around(id, "a", long.into()))
                );
                let line = request(id, method, Some(params.get().as_bytes()));
                assert_eq!(Line::from(line.clone()), request_around(id, method, params.into()));
                let read: serde_json::Value = serde_json::from_slice(&line).unwrap();
                assert_eq!((&read["id"], &read["method"]), (&id.into(), &method.into()));
            }
        }
        assert_eq!(text(notification("a\"b", None)), "{\"jsonrpc\":\"2.0\",\"method\":\"a\\\"b\"}\n");
        let id = Id::from_json(b"\"x\\n\"").unwrap();
        assert_eq!(text(result_answer(&id, "{}")), "{\"jsonrpc\":\"2.0\",\"id\":\"x\\n\",\"result\":{}}\n");
        assert_eq!(
            text(rejection_answer(Some(id.as_json()), &Rejection::new(-32601, "no\n"))),
            "{\"jsonrpc\":\"2.0\",\"id\":\"x\\n\",\"error\":{\"code\":-32601,\"message\":\"no\\n\"}}\n"
        );
        for said in [
            "",
            "a",
            "\u{7f}é",
            "a\"b",
            "\\",
            "\n",
            &"x".repeat(3000),
            &("x".repeat(3000) + "\u{1}"),
            &"x".repeat(100_000),
            &("x".repeat(100_000) + "\n"),
        ] {
            let result = serde_json::json!({ "content": [{ "type": "text", "text": said }] });
            let line = result_answer(&id, &result.to_string());
            for before in ["", "what was before"] {
                assert_eq!(text(text_answer(before.into(), &id, said.to_owned())), text(line.clone()));
            }
            assert_eq!(text(Json::of_text(said).line(&id)), text(line));
        }
        assert_eq!(
            text(rejection_answer(None, &Rejection::new(-32700, "no"))),
            "{\"jsonrpc\":\"2.0\",\"error\":{\"code\":-32700,\"message\":\"no\"}}\n"
        );
    }

    #[test]
    fn what_we_write_we_can_read() {
        use super::super::{Message, parse};
        let line = request(u64::MAX, "m", None);
        match parse(&line[..line.len() - 1]) {
            Ok(Message::Request { id, method, params: None }) => {
                assert_eq!((id, &*method), ("18446744073709551615", "m"));
            }
            other => panic!("{other:?}"),
        }
    }
}
