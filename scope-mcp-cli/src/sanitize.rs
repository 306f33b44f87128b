//! Makes visible what would otherwise act on a terminal, or deceive the person who reads it.
//!
//! A server may say anything: escape sequences that move the cursor or set the title, carriage returns that overwrite a
//! line, marks that turn the direction of text around, invisible tag characters. None of it reaches a terminal.

use std::borrow::Cow;
use std::fmt::Write as _;

use scope_mcp::visible::Visible;
use serde::Serialize;

use crate::exit::Stop;

/// For text that may have lines of its own: newlines and tabs stay, and `\r\n` is a newline.
pub(crate) fn text(text: &str) -> String {
    if text.contains("\r\n") {
        return Visible::multi_line(&text.replace("\r\n", "\n")).to_string();
    }
    Visible::multi_line(text).to_string()
}

/// For what has to stay on one line.
pub(crate) fn line(text: &str) -> String {
    Visible::new(text, usize::MAX).to_string()
}

/// For JSON: the same document, with what acts written as `\u` escapes. `json` is valid, so such a character can stand
/// only inside a string.
pub(crate) fn json(json: &str) -> Cow<'_, str> {
    let Some(first) = json.find(acts) else {
        return Cow::Borrowed(json);
    };
    let mut shown = String::with_capacity(json.len() + 16);
    shown.push_str(&json[..first]);
    for c in json[first..].chars() {
        if acts(c) {
            for unit in c.encode_utf16(&mut [0; 2]) {
                _ = write!(shown, "\\u{unit:04x}");
            }
        } else {
            shown.push(c);
        }
    }
    Cow::Owned(shown)
}

/// A server's result, as JSON that is fit for a terminal.
pub(crate) fn to_json(result: &impl Serialize) -> Result<String, Stop> {
    let text = serde_json::to_string(result)
        .map_err(|error| Stop::server(format!("the result cannot be written as JSON: {error}")))?;
    Ok(json(&text).into_owned())
}

/// Whether `c` does something other than being seen.
fn acts(c: char) -> bool {
    match c {
        ' '..='~' | '\n' | '\t' | '\r' => false,
        c => {
            let mut buffer = [0; 4];
            let c: &str = c.encode_utf8(&mut buffer);
            Visible::multi_line(c).to_string() != c
        }
    }
}

/// At most `limit` characters of `text`, on one line, with `…` in place of the rest.
pub(crate) fn short(text: &str, limit: usize) -> String {
    let shown = line(text);
    match shown.char_indices().nth(limit) {
        None => shown,
        Some(_) => {
            let end = shown.char_indices().nth(limit.saturating_sub(1)).map_or(0, |(at, _)| at);
            format!("{}…", &shown[..end])
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_stay_where_they_may() {
        assert_eq!(text("one\r\n\ttwo\rEVIL\u{1b}[2J"), "one\n\ttwo\\rEVIL\\x1b[2J");
        assert_eq!(line("one\ntwo\u{202e}"), "one\\ntwo\\u{202e}");
        assert_eq!(text("Grüße, 世界"), "Grüße, 世界");
    }

    #[test]
    fn json_keeps_its_meaning() {
        let raw = "{\"a\":\"x\u{9b}2J\u{e0041}\u{202e}\",\n\"b\":1}";
        let shown = json(raw);
        assert!(!shown.chars().any(acts), "{shown:?}");
        let before: serde_json::Value = serde_json::from_str(raw).unwrap();
        let after: serde_json::Value = serde_json::from_str(&shown).unwrap();
        assert_eq!(before, after);
    }

    #[test]
    fn short_counts_characters() {
        assert_eq!(short("äöü", 3), "äöü");
        assert_eq!(short("äöüß", 3), "äö…");
        assert_eq!(short("a\nbcd", 4), "a\\n…");
        assert_eq!(short("", 0), "");
        assert_eq!(short("x", 0), "…");
    }
}
