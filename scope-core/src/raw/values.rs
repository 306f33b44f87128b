//! The values of children, for their one reader. Those of same-task children are handed over in plain cells: both sides run on
//! the host's thread, one after the other. Those that may come from another thread are left in a shared book.
//!
//! Invariants
//! 1. `unread`, `waits`, `closed` and `scope` are touched by who has the [`Values`] exclusively, and by the host when it ends a
//!    child, or finds it refused; no code of a user runs meanwhile. Who has the values of a nursery's own children has them for
//!    `'s`: only the body and the same-task children can, or a thread that one of them waits for without returning. So the host
//!    runs code of a user then, and ends no child of this nursery: one that is refused meanwhile was added through the
//!    `Values`, so nobody has them exclusively. (By reference others only ask how many there are.)
//! 2. `unfinished` is changed on the host's thread, in a frame of the nursery's, or by the host; others read it.
//! 3. The children counted in it keep the book together: who counts the first in gives a count, who counts the last out takes it.
//! 4. Once there is a shared book all values go there, so that they come in the order in which children have finished: those
//!    that are here have finished before.

use std::cell::{Cell, UnsafeCell};
use std::mem;
use std::sync::Arc;
use std::task::{Context, Poll};

use super::frame::{self, Here};
use crate::collect::{self, Collected, Made};
use crate::failure::Fault;
use crate::nursery::Nursery;
use crate::scope::Scope;
use crate::sync::atomic::{AtomicUsize, Ordering};
use crate::sync::{AtomicWaker, OnceLock};
use crate::task::TaskRef;

/// What the reader has.
pub(crate) struct Values<S, T> {
    pub(crate) spawns: S,
    book: Arc<Book<T>>,
}

struct Book<T> {
    /// Children counted here that have not ended.
    unfinished: AtomicUsize,
    unread: UnsafeCell<Unread<T>>,
    /// The reader waits, or has since it was last woken.
    waits: Cell<bool>,
    /// The reader has gone.
    closed: Cell<bool>,
    /// The nursery's, once a value is here that may have a destructor.
    scope: UnsafeCell<Option<Arc<Scope>>>,
    reader: AtomicWaker,
    shared: OnceLock<Arc<Collected<Made<T>>>>,
}

// SAFETY: values move to whatever thread the reader or the host is on, so they are to be Send; no reference to one is given
// out. Cells are touched by one side at a time (invariant 1). The rest is atomic, or Send and Sync.
unsafe impl<T: Send> Send for Book<T> {}
// SAFETY: as above.
unsafe impl<T: Send> Sync for Book<T> {}

/// Values that were not read.
struct Unread<T> {
    values: InOrder<T>,
    /// Whose they are, where they may have a destructor: then one for each.
    makers: InOrder<TaskRef>,
}

impl<T> Unread<T> {
    const fn new() -> Self {
        Unread { values: InOrder::new(), makers: InOrder::new() }
    }

    /// The oldest.
    #[inline]
    fn pop(&mut self) -> Option<(T, Option<TaskRef>)> {
        let value = self.values.pop()?;
        Some((value, if mem::needs_drop::<T>() { self.makers.pop() } else { None }))
    }
}

/// What comes first goes first. Two stacks take fewer instructions for it than a ring does.
struct InOrder<I> {
    /// The newest last.
    new: Vec<I>,
    /// The oldest last; all of them are older.
    old: Vec<I>,
}

impl<I> InOrder<I> {
    const fn new() -> Self {
        InOrder { new: Vec::new(), old: Vec::new() }
    }

    fn len(&self) -> usize {
        self.new.len() + self.old.len()
    }

    /// Adds one, of so many that are `expected`.
    #[inline]
    fn push(&mut self, item: I, expected: usize) {
        if self.new.len() == self.new.capacity() {
            self.new.reserve(expected.clamp(4, MOST_AT_ONCE));
        }
        self.new.push(item);
    }

    #[inline]
    fn pop(&mut self) -> Option<I> {
        if self.old.is_empty() {
            mem::swap(&mut self.new, &mut self.old);
            self.old.reverse();
        }
        self.old.pop()
    }
}

/// For so many room is made in one step.
const MOST_AT_ONCE: usize = 64;

impl<S, T> Values<S, T> {
    pub(crate) fn new(spawns: S) -> Self {
        let book = Book {
            unfinished: AtomicUsize::new(0),
            unread: UnsafeCell::new(Unread::new()),
            waits: Cell::new(false),
            closed: Cell::new(false),
            scope: UnsafeCell::new(None),
            reader: AtomicWaker::new(),
            shared: OnceLock::new(),
        };
        Values { spawns, book: Arc::new(book) }
    }

    /// Counts in a child that may end on another thread.
    pub(crate) fn expect(&self) -> collect::Expected<Made<T>> {
        let mut fresh = false;
        let shared = self.book.shared.get_or_init(|| {
            fresh = true;
            Collected::new()
        });
        if fresh {
            // It waits for what comes there, too.
            self.book.reader.wake();
        }
        shared.expect()
    }

