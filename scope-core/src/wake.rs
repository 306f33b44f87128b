//! Waking one of many.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::task::Waker;

use crate::raw::carried::forget;

/// Wakes one of many who are told of the same thing. A waker is a user's: one that panics does not keep the others from being
/// told, and whoever tells them has done nothing wrong.
pub(crate) fn wake(waker: Waker) {
    if let Err(payload) = catch_unwind(AssertUnwindSafe(|| waker.wake())) {
        forget(payload);
    }
}
