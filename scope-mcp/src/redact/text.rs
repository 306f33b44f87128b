//! Secrets in text that is not JSON: log lines, headers, JSON that was cut off.

use super::{MARK, names_a_secret};

/// `text` with its secrets replaced; `None` if there are none.
pub(super) fn redact(text: &str) -> Option<String> {
    let bytes = text.as_bytes();
    let mut out = String::new();
    let mut copied = 0;
    let mut at = 0;
    while let Some(word) = next_word(bytes, at) {
        at = word.end;
        let Some(secret) = secret_after(text, &word) else { continue };
        if secret.start >= secret.end || text[secret.start..].starts_with(MARK) {
            continue;
        }
        out.push_str(&text[copied..secret.start]);
        out.push_str(MARK);
        copied = secret.end;
        at = secret.end;
    }
    if copied == 0 {
        return None;
    }
    out.push_str(&text[copied..]);
    Some(out)
}

type Span = std::ops::Range<usize>;

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-'
}

fn next_word(bytes: &[u8], mut from: usize) -> Option<Span> {
    loop {
        let mut start = from + bytes[from..].iter().position(|byte| is_word(*byte))?;
        // After a backslash the first letter belongs to the escape (`\n`, `\t`), not to the word.
        if start > 0 && bytes[start - 1] == b'\\' && bytes[start].is_ascii_alphabetic() {
            start += 1;
        }
        let length = bytes[start..].iter().position(|byte| !is_word(*byte)).unwrap_or(bytes.len() - start);
        if length > 0 {
            return Some(start..start + length);
        }
        from = start;
    }
}

/// The secret that `word` announces, or is.
fn secret_after(text: &str, word: &Span) -> Option<Span> {
    let bytes = text.as_bytes();
    let name = &text[word.clone()];
    if names_a_secret(name) {
        return value_after(bytes, word.end);
    }
    if looks_like_a_key(name) {
        return Some(word.clone());
    }
    if name.eq_ignore_ascii_case("bearer") || name.eq_ignore_ascii_case("basic") {
        let start = skip_spaces(bytes, word.end);
        if start == word.end {
            // What follows may be long, and have such words in it again.
            return None;
        }
        let end = bare_end(bytes, start);
        // "Basic authentication" is no secret.
        return (end - start >= 8 && bytes[start..end].iter().any(|b| !b.is_ascii_lowercase())).then_some(start..end);
    }
    if bytes[word.end..].starts_with(b"://") {
        let start = word.end + 3;
        let end = bytes[start..].iter().position(|b| b"/?#\"'\\ <>\n".contains(b)).map_or(bytes.len(), |n| start + n);
        return bytes[start..end].iter().rposition(|b| *b == b'@').map(|n| start..start + n);
    }
    None
}

/// The beginnings of keys that are told by their beginnings.
fn looks_like_a_key(word: &str) -> bool {
    const KINDS: [&str; 11] =
        ["sk-", "sk_live_", "rk_live_", "ghp_", "gho_", "ghs_", "github_pat_", "glpat-", "xoxb-", "xoxp-", "AKIA"];
    word.len() >= 16 && KINDS.iter().any(|kind| word.starts_with(kind))
}

/// The value after a name: past the name's own closing quote, a `:` or `=`, and spaces.
fn value_after(bytes: &[u8], name_end: usize) -> Option<Span> {
    let mut at = name_end;
    let quote = quote_at(bytes, at);
    if let Some(quote) = &quote {
        at = quote.end;
    }
    at = skip_spaces(bytes, at);
    if !matches!(bytes.get(at), Some(b':' | b'=')) {
        return None;
    }
    at = skip_spaces(bytes, at + 1);
    if let Some(open) = quote_at(bytes, at) {
        return Some(open.end..string_end(bytes, &open));
    }
    match bytes.get(at)? {
        b'{' | b'[' => Some(at..structure_end(bytes, at, quote.map_or(0, |quote| quote.slashes))),
        _ if quote.is_some() => {
            let end = bare_end(bytes, at);
            // A flag or nothing at all says nothing; and a program may expect it there.
            (!matches!(&bytes[at..end], b"null" | b"true" | b"false")).then_some(at..end)
        }
        // A header or a variable: to the end of the line, or of the string it stands in.
        _ => Some(at..line_end(bytes, at)),
    }
}

