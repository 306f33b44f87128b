//! A task that is carried: polled by the [`Carrier`](crate::carrier::Carrier) that it was given to, with a waker of its own.
//!
//! One allocation for each holds its header and its future. Others know it only by its header: the ready stack, and wakers,
//! which may outlive the carrier.
//!
//! Invariants
//! 1. The future is touched by the carrier only: whoever polls or drops it. It is destroyed in place when it ends; who has the
//!    last reference later only frees memory.
//! 2. `refs` counts the carrier, once, until the task has ended and is queued nowhere, and its wakers. Only the carrier makes a
//!    waker where there is none: what `refs` and `queued` are is its own to know while there is no waker.
//! 3. Whoever sets `queued` puts it onto the ready stack; the carrier clears it before it polls. What has ended is queued for
//!    good. If it was when it ended, the carrier's reference is owed: to the carrier, which takes it out of the queue, or, where
//!    the stack has closed before it was there, to whoever has set `queued`.
//! 4. Whoever pushes onto an empty ready stack wakes the carrier. Whoever finds it in use need not: the carrier empties it
//!    before it returns, or has been woken since.
//! 5. `ended`, `previous` and `next` belong to the carrier. All that have been polled and have not ended are linked by these.

use std::any::Any;
use std::cell::{Cell, UnsafeCell};
use std::future::Future;
use std::mem::{self, ManuallyDrop};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::ptr;
use std::sync::Arc;
use std::task::{Context, RawWakerVTable};

use super::outer::Outer;
use super::stack::{Linked, Pushed, RunQueue, Stack};
use super::waker::{self, Woken, borrowed, is_alone};
use crate::sync::atomic::{AtomicBool, AtomicPtr, AtomicU32, Ordering};

struct Header {
    calls: &'static Calls,
    shared: Arc<Shared>,
    refs: AtomicU32,
    queued: AtomicBool,
    owed: AtomicBool,
    ended: Cell<bool>,
    /// Whether it is linked.
    linked: Cell<bool>,
    below: AtomicPtr<Header>,
    previous: Cell<*const Header>,
    next: Cell<*const Header>,
}

impl Linked for Header {
    unsafe fn below<'a>(this: *const Self) -> &'a AtomicPtr<Self> {
        // SAFETY: the caller's promise.
        unsafe { &(*this).below }
    }
}

/// What one type of task does; each takes a pointer to its header, which is the start of its [`Carried`].
struct Calls {
    /// Polls the future. True if it is ready.
    poll: unsafe fn(*const Header, &mut Context<'_>) -> bool,
    /// Destroys the future.
    end: unsafe fn(*const Header),
    /// Frees the memory.
    free: unsafe fn(*const Header),
}

#[repr(C)]
struct Carried<F> {
    header: Header,
    future: UnsafeCell<ManuallyDrop<F>>,
}

impl<F: Future<Output = ()>> Carried<F> {
    const CALLS: Calls = Calls { poll: Self::poll, end: Self::end, free: Self::free };

    /// # Safety
    /// `this` is the header of a live `Carried<F>` that has not ended, and the caller is the carrier.
    unsafe fn poll(this: *const Header, cx: &mut Context<'_>) -> bool {
        // SAFETY: `repr(C)` puts the header first; the carrier alone touches the future (invariant 1), which does not move.
        unsafe {
            let future = (*this.cast::<Self>()).future.get();
            Pin::new_unchecked(&mut **future).poll(cx).is_ready()
        }
    }

    /// # Safety
    /// As for `poll`; it is called once, and the future is not touched again.
    unsafe fn end(this: *const Header) {
        // SAFETY: as above; dropped in place.
        unsafe { ManuallyDrop::drop(&mut *(*this.cast::<Self>()).future.get()) };
    }

    /// # Safety
    /// It has ended, and nobody else has a reference.
    unsafe fn free(this: *const Header) {
        // SAFETY: made by `Box::into_raw` in `Shared::carry`; the caller is alone with it. The future, which is not dropped by
        // this, has been.
        drop(unsafe { Box::from_raw(this.cast_mut().cast::<Self>()) });
    }
}

static CALLS: RawWakerVTable = waker::calls::<Header>();

// SAFETY: what is touched by others than the carrier is atomic, or shared by all; and a header is freed with its last
// reference only.
unsafe impl Woken for Header {
    fn calls() -> &'static RawWakerVTable {
        &CALLS
    }

    #[inline]
    unsafe fn refs<'a>(this: *const Self) -> &'a AtomicU32 {
        // SAFETY: the caller's promise.
        unsafe { &(*this).refs }
    }

