//! Same-task children: futures that are polled by their nursery, each with a waker of its own, and may borrow.
//!
//! One allocation for each child holds its header, its future and its deposit. Others know a child only by its header:
//! the ready stack, and wakers, which may outlive the nursery and everything the child borrowed.
//!
//! Invariants
//! 1. The future and the deposit are touched by the host only: whoever polls or drops the nursery. They are destroyed in
//!    place before the host gives up its reference; a header that lives longer only frees memory.
//! 2. A child is on the ready stack at most once: whoever sets `queued` pushes it, with one reference; the host clears
//!    `queued` before it polls.
//! 3. The stack is pushed by any thread and only ever emptied as a whole, so a compare-and-swap cannot be fooled by a
//!    header that comes back. Once closed it takes nothing.
//! 4. `previous` and `next` are changed by the host under the lock of the list. `stage`, `listed`, `locals` and [`Host`]
//!    belong to the host, on whatever thread it is; others have only `&Locals`.

use std::cell::{Cell, UnsafeCell};
use std::convert::Infallible;
use std::future::Future;
use std::mem::ManuallyDrop;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::ptr;
use std::sync::{Arc, PoisonError};
use std::task::{Context, Poll, RawWaker, RawWakerVTable, Waker};

use crate::deposit::{Deposit, End, record_panic};
use crate::event::{self, EventKind};
use crate::failure::Fault;
use crate::nursery::Nursery;
use crate::origin::LazyScope;
use crate::raw::frame::{self, Frame, Here};
use crate::shield::ShieldCell;
use crate::sync::atomic::{AtomicBool, AtomicPtr, Ordering};
use crate::sync::{AtomicWaker, Mutex, MutexGuard, OnceLock};
use crate::task::TaskRef;
use crate::task_local::Snapshot;
use crate::turn::Turn;
use crate::waits::{Waiting, Waits};

/// What wakers share with the host.
pub(crate) struct Queue {
    /// The ready stack, or [`closed`].
    top: AtomicPtr<Header>,
    /// Whether the body is to be polled.
    body: AtomicBool,
    /// The task that polls the nursery.
    outer: AtomicWaker,
    /// The children that have waited and not ended, linked by `previous` and `next`. Changed by the host only; read by
    /// anybody who wants to show them.
    listed: Mutex<Listed>,
}

struct Listed {
    first: *const Header,
}

// SAFETY: the pointers are to headers that stay valid while they are listed, and what is read through them (the task, what
// it waits at, the links) is never changed, atomic, or changed under the lock.
unsafe impl Send for Listed {}

/// The address that marks a closed stack: of a static, so no header has it.
fn closed() -> *mut Header {
    static MARK: u64 = 0;
    (&raw const MARK).cast_mut().cast()
}

impl Queue {
    fn new() -> Self {
        Queue {
            top: AtomicPtr::new(ptr::null_mut()),
            body: AtomicBool::new(false),
            outer: AtomicWaker::new(),
            listed: Mutex::new(Listed { first: ptr::null() }),
        }
    }

    fn listed(&self) -> MutexGuard<'_, Listed> {
        // No code of a user runs under the lock.
        self.listed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The children that wait, and what for.
    pub(crate) fn tasks(&self) -> Vec<(TaskRef, Waiting)> {
        let listed = self.listed();
        let mut tasks = Vec::new();
        let mut at = listed.first;
        // SAFETY: listed, so valid, and the lock is held: the links do not change.
        while let Some(header) = unsafe { at.as_ref() } {
            tasks.push((header.task.clone(), header.waits.show()));
            at = header.next.get();
        }
        tasks
    }

