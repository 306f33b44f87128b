//! Messages of the form that nearly all have: `jsonrpc` first, parameters or a result last, no white space and no escapes
//! between them. What is in that form needs no look at each member's name.

use std::borrow::Cow;

use memchr::memchr;
use serde_json::value::RawValue;

use super::envelope::{Message, Outcome};

/// `None` says nothing of the line but that it is of another form.
pub(super) fn read(line: &[u8]) -> Option<Message<'_>> {
    let text = std::str::from_utf8(line).ok()?;
    let mut rest = text.strip_prefix("{\"jsonrpc\":\"2.0\",")?.strip_suffix('}')?;
    let (mut id, mut method) = (None, None);
    loop {
        if let Some(after) = rest.strip_prefix("\"id\":").filter(|_| id.is_none()) {
            let digits = after.bytes().take_while(u8::is_ascii_digit).count();
            let (number, after) = after.split_at(digits);
            // No number of JSON's has a zero before other digits.
            if number.is_empty() || (number.starts_with('0') && number.len() > 1) {
                return None;
            }
            id = Some(number);
            rest = after;
        } else if let Some(after) = rest.strip_prefix("\"method\":\"").filter(|_| method.is_none()) {
            let name = &after[..memchr(b'"', after.as_bytes())?];
            if name.bytes().any(|byte| byte == b'\\' || byte < b' ') {
                return None;
            }
            method = Some(Cow::Borrowed(name));
            rest = &after[name.len() + 1..];
        } else {
            break;
        }
        if rest.is_empty() {
            return asking(id, method?, None);
        }
        rest = rest.strip_prefix(',')?;
    }
    if let Some(params) = rest.strip_prefix("\"params\":") {
        return asking(id, method?, Some(serde_json::from_str(params).ok()?));
    }
    let result = rest.strip_prefix("\"result\":").filter(|_| method.is_none())?;
    Some(Message::Answer { id: id?, outcome: Outcome::Result(serde_json::from_str(result).ok()?) })
}

fn asking<'a>(id: Option<&'a str>, method: Cow<'a, str>, params: Option<&'a RawValue>) -> Option<Message<'a>> {
    Some(match id {
        Some(id) => Message::Request { id, method, params },
        None => Message::Notification { method, params },
    })
}

#[cfg(test)]
mod tests {
    use super::super::envelope::parse_any;
    use super::*;

    #[test]
    fn whatever_is_read_here_is_read_as_it_is_elsewhere() {
        let usual = [
            r#""id":1,"method":"ping""#,
            r#""method":"ping","id":1"#,
            r#""method":"a/b","params":{"a":[1,"}\""],"jsonrpc":"1.0","id":3}"#,
            r#""id":18446744073709551616,"method":"é","params":null"#,
            r#""id":0,"result":{}"#,
            r#""id":7,"result": [1, 2] "#,
            r#""id":7,"result":"x""#,
            r#""id":7,"result":{"content":[{"type":"text","text":"x"}]}"#,
            r#""id":7,"result":{"resultType":"complete","content":[{"type":"text","text":"é}"}],"isError":false}"#,
        ];
        let other = [
            "",
            r#""id":1"#,
            r#""id":1,"#,
            r#""id":01,"result":1"#,
            r#""id":,"result":1"#,
            r#""id":-1,"result":1"#,
            r#""id":1.0,"result":1"#,
            r#""id":"1","result":1"#,
            r#""id":1,"id":1,"result":1"#,
            r#""id":1,"result":1,"result":1"#,
            r#""id":1,"result":1,"error":{}"#,
            r#""id":1,"result":1}"#,
            r#""id":1,"result":{"a":1"#,
            r#""id":1,"result":{"content":[{"type":"text","text":"\"}]}"#,
            "\"id\":1,\"result\":{\"content\":[{\"type\":\"text\",\"text\":\"\u{1}\"}]}",
            r#""id":1,"result":"#,
            r#""result":1,"id":1"#,
            r#""result":1"#,
            r#""id":1,"params":{}"#,
            r#""params":{}"#,
            r#""id":1,"method":"a","result":1"#,
            r#""method":"a","method":"b""#,
            r#""method":"a\u0062""#,
            "\"method\":\"a\u{1}\"",
            r#""method":"a"#,
            r#""method":5,"id":1"#,
            r#""method":"a","params":{},"id":1"#,
            r#""method":"a","params":{} {}"#,
            r#""method":"a",,"id":1"#,
            r#" "id":1,"method":"a""#,
            r#""jsonrpc":"2.0","id":1,"method":"a""#,
        ];
        for (members, is_usual) in usual.map(|it| (it, true)).into_iter().chain(other.map(|it| (it, false))) {
            let line = format!("{{\"jsonrpc\":\"2.0\",{members}}}");
            let read = read(line.as_bytes());
            assert_eq!(read.is_some(), is_usual, "{line}");
            if let Some(read) = read {
                let elsewhere = parse_any(line.as_bytes()).unwrap_or_else(|why| panic!("{line}: {why:?}"));
                assert_eq!(format!("{read:?}"), format!("{elsewhere:?}"));
            }
        }
        assert!(read(b"{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":\"\xff\"}").is_none());
        assert!(read(b"{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":1} ").is_none());
    }
}
