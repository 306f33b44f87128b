//! The list of a scope's parked children: intrusive, so that a child costs no allocation of its own.
//!
//! An [`Entry`] lives inside the child's pinned future. Its links and its waker belong to the scope's lock; its task is
//! and what it waits at are
//! read by anybody who holds that lock.
//!
//! Invariants
//! 1. An entry is in at most one list, the one that its `place` names, and only while its memory is valid: the child
//!    takes it out before it ends or is dropped.
//! 2. `links` is touched only by methods of [`Parked`], and `Parked` is only reached through the scope's lock.
//! 3. No waker is called, cloned or dropped here: they go out by value and are used after the lock is released.

use std::cell::UnsafeCell;
use std::marker::PhantomPinned;
use std::pin::Pin;
use std::ptr;
use std::task::Waker;

use crate::task::TaskRef;
use crate::waits::{Waiting, Waits};

#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Nowhere,
    /// Parked, and not told of a cancellation.
    Waiting,
    /// Told: its waker has been taken.
    Told,
}

struct Links {
    place: Place,
    prev: *const Entry,
    next: *const Entry,
    waker: Option<Waker>,
}

pub(crate) struct Entry {
    task: TaskRef,
    waits: Waits,
    links: UnsafeCell<Links>,
    _pinned: PhantomPinned,
}

// SAFETY: `links` is only touched under the scope's lock (invariant 2), `task` is never changed, `waits` is atomic;
// Waker and TaskRef are Send and Sync.
unsafe impl Send for Entry {}
// SAFETY: as above.
unsafe impl Sync for Entry {}

impl Entry {
    pub(crate) fn new(task: TaskRef) -> Self {
        let links = Links { place: Place::Nowhere, prev: ptr::null(), next: ptr::null(), waker: None };
        Entry { task, waits: Waits::new(), links: UnsafeCell::new(links), _pinned: PhantomPinned }
    }

    pub(crate) fn task(&self) -> &TaskRef {
        &self.task
    }

    pub(crate) fn waits(&self) -> &Waits {
        &self.waits
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

    fn ends(&mut self, place: Place) -> &mut Ends {
        if place == Place::Waiting { &mut self.waiting } else { &mut self.told }
    }

    /// Lists `entry` with this waker, or gives the listed one this waker. The waker it had comes back.
    ///
    /// # Safety
    /// `entry` is in no list, or in one of this `Parked`, and [`Parked::remove`] is called before its memory ends.
    pub(crate) unsafe fn park(&mut self, entry: Pin<&Entry>, waker: Waker, told: bool) -> Option<Waker> {
        let entry = ptr::from_ref(entry.get_ref());
        // SAFETY: invariant 2, and the caller's promise.
        let links = unsafe { &mut *(*entry).links.get() };
        if links.place == Place::Nowhere {
            let place = if told { Place::Told } else { Place::Waiting };
            links.place = place;
            let ends = self.ends(place);
            links.prev = ends.last;
            links.next = ptr::null();
            if ends.last.is_null() {
                ends.first = entry;
            } else {
                // SAFETY: `last` is listed, so valid (invariant 1), and is not `entry`, which was in no list.
                unsafe { (*(*ends.last).links.get()).next = entry };
            }
            ends.last = entry;
        }
        links.waker.replace(waker)
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
    /// `entry` is valid, and in no list or in one of this `Parked`.
    unsafe fn unlink(&mut self, entry: *const Entry) -> Option<Waker> {
        // SAFETY: valid by the caller's promise; the lock is held (invariant 2).
        let links = unsafe { &mut *(*entry).links.get() };
        if links.place == Place::Nowhere {
            return None;
        }
        let (prev, next) = (links.prev, links.next);
        let ends = self.ends(links.place);
        if prev.is_null() {
            ends.first = next;
        } else {
            // SAFETY: a listed neighbour is valid (invariant 1) and is not `entry`.
            unsafe { (*(*prev).links.get()).next = next };
        }
        if next.is_null() {
            ends.last = prev;
        } else {
            // SAFETY: as above.
            unsafe { (*(*next).links.get()).prev = prev };
        }
        links.place = Place::Nowhere;
        links.waker.take()
    }

    /// Moves up to [`BATCH`] waiting entries to the told ones and hands out their wakers. False when none is left.
    pub(crate) fn tell(&mut self, wakers: &mut Vec<Waker>) -> bool {
        for _ in 0..BATCH {
            let first = self.waiting.first;
            if first.is_null() {
                return false;
            }
            // SAFETY: listed, so valid (invariant 1); the lock is held, since `self` is borrowed (invariant 2).
            let waker = unsafe { self.unlink(first) };
            // SAFETY: as above; it is in no list now, and its child's duty to remove it stands.
            unsafe {
                let links = &mut *(*first).links.get();
                links.place = Place::Told;
                links.prev = self.told.last;
                links.next = ptr::null();
                if self.told.last.is_null() {
                    self.told.first = first;
                } else {
                    (*(*self.told.last).links.get()).next = first;
                }
                self.told.last = first;
            }
            wakers.extend(waker);
        }
        !self.waiting.first.is_null()
    }

    /// The tasks that are parked, and what they wait at.
    pub(crate) fn tasks(&self) -> Vec<(TaskRef, Waiting)> {
        let mut tasks = Vec::new();
        for mut at in [self.waiting.first, self.told.first] {
            while !at.is_null() {
                // SAFETY: listed, so valid (invariant 1); the lock is held (invariant 2).
                unsafe {
                    tasks.push(((*at).task.clone(), (*at).waits.show()));
                    at = (*(*at).links.get()).next;
                }
            }
        }
        tasks
    }
}
