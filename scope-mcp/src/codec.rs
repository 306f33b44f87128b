//! Lines out of a stream of bytes: one message per line, up to a limit.
//!
//! The framer is fed whatever a pipe gives, in pieces of any size, and gives lines. Every byte is searched for a line
//! end once. What it holds is bounded by the limit on a line; a longer line is read past, not kept, and still says
//! which call it was about, if it names an id at all.
//!
//! The [client](crate::Client) reads through this; it is public for other transports of the same messages.

mod id_probe;

use memchr::{memchr, memmem};

use crate::jsonrpc::Id;
use id_probe::IdProbe;

/// How much room a read gets at first: enough for the usual message, and little for a peer that says nothing.
const FIRST: usize = 8 * 1024;

/// How much room a read gets where there is that much to read: what a pipe holds.
const CHUNK: usize = 64 * 1024;

/// A buffer that grew beyond this for one long line is given back when it is empty again.
const KEEP: usize = CHUNK;

/// One line, or what is known of one that was too long.
#[derive(Debug)]
pub enum Frame<'a> {
    /// A line that is not empty, without its end.
    Line(&'a [u8]),
    /// A line beyond the limit. It has been dropped.
    TooLong(TooLong),
}

/// What is left of a line that was too long.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TooLong {
    /// The call it was about, if it named one.
    pub about: Option<About>,
    /// How long it was, in bytes.
    pub len: u64,
}

/// The call that a line was about which cannot be read as a message: somebody waits for it to be answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum About {
    /// It was to be the answer to the call with this id, which is one of ours.
    Answer(Id),
    /// It was to be a request with this id, which is one of the peer's.
    Request(Id),
}

impl About {
    /// The id of the call of ours that it was to answer.
    pub fn answered(&self) -> Option<&Id> {
        match self {
            About::Answer(id) => Some(id),
            About::Request(_) => None,
        }
    }

    /// The id of the peer's request.
    pub fn asked(&self) -> Option<&Id> {
        match self {
            About::Answer(_) => None,
            About::Request(id) => Some(id),
        }
    }
}

/// Cuts a stream into lines.
pub struct Framer {
    /// All of it initialised; `start..end` is what has been read and not been given out.
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    /// Up to here there is no line end.
    searched: usize,
    limit: usize,
    /// How much room the next read gets at least.
    chunk: usize,
    /// The length of the last line that outgrew what is kept: room for one like it is made in one step.
    long: usize,
    /// In the middle of a line that is too long.
    skipping: Option<Skip>,
}

#[derive(Default)]
struct Skip {
    probe: IdProbe,
    len: u64,
    /// The last byte so far was a `\r`: part of the line's end, if the line ends here.
    carriage_return: bool,
}

impl Skip {
    fn feed(&mut self, bytes: &[u8]) {
        self.probe.feed(bytes);
        self.len += bytes.len() as u64;
        if let Some(last) = bytes.last() {
            self.carriage_return = *last == b'\r';
        }
    }

    fn finish(self) -> TooLong {
        TooLong { about: self.probe.finish(), len: self.len - u64::from(self.carriage_return) }
    }
}

impl Framer {
    /// Lines of up to `limit` bytes, their end not counted.
    pub fn new(limit: usize) -> Framer {
        Framer { buffer: Vec::new(), start: 0, end: 0, searched: 0, limit, chunk: FIRST, long: 0, skipping: None }
    }

    /// Room to read into; then say [how much](Framer::filled) of it was filled.
    pub fn room(&mut self) -> &mut [u8] {
        if self.start == self.end {
            self.start = 0;
            self.end = 0;
            self.searched = 0;
            if self.buffer.len() > KEEP {
                self.buffer = Vec::new();
                self.chunk = FIRST;
            }
        }
        if self.buffer.len() - self.end < self.chunk {
            let held = self.end - self.start;
            if self.start > 0 && held <= self.buffer.len() / 2 {
                // At least half of the buffer is filled again before the next move: the copying stays linear.
                self.buffer.copy_within(self.start..self.end, 0);
                self.searched -= self.start;
                self.start = 0;
                self.end = held;
            }
            if self.buffer.len() - self.end < self.chunk {
                // Doubled, but no further than a line may go: beyond that nothing is kept.
                let most = self.limit.saturating_add(2 * CHUNK);
                let mut wanted = (self.buffer.len() * 2).min(most).max(self.end + self.chunk);
                if held > KEEP {
                    // Another long one.
                    wanted = wanted.max((self.long + CHUNK).min(most));
                }
                self.buffer.resize(wanted, 0);
            }
        }
        &mut self.buffer[self.end..]
    }

