//! The result that most calls of a tool have, told from others at a glance: one text, and nothing else.

use std::ops::Range;

use serde_json::value::RawValue;

use crate::unescaped::is_all_plain;

const ANSWER: &[u8] = b"{\"jsonrpc\":\"2.0\",\"id\":";
const RESULT: &[u8] = b",\"result\":";
const COMPLETE: &str = "{\"resultType\":\"complete\",\"content\":[{\"type\":\"text\",\"text\":\"";
const PLAIN: &str = "{\"content\":[{\"type\":\"text\",\"text\":\"";
const END: &str = "\"}]}";
const END_NO_ERROR: &str = "\"}],\"isError\":false}";

/// Longer texts are moved once more, rather than copied, for those who want the result as it stood.
const LONG: usize = 4096;

/// `{"content":[{"type":"text","text":"…"}]}`, with nothing in the text that is escaped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TextResult<T> {
    /// It begins with `"resultType":"complete"`.
    pub(crate) is_complete: bool,
    /// It ends with `"isError":false`.
    pub(crate) is_no_error: bool,
    pub(crate) text: T,
}

/// A line that answers the call of ours that has this number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TextAnswer<'a> {
    pub(crate) id: u64,
    pub(crate) result: TextResult<&'a str>,
}

/// A line, and where in it the text stands that it is for.
#[derive(Debug)]
pub(crate) struct Cut {
    line: String,
    at: Range<usize>,
}

impl Cut {
    /// The call that `line` answers, and its result, without a copy of it; or `line` as it was, if it is of another form.
    pub(crate) fn of(line: String) -> Result<(u64, TextResult<Cut>), String> {
        let Some((id, found)) =
            id_and_result(line.as_bytes()).and_then(|(id, result)| Some((id, TextResult::find(result)?)))
        else {
            return Err(line);
        };
        let from = found.text.as_ptr().addr() - line.as_ptr().addr();
        let at = from..from + found.text.len();
        Ok((id, found.around(()).around(Cut { line, at })))
    }

    fn cut(self, more_before: usize, more_behind: usize) -> String {
        let Cut { mut line, at } = self;
        line.truncate(at.end + more_behind);
        line.drain(..at.start - more_before);
        // Who keeps it need not keep much more.
        if line.capacity() > line.len() + line.len() / 4 {
            line.shrink_to_fit();
        }
        line
    }
}

impl TextResult<Cut> {
    /// All of it.
    pub(crate) fn into_line(self) -> String {
        self.text.line
    }

    /// By itself.
    pub(crate) fn into_text(self) -> TextResult<String> {
        self.around(()).around(self.text.cut(0, 0))
    }

    /// As it stood.
    pub(crate) fn into_raw(self) -> Box<RawValue> {
        let (before, behind) = (self.before().len(), self.behind().len());
        RawValue::from_string(self.text.cut(before, behind)).unwrap_or_default()
    }
}

/// What is between the braces of an answer to a call of ours, and which call that is.
#[inline(always)]
fn id_and_result(line: &[u8]) -> Option<(u64, &[u8])> {
    let rest = line.strip_prefix(ANSWER)?;
    let (mut id, mut digits) = (0, 0);
    while let Some(digit) = rest.get(digits).map(|byte| byte.wrapping_sub(b'0')).filter(|digit| *digit < 10) {
        // No number of JSON's has a zero before other digits; and what has more of them is none of ours.
        if digits == 19 || (digits > 0 && id == 0) {
            return None;
        }
        id = id * 10 + u64::from(digit);
        digits += 1;
    }
    Some((id, rest[digits..].strip_prefix(RESULT).filter(|_| digits > 0)?.strip_suffix(b"}")?))
}

impl<'a> TextAnswer<'a> {
    /// `None` says nothing of `line` but that it is of another form. What is of this form is a message.
    pub(crate) fn read(line: &'a [u8]) -> Option<Self> {
        let (id, result) = id_and_result(line)?;
        Some(TextAnswer { id, result: TextResult::read(result)? })
    }
}
impl<T> TextResult<T> {
    /// What stands around the text, around another.
    pub(crate) fn around<U>(&self, text: U) -> TextResult<U> {
        TextResult { is_complete: self.is_complete, is_no_error: self.is_no_error, text }
    }

    fn before(&self) -> &'static str {
        if self.is_complete { COMPLETE } else { PLAIN }
    }

    fn behind(&self) -> &'static str {
        if self.is_no_error { END_NO_ERROR } else { END }
    }
}

impl<'a> TextResult<&'a [u8]> {
    /// `None` says nothing of `json` but that it is of another form. What is of this form is proper JSON, if it is text.
    #[inline(always)]
    fn find(json: &'a [u8]) -> Option<Self> {
        let (is_complete, rest) = match json.strip_prefix(PLAIN.as_bytes()) {
            Some(rest) => (false, rest),
            None => (true, json.strip_prefix(COMPLETE.as_bytes())?),
        };
        let (is_no_error, text) = match rest.strip_suffix(END.as_bytes()) {
            Some(text) => (false, text),
            None => (true, rest.strip_suffix(END_NO_ERROR.as_bytes())?),
        };
        is_all_plain(text).then_some(TextResult { is_complete, is_no_error, text })
    }
}

impl<'a> TextResult<&'a str> {
    /// `None` says nothing of `json` but that it is of another form. What is of this form is proper JSON.
    fn read(json: &'a [u8]) -> Option<Self> {
        let found = TextResult::find(json)?;
        Some(found.around(std::str::from_utf8(found.text).ok()?))
    }

