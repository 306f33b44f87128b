//! Why a child was not spawned.

use std::error::Error;
use std::fmt;

use crate::rt::{NoRuntime, Refused};
use crate::scope_ref::ScopeRef;
use crate::task::TaskRef;

/// A child that was not spawned. Its future has been dropped, unpolled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpawnError(Box<Refusal>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Refusal {
    scope: ScopeRef,
    task: Option<TaskRef>,
    why: Why,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Why {
    Closed,
    NoRuntime(NoRuntime),
    OtherRuntime(&'static str),
    Refused(Refused),
}

impl SpawnError {
    pub(crate) fn closed(scope: ScopeRef) -> Self {
        SpawnError(Box::new(Refusal { scope, task: None, why: Why::Closed }))
    }

    pub(crate) fn no_runtime(scope: ScopeRef) -> Self {
        SpawnError(Box::new(Refusal { scope, task: None, why: Why::NoRuntime(NoRuntime::new()) }))
    }

    pub(crate) fn other_runtime(scope: ScopeRef, its: &'static str) -> Self {
        SpawnError(Box::new(Refusal { scope, task: None, why: Why::OtherRuntime(its) }))
    }

    pub(crate) fn refused(scope: ScopeRef) -> Self {
        SpawnError(Box::new(Refusal { scope, task: None, why: Why::Refused(Refused) }))
    }

    pub(crate) fn of_task(mut self, task: TaskRef) -> Self {
        self.0.task = Some(task);
        self
    }

    /// The child that was to be; it never ran.
    pub fn task(&self) -> Option<&TaskRef> {
        self.0.task.as_ref()
    }

    /// Whether the scope had ended, or was ending, and takes no more children.
    pub fn is_closed(&self) -> bool {
        self.0.why == Why::Closed
    }

    /// Whether no runtime is known to the scope.
    pub fn is_no_runtime(&self) -> bool {
        matches!(self.0.why, Why::NoRuntime(_))
    }

    /// Whether the scope runs on another runtime than the adapter whose `spawn` was called.
    pub fn is_other_runtime(&self) -> bool {
        matches!(self.0.why, Why::OtherRuntime(_))
    }

    /// Whether the runtime has shut down.
    pub fn is_shut_down(&self) -> bool {
        matches!(self.0.why, Why::Refused(_))
    }

    /// The scope that was to have the child.
    pub fn scope(&self) -> &ScopeRef {
        &self.0.scope
    }
}

impl fmt::Display for SpawnError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("cannot spawn ")?;
        if let Some(task) = &self.0.task {
            write!(f, "{task} (at {}) ", task.location())?;
        }
        write!(f, "into {} (opened at {}): ", self.0.scope, self.0.scope.location())?;
        match &self.0.why {
            Why::Closed => f.write_str(
                "it has ended. A spawner that outlives its scope can only be refused; spawn before the nursery returns",
            ),
            Why::NoRuntime(error) => error.fmt(f),
            Why::OtherRuntime(its) => {
                write!(f, "it runs on {its}. Use that adapter's `spawn`, or `spawn_erased`, which works on any")
            }
            Why::Refused(refused) => refused.fmt(f),
        }
    }
}

impl Error for SpawnError {}
