//! What happens when a rule is broken: an event always, and what the policy says beside it.

use std::panic::Location;

use crate::event::{self, EventKind};
use crate::scope::Scope;

/// What a broken rule does beside its [event](crate::event::EventKind::Violated): set for a root or any scope, and
/// inherited by all that is in it.
///
/// A rule that only a running program can check: an owned scope dropped in another task than the one that opened it, a
/// scope's future polled in two tasks, or left half-polled behind the scope it belongs to. Each is made good (the scope is
/// cancelled and cleaned up where it belongs), so the default is to tell, and go on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Policy {
    /// As the scope around; [`Report`](Policy::Report) at a root.
    #[default]
    Inherit,
    /// Tell the observers, and go on.
    Report,
    /// Panic where the rule was broken, after it was made good: for tests. A thread that is panicking already only tells.
    Panic,
    /// Print the violation and abort the process.
    Abort,
}

impl Policy {
    pub(crate) fn from_bits(bits: u8) -> Self {
        match bits {
            1 => Policy::Report,
            2 => Policy::Panic,
            3 => Policy::Abort,
            _ => Policy::Inherit,
        }
    }

    pub(crate) fn bits(self) -> u8 {
        match self {
            Policy::Inherit => 0,
            Policy::Report => 1,
            Policy::Panic => 2,
            Policy::Abort => 3,
        }
    }
}

/// Tells that a rule of `scope`'s was broken. Call it when it has been made good, or is sure to be whatever this does, with no
/// lock held.
pub(crate) fn violated(scope: &Scope, location: &'static Location<'static>, text: impl FnOnce() -> String) {
    let policy = scope.policy();
    if policy == Policy::Report && !event::observed() {
        return;
    }
    let text = text();
    if event::observed() {
        event::tell(EventKind::Violated(text.clone()), scope, crate::task::current(), location);
    }
    match policy {
        Policy::Panic if !std::thread::panicking() => panic!("a rule was broken: {text}"),
        Policy::Abort => {
            eprintln!("a rule was broken: {text}");
            std::process::abort();
        }
        _ => {}
    }
}
