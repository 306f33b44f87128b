//! What the wakers of a nursery's same-task children share with its host: the stack of those that are ready, that of
//! slots to be used again, and the task that polls the nursery.
//!
//! Invariants
//! 1. A child is on the ready stack or in the run queue at most once: whoever sets its `queued` puts it there; the host
//!    clears it before it polls.
//! 2. Whoever pushes onto an empty ready stack wakes. Whoever finds it in use need not: the host empties it before it
//!    returns, or has been woken since.
//! 3. Which chunks have children to show, and which these are, is changed by the host under the lock.

use std::cell::UnsafeCell;
use std::ptr;
use std::sync::{Arc, PoisonError};
use std::task::{Wake, Waker};

use super::hosted::Host;
use super::local::Header;
use super::outer::Outer;
use super::slab::Chunk;
use super::stack::{Pushed, Stack};
use crate::origin::LazyScope;
use crate::sync::atomic::{AtomicBool, Ordering};
use crate::sync::{Mutex, MutexGuard};
use crate::task::TaskRef;
use crate::waits::Waiting;

pub(crate) struct Queue {
    /// The nursery's, to compare with: whoever runs in it is polled or dropped by the host.
    scope: *const LazyScope,
    /// Touched by the host only, and never borrowed while code of a user runs: that code may spawn and wake.
    host: UnsafeCell<Host>,
    ready: Stack<Header>,
    /// Children that have ended, whose last waker was dropped by somebody else than the host.
    returned: Stack<Header>,
    /// Whether the body is to be polled.
    body: AtomicBool,
    outer: Outer,
    listed: Mutex<Listed>,
}

// SAFETY: `scope` is an address only; the host's part is touched by the host only, wherever it is. A nursery of the
// Sendable kind holds children that are Send only, and one that is not is not Send itself: see `Nursery`. The rest is
// atomic or behind a lock.
unsafe impl Send for Queue {}
// SAFETY: as above.
unsafe impl Sync for Queue {}

struct Listed {
    /// The chunks with children that have waited and not ended.
    first: *const Chunk,
}

// SAFETY: the pointers are to chunks that stay valid while they are listed, and what is read through them (a child's task,
// what it waits at, the links) is never changed, atomic, or changed under the lock.
unsafe impl Send for Listed {}

impl Queue {
    pub(super) fn new(scope: &LazyScope) -> Arc<Self> {
        Arc::new(Queue {
            scope,
            host: UnsafeCell::new(Host::new()),
            ready: Stack::new(),
            returned: Stack::new(),
            body: AtomicBool::new(false),
            outer: Outer::new(),
            listed: Mutex::new(Listed { first: ptr::null() }),
        })
    }

    /// The nursery's scope: only to be compared with.
    pub(super) fn scope(&self) -> *const LazyScope {
        self.scope
    }

    /// The host's part.
    ///
    /// # Safety
    /// The caller is the host, and what it gets is gone before code of a user runs.
    #[expect(clippy::mut_from_ref, reason = "exclusive by the caller's promise")]
    pub(super) unsafe fn host(&self) -> &mut Host {
        // SAFETY: the caller's promise.
        unsafe { &mut *self.host.get() }
    }

    fn lock(&self) -> MutexGuard<'_, Listed> {
        // No code of a user runs under the lock.
        self.listed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The children that wait, and what for.
    pub(crate) fn tasks(&self) -> Vec<(TaskRef, Waiting)> {
        let listed = self.lock();
        let mut tasks = Vec::new();
        // SAFETY: the lock is held, so what is listed stays so, and is valid.
        unsafe { each_shown(listed.first, |header| tasks.push(((*header).task.clone(), (*header).waits.show()))) };
        tasks
    }

    /// Shows each child that has waited and not ended to `f`, which ends none.
    ///
    /// # Safety
    /// The caller is the host.
    pub(super) unsafe fn each_listed(&self, f: impl FnMut(*const Header)) {
        let first = self.lock().first;
        // SAFETY: only the host changes what is listed, and it is here; what is listed is valid.
        unsafe { each_shown(first, f) };
    }

    /// A child that has waited and not ended, if there is one.
    ///
    /// # Safety
    /// The caller is the host.
    pub(super) unsafe fn first_listed(&self) -> Option<*const Header> {
        let first = self.lock().first;
        // SAFETY: what is listed is valid, and has a bit set.
        unsafe { Some(Chunk::slot(first, first.as_ref()?.shown.get().trailing_zeros() as u8).cast_const().cast()) }
    }

