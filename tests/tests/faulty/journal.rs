//! What was seen in a run, on both sides.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use scope_mcp::{CallError, Era};
use scope_test::{Cut, TestRuntime, Wire};

/// What became of a call, for its caller.
#[derive(Debug)]
pub(crate) enum Outcome {
    Answered(String),
    /// The tool's own failure.
    Failed(String),
    Error(CallError),
    /// Its future was dropped.
    GivenUp,
}

/// What was seen of a handler.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Handled {
    /// How often it was begun, and how it went on.
    pub(crate) started: u32,
    pub(crate) finished: u32,
    pub(crate) dropped: u32,
    /// When the last one ended.
    pub(crate) ended: Duration,
}

/// What was seen of a call.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// Of the handler at the server.
    pub(crate) tool: Handled,
    /// Of the handler at the client, for what the first one asks.
    pub(crate) question: Handled,
    /// It got what it did not ask for, or not what was sent.
    pub(crate) mistaken: bool,
    /// The steps it told of, and those that were heard, before the outcome was there.
    pub(crate) told: u32,
    pub(crate) progress: Vec<u32>,
    pub(crate) logged: Vec<u32>,
    pub(crate) began: Duration,
    pub(crate) ended: Option<(Duration, Outcome)>,
    /// More than one outcome.
    pub(crate) again: bool,
}

#[derive(Clone)]
pub(crate) struct Journal {
    rt: TestRuntime,
    seen: Arc<Mutex<All>>,
}

/// What was seen of all.
#[derive(Debug, Default)]
pub(crate) struct All {
    pub(crate) calls: BTreeMap<u64, Seen>,
    /// When the connection was open, and in which era.
    pub(crate) opened: Option<(Duration, Era)>,
    /// When the client first had something to write after that had become an error.
    pub(crate) deaf_since: Option<Duration>,
}

/// Which of the two handlers of a call.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Which {
    Tool,
    Question,
}

impl Handled {
    fn running(self) -> u32 {
        self.started - self.finished - self.dropped
    }
}

impl Seen {
    fn handled(&mut self, which: Which) -> &mut Handled {
        match which {
            Which::Tool => &mut self.tool,
            Which::Question => &mut self.question,
        }
    }
}

impl Journal {
    pub(crate) fn new(rt: &TestRuntime) -> Journal {
        Journal { rt: rt.clone(), seen: Arc::default() }
    }

    pub(crate) fn note<T>(&self, nonce: u64, note: impl FnOnce(&mut Seen) -> T) -> T {
        note(self.all().calls.entry(nonce).or_default())
    }

    pub(crate) fn opened(&self, era: Era) {
        let now = self.rt.elapsed();
        self.all().opened = Some((now, era));
    }

    /// The client has something to write.
    pub(crate) fn writes(&self, up: &Wire) {
        if let Some(Cut::End | Cut::Error(_)) = up.is_cut() {
            let now = self.rt.elapsed();
            self.all().deaf_since.get_or_insert(now);
        }
    }

    pub(crate) fn began(&self, nonce: u64) {
        let now = self.rt.elapsed();
        self.note(nonce, |seen| seen.began = now);
    }

    pub(crate) fn ended(&self, nonce: u64, outcome: Outcome) {
        let now = self.rt.elapsed();
        self.note(nonce, |seen| seen.again |= seen.ended.replace((now, outcome)).is_some());
    }

    /// A handler begins. It ends when what comes back is dropped.
    pub(crate) fn handle(&self, nonce: u64, which: Which) -> Handling {
        self.note(nonce, |seen| seen.handled(which).started += 1);
        Handling { journal: self.clone(), nonce, which, finished: false }
    }

    /// How many handlers run.
    pub(crate) fn running(&self) -> u32 {
        self.all().calls.values().map(|seen| seen.tool.running() + seen.question.running()).sum()
    }

    pub(crate) fn take(&self) -> All {
        std::mem::take(&mut *self.all())
    }

    fn all(&self) -> MutexGuard<'_, All> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A handler while it runs.
pub(crate) struct Handling {
    journal: Journal,
    nonce: u64,
    which: Which,
    finished: bool,
}

impl Handling {
    pub(crate) fn told(&self) {
        self.journal.note(self.nonce, |seen| seen.told += 1);
    }

    pub(crate) fn mistaken(&self) {
        self.journal.note(self.nonce, |seen| seen.mistaken = true);
    }

    pub(crate) fn finish(mut self) {
        self.finished = true;
    }
}

impl Drop for Handling {
    fn drop(&mut self) {
        let (which, finished, now) = (self.which, self.finished, self.journal.rt.elapsed());
        self.journal.note(self.nonce, |seen| {
            let handled = seen.handled(which);
            handled.ended = now;
            if finished { handled.finished += 1 } else { handled.dropped += 1 }
        });
    }
}

impl fmt::Debug for Journal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.all(), f)
    }
}
