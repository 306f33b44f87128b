//! The frame: who is being polled on this thread.
//!
//! A wrapper enters a frame for the length of one poll or one drop. The thread-local holds a pointer to the innermost
//! frame, which lives on the stack of [`enter`]; it is put back when `enter` returns or unwinds.
//!
//! Invariants
//! 1. `TOP` is null or points to a [`Frame`] on this thread's stack, owned by an `enter` that has not returned.
//! 2. What a frame borrows outlives the `enter` that made it: `enter` borrows it for its whole length.
//! 3. The thread-local is `const` and has no destructor, so it can be read while the thread is being torn down.

use std::cell::Cell;
use std::ptr;

use crate::origin::LazyScope;
use crate::scope::Scope;
use crate::task::TaskRef;
use std::sync::Arc;

/// The scope that code in a frame runs in.
#[derive(Clone, Copy)]
pub(crate) enum Here<'a> {
    /// A nursery's own, perhaps not allocated yet.
    Lazy(&'a LazyScope),
    /// One that has been allocated.
    Made(&'a Arc<Scope>),
}

impl Here<'_> {
    /// The scope, allocated now if it was not.
    pub(crate) fn make(&self) -> Arc<Scope> {
        match self {
            Here::Lazy(lazy) => lazy.make().clone(),
            Here::Made(scope) => (*scope).clone(),
        }
    }

    pub(crate) fn is_cancelled(&self) -> bool {
        match self {
            Here::Lazy(lazy) => lazy.is_cancelled(),
            Here::Made(scope) => scope.is_cancelled(),
        }
    }

    pub(crate) fn runtime(&self) -> Option<crate::rt::Handle> {
        match self {
            Here::Lazy(lazy) => lazy.runtime().cloned(),
            Here::Made(scope) => scope.runtime().cloned(),
        }
    }
}

pub(crate) struct Frame<'a> {
    task: &'a TaskRef,
    scope: Here<'a>,
}

impl Frame<'_> {
    pub(crate) fn task(&self) -> &TaskRef {
        self.task
    }

    pub(crate) fn scope(&self) -> Here<'_> {
        self.scope
    }
}

thread_local! {
    static TOP: Cell<*const Frame<'static>> = const { Cell::new(ptr::null()) };
}

/// Puts the outer frame back, also when the poll unwinds.
struct Restore(*const Frame<'static>);

impl Drop for Restore {
    fn drop(&mut self) {
        TOP.set(self.0);
    }
}

/// Runs `f` as `task` in `scope`.
pub(crate) fn enter<R>(task: &TaskRef, scope: Here<'_>, f: impl FnOnce() -> R) -> R {
    let frame = Frame { task, scope };
    let _restore = Restore(TOP.get());
    TOP.set((&raw const frame).cast());
    f()
}

/// Shows the innermost frame of this thread to `f`.
pub(crate) fn with<R>(f: impl FnOnce(Option<&Frame<'_>>) -> R) -> R {
    let top = TOP.get();
    // SAFETY: by invariant 1 the pointer is null or points to a frame whose `enter` is further up this very stack, so it
    // and (invariant 2) what it borrows live until `f` returns. `f` sees it under a lifetime of its own, so nothing of it
    // escapes.
    f(unsafe { top.cast::<Frame<'_>>().as_ref() })
}

/// Whether the innermost scope of this thread is cancelled, as its own code sees it.
pub(crate) fn here_is_cancelled() -> bool {
    with(|top| top.is_some_and(|frame| frame.scope().is_cancelled()))
}
