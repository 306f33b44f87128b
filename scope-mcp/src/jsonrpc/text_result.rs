//! The result that most calls of a tool have, told from others at a glance: one text, and nothing else.

use serde_json::value::RawValue;

const COMPLETE: &str = "{\"resultType\":\"complete\",\"content\":[{\"type\":\"text\",\"text\":\"";
const PLAIN: &str = "{\"content\":[{\"type\":\"text\",\"text\":\"";
const END: &str = "\"}]}";
const END_NO_ERROR: &str = "\"}],\"isError\":false}";

/// Longer texts are worth another look, and may have to be written once more for those who want the result as it is.
const LONGEST: usize = 16 * 1024;

/// `{"content":[{"type":"text","text":"…"}]}`, with nothing in the text that is escaped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TextResult<T> {
    /// It begins with `"resultType":"complete"`.
    pub(crate) is_complete: bool,
    /// It ends with `"isError":false`.
    pub(crate) is_no_error: bool,
    pub(crate) text: T,
}

impl<'a> TextResult<&'a str> {
    /// `None` says nothing of `json` but that it is of another form. What is of this form is proper JSON.
    pub(crate) fn read(json: &'a str) -> Option<Self> {
        let (is_complete, rest) = match json.strip_prefix(PLAIN) {
            Some(rest) => (false, rest),
            None => (true, json.strip_prefix(COMPLETE)?),
        };
        let (is_no_error, text) = match rest.strip_suffix(END) {
            Some(text) => (false, text),
            None => (true, rest.strip_suffix(END_NO_ERROR)?),
        };
        // All of them, without a branch for each: they are few.
        let stands_for_itself = |byte: u8| byte >= b' ' && byte != b'"' && byte != b'\\';
        (text.len() <= LONGEST && text.bytes().fold(true, |all, byte| all & stands_for_itself(byte)))
            .then_some(TextResult { is_complete, is_no_error, text })
    }

    /// To be kept.
    pub(crate) fn to_owned(self) -> TextResult<String> {
        TextResult { is_complete: self.is_complete, is_no_error: self.is_no_error, text: self.text.to_owned() }
    }
}

impl TextResult<String> {
    /// As it stood.
    pub(crate) fn into_raw(self) -> Box<RawValue> {
        let begin = if self.is_complete { COMPLETE } else { PLAIN };
        let end = if self.is_no_error { END_NO_ERROR } else { END };
        // It was read as JSON.
        RawValue::from_string([begin, &self.text, end].concat()).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_of_this_form_is_json_and_comes_back_as_it_was() {
        let usual = [
            (PLAIN, "", END),
            (PLAIN, "sixteen bytes it", END_NO_ERROR),
            (COMPLETE, "é, \u{1f600}, \u{7f}, '}]}", END),
            (COMPLETE, "a", END_NO_ERROR),
        ];
        for (begin, text, end) in usual {
            let json = [begin, text, end].concat();
            let read = TextResult::read(&json).unwrap_or_else(|| panic!("{json}"));
            let value: serde_json::Value = serde_json::from_str(&json).unwrap();
            assert_eq!(value["content"][0]["text"], read.text);
            assert_eq!(value.get("resultType").is_some(), read.is_complete);
            assert_eq!(value.get("isError").is_some(), read.is_no_error);
            assert_eq!(read.to_owned().into_raw().get(), json);
        }
    }

    #[test]
    fn whatever_else_there_is_in_a_result_is_left_to_others() {
        let long = "x".repeat(LONGEST + 1);
        for text in ["a\"b", "a\\n", "a\n", "\u{1}", "a\"},{\"type\":\"text\",\"text\":\"b", long.as_str()] {
            assert_eq!(TextResult::read(&[PLAIN, text, END].concat()), None, "{text}");
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
            assert_eq!(TextResult::read(json), None, "{json}");
        }
    }
}
