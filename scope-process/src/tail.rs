//! The last lines somebody wrote.

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::PipeReader;
use crate::name::Visible;

/// Keeps the last lines of what it is fed: of a server's standard error, for a report. Its memory is bounded.
///
/// Clones share their lines: one is fed by the task that reads, another goes into the report.
#[derive(Clone)]
pub struct Tail(Arc<Mutex<Ring>>);

struct Ring {
    lines: VecDeque<Vec<u8>>,
    /// The line that has not ended yet, unless it is at its limit already.
    open: Vec<u8>,
    /// Bytes in `lines`.
    held: usize,
    dropped: u64,
    max_lines: usize,
    max_bytes: usize,
    max_line: usize,
}

/// Appended to a line that was cut.
const CUT: &[u8] = "…".as_bytes();

impl Tail {
    /// Keeps 64 lines or 16 KiB, whichever is less; a line is cut at 1 KiB.
    pub fn new() -> Tail {
        Tail::with_limits(64, 16 * 1024, 1024)
    }

    /// Keeps at most `lines` lines and `bytes` bytes of ended lines; a line is cut at `line` bytes. An unended last line
    /// is kept beside them.
    pub fn with_limits(lines: usize, bytes: usize, line: usize) -> Tail {
        Tail(Arc::new(Mutex::new(Ring {
            lines: VecDeque::new(),
            open: Vec::new(),
            held: 0,
            dropped: 0,
            max_lines: lines,
            max_bytes: bytes,
            max_line: line,
        })))
    }

    /// Adds what came next, in pieces of any size.
    pub fn push(&self, bytes: &[u8]) {
        self.ring().push(bytes);
    }

    /// Reads `reader` to its end and keeps the tail of it.
    ///
    /// # Errors
    /// What [`PipeReader::read`] says.
    ///
    /// # Cancel safety
    /// What was read before the future was dropped is in the tail.
    pub async fn follow(&self, reader: &mut PipeReader) -> io::Result<()> {
        let mut buf = [0; 2048];
        loop {
            match reader.read(&mut buf).await? {
                0 => return Ok(()),
                n => self.push(&buf[..n]),
            }
        }
    }

    /// The lines kept, oldest first, without their line ends; the unended last one too. What is not UTF-8 is replaced.
    /// Control characters are left in: the [`Display`](fmt::Display) of a tail shows them escaped.
    pub fn lines(&self) -> Vec<String> {
        let ring = self.ring();
        let open = Some(&ring.open).filter(|line| !line.is_empty());
        ring.lines.iter().chain(open).map(|line| String::from_utf8_lossy(line).into_owned()).collect()
    }

    /// How many lines were dropped to make room.
    pub fn dropped(&self) -> u64 {
        self.ring().dropped
    }

    /// Whether nothing has been kept.
    pub fn is_empty(&self) -> bool {
        let ring = self.ring();
        ring.lines.is_empty() && ring.open.is_empty()
    }

    fn ring(&self) -> MutexGuard<'_, Ring> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for Tail {
    fn default() -> Self {
        Tail::new()
    }
}

impl Ring {
    fn push(&mut self, bytes: &[u8]) {
        let mut pieces = bytes.split(|&b| b == b'\n');
        // `split` yields one piece at least: what belongs to the line that is open.
        self.extend(pieces.next().unwrap_or_default());
        for piece in pieces {
            self.end_line();
            self.extend(piece);
        }
    }

    fn extend(&mut self, piece: &[u8]) {
        let room = self.max_line.saturating_sub(self.open.len());
        if piece.len() <= room {
            self.open.extend_from_slice(piece);
        } else if self.open.len() <= self.max_line {
            // A character cut in half would show as a replacement mark before the ellipsis.
            let mut keep = room;
            while keep > 0 && piece[keep] & 0xc0 == 0x80 {
                keep -= 1;
            }
            self.open.extend_from_slice(&piece[..keep]);
            self.open.extend_from_slice(CUT);
            // Longer than the limit from here on, so that nothing is added.
            self.open.resize(self.open.len().max(self.max_line + 1), b' ');
        }
    }

    fn end_line(&mut self) {
        let mut line = std::mem::take(&mut self.open);
        line.truncate(line.trim_ascii_end().len());
        line.shrink_to_fit();
        self.held += line.len();
        self.lines.push_back(line);
        while self.lines.len() > self.max_lines || self.held > self.max_bytes {
            let Some(oldest) = self.lines.pop_front() else {
                break;
            };
            self.held -= oldest.len();
            self.dropped += 1;
        }
    }
}

/// One line each, control characters escaped: fit for a terminal.
impl fmt::Display for Tail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, line) in self.lines().iter().enumerate() {
            if i > 0 {
                f.write_str("\n")?;
            }
            Visible(line).fmt(f)?;
        }
        Ok(())
    }
}

impl fmt::Debug for Tail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ring = self.ring();
        f.debug_struct("Tail").field("lines", &ring.lines.len()).field("dropped", &ring.dropped).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_the_same_however_the_bytes_arrive() {
        let text = b"one\r\ntwo\n\nthree\nfo";
        let whole = Tail::new();
        whole.push(text);
        for size in 1..text.len() {
            let tail = Tail::new();
            for piece in text.chunks(size) {
                tail.push(piece);
            }
            assert_eq!(tail.lines(), whole.lines());
        }
        assert_eq!(whole.lines(), ["one", "two", "", "three", "fo"]);
        assert_eq!(whole.dropped(), 0);
    }

    #[test]
    fn the_oldest_lines_go_first() {
        let tail = Tail::with_limits(2, 1000, 100);
        tail.push(b"a\nb\nc\nd\n");
        assert_eq!(tail.lines(), ["c", "d"]);
        assert_eq!(tail.dropped(), 2);
        let tail = Tail::with_limits(100, 5, 100);
        tail.push(b"aaa\nbbb\nccc\n");
        assert_eq!(tail.lines(), ["ccc"]);
    }

    #[test]
    fn a_line_without_end_takes_no_more_than_its_limit() {
        let tail = Tail::with_limits(4, 1000, 10);
        for _ in 0..1000 {
            tail.push("ääää".as_bytes());
        }
        assert!(tail.ring().open.len() < 20);
        tail.push(b"\nnext");
        assert_eq!(tail.lines(), ["äääää…", "next"]);
    }

    #[test]
    fn zero_limits_keep_nothing_and_do_not_loop() {
        let tail = Tail::with_limits(0, 0, 0);
        tail.push(b"abc\ndef\n");
        assert!(tail.is_empty());
    }

    #[test]
    fn a_tail_shows_control_characters_and_broken_text_escaped() {
        let tail = Tail::new();
        tail.push(b"\x1b[31mred\xff\nok");
        assert_eq!(tail.to_string(), "\\u{1b}[31mred\u{fffd}\nok");
    }
}
