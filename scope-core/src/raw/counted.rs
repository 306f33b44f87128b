//! Counting in a scope what lives in it; and what is counted keeps the scope in memory, so that a child needs no count of
//! the `Arc` beside the one that it is waited for by.
//!
//! Invariants
//! 1. While children are counted in [`Scope::live`], one count of the `Arc` belongs to all of them together. Who counts the
//!    first one in gives it; who counts the last one out takes it. Services have one of their own.
//! 2. What was counted in is counted out once, and has returned from the first before.
//! 3. A [`Counted`] is of a scope in which it is counted: it ends with that.

use std::mem::{self, ManuallyDrop};
use std::ops::Deref;
use std::sync::Arc;

use crate::error::SpawnError;
use crate::scope::{BODY, CLOSED, Part, Scope};
use crate::sync::atomic::Ordering;

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

    /// Counts it out. After this the caller touches nothing of the scope's, unless it has a count of its own.
    ///
    /// To be called once for what was counted in.
    #[inline]
    pub(crate) fn leave(self: &Arc<Self>, part: Part) {
        let before = self.live.fetch_sub(part.unit(), Ordering::AcqRel);
        if before & part.all() == part.unit() {
            // SAFETY: the first of them has given it (invariant 1), which was before its own end (invariant 2), and so before
            // this one; and there is no other that is the last, unless there was another first.
            let scope = unsafe { Arc::from_raw(Arc::as_ptr(self)) };
            scope.wake_joiners(before & BODY != 0);
        }
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
