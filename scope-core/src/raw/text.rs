//! A text of the program, or one that is shared, in two words: there is one in every task.
//!
//! Invariants
//! 1. `at` and the length are those of a `&'static str`; or, where [`SHARED`] is set, of an `Arc<str>` of which this
//!    holds one count. Lengths never reach that bit: they fit an `isize`.
//! 2. Neither is changed.

use std::ptr::{self, NonNull};
use std::sync::Arc;
use std::{slice, str};

const SHARED: usize = 1 << (usize::BITS - 1);

pub(crate) struct Text {
    at: NonNull<u8>,
    len: usize,
}

// SAFETY: it is a `&'static str` or an `Arc<str>` (invariant 1), which are Send and Sync.
unsafe impl Send for Text {}
// SAFETY: as above.
unsafe impl Sync for Text {}

impl Text {
    pub(crate) const fn new(text: &'static str) -> Self {
        // SAFETY: the pointer of a reference is not null.
        Text { at: unsafe { NonNull::new_unchecked(text.as_ptr().cast_mut()) }, len: text.len() }
    }

    pub(crate) fn shared(text: Arc<str>) -> Self {
        let len = text.len() | SHARED;
        // SAFETY: the pointer of an `Arc` is not null.
        Text { at: unsafe { NonNull::new_unchecked(Arc::into_raw(text).cast::<u8>().cast_mut()) }, len }
    }

    /// The `Arc`'s own pointer, where it is shared.
    fn raw(&self) -> Option<*const str> {
        let bytes = ptr::slice_from_raw_parts(self.at.as_ptr().cast_const(), self.len & !SHARED);
        (self.len & SHARED != 0).then_some(bytes as *const str)
    }

    pub(crate) fn as_str(&self) -> &str {
        // SAFETY: by invariant 1 they are of a text that lives as long as this, at least.
        unsafe { str::from_utf8_unchecked(slice::from_raw_parts(self.at.as_ptr(), self.len & !SHARED)) }
    }
}

impl Clone for Text {
    fn clone(&self) -> Self {
        if let Some(raw) = self.raw() {
            // SAFETY: it came from `Arc::into_raw`, and this holds a count (invariant 1). The new one is the clone's.
            unsafe { Arc::increment_strong_count(raw) };
        }
        Text { at: self.at, len: self.len }
    }
}

impl Drop for Text {
    fn drop(&mut self) {
        if let Some(raw) = self.raw() {
            // SAFETY: it came from `Arc::into_raw`, and the count that this holds is given up here (invariant 1).
            drop(unsafe { Arc::from_raw(raw) });
        }
    }
}
