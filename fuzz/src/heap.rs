//! What the program holds on the heap, counted by its allocator.

use std::alloc::System;

use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Bytes on the heap now. Of the whole program: other threads show in it.
pub fn held() -> usize {
    let stats = ALLOCATOR.stats();
    stats.bytes_allocated.saturating_sub(stats.bytes_deallocated)
}

/// Sees that what is held stays within a bound.
#[derive(Debug)]
pub struct Watch {
    before: usize,
    most: usize,
    bound: usize,
}

impl Watch {
    /// From here on no more than `bound` bytes are to be held beside what is held already.
    pub fn new(bound: usize) -> Watch {
        Watch { before: held(), most: 0, bound }
    }

    /// Looks.
    ///
    /// # Panics
    /// If it is too much.
    #[track_caller]
    pub fn look(&mut self) {
        let more = held().saturating_sub(self.before);
        self.most = self.most.max(more);
        assert!(more <= self.bound, "{more} bytes are held, and no more than {} should be", self.bound);
    }

    /// The most that was seen.
    pub fn most(&self) -> usize {
        self.most
    }
}