    /// Says that the first `count` bytes of [`room`](Framer::room) have been filled.
    pub fn filled(&mut self, count: usize) {
        debug_assert!(self.end + count <= self.buffer.len());
        if self.end + count == self.buffer.len() {
            self.chunk = (self.chunk * 2).min(CHUNK);
        }
        self.end = (self.end + count).min(self.buffer.len());
    }

    /// The next line, or `None` when more must be read first. Empty lines are passed over, and the `\r` of a `\r\n` is
    /// no part of a line.
    #[expect(clippy::should_implement_trait, reason = "what it gives borrows from it, and more may come after `None`")]
    #[inline]
    pub fn next(&mut self) -> Option<Frame<'_>> {
        // Asked once more than there are lines, each time.
        if self.start == self.end { None } else { self.next_of_some() }
    }

    #[inline(never)]
    fn next_of_some(&mut self) -> Option<Frame<'_>> {
        loop {
            if self.start == self.end {
                return None;
            }
            let Some(at) = memchr(b'\n', &self.buffer[self.searched..self.end]) else {
                self.searched = self.end;
                self.skip_if_too_long();
                return None;
            };
            let (from, to) = (self.start, self.searched + at);
            self.start = to + 1;
            self.searched = to + 1;
            if to - from > KEEP {
                self.long = to - from;
            }
            if let Some(mut skip) = self.skipping.take() {
                skip.feed(&self.buffer[from..to]);
                return Some(Frame::TooLong(skip.finish()));
            }
            let line_end = if to > from && self.buffer[to - 1] == b'\r' { to - 1 } else { to };
            if line_end - from > self.limit {
                return Some(Frame::TooLong(whole(&self.buffer[from..to])));
            }
            let is_empty = match self.buffer[from..line_end] {
                [] => true,
                [first, ..] if !first.is_ascii_whitespace() => false,
                ref line => line.trim_ascii_start().is_empty(),
            };
            if !is_empty {
                return Some(Frame::Line(&self.buffer[from..line_end]));
            }
        }
    }

    /// What is left when the stream has ended: a line without an end. Its writer may have been interrupted in it.
    pub fn finish(&mut self) -> Option<Frame<'_>> {
        let (from, to) = (self.start, self.end);
        self.start = self.end;
        self.searched = self.end;
        if let Some(mut skip) = self.skipping.take() {
            skip.feed(&self.buffer[from..to]);
            return Some(Frame::TooLong(skip.finish()));
        }
        let rest = &self.buffer[from..to];
        let line = rest.strip_suffix(b"\r").unwrap_or(rest);
        if line.len() > self.limit {
            return Some(Frame::TooLong(whole(rest)));
        }
        if line.trim_ascii().is_empty() { None } else { Some(Frame::Line(line)) }
    }

    /// The unfinished line has outgrown the limit: from here on only its id matters.
    fn skip_if_too_long(&mut self) {
        // One more than the limit may be a `\r`.
        if self.skipping.is_none() {
            if self.end - self.start <= self.limit.saturating_add(1) {
                return;
            }
            self.skipping = Some(Skip::default());
        }
        if let Some(skip) = &mut self.skipping {
            skip.feed(&self.buffer[self.start..self.end]);
            self.start = self.end;
        }
    }

    /// The bytes held now.
    #[cfg(test)]
    fn capacity(&self) -> usize {
        self.buffer.len()
    }
}

/// The call that a line was about which is no message, if it seems to have been meant as one: a log line may well have
/// an `id`, but hardly a `jsonrpc`.
pub fn about(line: &[u8]) -> Option<About> {
    let name = b"\"jsonrpc\"";
    memmem::find(&line[..line.len().min(200)], name)
        .or_else(|| memmem::rfind(&line[line.len().saturating_sub(200)..], name))?;
    let mut probe = IdProbe::default();
    probe.feed(line);
    probe.finish()
}

fn whole(line: &[u8]) -> TooLong {
    let mut skip = Skip::default();
    skip.feed(line);
    skip.finish()
}

impl std::fmt::Debug for Framer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Framer")
            .field("held", &(self.end - self.start))
            .field("limit", &self.limit)
            .field("skipping", &self.skipping.is_some())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
