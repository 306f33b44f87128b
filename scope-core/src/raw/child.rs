//! A parallel child: the future that a runtime runs, around the user's.
//!
//! Invariants
//! 1. The child is pinned from its first poll on; `entry` is listed in the scope only after that, and [`Child::end`],
//!    which takes it out, runs before the memory ends: at the end of the future or in `drop`.
//! 2. `end` runs once, when the user's future has been destroyed. It gives the outcome away and counts the child out, in
//!    this order; after that nothing of the scope's is touched.
//! 3. `future` is polled and dropped in place, and never moved once it has been polled.
//! 4. What is in a child has been taken out or destroyed when `end` returns. So to drop one that has ended is to look at its
//!    mark, which runtimes have in the middle of what they do for every task.

use std::any::Any;
use std::cell::Cell;
use std::future::Future;
use std::marker::PhantomData;
use std::mem::{self, ManuallyDrop, MaybeUninit};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::ptr;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::thread;

use crate::deposit::{Deposit, End, Gives, record_panic};
use crate::event::{self, EventKind};
use crate::raw::counted::Counted;
use crate::raw::frame::{self, Frame, Here};
use crate::raw::list::Entry;
use crate::rt::{self, Refused};
use crate::scope::{Part, Scope};
use crate::shield::ShieldCell;
use crate::spawner::{Begun, Launch, LaunchError};
use crate::sync::thread_local;
use crate::task::TaskRef;
use crate::task_local::Snapshot;
use crate::task_mail::MailCell;

/// In this order: see [`Entry`].
#[repr(C)]
pub(crate) struct Child<F: Future, D: Deposit<F::Output>> {
    entry: Entry,
    scope: ManuallyDrop<Counted>,
    shields: ManuallyDrop<ShieldCell>,
    locals: ManuallyDrop<Snapshot>,
    mail: ManuallyDrop<MailCell>,
    deposit: ManuallyDrop<D>,
    future: ManuallyDrop<F>,
}

/// A task that is being given to the runtime: null, or a pointer to what a `launch` further up this very stack has borrowed;
/// and what came of it.
type Launching = (*const TaskRef, *const Scope);

/// In the place of its scope: the runtime has dropped it meanwhile.
const DROPPED: *const Scope = ptr::without_provenance(1);

thread_local! {
    /// On this thread. The scope is the one that it is a child of, until somebody has asked; null for a service.
    static LAUNCHING: Cell<Launching> = const { Cell::new((ptr::null(), ptr::null())) };
}

/// Puts back what was there before a launch, also when that unwinds.
struct Restore<'a>(Launching, PhantomData<&'a TaskRef>);

impl<'a> Restore<'a> {
    /// `task`, a child of `of`, is being given to the runtime.
    #[inline]
    fn while_given(task: &'a TaskRef, of: *const Scope) -> Self {
        Restore(LAUNCHING.replace((ptr::from_ref(task), of)), PhantomData)
    }
}

impl Drop for Restore<'_> {
    fn drop(&mut self) {
        LAUNCHING.set(self.0);
    }
}

/// Gives a child of `scope`, counted in as `counted`, to the scope's runtime, if there is one. False if it was dropped unpolled
/// by then. `task` is the child's.
///
/// # Errors
/// What `launch` said.
#[inline]
pub(crate) fn launch<F, D>(
    scope: &Arc<Scope>,
    counted: Counted,
    task: &TaskRef,
    launch: impl Launch,
    deposit: D,
    future: F,
) -> Result<bool, LaunchError>
where
    F: Future + Send + 'static,
    D: Deposit<F::Output> + Send + 'static,
{
    let of = if D::PART == Part::Child { Arc::as_ptr(scope) } else { ptr::null() };
    let _restore = Restore::while_given(task, of);
    // Made where it is passed on: every other place would be a copy.
    match scope.runtime() {
        Some(runtime) => launch.launch(runtime, Child::new(task.clone(), counted, deposit, future))?,
        None => drop(Child::new(task.clone(), counted, deposit, future)),
    }
    Ok(LAUNCHING.get().1 != DROPPED)
}

/// The scope of the child that is being given to the runtime on this thread, once: for the task that it becomes there. Null
/// where that is no child. Only to be compared.
pub(super) fn take_launched_of() -> *const Scope {
    let (task, of) = LAUNCHING.get();
    if of.is_null() || of == DROPPED {
        return ptr::null();
    }
    LAUNCHING.set((task, ptr::null()));
    of
}

/// Memory of a child that was [begun](crate::Place::begin_in) and has ended, for the next.
#[derive(Debug, Default)]
pub struct Room(Option<Box<dyn Any + Send>>);

