//! Same-task children: futures that are polled by their nursery, each with a waker of its own, and may borrow.
//!
//! One slot for each child holds its header, its future and its deposit. Others know a child only by its header: the ready
//! stack, and wakers, which may outlive the nursery and everything the child borrowed.
//!
//! Invariants
//! 1. The future and the deposit are touched by the host only: whoever polls or drops the nursery. They are destroyed in
//!    place before the host gives up its reference; a header that lives longer only frees memory.
//! 2. `refs` counts the host, once, until the child has ended and is queued nowhere, and its wakers. Only the host makes a
//!    waker where there is none: what `refs` and `queued` are is its own to know while there is no waker. Where a child that
//!    ends has been queued, and not yet pushed when the host closes the queue, the host's count is `owed` to whoever pushes.
//! 3. Whoever runs in a frame of the nursery's own scope runs in a poll or drop by the host, on its thread, which has
//!    nothing of its part borrowed: so such a spawn or wake goes to the run queue, without an atomic. The host looks at the
//!    run queue after each such frame, or has closed.
//! 4. `ended`, `listed`, `locals` and [`Host`] belong to the host, on whatever thread it is; others have only `&Locals`.

use std::cell::{Cell, UnsafeCell};
use std::convert::Infallible;
use std::future::Future;
use std::mem::{self, ManuallyDrop};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::ptr;
use std::sync::Arc;
use std::task::{Context, Poll, RawWakerVTable, Wake, Waker};

use super::queue::Queue;
use super::slab::{self, Chunk, Shape, Slot};
use super::stack::Linked;
use super::waker::{self, Woken, borrowed, is_alone};
use crate::deposit::{Deposit, End, record_panic};
use crate::event::{self, EventKind};
use crate::failure::Fault;
use crate::nursery::Nursery;
use crate::origin::LazyScope;
use crate::raw::frame::{self, Frame, Here};
use crate::shield::ShieldCell;
use crate::sync::OnceLock;
use crate::sync::atomic::{AtomicBool, AtomicPtr, AtomicU32, Ordering};
use crate::task::TaskRef;
use crate::task_local::Snapshot;
use crate::turn::Turn;
use crate::waits::Waits;

pub(super) struct Header {
    calls: &'static Calls,
    /// What it lies in, and where there.
    pub(super) chunk: *const Chunk,
    pub(super) index: u8,
    /// Added by the host, so counted in its [`Feed`](super::hosted::Feed).
    counted: bool,
    ended: Cell<bool>,
    /// Whether the tree shows it.
    listed: Cell<bool>,
    queued: AtomicBool,
    owed: AtomicBool,
    pub(super) refs: AtomicU32,
    /// The header below in a stack; in the host's run queue, the one behind.
    pub(super) below: AtomicPtr<Header>,
    /// Destroyed when the child ends.
    locals: UnsafeCell<ManuallyDrop<Snapshot>>,
    shields: ShieldCell,
    pub(super) waits: Waits,
    pub(super) task: TaskRef,
}

impl Linked for Header {
    unsafe fn below<'a>(this: *const Self) -> &'a AtomicPtr<Self> {
        // SAFETY: the caller's promise.
        unsafe { &(*this).below }
    }
}

/// What one type of child does; each takes a pointer to its header, which is the start of its [`Local`].
struct Calls {
    /// Polls the future. True if it has ended.
    poll: unsafe fn(*const Header, &LazyScope, &mut Context<'_>) -> bool,
    /// Destroys the future and makes the deposit.
    end: unsafe fn(*const Header, &LazyScope, End<Infallible>),
}

#[repr(C)]
struct Local<F: Future, D> {
    header: Header,
    future: UnsafeCell<ManuallyDrop<F>>,
    deposit: UnsafeCell<ManuallyDrop<D>>,
}

impl<F: Future, D: Deposit<F::Output>> Local<F, D> {
    const CALLS: Calls = Calls { poll: Self::poll, end: Self::end_without_value };
    const SHAPE: Shape = Shape::of::<Self>();

    /// A child of the code that runs here, to be queued at once.
    #[inline]
    fn new(slot: &Slot, counted: bool, task: TaskRef, future: F, deposit: D) -> Self {
        Local {
            header: Header {
                calls: const { &Self::CALLS },
                chunk: slot.chunk,
                index: slot.index,
                counted,
                ended: Cell::new(false),
                listed: Cell::new(false),
                queued: AtomicBool::new(true),
                owed: AtomicBool::new(false),
                refs: AtomicU32::new(1),
                below: AtomicPtr::new(ptr::null_mut()),
                locals: UnsafeCell::new(ManuallyDrop::new(frame::snapshot())),
                shields: ShieldCell::new(),
                waits: Waits::new(),
                task,
            },
            future: UnsafeCell::new(ManuallyDrop::new(future)),
            deposit: UnsafeCell::new(ManuallyDrop::new(deposit)),
        }
    }

