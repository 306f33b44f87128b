//! A scope before it is allocated: what it is opened with, and the cell it is allocated in when somebody refers to it.

use std::panic::Location;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::name::Name;
use crate::raw::around::Around;
use crate::rt;
use crate::scope::Scope;
use crate::sync::OnceLock;
use crate::sync::atomic::{AtomicBool, Ordering};
use crate::task::TaskRef;
use crate::task_local::Snapshot;
use crate::violation::Policy;

/// How long clean-up may take where nothing else is set.
pub(crate) const CLEANUP_BUDGET: Duration = Duration::from_secs(5);

/// What a scope is, for the tree and for what a cancellation from above does to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Nursery,
    Block,
    /// A child's own, where it can be cancelled alone. Not shown in paths: the child is.
    Child,
    /// One that a guard holds.
    Owned,
    /// A part of a service's life: what is opened in it belongs to the service.
    Phase,
    /// A service's: told of a cancellation, and not cut by it.
    Service,
    /// Clean-up: what is cancelled above does not reach in.
    CleanUp,
}

/// What is known of a scope before it is allocated.
pub(crate) struct Origin {
    pub(crate) name: Option<Name>,
    pub(crate) location: &'static Location<'static>,
    pub(crate) home: Option<TaskRef>,
    pub(crate) parent: Around,
    pub(crate) runtime: Option<rt::Handle>,
    pub(crate) deadline: Option<Instant>,
    /// What the deadline was made of, where it was asked for as a length of time.
    pub(crate) limit: Option<Duration>,
    pub(crate) budget: Duration,
    pub(crate) kind: Kind,
    /// What is cancelled above does not reach in.
    pub(crate) shielded: bool,
    /// The bounded set that the child holds a place of; 0 is none.
    pub(crate) place: u64,
    pub(crate) policy: Policy,
    /// Of the task it is polled in first.
    pub(crate) locals: Snapshot,
}

impl Origin {
    pub(crate) fn new(kind: Kind, location: &'static Location<'static>) -> Self {
        Origin {
            name: None,
            location,
            home: None,
            parent: Around::default(),
            runtime: None,
            deadline: None,
            limit: None,
            budget: CLEANUP_BUDGET,
            kind,
            shielded: false,
            place: 0,
            policy: Policy::Inherit,
            locals: Snapshot::default(),
        }
    }

    /// Sets the deadline, counted from `now`. One too far ahead to count is none.
    pub(crate) fn set_timeout(&mut self, now: Instant, timeout: Duration) {
        self.deadline = now.checked_add(timeout);
        self.limit = Some(timeout);
    }
}

/// A scope that is allocated when it is first referred to.
pub(crate) struct LazyScope {
    made: OnceLock<Arc<Scope>>,
    /// For the tree: whoever makes the scope notes it there.
    body_runs: AtomicBool,
    pub(crate) origin: Origin,
}

impl LazyScope {
    pub(crate) fn new(origin: Origin) -> Self {
        LazyScope { made: OnceLock::new(), body_runs: AtomicBool::new(false), origin }
    }

    pub(crate) fn get(&self) -> Option<&Arc<Scope>> {
        self.made.get()
    }

    pub(crate) fn make(&self) -> &Arc<Scope> {
        let (scope, fresh) = self.make_quietly();
        if fresh {
            scope.tell_opened();
        }
        scope
    }

    /// For those who hold a lock: true if the caller is to tell that it was opened.
    pub(crate) fn make_quietly(&self) -> (&Arc<Scope>, bool) {
        let mut fresh = false;
        let scope = self.made.get_or_init(|| {
            fresh = true;
            let scope = Scope::open(&self.origin);
            if self.body_runs.load(Ordering::Relaxed) {
                scope.note_body(true);
            }
            scope
        });
        (scope, fresh)
    }

    /// To be called before it is made.
    pub(crate) fn body_starts(&self) {
        self.body_runs.store(true, Ordering::Relaxed);
    }

    pub(crate) fn body_ended(&self) {
        self.body_runs.store(false, Ordering::Relaxed);
        if let Some(scope) = self.get() {
            scope.note_body(false);
        }
    }

    pub(crate) fn is_cancelled(&self) -> bool {
        match self.get() {
            Some(scope) => scope.is_cancelled(),
            None => self.origin.parent.get().is_some_and(|parent| parent.is_cancelled()),
        }
    }

    pub(crate) fn runtime(&self) -> Option<&rt::Handle> {
        let inherited = || self.origin.parent.get().and_then(|parent| parent.runtime());
        self.origin.runtime.as_ref().or_else(inherited)
    }
}
