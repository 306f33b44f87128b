//! Text of a peer, made fit for a message or a terminal.

use std::fmt::{self, Write as _};

/// Shows text that somebody else wrote: control characters, and the characters that reorder or hide text, are escaped
/// (`\x1b`, `\u{202e}`), line breaks become `\n`, and what is too long is cut, with a count of what is missing.
///
/// ```
/// use scope_mcp::visible::Visible;
/// assert_eq!(Visible::new("\u{1b}[31mred\n", 80).to_string(), r"\x1b[31mred\n");
/// assert_eq!(Visible::new("abcdef", 4).to_string(), "abcd… (2 more bytes)");
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Visible<'a> {
    text: &'a str,
    max: usize,
    keep_lines: bool,
}

impl<'a> Visible<'a> {
    /// Shows at most `max` bytes of `text`, in one line.
    pub fn new(text: &'a str, max: usize) -> Self {
        Visible { text, max, keep_lines: false }
    }

    /// Shows all of `text` and leaves its line breaks and tabs alone.
    pub fn multi_line(text: &'a str) -> Self {
        Visible { text, max: usize::MAX, keep_lines: true }
    }
}

impl fmt::Display for Visible<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut cut = self.max.min(self.text.len());
        while !self.text.is_char_boundary(cut) {
            cut -= 1;
        }
        let (shown, rest) = self.text.split_at(cut);
        for c in shown.chars() {
            match c {
                '\n' | '\t' if self.keep_lines => f.write_char(c)?,
                '\n' => f.write_str("\\n")?,
                '\r' => f.write_str("\\r")?,
                '\t' => f.write_str("\\t")?,
                c if (c as u32) < 0x20 || c as u32 == 0x7f => write!(f, "\\x{:02x}", c as u32)?,
                c if hides(c) => write!(f, "\\u{{{:x}}}", c as u32)?,
                c => f.write_char(c)?,
            }
        }
        if rest.is_empty() { Ok(()) } else { write!(f, "… ({} more bytes)", rest.len()) }
    }
}

/// Characters that a terminal acts upon, or that make text look like other text.
fn hides(c: char) -> bool {
    matches!(c,
        '\u{80}'..='\u{9f}'          // C1: a terminal takes them for escape sequences
        | '\u{200b}'..='\u{200f}'    // zero width, direction marks
        | '\u{2028}'..='\u{202e}'    // line separators, direction overrides
        | '\u{2060}'..='\u{206f}'    // invisible operators, isolates
        | '\u{feff}'
        | '\u{fff9}'..='\u{fffb}'
        | '\u{e0000}'..='\u{e007f}') // tags
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_a_terminal_acts_upon_gets_through() {
        let hostile = "a\u{1b}]0;x\u{7}\u{9b}2J\u{202e}b\u{7f}\r\n\0";
        assert_eq!(Visible::new(hostile, 100).to_string(), r"a\x1b]0;x\x07\u{9b}2J\u{202e}b\x7f\r\n\x00");
    }

    #[test]
    fn a_cut_never_splits_a_character() {
        assert_eq!(Visible::new("aé", 2).to_string(), "a… (2 more bytes)");
        assert_eq!(Visible::new("aé", 3).to_string(), "aé");
        assert_eq!(Visible::new("", 0).to_string(), "");
    }

    #[test]
    fn lines_can_be_kept() {
        assert_eq!(Visible::multi_line("a\n\tb\u{1b}").to_string(), "a\n\tb\\x1b");
    }
}
