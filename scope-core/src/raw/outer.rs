//! The task of the runtime's own that polls others: their wakers wake it.

use std::task::Waker;

use crate::sync::atomic::{AtomicBool, Ordering};
use crate::sync::{AtomicWaker, OnceLock};

/// In nearly all programs it has one waker from first to last, which is then read without a lock and never cloned again.
pub(super) struct Outer {
    first: OnceLock<Waker>,
    /// Another one has been given since, and is in `later`.
    moved: AtomicBool,
    later: AtomicWaker,
}

impl Outer {
    pub(super) fn new() -> Self {
        Outer { first: OnceLock::new(), moved: AtomicBool::new(false), later: AtomicWaker::new() }
    }

    /// Whether the waker is another one than before.
    pub(super) fn register(&self, waker: &Waker) -> bool {
        let mut fresh = false;
        let first = self.first.get_or_init(|| {
            fresh = true;
            waker.clone()
        });
        let moved = self.moved.load(Ordering::Relaxed);
        if !moved && (fresh || first.will_wake(waker)) {
            return fresh;
        }
        self.later.register(waker);
        self.moved.store(true, Ordering::Release);
        !moved
    }

    pub(super) fn wake(&self) {
        if self.moved.load(Ordering::Acquire) {
            self.later.wake();
        } else if let Some(first) = self.first.get() {
            first.wake_by_ref();
        }
    }
}