    unsafe fn wake(this: *const Self) {
        // SAFETY: the caller's reference keeps the header valid throughout, and with it what it shares. It has not ended, or it
        // would be queued for good: so the carrier keeps it when it is queued. Where it is owed it has ended since, and the
        // carrier has found it queued, and gone without it: so its reference is ours (invariant 3).
        unsafe {
            if !(*this).queued.swap(true, Ordering::AcqRel)
                && !(*this).shared.push(this)
                && (*this).owed.load(Ordering::Relaxed)
            {
                Self::release(this);
            }
        }
    }

    unsafe fn release(this: *const Self) {
        // SAFETY: valid by that reference. Whoever gives up the last one is alone with it, and it has ended (invariant 2).
        unsafe {
            if is_alone(this) || (*this).refs.fetch_sub(1, Ordering::AcqRel) == 1 {
                ((*this).calls.free)(this);
            }
        }
    }
}

/// What the wakers of a carrier's tasks share with it, and those who give it some.
pub(crate) struct Shared {
    ready: Stack<Header>,
    carrier: Outer,
}

impl Shared {
    /// Adds a task. False if the carrier has gone: the future has been dropped then, unpolled.
    pub(crate) fn carry<F>(self: &Arc<Self>, future: F) -> bool
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let carried = Box::into_raw(Box::new(Carried {
            header: Header {
                calls: const { &Carried::<F>::CALLS },
                shared: self.clone(),
                refs: AtomicU32::new(1),
                queued: AtomicBool::new(true),
                owed: AtomicBool::new(false),
                ended: Cell::new(false),
                linked: Cell::new(false),
                below: AtomicPtr::new(ptr::null_mut()),
                previous: Cell::new(ptr::null()),
                next: Cell::new(ptr::null()),
            },
            future: UnsafeCell::new(ManuallyDrop::new(future)),
        }));
        let header: *const Header = carried.cast();
        // SAFETY: fresh, and `queued`. The stack gets the carrier's reference; where it refuses, nobody else knows the task.
        unsafe {
            if self.push(header) {
                return true;
            }
            if let Err(payload) = catch_unwind(AssertUnwindSafe(|| ((*header).calls.end)(header))) {
                forget(payload);
            }
            Header::release(header);
        }
        false
    }

    /// False if the carrier has gone.
    ///
    /// # Safety
    /// The header is valid throughout, and the caller has just set its `queued`.
    unsafe fn push(&self, header: *const Header) -> bool {
        // SAFETY: whoever has set `queued` pushes (invariant 3); the carrier keeps what is queued.
        let pushed = unsafe { self.ready.push(header) };
        if pushed == Pushed::OntoEmpty {
            self.carrier.wake();
        }
        pushed != Pushed::Closed
    }
}

/// The carrier's own part.
pub(crate) struct Tasks {
    shared: Arc<Shared>,
    run: RunQueue<Header>,
    /// Those that have been polled and have not ended.
    linked: *const Header,
}

// SAFETY: the tasks' futures are Send (see `carry`), and what is reached by the pointers is touched by whoever has the
// carrier, wherever that is, or atomic.
unsafe impl Send for Tasks {}

impl Tasks {
    pub(crate) fn new() -> Self {
        let shared = Arc::new(Shared { ready: Stack::new(), carrier: Outer::new() });
        Tasks { shared, run: RunQueue::new(), linked: ptr::null() }
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// Polls those that are ready, in the order in which they became so, one at least, for as long as `goes_on`. True if some
    /// are left: nobody is going to wake the carrier for them.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>, mut goes_on: impl FnMut() -> bool) -> bool {
        let ready = if self.shared.carrier.register(cx.waker()) {
            // Who has pushed before this may have woken another task, or none. Who pushes after it sees the new waker.
            self.shared.ready.take_in_order()
        } else {
            self.shared.ready.take()
        };
        // SAFETY: taken whole; what was queued has our reference, which is given up when it has been taken out.
        unsafe { self.run.collect(ready) };
        while let Some(header) = self.next() {
            // SAFETY: just taken out.
            unsafe { self.poll_one(header) };
            if !goes_on() {
                break;
            }
        }
        // Who has pushed since we looked, or does, wakes us.
        !self.run.is_empty()
    }

    /// Whether it has no task that has not ended. Where it has one that has, and is queued, it is not empty either, and has
    /// been woken for it.
    pub(crate) fn is_empty(&self) -> bool {
        self.linked.is_null() && self.run.is_empty() && self.shared.ready.is_empty()
    }

