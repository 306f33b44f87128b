//! What came from the other side and was no message.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Mutex;

use scope_mcp::redact::redact;
use scope_mcp::visible::Visible;

use crate::queue::lock;

/// So many of the latest are kept.
const KEPT: usize = 16;

/// So much of each.
const KEPT_TEXT: usize = 400;

/// So many are logged: a peer that prints text all the time is not worth more lines of a log.
const LOGGED: u64 = 100;

/// A line from the other side that could not be taken as a message.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Fault {
    /// What was wrong with it.
    pub kind: FaultKind,
    /// How long the line was, in bytes.
    pub bytes: u64,
    /// What became of it.
    pub answered: Answered,
    text: String,
}

/// What is wrong with a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FaultKind {
    /// It is longer than the limit. It was read past, not kept.
    TooLong,
    /// It is no JSON, or not UTF-8.
    NotJson,
    /// It is JSON, and no JSON-RPC message that rmcp can read.
    NotAMessage,
}

/// Who was told of a line that could not be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Answered {
    /// It was to answer a call of ours, which has failed with an error that says so.
    OurCall,
    /// It was, or may have been, a request of the other side, which has been sent an error that says so.
    Peer,
    /// Nobody: it does not say what it was about, or the other side does not read what it is told.
    Nobody,
}

/// The faults so far. Bounded.
#[derive(Debug, Default)]
pub(crate) struct Faults(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    count: u64,
    latest: VecDeque<Fault>,
}

impl Fault {
    /// The beginning of the line, without what looks like a secret; what is not UTF-8 is replaced. Empty for one that
    /// was too long. It is somebody else's text: [`Visible`] makes it fit for a terminal.
    pub fn text(&self) -> &str {
        &self.text
    }
}

impl FaultKind {
    /// For programs: in the `data` of the errors that are made for it.
    pub(crate) fn word(self) -> &'static str {
        match self {
            FaultKind::TooLong => "too-long",
            FaultKind::NotJson => "not-json",
            FaultKind::NotAMessage => "not-a-message",
        }
    }
}

impl fmt::Display for FaultKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            FaultKind::TooLong => "a line over the limit",
            FaultKind::NotJson => "a line that is no JSON",
            FaultKind::NotAMessage => "a line that is no JSON-RPC message",
        })
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({} bytes)", self.kind, self.bytes)?;
        if self.text.is_empty() { Ok(()) } else { write!(f, ": {}", Visible::new(&self.text, KEPT_TEXT)) }
    }
}

impl Faults {
    pub(crate) fn add(&self, peer: &str, kind: FaultKind, bytes: u64, line: &[u8], answered: Answered) {
        let text = redact(&String::from_utf8_lossy(&line[..line.len().min(KEPT_TEXT)])).into_owned();
        let count = {
            let mut inner = lock(&self.0);
            inner.count = inner.count.saturating_add(1);
            if inner.latest.len() == KEPT {
                inner.latest.pop_front();
            }
            inner.latest.push_back(Fault { kind, bytes, answered, text });
            inner.count
        };
        // Its text may be anything; whoever wants it asks.
        match count {
            ..LOGGED => tracing::warn!(peer, %kind, bytes, ?answered, "not taken as a message"),
            LOGGED => {
                tracing::warn!(peer, %kind, bytes, ?answered, "not taken as a message; no more of these are logged")
            }
            _ => {}
        }
    }

    pub(crate) fn count(&self) -> u64 {
        lock(&self.0).count
    }

    pub(crate) fn latest(&self) -> Vec<Fault> {
        lock(&self.0).latest.iter().cloned().collect()
    }
}