    /// # Safety
    /// `this` is the header of a live `Local<F, D>` that has not ended, and the caller is the host.
    unsafe fn poll(this: *const Header, scope: &LazyScope, cx: &mut Context<'_>) -> bool {
        // SAFETY: `repr(C)` puts the header first; the host alone touches the future (invariant 1), which is in a slot that
        // does not move. Nobody changes the task-locals before the child ends.
        let (header, future, locals) = unsafe {
            let local = &*this.cast::<Self>();
            let future = Pin::new_unchecked(&mut **local.future.get());
            (&local.header, future, &**local.header.locals.get())
        };
        let frame = Frame::of(&header.task, Here::Lazy(scope)).locals(locals);
        let over = frame.shields(&header.shields).waits(&header.waits).enter(|| {
            // Put where it is taken from: it would be moved through three results.
            let mut end = None;
            let polled = catch_unwind(AssertUnwindSafe(|| {
                if let Poll::Ready(output) = future.poll(cx) {
                    end = Some(End::Done(output));
                }
            }));
            if let Err(payload) = polled {
                end = Some(End::Panicked(payload));
            }
            let Some(end) = end else { return false };
            // SAFETY: as above; it has not ended, and this is its frame.
            unsafe { Self::end_here(this, scope, end) };
            true
        });
        if over {
            // SAFETY: as above, and it has.
            unsafe { ended(this, scope) };
        }
        over
    }

    /// # Safety
    /// As for `poll`.
    unsafe fn end_without_value(this: *const Header, scope: &LazyScope, end: End<Infallible>) {
        // SAFETY: as in `poll`.
        let (header, locals) = unsafe { (&*this, &**(*this).locals.get()) };
        if matches!(end, End::Cancelled)
            && let Some(scope) = scope.get()
        {
            scope.note_cut();
        }
        let here = match end {
            // Perhaps not by the host.
            End::Refused => Here::Made(scope.make()),
            _ => Here::Lazy(scope),
        };
        Frame::of(&header.task, here).locals(locals).enter(|| {
            // SAFETY: the caller's promise, and this is its frame.
            unsafe { Self::end_here(this, scope, end.map(|never| match never {})) };
        });
        // SAFETY: as above, and it has ended.
        unsafe { ended(this, scope) };
    }