    /// To be kept; where it is long, with room for what stood around it.
    pub(crate) fn to_owned(self) -> TextResult<String> {
        let around = if self.text.len() > LONG { COMPLETE.len() + END_NO_ERROR.len() } else { 0 };
        let mut text = String::with_capacity(self.text.len() + around);
        text.push_str(self.text);
        self.around(text)
    }
}

impl TextResult<String> {
    /// As it stood.
    pub(crate) fn into_raw(self) -> Box<RawValue> {
        let (before, behind) = (self.before(), self.behind());
        let mut text = self.text;
        text.insert_str(0, before);
        text.push_str(behind);
        // It was read as JSON.
        RawValue::from_string(text).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Message, Outcome, parse, whole_number};
    use super::*;

    #[test]
    fn what_is_of_this_form_is_json_and_comes_back_as_it_was() {
        let long = "é".repeat(40_000);
        let usual = [
            (PLAIN, "", END),
            (PLAIN, long.as_str(), END),
            (PLAIN, "sixteen bytes it", END_NO_ERROR),
            (COMPLETE, "é, \u{1f600}, \u{7f}, '}]}", END),
            (COMPLETE, "a", END_NO_ERROR),
        ];
        for (begin, text, end) in usual {
            let json = [begin, text, end].concat();
            let read = TextResult::read(json.as_bytes()).unwrap_or_else(|| panic!("{json}"));
            let value: serde_json::Value = serde_json::from_str(&json).unwrap();
            assert_eq!(value["content"][0]["text"], read.text);
            assert_eq!(value.get("resultType").is_some(), read.is_complete);
            assert_eq!(value.get("isError").is_some(), read.is_no_error);
            assert_eq!(read.to_owned().into_raw().get(), json);
            let line = format!("{{\"jsonrpc\":\"2.0\",\"id\":12,\"result\":{json}}}");
            let (id, long) = Cut::of(line.clone()).unwrap();
            assert_eq!((id, long.into_raw().get()), (12, json.as_str()));
            assert_eq!(Cut::of(line.clone()).unwrap().1.into_text(), read.to_owned());
            assert_eq!(Cut::of(line.clone()).unwrap().1.into_line(), line);
            assert_eq!(Cut::of(line.replace("content", "contents")).unwrap_err(), line.replace("content", "contents"));
        }
    }

    #[test]
    fn whatever_else_there_is_in_a_result_is_left_to_others() {
        let long = "x".repeat(5000) + "\"";
        for text in ["a\"b", "a\\n", "a\n", "\u{1}", "a\"},{\"type\":\"text\",\"text\":\"b", long.as_str()] {
            assert_eq!(TextResult::read([PLAIN, text, END].concat().as_bytes()), None, "{text}");
        }
        for json in [
            "",
            "{}",
            PLAIN,
            END,
            r#"{"content":[]}"#,
            r#"{"content":[{"type":"text","text":"a"}],"isError":true}"#,
            r#"{"content":[{"type":"text","text":"a"}],"structuredContent":{}}"#,
            r#"{"content":[{"text":"a","type":"text"}]}"#,
            r#"{"content":[{"type":"text","text":"a"}]} "#,
            r#"{"resultType":"task","content":[{"type":"text","text":"a"}]}"#,
        ] {
            assert_eq!(TextResult::read(json.as_bytes()), None, "{json}");
        }
    }

    #[test]
    fn an_answer_is_read_here_as_it_is_elsewhere() {
        let text = [PLAIN, "\u{e9}", END].concat();
        for (id, number) in [("0", 0), ("7", 7), ("10", 10), ("9999999999999999999", 9_999_999_999_999_999_999)] {
            let line = format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"result\":{text}}}");
            let Ok(Message::Answer { id, outcome: Outcome::Result(raw) }) = parse(line.as_bytes()) else {
                panic!("{line}: it is an answer")
            };
            let answer = TextAnswer::read(line.as_bytes()).unwrap();
            assert_eq!((answer.id, whole_number(id)), (number, Some(number)));
            assert_eq!(answer.result.to_owned().into_raw().get(), raw.get());
        }
        for line in [
            format!("{{\"jsonrpc\":\"2.0\",\"id\":,\"result\":{text}}}"),
            format!("{{\"jsonrpc\":\"2.0\",\"id\":01,\"result\":{text}}}"),
            format!("{{\"jsonrpc\":\"2.0\",\"id\":00,\"result\":{text}}}"),
            format!("{{\"jsonrpc\":\"2.0\",\"id\":-1,\"result\":{text}}}"),
            format!("{{\"jsonrpc\":\"2.0\",\"id\":1.0,\"result\":{text}}}"),
            format!("{{\"jsonrpc\":\"2.0\",\"id\":\"1\",\"result\":{text}}}"),
            format!("{{\"jsonrpc\":\"2.0\",\"id\":18446744073709551617,\"result\":{text}}}"),
            format!("{{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{text}"),
            format!("{{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{text}}} "),
            format!("{{\"jsonrpc\":\"2.0\",\"id\":1,\"error\":{text}}}"),
            "{\"jsonrpc\":\"2.0\",\"id\":1".to_owned(),
        ] {
            assert_eq!(TextAnswer::read(line.as_bytes()), None, "{line}");
        }
        let mut line = format!("{{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{PLAIN}").into_bytes();
        line.extend_from_slice(b"\xff\"}]}}");
        assert_eq!(TextAnswer::read(&line), None);
    }
}
