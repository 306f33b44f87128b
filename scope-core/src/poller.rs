//! Who polls a scope's future: one task of ours, from the first poll to the last.

use std::sync::Arc;

use crate::raw::frame;
use crate::scope::Scope;
use crate::task::TaskRef;
use crate::violation::violated;

/// The task that polled a scope's future first, to notice another one.
#[derive(Default)]
pub(crate) struct Poller {
    first: Option<TaskRef>,
    told: bool,
}

impl Poller {
    /// Of a future that is a task of its own: any task may poll it.
    pub(crate) fn anybody() -> Self {
        Poller { first: None, told: true }
    }

    /// Notes whoever polls now.
    pub(crate) fn first(&mut self) {
        if !self.told {
            self.first = crate::task::current();
        }
    }

    /// Tells, once, if it is another task of ours now. Where no task of ours polled it first there is nothing to compare.
    pub(crate) fn check(&mut self, scope: impl FnOnce() -> Arc<Scope>) {
        if self.told {
            return;
        }
        let Some(first) = &self.first else { return };
        if frame::here(|place| place.is_some_and(|(task, _)| task == first)) {
            return;
        }
        self.told = true;
        let now = crate::task::current();
        let scope = &*scope();
        violated(scope, scope.id().location(), || {
            let now = now.map_or_else(|| "no task at all".to_owned(), |task| format!("{task:?}"));
            format!(
                "the future of {} (opened at {}) was polled by {first:?} first, and is polled in {now} now; its home is \
                 unchanged. Await it where it was begun, or spawn it as a child",
                scope.id(),
                scope.id().location(),
            )
        });
    }
}
