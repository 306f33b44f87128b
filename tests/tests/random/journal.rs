//! What happened in a run, in order.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use scope_test::TestRuntime;

use crate::program::{Ask, Id};

/// What identifies one thing that failed, wherever it turns up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Leaf {
    /// An error, by the act that made it.
    Error(Id),
    /// A panic, by the act that made it.
    Panic(Id),
    /// A scope ended early, and its error was passed on.
    Cut(Id),
    /// A finalizer that overran its budget.
    Overran(Id),
    /// A child that was not spawned.
    Refused(Id),
    /// A child that the runtime dropped.
    Aborted(Id),
    /// Something that no program brings about.
    Unknown,
}

/// Why a scope ended early.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reason {
    pub(crate) cause: scope_core::CancelCause,
    pub(crate) text: String,
    /// Whether it names the scope itself as the one that was cancelled.
    pub(crate) own: bool,
}

/// What a scope gave its owner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Ok,
    /// Nothing failed.
    Cancelled(Option<Reason>),
    TimedOut(Option<Reason>),
    /// The scope's own leaves, each with the numbers of the task or scope it is said to have failed in, and the ones
    /// further in.
    Failed {
        own: Vec<(Leaf, String)>,
        all: Vec<Leaf>,
        reason: Option<Reason>,
    },
    Panicked(Leaf),
}

/// How a body ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum How {
    Ok,
    Failed(Vec<Leaf>),
    Panicked(Leaf),
}

/// How an attempt to close an owned scope went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Closed {
    Ok,
    Failed(Vec<Leaf>),
    /// Closed, and so were others that were open inside it.
    OutOfOrder(Vec<Leaf>),
    WrongTask,
    /// From inside itself.
    FromWithin,
    HomeEnded,
    /// Closed already: the one around it was.
    WithOuter,
}

/// The phases of a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    Open,
    Serve,
    End,
}

/// What happened. A body is a child's future or that of a nursery's body; it has the number of its child or scope.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum What {
    /// A body's future exists.
    Made(Id),
    Started(Id),
    /// A body was polled and was not ready.
    Parked(Id),
    Ended(Id, How),
    /// A body's future, and all it held, has been destroyed.
    Gone(Id),
    /// A body's value has been destroyed.
    ValueGone(Id),
    /// A body has got past an await point of ours.
    PassedOurs(Id),
    PassedForeign(Id),
    /// A body does something.
    Acts(Id),
    Refused(Id),
    /// A scope's future gave its result.
    Returned(Id, Outcome),
    /// A scope's future is dropped before it gave a result.
    Dropped(Id),
    /// Its drop is over.
    DropOver(Id),
    /// The cancel act, the scope, and whether it was the one that did it.
    Cancelled {
        by: Id,
        scope: Id,
        did: bool,
    },
    CancelledChild {
        by: Id,
        child: Id,
        did: bool,
    },
    Lifted(Id),
    DeadlineSet {
        scope: Id,
        at: Option<Duration>,
    },
    FinalizerAdded(Id),
    FinalizerRefused(Id),
    FinalizerStarted {
        id: Id,
        exit: String,
    },
    FinalizerEnded(Id),
    /// Its future, or the closure that would have made it, has been destroyed.
    FinalizerGone(Id),
    /// Something fails here.
    Raised(Leaf),
    /// The program has these in its hands, and they go no further.
    Caught(Vec<Leaf>),
    Opened {
        owned: Id,
        task: Id,
        cancelled: bool,
    },
    NotOpened(Id),
    CloseBegun {
        owned: Id,
        task: Id,
    },
    CloseTried {
        owned: Id,
        task: Id,
        by: Id,
        result: Closed,
    },
    DroppedOwned {
        owned: Id,
        task: Id,
    },
    HandleAwaited {
        by: Id,
        child: Id,
    },
    /// A sleep did not end when it should have.
    Overslept(Id),
    /// What the handle of a child said.
    Handle {
        task: Id,
        result: Result<(), scope_core::Lost>,
    },
    Phase {
        service: Id,
        phase: Phase,
        task: Option<scope_core::TaskId>,
    },
    PhaseEnded {
        service: Id,
        phase: Phase,
    },
    /// The service, and what it held, has been destroyed.
    ServiceGone(Id),
    /// A close of a service, begun at `asked`, came back; without effect, if it was refused.
    Answered {
        by: Id,
        service: Id,
        asked: Duration,
        refused: bool,
    },
    Answer {
        service: Id,
        how: Ask,
        result: Result<(), String>,
    },
    Aborting(Id),
    ForeignGone(Id),
    // What the framework's own events say.
    SawOpened(scope_core::ScopeId),
    SawClosed(scope_core::ScopeId),
    SawViolation(String),
    SawLost(String),
}

#[derive(Clone, Debug)]
pub(crate) struct Entry {
    /// Virtual time since the start of the run.
    pub(crate) at: Duration,
    pub(crate) what: What,
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:>8.3}ms {:?}", self.at.as_secs_f64() * 1e3, self.what)
    }
}

/// Clones are the same journal.
#[derive(Clone, Debug)]
pub(crate) struct Journal {
    runtime: TestRuntime,
    entries: Arc<Mutex<Vec<Entry>>>,
}

impl Journal {
    pub(crate) fn new(runtime: TestRuntime) -> Self {
        Journal { runtime, entries: Arc::default() }
    }

    pub(crate) fn add(&self, what: What) {
        let at = self.runtime.elapsed();
        self.entries.lock().unwrap_or_else(PoisonError::into_inner).push(Entry { at, what });
    }

    pub(crate) fn take(&self) -> Vec<Entry> {
        std::mem::take(&mut *self.entries.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