    /// Pushes `header` with one reference, which the stack owns from here. False if the stack is closed: then the
    /// reference is still the caller's.
    ///
    /// # Safety
    /// `header` is valid through that reference, and the caller has just set its `queued`.
    unsafe fn push(&self, header: *const Header) -> bool {
        let mut top = self.top.load(Ordering::Relaxed);
        loop {
            if top == closed() {
                return false;
            }
            // SAFETY: valid by the caller's promise; nobody else touches `below` of a header that is being pushed.
            unsafe { (*header).below.store(top, Ordering::Relaxed) };
            match self.top.compare_exchange_weak(top, header.cast_mut(), Ordering::Release, Ordering::Relaxed) {
                Ok(_) => return true,
                Err(now) => top = now,
            }
        }
    }

    /// Takes the whole stack, the last pushed first.
    fn take(&self) -> *mut Header {
        if self.top.load(Ordering::Relaxed).is_null() {
            return ptr::null_mut();
        }
        self.top.swap(ptr::null_mut(), Ordering::Acquire)
    }

    fn close(&self) -> *mut Header {
        self.top.swap(closed(), Ordering::AcqRel)
    }

    /// A waker for the body: it alone is polled for it.
    pub(crate) fn body_waker(self: &Arc<Self>) -> Waker {
        Waker::from(Arc::new(BodyWaker(self.clone())))
    }
}

/// Wakes the nursery for its body.
struct BodyWaker(Arc<Queue>);

impl std::task::Wake for BodyWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        // A swap, not a store: of two wakes the later would hide what the earlier had made visible.
        self.0.body.swap(true, Ordering::AcqRel);
        self.0.outer.wake();
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Running,
    Ended,
}

struct Header {
    calls: &'static Calls,
    queue: Arc<Queue>,
    queued: AtomicBool,
    shields: ShieldCell,
    waits: Waits,
    /// The header below in the ready stack; in the host's run queue, the one behind.
    below: AtomicPtr<Header>,
    task: TaskRef,
    previous: Cell<*const Header>,
    next: Cell<*const Header>,
    stage: Cell<Stage>,
    /// Whether it is in the queue's list.
    listed: Cell<bool>,
    /// The host's too.
    locals: Cell<Snapshot>,
}

/// What one type of child does; each takes a pointer to its header, which is the start of its [`Local`].
struct Calls {
    /// Polls the future. True if it has ended: the outcome lies in `outcome` then.
    poll: unsafe fn(*const Header, &LazyScope, &mut Context<'_>) -> bool,
    /// Destroys the future and makes the deposit.
    end: unsafe fn(*const Header, &LazyScope, End<Infallible>),
    retain: unsafe fn(*const Header),
    release: unsafe fn(*const Header),
}

#[repr(C)]
struct Local<F: Future, D> {
    header: Header,
    future: UnsafeCell<ManuallyDrop<F>>,
    deposit: UnsafeCell<ManuallyDrop<D>>,
}

impl<F: Future, D: Deposit<F::Output>> Local<F, D> {
    const CALLS: Calls =
        Calls { poll: Self::poll, end: Self::end_without_value, retain: Self::retain, release: Self::release };

    /// # Safety
    /// `this` is the header of a live `Local<F, D>`, listed and not ended, and the caller is the host.
    unsafe fn poll(this: *const Header, scope: &LazyScope, cx: &mut Context<'_>) -> bool {
        // SAFETY: `repr(C)` puts the header first; the host alone touches the future (invariant 1), which is in an
        // allocation that does not move.
        let (header, future) = unsafe {
            let local = &*this.cast::<Self>();
            (&local.header, Pin::new_unchecked(&mut **local.future.get()))
        };
        let locals = header.locals.take();
        let polled = Frame::of(&header.task, Here::Lazy(scope))
            .locals(&locals)
            .shields(&header.shields)
            .waits(&header.waits)
            .enter(|| catch_unwind(AssertUnwindSafe(|| future.poll(cx))));
        header.locals.set(locals);
        let end = match polled {
            Ok(Poll::Pending) => return false,
            Ok(Poll::Ready(output)) => End::Done(output),
            Err(payload) => End::Panicked(payload),
        };
        // SAFETY: as above; it has not ended.
        unsafe { Self::end(this, scope, end) };
        true
    }