impl Room {
    #[inline]
    fn take<T: Send + 'static>(&mut self) -> Box<MaybeUninit<T>> {
        self.0.take().and_then(|room| room.downcast().ok()).unwrap_or_else(Box::new_uninit)
    }

    /// Keeps that of `value`, which is dropped.
    #[inline]
    fn keep<T: Send + 'static>(&mut self, value: Pin<Box<T>>) {
        // SAFETY: it is not moved, but dropped where it lies, once: from then on this is memory, as which it is freed. If its
        // drop panics, that is not freed.
        let room: Box<MaybeUninit<T>> = unsafe {
            let value = Box::into_raw(Pin::into_inner_unchecked(value));
            ptr::drop_in_place(value);
            Box::from_raw(value.cast())
        };
        if !cfg!(scope_sanitized) {
            self.0 = Some(room);
        }
    }
}

/// Polls a child of `scope`, counted in as `counted`, for the first time, and gives it to `runtime`, the scope's, if it waits;
/// if it does not, its memory is left in `room`. `task` is the child's, and `make` gives its future, where it is to lie: nothing
/// of it is moved.
///
/// # Errors
/// The runtime's. The child has been dropped then, and says so in the scope.
#[inline]
pub(crate) fn begin<F>(
    scope: &Arc<Scope>,
    counted: Counted,
    task: &TaskRef,
    runtime: &rt::Handle,
    room: &mut Room,
    make: impl FnOnce() -> F,
) -> Result<Begun<F::Output>, Refused>
where
    F: Future + Send + 'static,
    F::Output: Send,
{
    /// Where `make` panics.
    struct CountOut<'a>(&'a Arc<Scope>);
    impl Drop for CountOut<'_> {
        fn drop(&mut self) {
            self.0.leave(Part::Child);
        }
    }
    let memory = room.take();
    let count_out = CountOut(scope);
    let mut child = Box::into_pin(Box::write(memory, Child::new(task.clone(), counted, Gives, make())));
    mem::forget(count_out);
    // The runtime polls it again, first thing: whatever happens until then is seen there.
    let begun = child.as_mut().poll_first(&mut Context::from_waker(Waker::noop()));
    if matches!(begun, Begun::GoesOn) {
        let _restore = Restore::while_given(task, Arc::as_ptr(scope));
        runtime.spawn(child)?;
    } else {
        room.keep(child);
    }
    Ok(begun)
}

impl<F: Future> Child<F, Gives> {
    /// The first poll, where the value is for the caller.
    #[inline]
    fn poll_first(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Begun<F::Output> {
        // SAFETY: nothing is moved out of `this` (invariant 3).
        let this = unsafe { self.get_unchecked_mut() };
        // SAFETY: `self` came pinned, and has not ended: it was never polled.
        unsafe {
            match this.poll_future(cx) {
                Polled::Ready(output, dropped) => {
                    this.ready(End::Recorded, dropped);
                    Begun::Done(output)
                }
                Polled::Panicked(payload) => {
                    this.cut(End::Panicked(payload));
                    Begun::Ended
                }
                Polled::Pending if this.waits(cx) => Begun::GoesOn,
                Polled::Pending => Begun::Ended,
            }
        }
    }
}

/// The task that is being given to the runtime on this thread.
pub(crate) fn launched() -> Option<TaskRef> {
    let (task, _) = LAUNCHING.get();
    // SAFETY: null, or what a `launch` further up this stack has borrowed: its guard puts the one before back, also
    // when it unwinds. Nothing of it escapes: it is cloned.
    unsafe { task.as_ref() }.cloned()
}

impl<F: Future, D: Deposit<F::Output>> Child<F, D> {
    /// A child that `scope` has counted in, as the deposit's [`Deposit::PART`].
    #[inline]
    pub(crate) fn new(task: TaskRef, scope: Counted, deposit: D, future: F) -> Self {
        Child {
            entry: Entry::new(task),
            scope: ManuallyDrop::new(scope),
            shields: ManuallyDrop::new(ShieldCell::new()),
            locals: ManuallyDrop::new(frame::snapshot()),
            mail: ManuallyDrop::new(MailCell::new()),
            deposit: ManuallyDrop::new(deposit),
            future: ManuallyDrop::new(future),
        }
    }

    /// Whether a cancellation is delivered now: by dropping the future. A service ends itself.
    fn is_delivered(&self, waker: &Waker) -> bool {
        D::PART == Part::Child && !self.shields.holds_back(waker)
    }

