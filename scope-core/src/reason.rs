//! Why something was cancelled.

use std::fmt;
use std::panic::Location;
use std::sync::Arc;

use crate::name::Name;
use crate::scope_ref::ScopeRef;

/// The kind of cause of a cancellation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CancelCause {
    /// Somebody called `cancel`.
    Explicit,
    /// The scope's deadline passed.
    Deadline,
    /// A child or the body failed or panicked, and its siblings go down with it.
    SiblingFailed,
    /// A scope around this one was cancelled; [`CancelReason::scope`] names it.
    Parent,
    /// The future of the scope was dropped before it had ended.
    Dropped,
    /// The runtime ended a child, or is shutting down.
    RuntimeShutdown,
    /// The grace of a shutdown was over.
    Shutdown,
    /// The process got a signal.
    Signal,
}

impl fmt::Display for CancelCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            CancelCause::Explicit => "cancelled",
            CancelCause::Deadline => "deadline passed",
            CancelCause::SiblingFailed => "a sibling failed",
            CancelCause::Parent => "cancelled from above",
            CancelCause::Dropped => "its future was dropped",
            CancelCause::RuntimeShutdown => "the runtime shut down",
            CancelCause::Shutdown => "shut down",
            CancelCause::Signal => "signal",
        })
    }
}

/// Why a scope was cancelled: the cause, a text, the scope that was cancelled, and who called `cancel`.
///
/// A scope keeps the first reason it is given. Cloning does not allocate.
#[derive(Clone)]
pub struct CancelReason {
    inherited: bool,
    origin: Arc<Origin>,
}

struct Origin {
    cause: CancelCause,
    text: Name,
    scope: ScopeRef,
    location: &'static Location<'static>,
}

impl CancelReason {
    pub(crate) fn new(cause: CancelCause, text: Name, scope: ScopeRef, location: &'static Location<'static>) -> Self {
        CancelReason { inherited: false, origin: Arc::new(Origin { cause, text, scope, location }) }
    }

    /// The same, as a scope further in sees it.
    pub(crate) fn inherited(&self) -> Self {
        CancelReason { inherited: true, origin: self.origin.clone() }
    }

    /// The cause, as the scope that has this reason sees it: [`CancelCause::Parent`] where a scope around it was the one
    /// cancelled.
    pub fn cause(&self) -> CancelCause {
        if self.inherited { CancelCause::Parent } else { self.origin.cause }
    }

    /// The cause at the scope that was cancelled in the first place; never [`CancelCause::Parent`].
    pub fn origin(&self) -> CancelCause {
        self.origin.cause
    }

    /// What the caller of `cancel` said; for a deadline, how much time it gave. May be empty.
    pub fn text(&self) -> &str {
        &self.origin.text
    }

    /// The scope that was cancelled in the first place.
    pub fn scope(&self) -> &ScopeRef {
        &self.origin.scope
    }

    /// Where `cancel` was called; for a deadline, where the scope was opened.
    pub fn location(&self) -> &'static Location<'static> {
        self.origin.location
    }
}

impl fmt::Display for CancelReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.inherited {
            write!(f, "{} with {}: ", CancelCause::Parent, self.origin.scope)?;
        }
        write!(f, "{}", self.origin.cause)?;
        if !self.text().is_empty() {
            write!(f, ": {}", self.text())?;
        }
        write!(f, " (at {})", self.origin.location)
    }
}

impl fmt::Debug for CancelReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CancelReason")
            .field("cause", &self.cause())
            .field("origin", &self.origin.cause)
            .field("text", &self.text())
            .field("scope", &self.origin.scope)
            .field("location", &format_args!("{}", self.origin.location))
            .finish()
    }
}