    /// # Safety
    /// As for `poll`.
    unsafe fn end_without_value(this: *const Header, scope: &LazyScope, end: End<Infallible>) {
        // SAFETY: the caller's promise.
        unsafe { Self::end(this, scope, end.map(|never| match never {})) };
    }

    /// # Safety
    /// As for `poll`.
    unsafe fn end(this: *const Header, scope: &LazyScope, end: End<F::Output>) {
        // SAFETY: as in `poll`. It has not ended, so future and deposit are still there, and are taken once: the stage
        // says so from here on.
        let (header, future, deposit) = unsafe {
            let local = &*this.cast::<Self>();
            local.header.stage.set(Stage::Ended);
            (&local.header, &mut *local.future.get(), ManuallyDrop::take(&mut *local.deposit.get()))
        };
        let (task, here) = (&header.task, Here::Lazy(scope));
        if matches!(end, End::Cancelled)
            && let Some(scope) = scope.get()
        {
            scope.note_cut();
        }
        let locals = header.locals.take();
        header.shields.forget_waker();
        Frame::of(task, here).locals(&locals).enter(|| {
            // SAFETY: dropped in place, once.
            let dropped = catch_unwind(AssertUnwindSafe(|| unsafe { ManuallyDrop::drop(future) }));
            // It may panic too: it converts and prints errors of the user's.
            let deposited = catch_unwind(AssertUnwindSafe(|| deposit.deposit(here, task, end)));
            for payload in [deposited, dropped].into_iter().filter_map(Result::err) {
                record_panic(here, task, payload);
            }
            if let Some(scope) = scope.get() {
                // Guards that went elsewhere.
                scope.end_owned_of(task);
            }
        });
        // Values may have destructors.
        if let Err(payload) = catch_unwind(AssertUnwindSafe(|| drop(locals))) {
            record_panic(here, task, payload);
        }
        if event::observed() {
            event::tell(EventKind::Ended, scope.make(), Some(task.clone()), task.location());
        }
    }

    /// # Safety
    /// `this` is the header of a live `Local<F, D>`.
    unsafe fn retain(this: *const Header) {
        // SAFETY: the pointer came from `Arc::into_raw` of an `Arc<Local<F, D>>`.
        unsafe { Arc::increment_strong_count(this.cast::<Self>()) };
    }