    /// Parks the child. True if it is to end now instead.
    ///
    /// # Safety
    /// `self` is pinned.
    #[inline]
    unsafe fn park(&mut self, waker: &Waker) -> bool {
        if !self.entry.holds(waker) {
            // SAFETY: the caller's promise.
            return unsafe { self.park_anew(waker) };
        }
        // Listed with this waker: a cancel that comes after this look wakes it.
        self.scope.is_cancelled() && self.is_delivered(waker)
    }

    /// # Safety
    /// As for `park`.
    #[inline(never)]
    unsafe fn park_anew(&mut self, waker: &Waker) -> bool {
        // Told of it, most likely, and not listed any more: it need not be.
        if self.scope.is_cancelled() && self.is_delivered(waker) {
            return true;
        }
        // SAFETY: the caller's promise.
        (unsafe { self.list(waker) }) && self.is_delivered(waker)
    }

    /// Lists the child with this waker. True if its scope has been cancelled.
    ///
    /// # Safety
    /// `self` is pinned.
    unsafe fn list(&mut self, waker: &Waker) -> bool {
        let waker = waker.clone();
        // SAFETY: `self` is pinned by the caller's promise.
        let entry = unsafe { Pin::new_unchecked(&self.entry) };
        let (old, cancelled) = self.scope.with_parked(|parked, cancelled| {
            // SAFETY: this entry is only ever listed in this scope, and taken out in `end` (invariant 1).
            (unsafe { parked.park(entry, waker, cancelled) }, cancelled)
        });
        drop(old);
        cancelled
    }

    /// The first step of the end: from now on it is not polled, and not ended again. The waker that it was listed with is to
    /// be dropped last: it may panic, and what is pinned has to be destroyed before its memory goes.
    ///
    /// # Safety
    /// `self` is pinned if it has been polled.
    unsafe fn begin_end(&self) -> Option<Waker> {
        let mut waker = None;
        if self.entry.is_listed() {
            // SAFETY: it was polled, so it is pinned.
            let entry = unsafe { Pin::new_unchecked(&self.entry) };
            // SAFETY: the entry is only ever listed in this scope.
            waker = self.scope.with_parked(|parked, _| unsafe { parked.remove(entry) });
        }
        self.entry.end();
        waker
    }

    /// Polls the future in the child's frame.
    ///
    /// # Safety
    /// `self` is pinned, and has not ended; where the future was ready, it ends now.
    #[inline(always)]
    unsafe fn poll_future(&mut self, cx: &mut Context<'_>) -> Polled<F::Output> {
        self.entry.begin();
        let future = &mut self.future;
        Frame::of(self.entry.task(), Here::Made(&self.scope))
            .locals(&self.locals)
            .shields(&self.shields)
            .waits(self.entry.waits())
            .mail(&self.mail)
            .outermost()
            // SAFETY: part of a pinned whole, which has not ended; ready, it ends.
            .enter(|| unsafe { poll_out(future, cx) })
    }

    /// The end of one whose future was ready, and has been dropped.
    ///
    /// # Safety
    /// `self` is pinned, and has not ended.
    #[inline(always)]
    unsafe fn ready(&mut self, end: End<F::Output>, dropped: thread::Result<()>) {
        // SAFETY: the caller's promise.
        unsafe {
            let _waker = self.begin_end();
            self.end(end, dropped);
        }
    }

    /// It was pending: parks it. False if it has ended instead, for its scope was cancelled.
    ///
    /// # Safety
    /// `self` is pinned, and has not ended.
    #[inline]
    unsafe fn waits(&mut self, cx: &mut Context<'_>) -> bool {
        self.mail.poll(cx);
        // SAFETY: the caller's promise.
        unsafe {
            if !self.park(cx.waker()) {
                return true;
            }
            self.cut(End::Cancelled);
        }
        false
    }

    /// The end of one whose future has not come to its own.
    ///
    /// # Safety
    /// `self` is pinned if it has been polled, and has not ended.
    unsafe fn cut(&mut self, end: End<F::Output>) {
        // SAFETY: the caller's promise.
        let _waker = unsafe { self.begin_end() };
        if matches!(end, End::Cancelled) {
            self.scope.note_cut();
        }
        let future = &mut self.future;
        let dropped =
            Frame::of(self.entry.task(), Here::Made(&self.scope)).locals(&self.locals).outermost().enter(|| {
                catch_unwind(AssertUnwindSafe(|| {
                    // SAFETY: it has not ended, so it has not been dropped; it is dropped in place.
                    unsafe { ManuallyDrop::drop(future) }
                }))
            });
        // SAFETY: begun above, once.
        unsafe { self.end(end, dropped) };
    }