fn skip_spaces(bytes: &[u8], from: usize) -> usize {
    bytes[from..].iter().position(|b| !matches!(b, b' ' | b'\t')).map_or(bytes.len(), |n| from + n)
}

/// A quote with the backslashes before it: `"`, `\"`, `\\\"`, the deeper the string in other strings, the more.
struct Quote {
    slashes: usize,
    end: usize,
    byte: u8,
}

fn quote_at(bytes: &[u8], at: usize) -> Option<Quote> {
    let slashes = bytes[at..].iter().take_while(|b| **b == b'\\').count();
    let byte = *bytes.get(at + slashes)?;
    // The text of a string in a string in a string has 0, 1, 3, 7 … backslashes.
    (matches!(byte, b'"' | b'\'') && (slashes + 1).is_power_of_two()).then_some(Quote {
        slashes,
        end: at + slashes + 1,
        byte,
    })
}

/// Where the string that `open` began ends: before its closing quote, or that of a string around it.
fn string_end(bytes: &[u8], open: &Quote) -> usize {
    let mut at = open.end;
    let mut slashes = 0;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'\\' => slashes += 1,
            b'"' | b'\'' => {
                let closes = *byte == open.byte && slashes % (2 * (open.slashes + 1)) == open.slashes;
                if closes || (*byte == b'"' && closes_outer(slashes, open.slashes)) {
                    return at - slashes.min(open.slashes);
                }
                slashes = 0;
            }
            b'\n' => return at,
            _ => slashes = 0,
        }
        at += 1;
    }
    bytes.len()
}

/// Whether a quote after that many backslashes closes a string around one of depth `inner`.
fn closes_outer(slashes: usize, inner: usize) -> bool {
    let mut outer = inner / 2;
    let mut depth = inner;
    while depth > 0 {
        if slashes % (2 * (outer + 1)) == outer {
            return true;
        }
        depth = outer;
        outer /= 2;
    }
    false
}

/// The end of the object or array at `at`, whose strings have quotes with that many backslashes.
fn structure_end(bytes: &[u8], mut at: usize, slashes: usize) -> usize {
    let mut depth = 0_usize;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'{' | b'[' => depth += 1,
            b'}' | b']' => {
                depth -= 1;
                if depth == 0 {
                    return at + 1;
                }
            }
            b'\\' | b'"' => {
                // Counted once, however many: of too many, the last are the quote's.
                let run = bytes[at..].iter().take_while(|b| **b == b'\\').count();
                let after = at + run;
                match bytes.get(after) {
                    Some(b'"') if run >= slashes => {
                        let end = string_end(bytes, &Quote { slashes, end: after + 1, byte: b'"' });
                        match quote_at(bytes, end) {
                            Some(close) if close.slashes == slashes => at = close.end,
                            // A string around this one ends here.
                            _ => return end,
                        }
                    }
                    // The end of a string around it. An apostrophe by itself is text.
                    Some(b'"') => return after - outer_slashes(run),
                    Some(b'\'') if run > 0 && slashes > 1 => return after - outer_slashes(run.min(slashes - 1)),
                    _ => at = after,
                }
                continue;
            }
            _ => {}
        }
        at += 1;
    }
    bytes.len()
}

/// So many of `run` backslashes are those of a quote.
fn outer_slashes(run: usize) -> usize {
    (run + 2).next_power_of_two() / 2 - 1
}

/// The end of a word of JSON, or of a token.
fn bare_end(bytes: &[u8], from: usize) -> usize {
    bytes[from..].iter().position(|b| b" \t\r\n,;&}])\"'\\".contains(b)).map_or(bytes.len(), |n| from + n)
}

fn line_end(bytes: &[u8], from: usize) -> usize {
    bytes[from..].iter().position(|b| b"\r\n,;&\"'\\}".contains(b)).map_or(bytes.len(), |n| from + n)
}