    /// # Safety
    /// As for `retain`, and the caller owns a reference. If it is the last, the child has ended.
    unsafe fn release(this: *const Header) {
        // SAFETY: as above. What is freed with the last reference runs no code of `F` or `D`: both are `ManuallyDrop`.
        unsafe { Arc::decrement_strong_count(this.cast::<Self>()) };
    }
}

/// # Safety
/// `header` is valid.
unsafe fn release(header: *const Header) {
    // SAFETY: `calls` are those of the header's own type.
    unsafe { ((*header).calls.release)(header) };
}

static WAKER_TABLE: RawWakerVTable = RawWakerVTable::new(waker_clone, waker_wake, waker_wake_by_ref, waker_drop);

/// # Safety
/// Called by a `Waker` whose data is a header of which it owns a reference. Likewise the three below.
unsafe fn waker_clone(data: *const ()) -> RawWaker {
    let header = data.cast::<Header>();
    // SAFETY: the waker's reference keeps the header valid.
    unsafe { ((*header).calls.retain)(header) };
    RawWaker::new(data, &WAKER_TABLE)
}

unsafe fn waker_wake(data: *const ()) {
    // SAFETY: the waker's reference is valid for both, and given up by the second.
    unsafe {
        waker_wake_by_ref(data);
        waker_drop(data);
    }
}

unsafe fn waker_wake_by_ref(data: *const ()) {
    let header = data.cast::<Header>();
    // SAFETY: the waker's reference keeps the header valid throughout; the one pushed is a reference of its own, given
    // up again where the stack does not take it. The queue is held while it wakes: the host may end in between.
    unsafe {
        if (*header).queued.swap(true, Ordering::AcqRel) {
            return;
        }
        let queue = (*header).queue.clone();
        ((*header).calls.retain)(header);
        if queue.push(header) {
            queue.outer.wake();
        } else {
            release(header);
        }
    }
}

unsafe fn waker_drop(data: *const ()) {
    // SAFETY: the waker's reference, given up.
    unsafe { release(data.cast()) };
}

/// The same-task children of one nursery.
pub(crate) struct Locals {
    queue: OnceLock<Arc<Queue>>,
    /// Touched by the host only, and never borrowed while code of a user runs: that code may spawn.
    host: UnsafeCell<Host>,
}

struct Host {
    /// The run queue: taken from the ready stack, in order, linked by `below`, each with its reference.
    run_first: *mut Header,
    run_last: *mut Header,
    /// Whether all have been told of the scope's cancellation.
    told: bool,
}

// SAFETY: a nursery of the Sendable kind holds children that are Send only, and one that is not is not Send itself: see
// `Nursery`. The pointers are to reference-counted headers, touched as the invariants say.
unsafe impl Send for Locals {}
// SAFETY: through a shared reference only `spawn` and `queue` are to be had, which push onto an atomic stack.
unsafe impl Sync for Locals {}

impl Locals {
    pub(crate) fn new() -> Self {
        let host = Host { run_first: ptr::null_mut(), run_last: ptr::null_mut(), told: false };
        Locals { queue: OnceLock::new(), host: UnsafeCell::new(host) }
    }

    /// The queue, once there has been a child.
    pub(crate) fn queue(&self) -> Option<&Arc<Queue>> {
        self.queue.get()
    }

    /// Adds a child, to be polled when the nursery is polled next. False if the nursery has closed: the future has been
    /// dropped, unpolled, in the frame of its task.
    ///
    /// # Safety
    /// The future and the deposit stay valid until the host has ended the child: the nursery's future does that before
    /// `'s` ends. Where the nursery is Send, they are Send.
    pub(crate) unsafe fn spawn<F, D>(&self, scope: &LazyScope, task: TaskRef, future: F, deposit: D) -> bool
    where
        F: Future,
        D: Deposit<F::Output>,
    {
        let queue = self.queue.get_or_init(|| Arc::new(Queue::new()));
        let local = Arc::new(Local {
            header: Header {
                calls: const { &Local::<F, D>::CALLS },
                queue: queue.clone(),
                queued: AtomicBool::new(true),
                below: AtomicPtr::new(ptr::null_mut()),
                task,
                previous: Cell::new(ptr::null()),
                next: Cell::new(ptr::null()),
                stage: Cell::new(Stage::Running),
                listed: Cell::new(false),
                shields: ShieldCell::new(),
                waits: Waits::new(),
                locals: Cell::new(frame::snapshot()),
            },
            future: UnsafeCell::new(ManuallyDrop::new(future)),
            deposit: UnsafeCell::new(ManuallyDrop::new(deposit)),
        });
        let header: *const Header = Arc::into_raw(local).cast();
        // SAFETY: the stack gets the reference that `into_raw` gave; where it refuses, nobody else knows the child, so we
        // are its host.
        unsafe {
            if queue.push(header) {
                queue.outer.wake();
                true
            } else {
                ((*header).calls.end)(header, scope, End::Refused);
                release(header);
                false
            }
        }
    }

    /// Whether the body asked to be polled since it was last asked here.
    pub(crate) fn take_body_wake(&self) -> bool {
        self.queue.get().is_some_and(|queue| queue.body.swap(false, Ordering::AcqRel))
    }

    /// Has wakers of children and body wake this task.
    pub(crate) fn register(&self, waker: &Waker) {
        if let Some(queue) = self.queue.get() {
            queue.outer.register(waker);
        }
    }