    /// The end of one that is dropped before it.
    ///
    /// # Safety
    /// As for `cut`.
    #[cold]
    #[inline(never)]
    unsafe fn dropped(&mut self) {
        let refused = self.entry.is_fresh() && launched().as_ref() == Some(self.entry.task());
        if refused {
            LAUNCHING.set((LAUNCHING.get().0, DROPPED));
        }
        // SAFETY: the caller's promise.
        unsafe { self.cut(if refused { End::Refused } else { End::Aborted }) };
    }

    /// The end of a child whose future has been dropped.
    ///
    /// # Safety
    /// Called once, after [`begin_end`](Self::begin_end).
    unsafe fn end(&mut self, end: End<F::Output>, dropped: thread::Result<()>) {
        // SAFETY: none of them has been taken before, since this is called once; and none is looked at after it, for the mark
        // says that the child has ended.
        let (scope, task, shields, locals, mail, deposit) = unsafe {
            (
                ManuallyDrop::take(&mut self.scope),
                self.entry.take_task(),
                ManuallyDrop::take(&mut self.shields),
                ManuallyDrop::take(&mut self.locals),
                ManuallyDrop::take(&mut self.mail),
                ManuallyDrop::take(&mut self.deposit),
            )
        };
        let task = &task;
        shields.forget_waker();
        if mail.is_made() {
            // Not this task's any more: its heirs wait for it all the same.
            for task in mail.close() {
                match scope.runtime() {
                    Some(runtime) => drop(runtime.spawn(task)),
                    None => scope.post(task),
                }
            }
        }
        if dropped.is_err() || scope.owns() || !D::is_nothing(&end) {
            Frame::of(task, Here::Made(&scope)).locals(&locals).outermost().enter(|| {
                // It may panic too: it converts and prints errors of the user's.
                let deposited = catch_unwind(AssertUnwindSafe(|| deposit.deposit(Here::Made(&scope), task, end)));
                for payload in [deposited, dropped].into_iter().filter_map(Result::err) {
                    record_panic(Here::Made(&scope), task, payload);
                }
                // Guards that went elsewhere.
                scope.end_owned_of(task);
            });
        }
        if locals.is_set() {
            // Values may have destructors.
            if let Err(payload) = catch_unwind(AssertUnwindSafe(|| drop(locals))) {
                record_panic(Here::Made(&scope), task, payload);
            }
        }
        if event::observed() {
            event::tell(EventKind::Ended, &scope, Some(task.clone()), task.location());
        }
        scope.leave(D::PART);
    }
}

/// What came of a poll.
enum Polled<O> {
    Pending,
    /// The future has been dropped, too: how that went.
    Ready(O, thread::Result<()>),
    /// It has not been dropped.
    Panicked(Box<dyn Any + Send>),
}

/// Polls a future, and drops it where it lies when it is ready.
///
/// # Safety
/// `future` is pinned and has not been dropped; it is not used again once it was ready.
unsafe fn poll_out<F: Future>(future: &mut ManuallyDrop<F>, cx: &mut Context<'_>) -> Polled<F::Output> {
    let mut output = None;
    let caught = catch_unwind(AssertUnwindSafe(|| {
        // SAFETY: the caller's promise.
        if let Poll::Ready(ready) = unsafe { Pin::new_unchecked(&mut **future) }.poll(cx) {
            output = Some(ready);
            // SAFETY: the caller's promise; it is dropped in place, once, for it is ready once.
            unsafe { ManuallyDrop::drop(&mut *future) };
        }
    }));
    match (output, caught) {
        (Some(output), dropped) => Polled::Ready(output, dropped),
        (None, Ok(())) => Polled::Pending,
        (None, Err(payload)) => Polled::Panicked(payload),
    }
}

impl<F: Future, D: Deposit<F::Output>> Future for Child<F, D> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        // SAFETY: nothing is moved out of `this` (invariant 3).
        let this = unsafe { self.get_unchecked_mut() };
        if this.entry.is_ended() {
            return Poll::Ready(());
        }
        // SAFETY: `self` came pinned, and has not ended.
        unsafe {
            match this.poll_future(cx) {
                Polled::Ready(output, dropped) => this.ready(End::Done(output), dropped),
                Polled::Panicked(payload) => this.cut(End::Panicked(payload)),
                Polled::Pending if this.waits(cx) => return Poll::Pending,
                Polled::Pending => {}
            }
        }
        Poll::Ready(())
    }
}

impl<F: Future, D: Deposit<F::Output>> Drop for Child<F, D> {
    #[inline]
    fn drop(&mut self) {
        if !self.entry.is_ended() {
            // SAFETY: a value that was pinned stays in place until its drop has returned; it has not ended.
            unsafe { self.dropped() };
        }
    }
}
