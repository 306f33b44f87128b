//! Secrets out of text that is about to be logged.
//!
//! In JSON, whatever stands under a name that names a secret goes, and every other string is looked into: it may be
//! JSON again, or text. In text, a name that names a secret is followed by `:` or `=`, and what comes next goes. So do
//! words that look like a well-known kind of key, what follows `Bearer` or `Basic`, and the user's part of an address.
//!
//! It removes too much rather than too little, and cannot know everything: a secret in running text stays.

mod text;

use std::borrow::Cow;

use serde::de::IgnoredAny;

/// What stands where a secret was.
pub const MARK: &str = "[redacted]";

/// How often JSON in a string in JSON is looked into as JSON. Further in, it is text.
const LEVELS: usize = 4;

/// `text` without the secrets that can be told by their names. Borrowed if there are none. What was JSON is JSON still.
///
/// ```
/// use scope_mcp::redact::redact;
/// assert_eq!(redact(r#"{"api_key":"abc","n":1}"#), r#"{"api_key":"[redacted]","n":1}"#);
/// assert_eq!(redact("Authorization: Bearer abc.def"), "Authorization: [redacted]");
/// ```
pub fn redact(text: &str) -> Cow<'_, str> {
    at_level(text, LEVELS).map_or(Cow::Borrowed(text), Cow::Owned)
}

/// Whether values under this name are kept out of logs. Case, `-` and `_` do not matter.
pub fn names_a_secret(name: &str) -> bool {
    if name.len() > 200 {
        return false;
    }
    let plain: String = name.chars().filter(|c| !matches!(c, '-' | '_')).map(|c| c.to_ascii_lowercase()).collect();
    const PARTS: [&str; 13] = [
        "authorization",
        "password",
        "passwd",
        "passphrase",
        "secret",
        "apikey",
        "accesskey",
        "privatekey",
        "signingkey",
        "credential",
        "cookie",
        "sessionid",
        "authtoken",
    ];
    if plain == "progresstoken" || plain == "pwd" {
        return false;
    }
    PARTS.iter().any(|part| plain.contains(part)) || plain.ends_with("token") || plain == "jwt" || plain == "pass"
}

/// `None` if there is nothing to hide.
fn at_level(text: &str, levels: usize) -> Option<String> {
    let looks_like_json = text.trim_ascii_start().starts_with(['{', '[']);
    // Checked first: what follows relies on it.
    if levels > 0 && looks_like_json && serde_json::from_str::<IgnoredAny>(text).is_ok() {
        Json { text, at: 0, copied: 0, out: String::new(), levels }.redact()
    } else {
        text::redact(text)
    }
}

/// Goes through valid JSON once, without building it.
struct Json<'a> {
    text: &'a str,
    at: usize,
    /// Up to here it is in `out` already.
    copied: usize,
    out: String,
    levels: usize,
}

impl Json<'_> {
    fn redact(mut self) -> Option<String> {
        while let Some(byte) = self.peek() {
            if byte != b'"' {
                self.at += 1;
                continue;
            }
            let start = self.at;
            self.skip_string();
            let end = self.at;
            self.skip_spaces();
            // Only a key is followed by a colon.
            if self.peek() == Some(b':') {
                self.at += 1;
                self.skip_spaces();
                if decode(&self.text[start..end]).is_some_and(|key| names_a_secret(&key)) {
                    self.hide_value();
                }
            } else if let Some(inner) = decode(&self.text[start..end])
                && let Some(clean) = at_level(&inner, self.levels - 1)
            {
                self.replace(start, end, &serde_json::Value::from(clean).to_string());
            }
        }
        if self.copied == 0 {
            return None;
        }
        self.out.push_str(&self.text[self.copied..]);
        Some(self.out)
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn skip_spaces(&mut self) {
        while self.peek().is_some_and(|byte| byte.is_ascii_whitespace()) {
            self.at += 1;
        }
    }

    /// From an opening quote to after the closing one.
    fn skip_string(&mut self) {
        self.at += 1;
        while let Some(found) = memchr::memchr2(b'"', b'\\', &self.text.as_bytes()[self.at.min(self.text.len())..]) {
            self.at += found;
            if self.peek() == Some(b'"') {
                self.at += 1;
                return;
            }
            self.at += 2;
        }
        self.at = self.text.len();
    }

    fn hide_value(&mut self) {
        let start = self.at;
        let mut depth = 0_usize;
        while let Some(byte) = self.peek() {
            match byte {
                b'"' => self.skip_string(),
                b'{' | b'[' => {
                    depth += 1;
                    self.at += 1;
                }
                b'}' | b']' if depth > 0 => {
                    depth -= 1;
                    self.at += 1;
                }
                b',' | b'}' | b']' if depth == 0 => break,
                _ => {
                    self.at += 1;
                    continue;
                }
            }
            if depth == 0 {
                break;
            }
        }
        let end = start + self.text[start..self.at].trim_ascii_end().len();
        // A flag or nothing at all says nothing, and is worth seeing.
        if !matches!(&self.text[start..end], "null" | "true" | "false" | "\"\"" | "\"[redacted]\"") {
            self.replace(start, end, "\"[redacted]\"");
        }
    }

    fn replace(&mut self, start: usize, end: usize, with: &str) {
        self.out.push_str(&self.text[self.copied..start]);
        self.out.push_str(with);
        self.copied = end;
    }
}

/// A JSON string's text. `None` for a lone surrogate, which has none.
fn decode(json: &str) -> Option<Cow<'_, str>> {
    let inner = &json[1..json.len() - 1];
    if inner.contains('\\') { serde_json::from_str(json).ok().map(Cow::Owned) } else { Some(Cow::Borrowed(inner)) }
}

#[cfg(test)]
mod tests;
