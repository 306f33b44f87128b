//! Lines out of a stream of bytes: one message per line, up to a limit.
//!
//! The framer is fed whatever a pipe gives, in pieces of any size, and gives lines. Every byte is searched for a line
//! end once. What it holds is bounded by the limit on a line; a longer line is read past, not kept, and still says
//! which call it was about, if it names an id at all.
//!
//! A line that is longer than the buffer is gathered elsewhere, as it comes, and looked at meanwhile whether it is text: the
//! peer still writes, and what was read last is still near at hand. It can be had as it was gathered, without being copied.
//!
//! The [client](crate::Client) reads through this; it is public for other transports of the same messages.

mod gathered;
mod id_probe;

use std::ops::Range;

use memchr::{memchr, memmem};

use crate::jsonrpc::Id;
use gathered::Gathered;
use id_probe::IdProbe;

/// How much room a read gets at first: enough for the usual message, and little for a peer that says nothing.
const FIRST: usize = 8 * 1024;

/// How much room a read gets where there is that much to read: what a pipe holds.
const CHUNK: usize = 64 * 1024;

/// A buffer that grew beyond this, for one who does not take the lines that are there, is given back when it is empty again.
/// What is longer than this is gathered elsewhere.
const KEEP: usize = CHUNK;

/// Another line as long as the last may have some more digits in it.
const MORE: usize = 1024;

/// One line, or what is known of one that was too long.
#[derive(Debug)]
pub enum Frame<'a> {
    /// A line that is not empty, without its end.
    Line(&'a [u8]),
    /// A line beyond the limit. It has been dropped.
    TooLong(TooLong),
}

