//! How many same-task children have a turn before others do.

use std::cell::Cell;

use crate::sync::thread_local;

/// How many children are polled in one poll of the outermost nursery on the stack, those of the nurseries further in
/// included, so that ten thousand ready ones starve nobody.
const BUDGET: usize = 128;

thread_local! {
    /// What is left of it and one more, while a nursery is polled on this thread; otherwise 0.
    static LEFT: Cell<usize> = const { Cell::new(0) };
}

/// One poll of a nursery's children.
pub(crate) struct Turn {
    outermost: bool,
}

impl Turn {
    pub(crate) fn begin() -> Self {
        let outermost = LEFT.get() == 0;
        if outermost {
            LEFT.set(BUDGET + 1);
        }
        Turn { outermost }
    }

    /// Counts one child. False if others have their turn now.
    pub(crate) fn take_one(&self) -> bool {
        let left = LEFT.get();
        if left > 1 {
            LEFT.set(left - 1);
        }
        left > 2
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if self.outermost {
            LEFT.set(0);
        }
    }
}