    /// The host's part.
    ///
    /// # Safety
    /// The caller is the host, and what it gets is gone before code of a user runs.
    #[expect(clippy::mut_from_ref, reason = "exclusive by the caller's promise")]
    unsafe fn host(&self) -> &mut Host {
        // SAFETY: the caller's promise.
        unsafe { &mut *self.host.get() }
    }

    /// Polls the children that are ready, in the order in which they became so, a bounded number of them. Ready when
    /// none is left.
    ///
    /// # Safety
    /// The caller is the host: it polls or drops the nursery's future.
    pub(crate) unsafe fn poll(&self, scope: &LazyScope, cx: &mut Context<'_>) -> Poll<()> {
        let Some(queue) = self.queue.get().cloned() else { return Poll::Ready(()) };
        queue.outer.register(cx.waker());
        // SAFETY: we are the host; the borrow ends with the block, in which no code of a user runs.
        unsafe {
            let host = self.host();
            host.collect(queue.take());
            if scope.is_cancelled() && !host.told {
                host.told = true;
                host.ready_all(queue.listed().first);
            }
        }
        let turn = Turn::begin();
        let mut first = true;
        // At least one, so that all nested nurseries get on.
        while std::mem::take(&mut first) | turn.is_left() {
            turn.take_one();
            // SAFETY: as above.
            let next = unsafe {
                let host = self.host();
                host.pop().or_else(|| {
                    host.collect(queue.take());
                    host.pop()
                })
            };
            let Some(header) = next else { break };
            // SAFETY: `pop` gave one reference, which lives until the end of this block; we are the host, and borrow its
            // part for single calls only.
            unsafe {
                if (*header).stage.get() != Stage::Ended {
                    // A swap, not a store: it must be in order with what the child reads when it is polled, or a wake that
                    // comes between the two would see it as queued still, and be lost.
                    (*header).queued.swap(false, Ordering::AcqRel);
                    let waker = ManuallyDrop::new(Waker::from_raw(RawWaker::new(header.cast(), &WAKER_TABLE)));
                    let mut over = ((*header).calls.poll)(header, scope, &mut Context::from_waker(&waker));
                    if !over && scope.is_cancelled() && !(*header).shields.holds_back(&waker) {
                        ((*header).calls.end)(header, scope, End::Cancelled);
                        over = true;
                    }
                    if over {
                        if (*header).listed.replace(false) {
                            unlist(&queue, header);
                        }
                    } else if !(*header).listed.replace(true) {
                        list(&queue, header);
                        scope.make().show_locals(&queue);
                    }
                }
                release(header);
            }
        }
        // SAFETY: as above.
        let (left, told, listed) = unsafe {
            let host = self.host();
            (!host.run_first.is_null(), host.told, !queue.listed().first.is_null())
        };
        if left || (listed && !told && scope.is_cancelled()) {
            // Others' turn first.
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        // A child that a destructor has just spawned is on the stack, and has woken us.
        let idle = !listed && queue.top.load(Ordering::Acquire).is_null();
        if idle { Poll::Ready(()) } else { Poll::Pending }
    }

    /// Ends all children where they are, and takes no more.
    ///
    /// # Safety
    /// As for `poll`.
    pub(crate) unsafe fn clear(&self, scope: &LazyScope) {
        let Some(queue) = self.queue.get().cloned() else { return };
        // SAFETY: we are the host; its part is borrowed for single calls, between which code of a user may run.
        unsafe {
            self.host().collect(queue.close());
            while let Some(header) = self.host().pop() {
                if (*header).stage.get() != Stage::Ended && !(*header).listed.get() {
                    // Nobody else ends it.
                    ((*header).calls.end)(header, scope, End::Cancelled);
                }
                release(header);
            }
            loop {
                let header = queue.listed().first;
                if header.is_null() {
                    break;
                }
                ((*header).calls.end)(header, scope, End::Cancelled);
                (*header).listed.set(false);
                unlist(&queue, header);
            }
        }
    }
}

impl Host {
    /// Appends a stack that was taken whole, the oldest first.
    fn collect(&mut self, mut top: *mut Header) {
        if top == closed() {
            return;
        }
        let (last, mut first) = (top, ptr::null_mut());
        while !top.is_null() {
            // SAFETY: what is on the stack is valid by the reference it has there; it was taken whole, so it is ours.
            unsafe {
                let below = (*top).below.swap(first, Ordering::Relaxed);
                first = top;
                top = below;
            }
        }
        if first.is_null() {
            return;
        }
        if self.run_last.is_null() {
            self.run_first = first;
        } else {
            // SAFETY: in the run queue, so valid.
            unsafe { (*self.run_last).below.store(first, Ordering::Relaxed) };
        }
        self.run_last = last;
    }