    /// # Safety
    /// As for `poll`. The caller has entered the child's frame, and calls `ended` when it has left it.
    #[inline(always)]
    unsafe fn end_here(this: *const Header, scope: &LazyScope, end: End<F::Output>) {
        // SAFETY: as in `poll`. It has not ended, so future and deposit are still there, and are taken once: `ended` says
        // so from here on.
        let (header, future, deposit) = unsafe {
            let local = &*this.cast::<Self>();
            local.header.ended.set(true);
            (&local.header, &mut *local.future.get(), ManuallyDrop::take(&mut *local.deposit.get()))
        };
        let task = &header.task;
        header.shields.forget_waker();
        // SAFETY: dropped in place, once.
        let dropped = catch_unwind(AssertUnwindSafe(|| unsafe { ManuallyDrop::drop(future) }));
        if let Err((deposit, end)) = deposit.deposit_quietly(Here::Lazy(scope), task, end) {
            // It converts and prints errors of the user's.
            let deposited = catch_unwind(AssertUnwindSafe(|| deposit.deposit(Here::Lazy(scope), task, end)));
            if let Err(payload) = deposited {
                record_panic(Here::Lazy(scope), task, payload);
            }
        }
        if let Err(payload) = dropped {
            record_panic(Here::Lazy(scope), task, payload);
        }
        if let Some(scope) = scope.get() {
            // Guards that went elsewhere.
            scope.end_owned_of(task);
        }
    }
}

/// The last of a child's end, when its frame has been left.
///
/// # Safety
/// The header is valid, the child has just ended, and the caller is the host.
#[inline]
unsafe fn ended(header: *const Header, scope: &LazyScope) {
    // SAFETY: the caller's promise; the task-locals are taken once.
    let (task, locals) = unsafe { (&(*header).task, ManuallyDrop::take(&mut *(*header).locals.get())) };
    if locals.is_set() {
        drop_locals(task, locals, scope);
    }
    if event::observed() {
        event::tell(EventKind::Ended, scope.make(), Some(task.clone()), task.location());
    }
}

/// Values may have destructors, which run outside the child.
#[cold]
fn drop_locals(task: &TaskRef, locals: Snapshot, scope: &LazyScope) {
    if let Err(payload) = catch_unwind(AssertUnwindSafe(|| drop(locals))) {
        record_panic(Here::Lazy(scope), task, payload);
    }
}

#[cold]
fn tell_spawned(scope: &LazyScope, task: &TaskRef) {
    event::tell(EventKind::Spawned, scope.make(), Some(task.clone()), task.location());
}

/// Gives up a waker's reference.
///
/// # Safety
/// `header` is valid, and the caller owns the reference.
unsafe fn release(header: *const Header) {
    // SAFETY: valid by that reference. Whoever gives up the last one is alone with the header. Its chunk stays until the
    // slot has come back; the queue is held while that is done: host and chunk may go in between.
    unsafe {
        if (*header).refs.fetch_sub(1, Ordering::AcqRel) == 1 {
            let chunk = (*header).chunk;
            destroy(header);
            if slab::free_if_alone(chunk) {
                return;
            }
            let queue = (*chunk).queue.clone();
            if !queue.give_back(header) {
                Chunk::count_out(chunk);
            }
        }
    }
}

/// Destroys what a header has left to destroy. Its other parts stay readable.
///
/// # Safety
/// The child has ended, and nobody else has a reference.
pub(super) unsafe fn destroy(header: *const Header) {
    let header = header.cast_mut();
    // SAFETY: the caller is alone with it; what is destroyed is not touched again.
    unsafe {
        ptr::drop_in_place(&raw mut (*header).shields);
        ptr::drop_in_place(&raw mut (*header).task);
    }
}

static CALLS: RawWakerVTable = waker::calls::<Header>();

// SAFETY: what is touched by others than the host is atomic, or in the queue; and a header's memory goes with its last reference
// only.
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
        // SAFETY: the caller's reference keeps the header valid throughout, and with it its chunk and the queue. It has not
        // ended, or it would be queued for good: so the nursery is there, and where we are in its frame, invariant 3 holds.
        unsafe {
            if (*this).queued.swap(true, Ordering::AcqRel) {
                return;
            }
            let queue = &(*(*this).chunk).queue;
            if frame::is_in(queue.scope()) {
                queue.host().append(this.cast_mut());
            } else if !queue.push(this) && (*this).owed.load(Ordering::Relaxed) {
                // It has ended, the host has found it queued, and gone without it.
                release(this);
            }
        }
    }

    unsafe fn release(this: *const Self) {
        // SAFETY: the caller's promise.
        unsafe { release(this) };
    }
}

/// The same-task children of one nursery.
pub(crate) struct Locals {
    queue: OnceLock<Arc<Queue>>,
}

impl Locals {
    pub(crate) fn new() -> Self {
        Locals { queue: OnceLock::new() }
    }

    /// The queue, once there has been a child.
    pub(crate) fn queue(&self) -> Option<&Arc<Queue>> {
        self.queue.get()
    }

    /// Adds a child, to be polled when the nursery is polled next.
    ///
    /// # Errors
    /// Its task, if the nursery has closed: the future has been dropped, unpolled, in the frame of that.
    ///
    /// # Safety
    /// The future and the deposit stay valid until the host has ended the child: the nursery's future does that before
    /// `'s` ends. Where the nursery is Send, they are Send. `scope` is the nursery's.
    pub(crate) unsafe fn spawn<F, D>(
        &self,
        scope: &LazyScope,
        task: TaskRef,
        future: F,
        deposit: D,
    ) -> Result<(), TaskRef>
    where
        F: Future,
        D: Deposit<F::Output>,
    {
        let queue = self.queue.get_or_init(|| Queue::new(scope));
        let hosted = frame::is_in(scope);
        // SAFETY: invariant 3; the host's part is borrowed where no code of a user runs. A slot is of that shape, and ours.
        unsafe {
            if hosted && !queue.host().closed {
                let host = queue.host();
                let slot = host.slab.take(queue, Local::<F, D>::SHAPE);
                let header = slot.at.cast();
                slot.at.cast::<Local<F, D>>().write(Local::new(&slot, true, task, future, deposit));
                host.feed.added();
                host.append_open(header);
                if event::observed() {
                    tell_spawned(scope, &(*header).task);
                }
                return Ok(());
            }
            let slot = slab::alone(queue, Local::<F, D>::SHAPE);
            slot.at.cast::<Local<F, D>>().write(Local::new(&slot, false, task, future, deposit));
            let header: *mut Header = slot.at.cast();
            let told = event::observed().then(|| (*header).task.clone());
            // The queue gets the host's reference; where it refuses, nobody else knows the child, so we are its host.
            if !hosted && queue.push(header) {
                if let Some(task) = told {
                    tell_spawned(scope, &task);
                }
                return Ok(());
            }
            ((*header).calls.end)(header, scope, End::Refused);
            let task = (*header).task.clone();
            release(header);
            Err(task)
        }
    }

