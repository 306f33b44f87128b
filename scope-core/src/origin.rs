//! A scope before it is allocated: what it is opened with, and the cell it is allocated in when somebody refers to it.

use std::panic::Location;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use crate::name::Name;
use crate::rt;
use crate::scope::Scope;
use crate::task::TaskRef;

/// How long clean-up may take where nothing else is set.
pub(crate) const CLEANUP_BUDGET: Duration = Duration::from_secs(5);

/// What a scope is, for the tree and for what a cancellation from above does to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Nursery,
    Block,
    /// One that a guard holds.
    Owned,
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
    pub(crate) parent: Option<Arc<Scope>>,
    pub(crate) runtime: Option<rt::Handle>,
    pub(crate) deadline: Option<Instant>,
    pub(crate) budget: Duration,
    pub(crate) kind: Kind,
}

impl Origin {
    pub(crate) fn new(kind: Kind, location: &'static Location<'static>) -> Self {
        Origin {
            name: None,
            location,
            home: None,
            parent: None,
            runtime: None,
            deadline: None,
            budget: CLEANUP_BUDGET,
            kind,
        }
    }
}

/// A scope that is allocated when it is first referred to.
pub(crate) struct LazyScope {
    made: OnceLock<Arc<Scope>>,
    pub(crate) origin: Origin,
}

impl LazyScope {
    pub(crate) fn new(origin: Origin) -> Self {
        LazyScope { made: OnceLock::new(), origin }
    }

    pub(crate) fn get(&self) -> Option<&Arc<Scope>> {
        self.made.get()
    }

    pub(crate) fn make(&self) -> &Arc<Scope> {
        let mut fresh = false;
        let scope = self.made.get_or_init(|| {
            fresh = true;
            Scope::open(&self.origin)
        });
        if fresh {
            scope.tell_opened();
        }
        scope
    }

    pub(crate) fn is_cancelled(&self) -> bool {
        match self.get() {
            Some(scope) => scope.is_cancelled(),
            None => self.origin.parent.as_ref().is_some_and(|parent| parent.is_cancelled()),
        }
    }

    pub(crate) fn runtime(&self) -> Option<&rt::Handle> {
        let inherited = || self.origin.parent.as_ref().and_then(|parent| parent.runtime());
        self.origin.runtime.as_ref().or_else(inherited)
    }
}