/// The same, of a framer's own.
#[derive(Debug)]
pub(crate) enum Came<'a> {
    Frame(Frame<'a>),
    /// A line that has been gathered, and is text. It can be taken away.
    Long(&'a mut String),
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
    /// What comes before that, of the same line.
    gathered: Option<Gathered>,
    /// Empty: memory for that.
    spare: String,
    /// The length of the last line that was gathered: room for one like it is made in one step.
    long: usize,
    /// What was given out last, if it had been gathered.
    given: Option<Gathered>,
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
        Framer {
            buffer: Vec::new(),
            start: 0,
            end: 0,
            searched: 0,
            limit,
            chunk: FIRST,
            gathered: None,
            spare: String::new(),
            long: 0,
            given: None,
            skipping: None,
        }
    }

    /// Room to read into; then say [how much](Framer::filled) of it was filled.
    pub fn room(&mut self) -> &mut [u8] {
        if self.start == self.end {
            self.start = 0;
            self.end = 0;
            self.searched = 0;
            self.given = None;
            if self.buffer.len() > KEEP {
                self.buffer = Vec::new();
                self.chunk = FIRST;
            }
        }
        if self.buffer.len() - self.end < self.chunk {
            self.make_room();
            self.spare = String::new();
        }
        &mut self.buffer[self.end..]
    }

    fn make_room(&mut self) {
        let held = self.end - self.start;
        if self.buffer.len() >= KEEP && held > self.buffer.len() / 2 && self.is_in_a_line() {
            self.skip_if_too_long();
            if self.skipping.is_none() {
                self.gather();
            } else {
                self.move_to_front();
            }
        } else if self.start > 0 && held <= self.buffer.len() / 2 {
            // At least half of the buffer is filled again before the next move: the copying stays linear.
            self.move_to_front();
        }
        let enough = if self.buffer.len() < KEEP { self.chunk } else { KEEP / 2 };
        if self.buffer.len() - self.end < enough {
            let wanted = (self.buffer.len() * 2).max(self.end + self.chunk);
            self.buffer.resize(if self.buffer.len() < KEEP { wanted.min(KEEP) } else { wanted }, 0);
        }
    }

    /// Whether a long line may be about to be gathered: memory can be [given](Framer::give) for that.
    #[inline]
    pub(crate) fn may_gather(&self) -> bool {
        // Much of a line, and little room: so much is asked first.
        self.end - self.start > self.buffer.len() / 2
            && self.buffer.len() >= KEEP
            && self.buffer.len() - self.end < self.chunk
            && self.gathered.is_none()
    }

    /// Gives it memory for a long line, to be used at once or not at all. It is empty.
    pub(crate) fn give(&mut self, memory: String) {
        self.spare = memory;
    }

    /// Whether no line that is held ends.
    fn is_in_a_line(&mut self) -> bool {
        let is_in_it = memchr(b'\n', &self.buffer[self.searched..self.end]).is_none();
        if is_in_it {
            self.searched = self.end;
        }
        is_in_it
    }

    fn move_to_front(&mut self) {
        self.buffer.copy_within(self.start..self.end, 0);
        self.searched -= self.start;
        self.end -= self.start;
        self.start = 0;
    }

    /// Takes what is held, all of it of one line, out of the buffer.
    fn gather(&mut self) {
        let most = self.most();
        let (spare, room) = (&mut self.spare, self.long.saturating_add(MORE).min(most));
        let gathered = self.gathered.get_or_insert_with(|| {
            let memory = std::mem::take(spare);
            Gathered::Text(if memory.capacity() < room { String::with_capacity(room) } else { memory })
        });
        self.start += gathered.push(&self.buffer[self.start..self.end], most);
        self.move_to_front();
    }

    /// What is gathered gets no more room.
    fn most(&self) -> usize {
        self.limit.saturating_add(MORE)
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
        Some(match self.advance()? {
            Next::Line(line) => Frame::Line(&self.buffer[line]),
            Next::Gathered(line) => Frame::Line(self.given.insert(line).as_bytes()),
            Next::TooLong(what) => Frame::TooLong(what),
        })
    }

    /// As [`next`](Framer::next), for one who keeps what is long.
    #[inline]
    pub(crate) fn next_to_keep(&mut self) -> Option<Came<'_>> {
        if self.start == self.end { None } else { self.next_to_keep_of_some() }
    }

    #[inline(never)]
    fn next_to_keep_of_some(&mut self) -> Option<Came<'_>> {
        Some(Came::Frame(match self.advance()? {
            Next::Line(line) => Frame::Line(&self.buffer[line]),
            Next::Gathered(line) => match self.given.insert(line) {
                Gathered::Text(text) => return Some(Came::Long(text)),
                Gathered::Bytes(bytes) => Frame::Line(bytes),
            },
            Next::TooLong(what) => Frame::TooLong(what),
        }))
    }

    fn advance(&mut self) -> Option<Next> {
        self.given = None;
        loop {
            if self.start == self.end {
                return None;
            }
            let Some(at) = memchr(b'\n', &self.buffer[self.searched..self.end]) else {
                self.searched = self.end;
                self.skip_if_too_long();
                if self.gathered.is_some() {
                    self.gather();
                }
                return None;
            };
            let (from, to) = (self.start, self.searched + at);
            self.start = to + 1;
            self.searched = to + 1;
            if let Some(mut skip) = self.skipping.take() {
                skip.feed(&self.buffer[from..to]);
                return Some(Next::TooLong(skip.finish()));
            }
            if let Some(gathered) = self.gathered.take() {
                match self.end_of(gathered, from..to) {
                    None => continue,
                    line => return line,
                }
            }
            let line_end = if to > from && self.buffer[to - 1] == b'\r' { to - 1 } else { to };
            if line_end - from > self.limit {
                return Some(Next::TooLong(whole(&self.buffer[from..to])));
            }
            if !is_blank(&self.buffer[from..line_end]) {
                return Some(Next::Line(from..line_end));
            }
        }
    }

    /// The line of which `rest` of the buffer is the end.
    fn end_of(&mut self, mut line: Gathered, rest: Range<usize>) -> Option<Next> {
        line.end(&self.buffer[rest], self.most());
        if line.len() > self.limit && (line.len() > self.limit + 1 || !line.as_bytes().ends_with(b"\r")) {
            return Some(Next::TooLong(whole(line.as_bytes())));
        }
        line.strip(b'\r');
        self.long = line.len();
        (!is_blank(line.as_bytes())).then_some(Next::Gathered(line))
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
        if let Some(gathered) = self.gathered.take() {
            return match self.end_of(gathered, from..to)? {
                Next::Gathered(line) => Some(Frame::Line(self.given.insert(line).as_bytes())),
                Next::TooLong(what) => Some(Frame::TooLong(what)),
                Next::Line(_) => None,
            };
        }
        let rest = &self.buffer[from..to];
        let line = rest.strip_suffix(b"\r").unwrap_or(rest);
        if line.len() > self.limit {
            return Some(Frame::TooLong(whole(rest)));
        }
        if is_blank(line) { None } else { Some(Frame::Line(line)) }
    }

    /// The unfinished line has outgrown the limit: from here on only its id matters.
    fn skip_if_too_long(&mut self) {
        // One more than the limit may be a `\r`.
        if self.skipping.is_none() {
            let before = self.gathered.as_ref().map_or(0, Gathered::len);
            if before + self.end - self.start <= self.limit.saturating_add(1) {
                return;
            }
            let mut skip = Skip::default();
            if let Some(before) = self.gathered.take() {
                skip.feed(before.as_bytes());
            }
            self.skipping = Some(skip);
        }
        if let Some(skip) = &mut self.skipping {
            skip.feed(&self.buffer[self.start..self.end]);
            self.start = self.end;
        }
    }

    /// The bytes held now.
    #[cfg(test)]
    fn capacity(&self) -> usize {
        let gathered = [&self.gathered, &self.given].into_iter().flatten().map(Gathered::capacity);
        self.buffer.len() + gathered.sum::<usize>()
    }
}

/// What is next, where it lies in the buffer or elsewhere.
enum Next {
    Line(Range<usize>),
    Gathered(Gathered),
    TooLong(TooLong),
}

fn is_blank(line: &[u8]) -> bool {
    match line {
        [] => true,
        [first, ..] if !first.is_ascii_whitespace() => false,
        line => line.trim_ascii_start().is_empty(),
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