    /// Whether the body asked to be polled since it was last asked here.
    pub(crate) fn take_body_wake(&self) -> bool {
        self.queue.get().is_some_and(|queue| queue.take_body_wake())
    }

    /// How many children the body may add at once, of `limit` in all; again when these have had their turn, and there is room.
    ///
    /// # Safety
    /// The caller runs in the body's frame.
    unsafe fn poll_room(&self, scope: &LazyScope, limit: usize) -> Poll<usize> {
        let queue = self.queue.get_or_init(|| Queue::new(scope));
        // SAFETY: the body is polled by the host; the borrow ends here.
        unsafe { queue.host().feed.room(limit) }.map_or(Poll::Pending, Poll::Ready)
    }

    /// Has wakers of children and body wake this task.
    ///
    /// # Safety
    /// The caller is the host: it polls the nursery's future.
    pub(crate) unsafe fn register(&self, waker: &Waker) {
        if let Some(queue) = self.queue.get() {
            let ready = queue.register(waker);
            // SAFETY: we are the host; the borrow ends here.
            unsafe { queue.host().collect(ready) };
        }
    }

    /// Polls the children that are ready, in the order in which they became so, a bounded number of them. Ready when
    /// none is left.
    ///
    /// # Safety
    /// The caller is the host: it polls the nursery's future.
    pub(crate) unsafe fn poll(&self, scope: &LazyScope, cx: &mut Context<'_>) -> Poll<()> {
        let Some(queue) = self.queue.get() else { return Poll::Ready(()) };
        let ready = queue.register(cx.waker());
        // SAFETY: we are the host; the borrow ends with the block, in which no code of a user runs.
        unsafe {
            let host = queue.host();
            host.collect(ready);
            host.collect(queue.take_ready());
            host.take_back(queue.take_returned());
            if scope.is_cancelled() && !host.told {
                host.told = true;
                queue.each_listed(|header| {
                    if !(*header).queued.swap(true, Ordering::AcqRel) {
                        host.append(header.cast_mut());
                    }
                });
            }
        }
        let turn = Turn::begin();
        // At least one, so that all nested nurseries get on.
        loop {
            // SAFETY: as above.
            let next = unsafe {
                let host = queue.host();
                host.pop().or_else(|| {
                    host.collect(queue.take_ready());
                    host.pop()
                })
            };
            let Some(header) = next else { break };
            // SAFETY: what was queued has the host's reference.
            unsafe { poll_one(queue, header, scope) };
            if !turn.take_one() {
                break;
            }
        }
        // SAFETY: as above.
        let (left, told, listed, feeds) = unsafe {
            let host = queue.host();
            (host.has_next(), host.told, host.listed > 0, host.feed.had_turn())
        };
        if feeds {
            Wake::wake_by_ref(queue);
        }
        if left || (listed && !told && scope.is_cancelled()) {
            // Others' turn first.
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        // A child that a destructor on another thread has just spawned is on the stack, and has woken us.
        let idle = !listed && !queue.has_ready();
        if idle { Poll::Ready(()) } else { Poll::Pending }
    }

    /// Ends all children where they are, and takes no more.
    ///
    /// # Safety
    /// The caller is the host: it polls or drops the nursery's future.
    pub(crate) unsafe fn clear(&self, scope: &LazyScope) {
        let Some(queue) = self.queue.get() else { return };
        // SAFETY: we are the host; its part is borrowed for single calls, between which code of a user may run.
        unsafe {
            if std::mem::replace(&mut queue.host().closed, true) {
                return;
            }
            queue.host().collect(queue.close_ready());
            // From here on nothing is queued, whatever is woken; and what has ended is marked as queued for good.
            while let Some(header) = queue.host().pop() {
                if (*header).ended.get() {
                    queue.host().release(header);
                } else if !(*header).listed.get() {
                    // Nobody else ends it.
                    ((*header).calls.end)(header, scope, End::Cancelled);
                    (*header).queued.swap(true, Ordering::AcqRel);
                    queue.host().release(header);
                }
            }
            while let Some(header) = queue.first_listed() {
                ((*header).calls.end)(header, scope, End::Cancelled);
                (*header).queued.swap(true, Ordering::AcqRel);
                queue.unlist(header);
                queue.host().release(header);
            }
            let host = queue.host();
            host.listed = 0;
            host.take_back(queue.close_returned());
            host.slab.close();
        }
    }
}

/// Polls a child that was queued, and ends it where it is to end.
///
/// # Safety
/// The child was queued, so it has the host's reference; the caller is the host.
unsafe fn poll_one(queue: &Queue, header: *const Header, scope: &LazyScope) {
    // SAFETY: valid by the host's reference, which is given up last. We borrow the host's part for single calls only.
    unsafe {
        if (*header).ended.get() {
            queue.host().release(header);
            return;
        }
        if is_alone(header) {
            (*header).queued.store(false, Ordering::Relaxed);
        } else {
            // A swap, not a store: it must be in order with what the child reads when it is polled, or a wake that comes
            // between the two would see it as queued still, and be lost.
            (*header).queued.swap(false, Ordering::AcqRel);
        }
        let unwinds = Unwinds { queue, header };
        let waker = borrowed(header);
        let mut over = ((*header).calls.poll)(header, scope, &mut Context::from_waker(&waker));
        if !over && scope.is_cancelled() && !(*header).shields.holds_back(&waker) {
            ((*header).calls.end)(header, scope, End::Cancelled);
            over = true;
        }
        mem::forget(unwinds);
        if over {
            settle(queue, header);
        } else if !(*header).listed.replace(true) {
            queue.list(header);
            queue.host().listed += 1;
            scope.make().show_locals(&(*(*header).chunk).queue);
        }
    }
}

/// Gives up a child that has ended in its poll.
///
/// # Safety
/// The header is valid, and was in no stack and no run queue when it was polled; the caller is the host.
#[inline(always)]
unsafe fn settle(queue: &Queue, header: *const Header) {
    // SAFETY: as said; it is given up here at the earliest. We borrow the host's part for single calls only.
    unsafe {
        if (*header).counted {
            queue.host().feed.ended();
        }
        if (*header).listed.get() {
            (*header).listed.set(false);
            queue.unlist(header);
            queue.host().listed -= 1;
        }
        if is_alone(header) {
            // If it was queued, it is released when it is taken out.
            if !(*header).queued.load(Ordering::Relaxed) {
                queue.host().free(header);
            }
            return;
        }
        // Queued for good: nobody queues it from here on. If it was queued, it is released when it is taken out; or by whoever
        // has queued it, if that finds the queue closed: in order before what closes it.
        (*header).owed.store(true, Ordering::Relaxed);
        if !(*header).queued.swap(true, Ordering::AcqRel) {
            queue.host().release(header);
        }
    }
}

/// Gives up a child whose poll unwinds, if it has ended: recording how it ended wakes others, and a waker of a user's may panic.
struct Unwinds<'a> {
    queue: &'a Queue,
    /// As for [`settle`].
    header: *const Header,
}

