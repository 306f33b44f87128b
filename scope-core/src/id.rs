//! Identities: numbers that are never used twice in a process.
//!
//! A thread takes them from the shared counter in blocks, so that spawning on many threads does not meet on one cache
//! line. They are unique, not ordered.

use std::cell::Cell;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

const BLOCK: u64 = 256;

fn next() -> u64 {
    // Starts at BLOCK's first number plus one: zero is never an identity.
    static SHARED: AtomicU64 = AtomicU64::new(1);
    thread_local! {
        static BLOCK_OF_THREAD: Cell<(u64, u64)> = const { Cell::new((0, 0)) };
    }
    BLOCK_OF_THREAD.with(|block| {
        let (next, end) = block.get();
        if next < end {
            block.set((next + 1, end));
            return next;
        }
        let start = SHARED.fetch_add(BLOCK, Ordering::Relaxed);
        block.set((start + 1, start + BLOCK));
        start
    })
}

macro_rules! identity {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(u64);

        impl $name {
            pub(crate) fn fresh() -> Self {
                $name(next())
            }

            /// The number, for logs and maps.
            pub fn get(self) -> u64 {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

identity! {
    /// The identity of a task. Never reused in the process; not ordered by age.
    TaskId
}

identity! {
    /// The identity of a scope. Never reused in the process; not ordered by age.
    ScopeId
}
