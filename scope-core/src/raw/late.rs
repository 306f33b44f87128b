//! Something shared that is made when it is first asked for: one word, in what there are many of.
//!
//! Invariant: the pointer is null, or came from `Arc::into_raw` and holds one count; it is set once.

use std::marker::PhantomData;
use std::ptr;
use std::sync::Arc;

use crate::sync::atomic::{AtomicPtr, Ordering};

pub(crate) struct Late<T> {
    made: AtomicPtr<T>,
    owns: PhantomData<Arc<T>>,
}

impl<T> Late<T> {
    pub(crate) fn new() -> Self {
        Late { made: AtomicPtr::new(ptr::null_mut()), owns: PhantomData }
    }

    #[inline]
    pub(crate) fn get(&self) -> Option<&T> {
        // SAFETY: null, or of an `Arc` that is counted here for as long as this lives.
        unsafe { self.made.load(Ordering::Acquire).as_ref() }
    }

    /// A count of it for the caller.
    pub(crate) fn share(&self, make: impl FnOnce() -> T) -> Arc<T> {
        let mut made = self.made.load(Ordering::Acquire).cast_const();
        if made.is_null() {
            let fresh = Arc::into_raw(Arc::new(make()));
            let set =
                self.made.compare_exchange(ptr::null_mut(), fresh.cast_mut(), Ordering::AcqRel, Ordering::Acquire);
            made = match set {
                Ok(_) => fresh,
                Err(other) => {
                    // SAFETY: made above, and given to nobody.
                    drop(unsafe { Arc::from_raw(fresh) });
                    other.cast_const()
                }
            };
        }
        // SAFETY: of an `Arc` that is counted here while `self` is borrowed; the caller gets a count of its own.
        unsafe {
            Arc::increment_strong_count(made);
            Arc::from_raw(made)
        }
    }
}

impl<T> Default for Late<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> Drop for Late<T> {
    fn drop(&mut self) {
        let made = self.made.load(Ordering::Acquire).cast_const();
        if !made.is_null() {
            // SAFETY: it holds a count, which is given up here, once.
            drop(unsafe { Arc::from_raw(made) });
        }
    }
}
