//! The list of a scope's parked children: intrusive, so that a child costs no allocation of its own.
//!
//! An [`Entry`] lives inside the child's pinned future. Its links belong to the scope's lock; its task is, what it waits at,
//! its mark and its waker are read by others too.
//!
//! A child is listed when it waits for the first time; one that never waits never takes the lock. Being told of a
//! cancellation takes it out of the list, so that it ends without the lock; if it waits again all the same (behind a shield),
//! it is listed among the told.
//!
//! Invariants
//! 1. An entry is in at most one list, the one that its mark names, and only while its memory is valid: the child
//!    takes it out before it ends or is dropped.
//! 2. `links` is touched only by methods of [`Parked`], and `Parked` is only reached through the scope's lock.
//! 3. No waker is called, cloned or dropped here: they go out by value and are used after the lock is released.
//! 4. Marks of a list are set and taken away under the lock, the others by the child. Once an entry is marked
//!    [`mark::LOOSE`], nobody but its child refers to it.
//! 5. A waker is put in, and taken out, under the lock. Who looks at it without can only compare.

use std::cell::UnsafeCell;
use std::marker::PhantomPinned;
use std::mem::ManuallyDrop;
use std::pin::Pin;
use std::ptr;
use std::task::{RawWakerVTable, Waker};

use crate::sync::atomic::{AtomicPtr, Ordering};
use crate::task::TaskRef;
use crate::waits::{Waiting, Waits};

/// How far a child has come, and where it is listed.
mod mark {
    /// Never polled.
    pub(super) const FRESH: u32 = 0;
    /// It has been polled, and is not listed.
    pub(super) const LOOSE: u32 = 1;
    /// Parked, and not told of a cancellation.
    pub(super) const WAITING: u32 = 2;
    /// Parked, and told.
    pub(super) const TOLD: u32 = 3;
    pub(super) const ENDED: u32 = 4;
}

struct Links {
    prev: *const Entry,
    next: *const Entry,
}

/// In this order: what is touched of each child when all are told lies together, as far in front as may be.
#[repr(C)]
pub(crate) struct Entry {
    waits: Waits,
    waker: Kept,
    /// Of use while it is listed. (Set all the same: what is not set is copied piece by piece when a child moves.)
    links: UnsafeCell<Links>,
    /// Taken by its child, at the end.
    task: ManuallyDrop<TaskRef>,
    _pinned: PhantomPinned,
}

// SAFETY: `links` is only touched under the scope's lock (invariant 2), `task` is never changed, the rest is atomic;
// Waker and TaskRef are Send and Sync.
unsafe impl Send for Entry {}
// SAFETY: as above.
unsafe impl Sync for Entry {}

impl Entry {
    pub(crate) fn new(task: TaskRef) -> Self {
        let links = UnsafeCell::new(Links { prev: ptr::null(), next: ptr::null() });
        let task = ManuallyDrop::new(task);
        Entry { task, waits: Waits::new(), waker: Kept::new(), links, _pinned: PhantomPinned }
    }

    pub(crate) fn task(&self) -> &TaskRef {
        &self.task
    }

    /// # Safety
    /// The child has ended, and nobody asks for its task any more.
    pub(crate) unsafe fn take_task(&mut self) -> TaskRef {
        // SAFETY: the caller's promise.
        unsafe { ManuallyDrop::take(&mut self.task) }
    }

    fn links(&self) -> *mut Links {
        self.links.get()
    }

    pub(crate) fn waits(&self) -> &Waits {
        &self.waits
    }

    /// Never polled.
    pub(crate) fn is_fresh(&self) -> bool {
        self.mark() == mark::FRESH
    }

    pub(crate) fn is_ended(&self) -> bool {
        self.mark() == mark::ENDED
    }

    #[inline]
    pub(crate) fn is_listed(&self) -> bool {
        matches!(self.mark(), mark::WAITING | mark::TOLD)
    }

    /// Its child is polled.
    pub(crate) fn begin(&self) {
        if self.is_fresh() {
            self.set_mark(mark::LOOSE);
        }
    }

    /// Its child has ended. It is not listed.
    pub(crate) fn end(&self) {
        self.set_mark(mark::ENDED);
    }

    #[inline]
    fn mark(&self) -> u32 {
        self.waits.mark.load(Ordering::Acquire)
    }

    fn set_mark(&self, mark: u32) {
        self.waits.mark.store(mark, Ordering::Release);
    }

    /// Whether it is listed with this waker. One that is being told may say yes: whoever tells it has set the scope's flag
    /// before.
    pub(crate) fn holds(&self, waker: &Waker) -> bool {
        self.waker.is(waker)
    }
}

/// A waker, or none, in its parts, so that it can be compared without the lock. None where the entry is not listed: there is
/// nothing to drop.
struct Kept {
    data: AtomicPtr<()>,
    /// Null: none.
    vtable: AtomicPtr<RawWakerVTable>,
}

impl Kept {
    fn new() -> Self {
        Kept { data: AtomicPtr::new(ptr::null_mut()), vtable: AtomicPtr::new(ptr::null_mut()) }
    }

    fn is(&self, waker: &Waker) -> bool {
        ptr::eq(self.data.load(Ordering::Relaxed), waker.data())
            && ptr::eq(self.vtable.load(Ordering::Relaxed), waker.vtable())
    }