    fn next(&mut self) -> Option<*const Header> {
        self.run.pop().or_else(|| {
            // SAFETY: as in `poll`.
            unsafe { self.run.collect(self.shared.ready.take()) };
            self.run.pop()
        })
    }

    /// # Safety
    /// It has just been taken out of the queue.
    unsafe fn poll_one(&mut self, header: *const Header) {
        // SAFETY: valid by our reference, which is given up last.
        unsafe {
            if (*header).ended.get() {
                Header::release(header);
                return;
            }
            if is_alone(header) {
                (*header).queued.store(false, Ordering::Relaxed);
            } else {
                // A swap, not a store: it must be in order with what the task reads when it is polled, or a wake that comes
                // between the two would see it as queued still, and be lost.
                (*header).queued.swap(false, Ordering::AcqRel);
            }
            let waker = borrowed(header);
            let mut cx = Context::from_waker(&waker);
            let ready = catch_unwind(AssertUnwindSafe(|| ((*header).calls.poll)(header, &mut cx)));
            match ready {
                Ok(false) => self.link(header),
                Ok(true) => self.end(header),
                Err(payload) => {
                    self.end(header);
                    forget(payload);
                }
            }
        }
    }

    /// Ends a task that was taken out of the queue to be polled.
    ///
    /// # Safety
    /// The header is valid, and has not ended.
    unsafe fn end(&mut self, header: *const Header) {
        // SAFETY: valid by our reference, which is given up last.
        unsafe {
            self.destroy(header);
            // Queued for good: nobody queues it from here on. If it was queued, it is released when it is taken out.
            let queued = match is_alone(header) {
                true => (*header).queued.load(Ordering::Relaxed),
                false => {
                    // In order before what closes the stack.
                    (*header).owed.store(true, Ordering::Relaxed);
                    (*header).queued.swap(true, Ordering::AcqRel)
                }
            };
            if !queued {
                Header::release(header);
            }
        }
    }

    /// Ends a task when the stack has closed, and the queue does not hold it.
    ///
    /// # Safety
    /// As for `end`.
    unsafe fn end_closed(&mut self, header: *const Header) {
        // SAFETY: as above. Whoever wakes it has found the stack closed, or finds it queued.
        unsafe {
            self.destroy(header);
            (*header).queued.swap(true, Ordering::AcqRel);
            Header::release(header);
        }
    }

    /// # Safety
    /// As for `end`.
    unsafe fn destroy(&mut self, header: *const Header) {
        // SAFETY: valid by our reference; the future is dropped once, for it has not ended.
        unsafe {
            (*header).ended.set(true);
            if (*header).linked.get() {
                self.unlink(header);
            }
            if let Err(payload) = catch_unwind(AssertUnwindSafe(|| ((*header).calls.end)(header))) {
                forget(payload);
            }
        }
    }

    /// # Safety
    /// The header is valid, and has not ended.
    unsafe fn link(&mut self, header: *const Header) {
        // SAFETY: valid by the caller's promise; what is linked has not ended, so it is valid too.
        unsafe {
            if (*header).linked.replace(true) {
                return;
            }
            (*header).previous.set(ptr::null());
            (*header).next.set(self.linked);
            if let Some(next) = self.linked.as_ref() {
                next.previous.set(header);
            }
        }
        self.linked = header;
    }

    /// # Safety
    /// The header is linked.
    unsafe fn unlink(&mut self, header: *const Header) {
        // SAFETY: as in `link`.
        unsafe {
            (*header).linked.set(false);
            let (previous, next) = ((*header).previous.get(), (*header).next.get());
            match previous.as_ref() {
                Some(previous) => previous.next.set(next),
                None => self.linked = next,
            }
            if let Some(next) = next.as_ref() {
                next.previous.set(previous);
            }
        }
    }
}

/// Ends all tasks where they are, and takes no more.
impl Drop for Tasks {
    fn drop(&mut self) {
        let ready = self.shared.ready.close();
        // SAFETY: as in `poll`. From here on nothing is queued, whatever is woken; what is linked has not ended.
        unsafe {
            self.run.collect(ready);
            while let Some(header) = self.run.pop() {
                match (*header).ended.get() {
                    true => Header::release(header),
                    false => self.end_closed(header),
                }
            }
            while !self.linked.is_null() {
                self.end_closed(self.linked);
            }
        }
    }
}

/// What a task that is nobody's panicked with: the panic hook has printed it. Its destructor may panic in its turn.
#[cold]
pub(crate) fn forget(payload: Box<dyn Any + Send>) {
    if let Err(second) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
        mem::forget(second);
    }
}