    /// How many children run, or have left something that was not read.
    pub(crate) fn len(&self) -> usize {
        let shared = self.book.shared.get().map_or(0, |shared| shared.len());
        // SAFETY: it is changed only where nobody has a reference to us (invariant 1).
        let unread = unsafe { &*self.book.unread.get() }.values.len();
        shared + self.book.unfinished.load(Ordering::Relaxed) + unread
    }

    pub(crate) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<T>> {
        let book = &*self.book;
        // SAFETY: invariant 1; the borrow ends here.
        if let Some((value, _)) = unsafe { &mut *book.unread.get() }.pop() {
            return Poll::Ready(Some(value));
        }
        let more = book.unfinished.load(Ordering::Relaxed) > 0;
        let polled = match book.shared.get() {
            Some(shared) => shared.poll_next_beside(more, cx).map(|made| made.and_then(Made::take)),
            None if more => Poll::Pending,
            None => Poll::Ready(None),
        };
        if polled.is_ready() {
            return polled;
        }
        // Children of both kinds wake it, whatever comes next.
        book.reader.register(cx.waker());
        book.waits.set(true);
        Poll::Pending
    }
}

impl<'s, E: Fault, K, T> Values<&'s Nursery<'s, '_, E, K>, T> {
    /// Counts in a child that the caller adds to the nursery, or drops. None where it is not known who runs the caller: then
    /// the child is to be counted as one that may end elsewhere.
    pub(crate) fn expect_here(&self) -> Option<Counted<T>> {
        if !frame::is_in(&self.spawns.scope) {
            return None;
        }
        let unfinished = self.book.unfinished.load(Ordering::Relaxed);
        if unfinished == 0 {
            mem::forget(self.book.clone());
        }
        // Nobody else changes it (invariant 2).
        self.book.unfinished.store(unfinished + 1, Ordering::Relaxed);
        Some(Counted(Arc::as_ptr(&self.book)))
    }
}

impl<S, T> Drop for Values<S, T> {
    fn drop(&mut self) {
        let book = &*self.book;
        book.closed.set(true);
        drop(book.reader.take());
        // SAFETY: invariant 1; the borrows end here.
        let (mut unread, scope) =
            unsafe { (mem::replace(&mut *book.unread.get(), Unread::new()), (*book.scope.get()).take()) };
        while let Some((value, maker)) = unread.pop() {
            match (maker, &scope) {
                (Some(task), Some(scope)) => drop(Made::new(value, task, scope.clone())),
                _ => drop(value),
            }
        }
        drop(book.shared.get().map(|shared| shared.close()));
    }
}

/// A same-task child that is to leave one value, or none. Dropped by the host, or on its thread.
pub(crate) struct Counted<T>(*const Book<T>);

impl<T> Counted<T> {
    #[inline]
    fn book(&self) -> &Book<T> {
        // SAFETY: it is counted (invariant 3).
        unsafe { &*self.0 }
    }

    /// Leaves what `task` has made. Called by the host, which ends it. Where nobody reads any more it is destroyed.
    pub(crate) fn leave(self, here: Here<'_>, task: &TaskRef, value: T) {
        let book = self.book();
        if let Some(shared) = book.shared.get() {
            drop(shared.put(Made::by(task, here, value)));
        } else if book.closed.get() {
            drop(value);
        } else {
            self.put(here, task, value);
        }
    }

    /// The same where that runs no code of a user. Otherwise nothing, and both come back.
    #[inline(always)]
    pub(crate) fn leave_quietly(self, here: Here<'_>, task: &TaskRef, value: T) -> Result<(), (Self, T)> {
        let book = self.book();
        if book.shared.get().is_some() || book.closed.get() || book.waits.get() {
            return Err((self, value));
        }
        self.put(here, task, value);
        Ok(())
    }

    #[inline(always)]
    fn put(self, here: Here<'_>, task: &TaskRef, value: T) {
        let book = self.book();
        let expected = book.unfinished.load(Ordering::Relaxed);
        if mem::needs_drop::<T>() {
            // SAFETY: invariant 1: we are the host; the borrows end here, and with each line below.
            if unsafe { (*book.scope.get()).is_none() } {
                let scope = here.make();
                // SAFETY: as above.
                unsafe { *book.scope.get() = Some(scope) };
            }
            // SAFETY: as above.
            unsafe { (*book.unread.get()).makers.push(task.clone(), expected) };
        }
        // SAFETY: as above.
        unsafe { (*book.unread.get()).values.push(value, expected) };
    }
}

impl<T> Drop for Counted<T> {
    #[inline]
    fn drop(&mut self) {
        let book = self.book();
        // Nobody else changes it (invariant 2).
        let left = book.unfinished.load(Ordering::Relaxed) - 1;
        book.unfinished.store(left, Ordering::Relaxed);
        // SAFETY: given by the first, and taken by the last only (invariant 3). It is held until the reader has been told.
        let _all = (left == 0).then(|| unsafe { Arc::from_raw(self.0) });
        // Kept by those who are left, or by `_all`; to be told, if it waits.
        if book.waits.replace(false) {
            book.reader.wake();
        }
    }
}
