use memchr::memchr2;

use super::About;
use crate::jsonrpc::Id;

/// Finds the `id` of a message whose text goes by and is not kept.
///
/// Some peers write the id first, some last, so the whole text is followed: how deep in objects and arrays it is, and
/// whether in a string. That is all that is remembered, besides the key or the id being read.
#[derive(Debug, Default)]
pub(crate) struct IdProbe {
    depth: u64,
    /// The outermost object has begun.
    begun: bool,
    in_string: bool,
    escaped: bool,
    /// Where in the outermost object we are.
    at: At,
    /// The key or the id, as far as it has been read.
    text: Vec<u8>,
    id: Option<Vec<u8>>,
    /// It names a method: no answer, so its id is the peer's.
    method: bool,
    /// Not an object, or two ids: nothing can be said.
    lost: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum At {
    #[default]
    Key,
    Value,
    IdValue,
}

impl IdProbe {
    pub(crate) fn feed(&mut self, mut bytes: &[u8]) {
        while !self.lost && !bytes.is_empty() {
            if self.in_string && !self.escaped && !self.keeps() {
                // The inside of a string nobody asked for: nearly all of a long line.
                match memchr2(b'"', b'\\', bytes) {
                    Some(at) => bytes = &bytes[at..],
                    None => return,
                }
            }
            let (byte, rest) = (bytes[0], &bytes[1..]);
            bytes = rest;
            if self.in_string { self.inside(byte) } else { self.outside(byte) }
        }
    }

    /// The call that the text was about, if it has an id.
    /// Of a text that was cut off in the middle, what was complete by then counts.
    pub(crate) fn finish(self) -> Option<About> {
        if self.lost {
            return None;
        }
        let id = Id::from_json(self.id.as_deref()?)?;
        Some(if self.method { About::Request(id) } else { About::Answer(id) })
    }

    /// Whether the bytes that pass now are a key of the outermost object, or the id.
    fn keeps(&self) -> bool {
        self.depth == 1 && self.at != At::Value
    }

    fn inside(&mut self, byte: u8) {
        if self.keeps() {
            self.keep(byte);
        }
        match byte {
            _ if self.escaped => self.escaped = false,
            b'\\' => self.escaped = true,
            b'"' => self.in_string = false,
            _ => {}
        }
    }

    fn outside(&mut self, byte: u8) {
        match byte {
            b' ' | b'\t' | b'\r' => {
                // Kept, so that `1 2` does not read as 12.
                if self.keeps() && !self.text.is_empty() {
                    self.keep(byte);
                }
            }
            _ if self.depth == 0 => {
                // Anything but an object, or anything after it.
                self.lost = byte != b'{' || self.begun;
                self.begun = true;
                self.depth = 1;
            }
            b'{' | b'[' => {
                self.lost |= self.keeps();
                self.depth += 1;
            }
            b'}' | b']' => {
                if self.depth == 1 {
                    self.value_ends();
                }
                self.depth -= 1;
            }
            b'"' => {
                if self.keeps() {
                    self.keep(byte);
                }
                self.in_string = true;
            }
            _ if self.depth > 1 => {}
            b':' => {
                self.at = match self.text.trim_ascii_end() {
                    b"\"id\"" => At::IdValue,
                    b"\"method\"" => {
                        self.method = true;
                        At::Value
                    }
                    _ => At::Value,
                };
                self.text.clear();
            }
            b',' => self.value_ends(),
            _ => {
                if self.keeps() {
                    self.keep(byte);
                }
            }
        }
    }

    fn value_ends(&mut self) {
        if self.at == At::IdValue {
            self.lost |= self.id.is_some();
            self.id = Some(std::mem::take(&mut self.text));
        }
        self.text.clear();
        self.at = At::Key;
    }

    fn keep(&mut self, byte: u8) {
        // Too long to be an id: cut, and still too long.
        if self.text.len() <= Id::LONGEST {
            self.text.push(byte);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn probe(text: &str) -> Option<String> {
        let mut whole = IdProbe::default();
        whole.feed(text.as_bytes());
        let whole = whole.finish();
        let mut piecewise = IdProbe::default();
        for byte in text.bytes() {
            piecewise.feed(&[byte]);
        }
        assert_eq!(whole, piecewise.finish(), "{text}: pieces and whole differ");
        whole.map(|about| match about {
            About::Answer(id) => id.as_json().to_owned(),
            About::Request(id) => format!("request {id}"),
        })
    }

    #[test]
    fn the_id_is_found_wherever_it_stands() {
        assert_eq!(probe(r#"{"jsonrpc":"2.0","id":17,"result":{"a":"xxx"}}"#).as_deref(), Some("17"));
        assert_eq!(probe(r#"{"result":{"id":3,"b":[{"id":4}]},"jsonrpc":"2.0","id":17}"#).as_deref(), Some("17"));
        assert_eq!(probe(r#" { "id" : "a\"b" , "result" : "x" } "#).as_deref(), Some(r#""a\"b""#));
        assert_eq!(probe(r#"{"result":"\"id\":5,","id":17}"#).as_deref(), Some("17"));
        assert_eq!(probe(r#"{"result":"\\","id":17}"#).as_deref(), Some("17"));
    }

    #[test]
    fn what_is_cut_off_counts_as_far_as_it_was_complete() {
        assert_eq!(probe(r#"{"jsonrpc":"2.0","id":17,"result":{"a":"xx"#).as_deref(), Some("17"));
        assert_eq!(probe(r#"{"result":{"a":1},"id""#), None);
    }

    #[test]
    fn what_names_a_method_is_a_request() {
        let text = r#"{"jsonrpc":"2.0","id":17,"method":"roots/list","params":{}}"#;
        assert_eq!(probe(text).as_deref(), Some("request 17"));
        assert_eq!(probe(r#"{"method":"x","id":"a"}"#).as_deref(), Some("request \"a\""));
        assert_eq!(probe(r#"{"method":"x"}"#), None);
    }

    #[test]
    fn in_doubt_there_is_none() {
        for text in [
            "",
            "text",
            "[{\"id\":1}]",
            "{\"id\":1,\"id\":2}",
            "{\"id\":{\"a\":1}}",
            "{\"id\":null}",
            "{\"id\":[1]}",
            "{}",
            "{\"Id\":1}",
            "{\"id\":1}{\"id\":2}",
            "}}}}",
            "\"id\":1",
            "{\"id\":1 2}",
        ] {
            assert_eq!(probe(text), None, "{text}");
        }
        let long = format!("{{\"id\":\"{}\"}}", "x".repeat(10_000));
        assert_eq!(probe(&long), None);
    }

    #[test]
    fn deep_nesting_costs_nothing() {
        let deep = format!("{{\"result\":{}{},\"id\":9}}", "[".repeat(100_000), "]".repeat(100_000));
        assert_eq!(probe(&deep).as_deref(), Some("9"));
    }
}
