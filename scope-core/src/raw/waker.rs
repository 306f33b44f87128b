//! Wakers of tasks that are not a runtime's own: of a carrier, of a crew, of a nursery. A waker's data is the task's header, in
//! which the references to it are counted; what keeps the task has one of its own.
//!
//! Invariants
//! 1. Each waker owns a reference, but for one that was [borrowed].
//! 2. Whoever gives up the last reference is alone with the header.

use std::mem::ManuallyDrop;
use std::process;
use std::task::{RawWaker, RawWakerVTable, Waker};

use crate::sync::atomic::{AtomicU32, Ordering};

/// More references to one header than memory could hold wakers: they have been forgotten, again and again.
const TOO_MANY: u32 = u32::MAX / 2;

/// A header.
///
/// # Safety
/// It may be woken, and let go of, on any thread. It is valid while there is a reference.
pub(super) unsafe trait Woken: Sized {
    /// The [calls] of its wakers: one table for all, so that wakers of the same task are known as such.
    fn calls() -> &'static RawWakerVTable;

    /// How many references there are.
    ///
    /// # Safety
    /// `this` is valid.
    unsafe fn refs<'a>(this: *const Self) -> &'a AtomicU32;

    /// Its task is to be polled.
    ///
    /// # Safety
    /// The caller owns a reference, and keeps it throughout.
    unsafe fn wake(this: *const Self);

    /// Gives up a reference.
    ///
    /// # Safety
    /// The caller owns it.
    unsafe fn release(this: *const Self);
}

/// For a static of each type.
pub(super) const fn calls<H: Woken>() -> RawWakerVTable {
    RawWakerVTable::new(clone::<H>, wake::<H>, wake_by_ref::<H>, release::<H>)
}

/// A waker without a reference: for as long as the caller's own is valid.
///
/// # Safety
/// The header is valid while what comes back is used.
#[inline]
pub(super) unsafe fn borrowed<H: Woken>(header: *const H) -> ManuallyDrop<Waker> {
    // SAFETY: the calls are of this type. It is never dropped, so no reference is given up for it.
    ManuallyDrop::new(unsafe { Waker::from_raw(RawWaker::new(header.cast(), H::calls())) })
}

/// Whether there is one reference only.
///
/// # Safety
/// The caller owns a reference.
#[inline]
pub(super) unsafe fn is_alone<H: Woken>(header: *const H) -> bool {
    // SAFETY: the caller's promise. In order with all that was done by those who have given theirs up.
    unsafe { H::refs(header).load(Ordering::Acquire) == 1 }
}

/// # Safety
/// Called by a `Waker` whose data is such a header, of which it owns a reference. Likewise the three below.
unsafe fn clone<H: Woken>(data: *const ()) -> RawWaker {
    // SAFETY: the waker's reference keeps the header valid.
    if unsafe { H::refs(data.cast()).fetch_add(1, Ordering::Relaxed) } > TOO_MANY {
        // As `Arc` does: going on would free what is in use.
        process::abort();
    }
    RawWaker::new(data, H::calls())
}

unsafe fn wake<H: Woken>(data: *const ()) {
    // SAFETY: the waker's reference is valid for both, and given up by the second.
    unsafe {
        H::wake(data.cast());
        H::release(data.cast());
    }
}

unsafe fn wake_by_ref<H: Woken>(data: *const ()) {
    // SAFETY: the waker's reference, which it keeps.
    unsafe { H::wake(data.cast()) };
}

unsafe fn release<H: Woken>(data: *const ()) {
    // SAFETY: the waker's reference, given up.
    unsafe { H::release(data.cast()) };
}