    /// Takes the first off the run queue, with its reference.
    fn pop(&mut self) -> Option<*const Header> {
        let header = self.run_first;
        if header.is_null() {
            return None;
        }
        // SAFETY: in the run queue, so valid.
        self.run_first = unsafe { (*header).below.load(Ordering::Relaxed) };
        if self.run_first.is_null() {
            self.run_last = ptr::null_mut();
        }
        Some(header)
    }

    /// Puts every listed child that is not queued into the run queue.
    fn ready_all(&mut self, first: *const Header) {
        let mut at = first;
        while !at.is_null() {
            // SAFETY: listed, so valid; what is put into the run queue gets a reference of its own.
            unsafe {
                if !(*at).queued.swap(true, Ordering::AcqRel) {
                    ((*at).calls.retain)(at);
                    (*at).below.store(ptr::null_mut(), Ordering::Relaxed);
                    if self.run_last.is_null() {
                        self.run_first = at.cast_mut();
                    } else {
                        (*self.run_last).below.store(at.cast_mut(), Ordering::Relaxed);
                    }
                    self.run_last = at.cast_mut();
                }
                at = (*at).next.get();
            }
        }
    }
}

/// Lists a child, with a reference.
///
/// # Safety
/// `header` is valid, not listed, and has not ended; the caller is the host.
unsafe fn list(queue: &Queue, header: *const Header) {
    // SAFETY: valid by the caller's promise; listed neighbours are valid too, and the lock is held while links change.
    unsafe {
        ((*header).calls.retain)(header);
        let mut listed = queue.listed();
        (*header).next.set(listed.first);
        if let Some(first) = listed.first.as_ref() {
            first.previous.set(header);
        }
        listed.first = header;
    }
}

/// Takes a listed child out and gives up the list's reference.
///
/// # Safety
/// `header` is listed; the caller is the host.
unsafe fn unlist(queue: &Queue, header: *const Header) {
    // SAFETY: valid by the list's reference, which is given up last; neighbours are valid too, and the lock is held while
    // links change.
    unsafe {
        {
            let mut listed = queue.listed();
            let (previous, next) = ((*header).previous.get(), (*header).next.get());
            match previous.as_ref() {
                Some(previous) => previous.next.set(next),
                None => listed.first = next,
            }
            if let Some(next) = next.as_ref() {
                next.previous.set(previous);
            }
        }
        release(header);
    }
}

/// Adds a same-task child to a nursery. False if it has closed.
///
/// The caller, a method of [`Nursery`], has seen to it that `F` is Send where the nursery is of the Sendable kind.
pub(crate) fn add<'s, E, K, F, D>(nursery: &'s Nursery<'s, '_, E, K>, task: TaskRef, future: F, deposit: D) -> bool
where
    E: Fault,
    F: Future + 's,
    D: Deposit<F::Output> + 's,
{
    // SAFETY: `'s` is a lifetime that the body cannot choose and that the nursery's future outlasts: it ends every child
    // before the nursery goes, and what a child borrows for `'s` is from outside the nursery, or is the nursery.
    unsafe { nursery.locals.spawn(&nursery.scope, task, future, deposit) }
}
