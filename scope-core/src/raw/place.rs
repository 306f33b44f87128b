//! A place in the source, to be changed and read by several threads.
//!
//! Invariant: the pointer is null or came from a `&'static Location`.

use std::panic::Location;
use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering};

pub(crate) struct Place(AtomicPtr<Location<'static>>);

impl Place {
    pub(crate) const fn new() -> Self {
        Place(AtomicPtr::new(ptr::null_mut()))
    }

    pub(crate) fn set(&self, location: Option<&'static Location<'static>>) {
        let location = location.map_or(ptr::null(), ptr::from_ref);
        self.0.store(location.cast_mut(), Ordering::Release);
    }

    pub(crate) fn get(&self) -> Option<&'static Location<'static>> {
        // SAFETY: null, or made of a `&'static Location` in `set`, and never written through.
        unsafe { self.0.load(Ordering::Acquire).as_ref() }
    }
}
