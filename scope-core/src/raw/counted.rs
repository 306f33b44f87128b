//! Counting in a scope what lives in it; and what is counted keeps the scope in memory, so that a child needs no count of
//! the `Arc` beside the one that it is waited for by.
//!
//! Invariants
//! 1. While children are counted in [`Scope::live`], one count of the `Arc` belongs to all of them together. Who counts the
//!    first one in gives it; who counts the last one out takes it. Services have one of their own.
//! 2. What was counted in is counted out once, and has returned from the first before.
//! 3. A [`Counted`] is of a scope in which it is counted: it ends with that.
//! 4. What has left and is noted in [`LEAVING`] is counted still. It is counted out before this thread polls anything but a
//!    child of the same scope that has not left: nobody who waits for the count could have gone on before that one's end.

use std::cell::Cell;
use std::mem::{self, ManuallyDrop};
use std::ops::Deref;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;
use std::sync::Arc;

use super::carried::forget;
use crate::error::SpawnError;
use crate::scope::{BODY, CLOSED, Part, Scope};
use crate::sync::atomic::Ordering;
use crate::sync::thread_local;

impl Scope {
    /// Counts something in. The scope stays in memory until it is counted out.
    pub(crate) fn admit(self: &Arc<Self>, part: Part) -> Result<(), SpawnError> {
        let before = self.live.fetch_add(part.unit(), Ordering::AcqRel);
        if before & CLOSED != 0 {
            self.live.fetch_sub(part.unit(), Ordering::AcqRel);
            return Err(SpawnError::closed(self.id().clone()));
        }
        if before & part.all() == 0 {
            // Theirs. Whoever is counted in meanwhile, and out again, is not the last: this one is counted too.
            mem::forget(self.clone());
        }
        Ok(())
    }

    /// Counts it out, or notes that it is to be. After this the caller touches nothing of the scope's, unless it has a count of
    /// its own.
    ///
    /// To be called once for what was counted in.
    #[inline]
    pub(crate) fn leave(self: &Arc<Self>, part: Part) {
        if part == Part::Child && note_left(Arc::as_ptr(self)) {
            return;
        }
        // SAFETY: it was counted in, and is counted out by this.
        unsafe { count_out(Arc::as_ptr(self), part, 1) };
    }
}

/// # Safety
/// So many were counted in, and are counted out by this.
#[inline]
unsafe fn count_out(scope: *const Scope, part: Part, count: u64) {
    // SAFETY: what is counted keeps the scope in memory.
    let before = unsafe { (*scope).live.fetch_sub(part.unit() * count, Ordering::AcqRel) };
    if before & part.all() == part.unit() * count {
        // SAFETY: the first of them has given it (invariant 1), which was before its own end (invariant 2), and so before
        // this one; and there is no other that is the last, unless there was another first.
        let scope = unsafe { Arc::from_raw(scope) };
        scope.wake_joiners(before & BODY != 0);
    }
}

thread_local! {
    /// The scope that the task that a crew polls on this thread is a child of, if that is known, and how many of its children
    /// have left here and are to be counted out.
    static LEAVING: Cell<(*const Scope, u64)> = const { Cell::new((ptr::null(), 0)) };
}

/// False where it is to be counted out at once.
#[inline]
fn note_left(of: *const Scope) -> bool {
    let (scope, left) = LEAVING.get();
    if !ptr::eq(scope, of) {
        return false;
    }
    LEAVING.set((scope, left + 1));
    true
}

/// While a crew polls on this thread: children of one scope that end one after the other are counted out together, for others
/// count there, too. Counts out those that are left when it is dropped.
#[must_use]
pub(crate) struct Leaving {
    /// Of who polls that crew.
    before: (*const Scope, u64),
}

impl Leaving {
    pub(crate) fn begin() -> Self {
        Leaving { before: LEAVING.replace((ptr::null(), 0)) }
    }

    /// To be called before each poll: of a child of this scope that has not left, or, if that is null, of any task.
    #[inline]
    pub(crate) fn polls(&self, scope: *const Scope) {
        let (before, left) = LEAVING.get();
        if !ptr::eq(before, scope) {
            LEAVING.set((scope, 0));
            settle(before, left);
        }
    }
}

impl Drop for Leaving {
    fn drop(&mut self) {
        let (scope, left) = LEAVING.replace(self.before);
        settle(scope, left);
    }
}

fn settle(scope: *const Scope, left: u64) {
    if left == 0 {
        return;
    }
    // SAFETY: noted as often as one has left, and nowhere else any more.
    let settled = catch_unwind(AssertUnwindSafe(|| unsafe { count_out(scope, Part::Child, left) }));
    // Of a waker, or of what goes with the scope.
    if let Err(payload) = settled {
        forget(payload);
    }
}

/// A scope, for whoever is counted in it.
pub(crate) struct Counted(ManuallyDrop<Arc<Scope>>);

impl Counted {
    /// Counts a child or a service in.
    pub(crate) fn admit(scope: &Arc<Scope>, part: Part) -> Result<Self, SpawnError> {
        scope.admit(part)?;
        // SAFETY: it has no count of the `Arc`, and never gives one back. While it is counted there is another (invariant 1).
        Ok(Counted(ManuallyDrop::new(unsafe { Arc::from_raw(Arc::as_ptr(scope)) })))
    }

    /// Counts it out.
    #[inline]
    pub(crate) fn leave(self, part: Part) {
        self.0.leave(part);
    }
}

impl Deref for Counted {
    type Target = Arc<Scope>;

    fn deref(&self) -> &Arc<Scope> {
        &self.0
    }
}