    /// Has the tree show a child.
    ///
    /// # Safety
    /// The header is valid, is not shown, and has not ended; the caller is the host.
    pub(super) unsafe fn list(&self, header: *const Header) {
        // SAFETY: a child's chunk is valid, and so are its neighbours in the list; the lock is held while links change.
        unsafe {
            let chunk = (*header).chunk;
            let mut listed = self.lock();
            let shown = (*chunk).shown.get();
            (*chunk).shown.set(shown | 1 << (*header).index);
            if shown == 0 {
                (*chunk).previous.set(ptr::null());
                (*chunk).next.set(listed.first);
                if let Some(next) = listed.first.as_ref() {
                    next.previous.set(chunk);
                }
                listed.first = chunk;
            }
        }
    }

    /// Takes a child out of the tree.
    ///
    /// # Safety
    /// The header is shown; the caller is the host.
    pub(super) unsafe fn unlist(&self, header: *const Header) {
        // SAFETY: as in `list`.
        unsafe {
            let chunk = (*header).chunk;
            let mut listed = self.lock();
            let shown = (*chunk).shown.get() & !(1 << (*header).index);
            (*chunk).shown.set(shown);
            if shown == 0 {
                let (previous, next) = ((*chunk).previous.get(), (*chunk).next.get());
                match previous.as_ref() {
                    Some(previous) => previous.next.set(next),
                    None => listed.first = next,
                }
                if let Some(next) = next.as_ref() {
                    next.previous.set(previous);
                }
            }
        }
    }

    /// Puts a child onto the ready stack, and wakes. False if that has closed.
    ///
    /// # Safety
    /// The header is valid throughout, and the caller has just set its `queued`.
    pub(super) unsafe fn push(&self, header: *const Header) -> bool {
        // SAFETY: whoever has set `queued` pushes (invariant 1); the host keeps what is queued.
        let pushed = unsafe { self.ready.push(header) };
        if pushed == Pushed::OntoEmpty {
            self.outer.wake();
        }
        pushed != Pushed::Closed
    }

    pub(super) fn has_ready(&self) -> bool {
        !self.ready.is_empty()
    }

    pub(super) fn take_ready(&self) -> *mut Header {
        self.ready.take()
    }

    pub(super) fn close_ready(&self) -> *mut Header {
        self.ready.close()
    }

    /// Gives back the slot of a child that has ended, and to which nobody has a reference. False if the host has gone.
    ///
    /// # Safety
    /// As said; the queue stays valid throughout.
    pub(super) unsafe fn give_back(&self, header: *const Header) -> bool {
        // SAFETY: nobody else knows the header any more; its memory stays until the host takes it.
        unsafe { self.returned.push(header) != Pushed::Closed }
    }

    pub(super) fn take_returned(&self) -> *mut Header {
        self.returned.take()
    }

    pub(super) fn close_returned(&self) -> *mut Header {
        self.returned.close()
    }

    /// Has wakers of children and body wake this task. What comes back is for the run queue. The caller is the host, and has
    /// not closed the queue.
    pub(super) fn register(&self, waker: &Waker) -> *mut Header {
        if !self.outer.register(waker) {
            return ptr::null_mut();
        }
        // Who has pushed before this may have woken another task, or none: that is made good here. Who pushes after it
        // sees the new waker.
        if self.body.fetch_or(false, Ordering::AcqRel) {
            waker.wake_by_ref();
        }
        self.ready.take_in_order()
    }

    /// Whether the body asked to be polled since it was last asked here.
    pub(super) fn take_body_wake(&self) -> bool {
        self.body.load(Ordering::Relaxed) && self.body.swap(false, Ordering::AcqRel)
    }
}

/// # Safety
/// The chunks are valid and stay listed meanwhile.
unsafe fn each_shown(first: *const Chunk, mut f: impl FnMut(*const Header)) {
    let mut at = first;
    // SAFETY: the caller's promise; a slot that is shown has a child in it, whose header is its start.
    while let Some(chunk) = unsafe { at.as_ref() } {
        let mut shown = chunk.shown.get();
        while shown != 0 {
            // SAFETY: as above.
            f(unsafe { Chunk::slot(at, shown.trailing_zeros() as u8) }.cast_const().cast());
            shown &= shown - 1;
        }
        at = chunk.next.get();
    }
}

/// The body's waker: it alone is polled for it.
impl Wake for Queue {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        // A swap, not a store: of two wakes the later would hide what the earlier had made visible.
        if !self.body.swap(true, Ordering::AcqRel) {
            self.outer.wake();
        }
    }
}