    /// # Safety
    /// The scope's lock is held, or nobody else refers to this.
    unsafe fn replace(&self, waker: Option<Waker>) -> Option<Waker> {
        let (data, vtable) = (self.data.load(Ordering::Relaxed), self.vtable.load(Ordering::Relaxed));
        // SAFETY: null, or the table of a waker, which is `'static`.
        let vtable = unsafe { vtable.cast_const().as_ref() };
        // SAFETY: they are the parts of one waker that was forgotten below: both are only changed together, under the lock.
        let old = vtable.map(|vtable| unsafe { Waker::new(data, vtable) });
        let waker = waker.map(ManuallyDrop::new);
        let (data, vtable) = match &waker {
            Some(waker) => (waker.data().cast_mut(), ptr::from_ref(waker.vtable()).cast_mut()),
            None => (ptr::null_mut(), ptr::null_mut()),
        };
        self.data.store(data, Ordering::Relaxed);
        self.vtable.store(vtable, Ordering::Relaxed);
        old
    }
}

struct Ends {
    first: *const Entry,
    last: *const Entry,
}

impl Ends {
    const EMPTY: Ends = Ends { first: ptr::null(), last: ptr::null() };
}

/// How many wakers are taken per turn of the lock.
pub(crate) const BATCH: usize = 32;

/// The two lists of one scope.
pub(crate) struct Parked {
    waiting: Ends,
    told: Ends,
}

// SAFETY: the pointers are to entries that are Send and Sync and stay valid while listed (invariant 1).
unsafe impl Send for Parked {}

impl Parked {
    pub(crate) const fn new() -> Self {
        Parked { waiting: Ends::EMPTY, told: Ends::EMPTY }
    }

    fn ends(&mut self, mark: u32) -> &mut Ends {
        if mark == mark::WAITING { &mut self.waiting } else { &mut self.told }
    }

    /// Lists `entry` with this waker, or gives the listed one this waker. The waker it had comes back.
    ///
    /// # Safety
    /// `entry` is in no list, or in one of this `Parked`, and [`Parked::remove`] is called before its memory ends.
    pub(crate) unsafe fn park(&mut self, entry: Pin<&Entry>, waker: Waker, told: bool) -> Option<Waker> {
        let entry = entry.get_ref();
        if !entry.is_listed() {
            let mark = if told { mark::TOLD } else { mark::WAITING };
            let ends = self.ends(mark);
            // SAFETY: invariant 2, and the caller's promise.
            unsafe { entry.links().write(Links { prev: ends.last, next: ptr::null() }) };
            if ends.last.is_null() {
                ends.first = entry;
            } else {
                // SAFETY: `last` is listed, so valid (invariant 1), and is not `entry`, which was in no list.
                unsafe { (*(*ends.last).links()).next = entry };
            }
            ends.last = entry;
            entry.set_mark(mark);
        }
        // SAFETY: the lock is held, since `self` is borrowed.
        unsafe { entry.waker.replace(Some(waker)) }
    }

    /// Takes `entry` out, if it is in. Its waker comes back.
    ///
    /// # Safety
    /// `entry` is in no list, or in one of this `Parked`.
    pub(crate) unsafe fn remove(&mut self, entry: Pin<&Entry>) -> Option<Waker> {
        // SAFETY: invariant 2, and the caller's promise.
        unsafe { self.unlink(ptr::from_ref(entry.get_ref())) }
    }

    /// # Safety
    /// `entry` is valid, and in no list or in one of this `Parked`. It is not referred to afterwards, but by its child.
    unsafe fn unlink(&mut self, entry: *const Entry) -> Option<Waker> {
        // SAFETY: valid by the caller's promise.
        let entry = unsafe { &*entry };
        if !entry.is_listed() {
            return None;
        }
        // SAFETY: the lock is held (invariant 2).
        let Links { prev, next } = unsafe { entry.links().read() };
        let ends = self.ends(entry.mark());
        if prev.is_null() {
            ends.first = next;
        } else {
            // SAFETY: a listed neighbour is valid (invariant 1) and is not `entry`.
            unsafe { (*(*prev).links()).next = next };
        }
        if next.is_null() {
            ends.last = prev;
        } else {
            // SAFETY: as above.
            unsafe { (*(*next).links()).prev = prev };
        }
        // SAFETY: the lock is held.
        let waker = unsafe { entry.waker.replace(None) };
        // The last: from here on its memory may end at any time.
        entry.set_mark(mark::LOOSE);
        waker
    }

    /// Takes out up to [`BATCH`] waiting entries and hands out their wakers. False when none is left.
    pub(crate) fn tell(&mut self, wakers: &mut Vec<Waker>) -> bool {
        let mut at = self.waiting.first;
        for _ in 0..BATCH {
            // SAFETY: null, or listed and so valid (invariant 1); the lock is held, since `self` is borrowed (invariant 2).
            let Some(entry) = (unsafe { at.as_ref() }) else { break };
            // SAFETY: as above.
            unsafe {
                at = (*entry.links()).next;
                wakers.extend(entry.waker.replace(None));
            }
            // The last: from here on its memory may end at any time.
            entry.set_mark(mark::LOOSE);
        }
        self.waiting.first = at;
        if at.is_null() {
            self.waiting.last = at;
            return false;
        }
        // SAFETY: it is still listed.
        unsafe { (*(*at).links()).prev = ptr::null() };
        true
    }

    /// The tasks that are parked, and what they wait at.
    pub(crate) fn tasks(&self) -> Vec<(TaskRef, Waiting)> {
        let mut tasks = Vec::new();
        for mut at in [self.waiting.first, self.told.first] {
            while !at.is_null() {
                // SAFETY: listed, so valid (invariant 1); the lock is held (invariant 2).
                unsafe {
                    tasks.push(((*at).task().clone(), (*at).waits.show()));
                    at = (*(*at).links()).next;
                }
            }
        }
        tasks
    }
}
