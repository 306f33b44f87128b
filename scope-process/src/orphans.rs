//! Children that were killed and have not died in the time given: stuck in the kernel, on a dead network drive, say.
//!
//! They have been reported as survivors. What is left to do is to reap them when they do die, and the starts and ends
//! of other children are when that is looked for.

use std::process::Child;
use std::sync::{Mutex, PoisonError};

static ORPHANS: Mutex<Vec<Child>> = Mutex::new(Vec::new());

pub(crate) fn adopt(child: Child) {
    ORPHANS.lock().unwrap_or_else(PoisonError::into_inner).push(child);
}

pub(crate) fn reap() {
    let mut orphans = ORPHANS.lock().unwrap_or_else(PoisonError::into_inner);
    // An error means that there is no such child any more.
    orphans.retain_mut(|child| matches!(child.try_wait(), Ok(None)));
}
