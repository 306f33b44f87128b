//! Who polls a scope's future: one task of ours, from the first poll to the last.

use std::sync::Arc;

use crate::raw::frame;
use crate::scope::Scope;
use crate::task::TaskRef;
use crate::violation::violated;

/// Notices when a scope's future is polled by another task than its home.
#[derive(Default)]
pub(crate) struct Poller {
    /// Not where no task of ours polled it first: there is nothing to compare. Nor again, once it has been told.
    watches: bool,
}

impl Poller {
    /// Of a future whose home is the task that polls it first.
    pub(crate) fn of_home() -> Self {
        Poller { watches: true }
    }

    /// Tells, once, if it is another task of ours now.
    #[inline]
    pub(crate) fn check(&mut self, home: &TaskRef, scope: impl FnOnce() -> Arc<Scope>) {
        if self.watches && !frame::here(|place| place.is_some_and(|(task, _)| task == home)) {
            self.tell(home, scope);
        }
    }

    #[cold]
    fn tell(&mut self, home: &TaskRef, scope: impl FnOnce() -> Arc<Scope>) {
        self.watches = false;
        let now = crate::task::current();
        let scope = &*scope();
        violated(scope, scope.id().location(), || {
            let now = now.map_or_else(|| "no task at all".to_owned(), |task| format!("{task:?}"));
            format!(
                "the future of {} (opened at {}) was polled by {home:?} first, and is polled in {now} now; its home is \
                 unchanged. Await it where it was begun, or spawn it as a child",
                scope.id(),
                scope.id().location(),
            )
        });
    }
}
