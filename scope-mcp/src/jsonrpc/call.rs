//! Calls of tools in the form that nearly all have: found in a line without its parameters being read.

use memchr::memchr;

use super::Id;

/// A line that is a call of a tool, if its parameters are JSON, or text at all: nobody has looked.
#[derive(Debug)]
pub(crate) struct ToolCall<'a> {
    pub(crate) id: Id,
    /// What stands between the braces of the object that they are.
    pub(crate) members: &'a [u8],
}

/// In longer parameters the tool is looked for before all of them are.
const HEAD: usize = 4096;

impl<'a> ToolCall<'a> {
    /// `None` says nothing of the line but that it is of another form.
    pub(crate) fn read(line: &'a [u8]) -> Option<ToolCall<'a>> {
        let rest = line.strip_prefix(b"{\"jsonrpc\":\"2.0\",\"id\":")?;
        let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let (digits, rest) = rest.split_at(digits);
        let members = rest.strip_prefix(b",\"method\":\"tools/call\",\"params\":{")?.strip_suffix(b"}}")?;
        Some(ToolCall { id: Id::from_digits(digits)?, members })
    }

    /// Of many the first, up to what is no text: enough to see which tool is called.
    pub(crate) fn head(&self) -> Option<&'a str> {
        (self.members.len() > HEAD).then(|| self.members[..HEAD].utf8_chunks().next().map_or("", |head| head.valid()))
    }

    /// The name of the tool and its arguments, where `members` are these alone: if the arguments are JSON, which nobody has
    /// looked at, and end where `members` do.
    pub(crate) fn parts(members: &str) -> Option<(&str, &str)> {
        let rest = members.strip_prefix("\"name\":\"")?;
        let name = &rest[..memchr(b'"', rest.as_bytes())?];
        if name.bytes().any(|byte| byte == b'\\' || byte < b' ') {
            return None;
        }
        Some((name, rest[name.len()..].strip_prefix("\",\"arguments\":")?))
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Message, parse};
    use super::*;

    #[test]
    fn a_call_is_found_as_it_is_read_elsewhere() {
        let line = r#"{"jsonrpc":"2.0","id":17,"method":"tools/call","params":{"name":"a","arguments":{"b":"}}"}}}"#;
        let call = ToolCall::read(line.as_bytes()).unwrap();
        let Ok(Message::Request { params: Some(params), .. }) = parse(line.as_bytes()) else {
            panic!("it is a request")
        };
        let text = std::str::from_utf8(call.members).unwrap();
        assert_eq!((call.id.as_json(), format!("{{{text}}}")), ("17", params.get().to_owned()));
        assert_eq!((ToolCall::parts(text), call.head()), (Some(("a", r#"{"b":"}}"}"#)), None));
    }

    #[test]
    fn of_a_long_call_the_head_is_text_wherever_it_is_cut() {
        for more in 0..3 {
            let text = "x".repeat(more) + &"€".repeat(HEAD);
            let call = ToolCall { id: Id::from_digits(b"1").unwrap(), members: text.as_bytes() };
            let head = call.head().unwrap();
            assert!(text.starts_with(head) && (HEAD - 2..=HEAD).contains(&head.len()), "{}", head.len());
        }
        let call = ToolCall { id: Id::from_digits(b"1").unwrap(), members: &[0xff; HEAD + 1] };
        assert_eq!(call.head(), Some(""));
    }

    #[test]
    fn what_is_of_another_form_is_left_to_others() {
        for line in [
            r#"{"jsonrpc":"2.0","id":"1","method":"tools/call","params":{}}"#,
            r#"{"jsonrpc":"2.0","id":01,"method":"tools/call","params":{}}"#,
            r#"{"jsonrpc":"2.0","id":,"method":"tools/call","params":{}}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{}}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{} }"#,
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/call"}"#,
        ] {
            assert!(ToolCall::read(line.as_bytes()).is_none(), "{line}");
        }
        let line = b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/call\",\"params\":{\"\xff\"}}";
        assert_eq!(ToolCall::read(line).unwrap().members, b"\"\xff\"");
        for members in [
            r#""arguments":{},"name":"a""#,
            r#""name":"a\u0062","arguments":{}"#,
            "\"name\":\"a\u{1}\",\"arguments\":{}",
            r#""name":"a""#,
            r#""name":"a"#,
            r#""name" :"a","arguments":{}"#,
        ] {
            assert!(ToolCall::parts(members).is_none(), "{members}");
        }
    }
}