impl Drop for Unwinds<'_> {
    #[cold]
    fn drop(&mut self) {
        // SAFETY: whoever made this has promised it.
        unsafe {
            if (*self.header).ended.get() {
                settle(self.queue, self.header);
            }
        }
    }
}

/// Adds a same-task child to a nursery. Its task comes back if that has closed.
///
/// The caller, a method of [`Nursery`], has seen to it that `F` is Send where the nursery is of the Sendable kind.
pub(crate) fn add<'s, E, K, F, D>(
    nursery: &'s Nursery<'s, '_, E, K>,
    task: TaskRef,
    future: F,
    deposit: D,
) -> Result<(), TaskRef>
where
    E: Fault,
    F: Future + 's,
    D: Deposit<F::Output> + 's,
{
    // SAFETY: `'s` is a lifetime that the body cannot choose and that the nursery's future outlasts: it ends every child
    // before the nursery goes, and what a child borrows for `'s` is from outside the nursery, or is the nursery.
    unsafe { nursery.locals.spawn(&nursery.scope, task, future, deposit) }
}

/// Called by the body of a nursery that adds children by and by: how many it may add now, so that no more than `limit` of
/// them live. Pending: it is polled again when there is room, and what was added has had its turn.
pub(crate) fn poll_room<E: Fault, K>(nursery: &Nursery<'_, '_, E, K>, limit: usize) -> Poll<usize> {
    assert!(frame::is_in(&nursery.scope), "the body of a nursery runs in its frame");
    // SAFETY: just looked.
    unsafe { nursery.locals.poll_room(&nursery.scope, limit) }
}
