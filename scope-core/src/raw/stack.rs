//! What is ready, of many: a stack that any thread pushes onto, and the queue that its owner makes of it. What lies in them
//! is linked by a pointer of its own.
//!
//! Invariants
//! 1. What is linked is in one stack or one queue, once.
//! 2. A stack is pushed by any thread and only ever emptied as a whole, so a compare-and-swap cannot be fooled by what
//!    comes back. Once closed it takes nothing.

use std::ptr;

use crate::sync::atomic::{AtomicPtr, Ordering};

/// What has a link.
pub(super) trait Linked: Sized {
    /// What is below it in a stack; in a queue, what is behind it.
    ///
    /// # Safety
    /// `this` is valid for as long as the answer is used.
    unsafe fn below<'a>(this: *const Self) -> &'a AtomicPtr<Self>;
}

/// Linked, the last pushed first.
pub(super) struct Stack<T>(AtomicPtr<T>);

/// The address that marks a closed stack: of a static, so nothing else has it.
fn closed<T>() -> *mut T {
    static MARK: u64 = 0;
    (&raw const MARK).cast_mut().cast()
}

/// What came of a push.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Pushed {
    OntoEmpty,
    OntoOthers,
    Closed,
}

impl<T: Linked> Stack<T> {
    pub(super) fn new() -> Self {
        Stack(AtomicPtr::new(ptr::null_mut()))
    }

    /// # Safety
    /// `item` is valid, and in no stack and no queue. If it is taken, it stays valid until it has been taken out.
    pub(super) unsafe fn push(&self, item: *const T) -> Pushed {
        // Acquires: who finds it closed sees what the owner did before it closed it.
        let mut top = self.0.load(Ordering::Acquire);
        loop {
            if top == closed() {
                return Pushed::Closed;
            }
            // SAFETY: valid by the caller's promise; nobody else touches the link of what is being pushed.
            unsafe { T::below(item).store(top, Ordering::Relaxed) };
            // Acquires too: what the owner did before it emptied the stack is seen by whoever wakes it then.
            match self.0.compare_exchange_weak(top, item.cast_mut(), Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) if top.is_null() => return Pushed::OntoEmpty,
                Ok(_) => return Pushed::OntoOthers,
                Err(now) => top = now,
            }
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.load(Ordering::Acquire).is_null()
    }

    /// Takes what is on it, the last pushed first.
    pub(super) fn take(&self) -> *mut T {
        if self.0.load(Ordering::Relaxed).is_null() {
            return ptr::null_mut();
        }
        self.take_in_order()
    }

    /// The same; what comes before it is seen by whoever pushes after it.
    pub(super) fn take_in_order(&self) -> *mut T {
        open(self.0.swap(ptr::null_mut(), Ordering::AcqRel))
    }

    pub(super) fn close(&self) -> *mut T {
        open(self.0.swap(closed(), Ordering::AcqRel))
    }
}

/// Nothing is on a closed stack.
fn open<T>(top: *mut T) -> *mut T {
    if top == closed() { ptr::null_mut() } else { top }
}

/// In the order in which it came, linked. Of one owner.
pub(super) struct RunQueue<T> {
    first: *mut T,
    last: *mut T,
}

impl<T: Linked> RunQueue<T> {
    pub(super) const fn new() -> Self {
        RunQueue { first: ptr::null_mut(), last: ptr::null_mut() }
    }

    /// Appends what was taken off a stack, the oldest first.
    ///
    /// # Safety
    /// It was taken whole, and what is in it stays valid until it has been taken out.
    pub(super) unsafe fn collect(&mut self, mut top: *mut T) {
        if top.is_null() {
            return;
        }
        let (last, mut first) = (top, ptr::null_mut());
        while !top.is_null() {
            // SAFETY: what is on the stack is valid; it was taken whole, so it is ours.
            unsafe {
                let below = T::below(top).load(Ordering::Relaxed);
                T::below(top).store(first, Ordering::Relaxed);
                first = top;
                top = below;
            }
        }
        if self.last.is_null() {
            self.first = first;
        } else {
            // SAFETY: in the queue, so valid.
            unsafe { T::below(self.last).store(first, Ordering::Relaxed) };
        }
        self.last = last;
    }

    /// Appends one.
    ///
    /// # Safety
    /// `item` is valid, in no stack and no queue, and stays valid until it has been taken out.
    pub(super) unsafe fn append(&mut self, item: *mut T) {
        // SAFETY: valid by the caller's promise; what is in the queue is valid too.
        unsafe {
            T::below(item).store(ptr::null_mut(), Ordering::Relaxed);
            if self.last.is_null() {
                self.first = item;
            } else {
                T::below(self.last).store(item, Ordering::Relaxed);
            }
        }
        self.last = item;
    }

    pub(super) fn is_empty(&self) -> bool {
        self.first.is_null()
    }

    /// Takes the first.
    pub(super) fn pop(&mut self) -> Option<*const T> {
        let item = self.first;
        if item.is_null() {
            return None;
        }
        // SAFETY: in the queue, so valid.
        self.first = unsafe { T::below(item).load(Ordering::Relaxed) };
        if self.first.is_null() {
            self.last = ptr::null_mut();
        }
        Some(item)
    }
}
