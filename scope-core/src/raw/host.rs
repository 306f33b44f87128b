//! What is in the future of a nursery: the nursery, the body that borrows it, and the same-task children.
//!
//! Invariants
//! 1. The nursery lies in this future and does not move from the first poll on; the body and the children refer to it.
//!    They are destroyed before it, in this order: body, children, nursery.
//! 2. After the first poll the nursery is only ever borrowed shared; what changes in it is atomic, under a lock, or the
//!    host's part of the children, and the host is this future.
//! 3. Nothing that the body or a same-task child borrows is touched once this future has been forgotten: only parallel
//!    children, which are `'static`, go on.

use std::any::Any;
use std::cell::UnsafeCell;
use std::future::Future;
use std::marker::PhantomPinned;
use std::mem::ManuallyDrop;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::ptr;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use crate::adopt;
use crate::closing::Closing;
use crate::error::{PanicPayload, ScopeError};
use crate::event;
use crate::failure::Fault;
use crate::finalizer::Exit;
use crate::nursery::{Mode, Nursery};
use crate::origin::{LazyScope, Origin};
use crate::poller::Poller;
use crate::raw::frame::{self, Frame, Here};
use crate::reason::CancelCause;
use crate::record::{Record, RecordCause};
use crate::rt;
use crate::scope::Scope;
use crate::shield::ShieldCell;
use crate::task::TaskRef;
use crate::timer::DeadlineTimer;
use crate::waits::At;

/// Which runtime a nursery uses, decided when it is first polled: given the one of the scope around it.
pub(super) type Choose = fn(Option<&rt::Handle>) -> Option<rt::Handle>;

/// The nursery, its body, and what is needed to poll them.
pub(super) struct Host<'env, F, B: Future, E: Fault, K, M: Mode<B::Output, E>> {
    start: Start<'env, F, B, E, K>,
    pub(super) timeout: Option<Duration>,
    pub(super) choose: Option<Choose>,
    pub(super) stage: Stage,
    /// Dropped in place, by assignment.
    body: Body<F, B>,
    wakes: BodyWakes,
    going: Option<Going>,
    value: Option<M::Value>,
    poller: Poller,
    shields: ShieldCell,
    /// The body was dropped at an await point because the scope had been cancelled.
    cut: bool,
    nursery: UnsafeCell<Nursery<'env, 'env, E, K>>,
    _pinned: PhantomPinned,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    Fresh,
    /// The body runs.
    Body,
    /// The body has ended; children run.
    Children,
    /// All has ended, or a cancellation from further out has made it moot.
    Over,
    /// It has ended in its first poll, and there was nothing in it: no scope, no children, no failure.
    OverEmpty,
}

pub(crate) enum Body<F, B> {
    Unstarted(F),
    Runs(B),
    Gone,
}

impl<F, B> Body<F, B> {
    /// What makes the body's future, if it has not been made, and leaves `Gone`. That future is the larger part by far, and
    /// is not copied along.
    #[inline]
    fn take_unstarted(&mut self) -> Option<F> {
        let Body::Unstarted(unstarted) = self else { return None };
        // SAFETY: read once, for what it is read from is overwritten at once, without being dropped.
        unsafe {
            let unstarted = ptr::read(unstarted);
            ptr::write(self, Body::Gone);
            Some(unstarted)
        }
    }

    /// Puts the body's future into its place: made there, not moved there.
    #[inline]
    pub(crate) fn begin(&mut self, body: B) {
        *self = Body::Runs(body);
    }
}

/// Makes the body's future, in the place it is given.
pub(super) type Start<'env, F, B, E, K> = fn(F, &'env Nursery<'env, 'env, E, K>, &mut Body<F, B>);

/// What only a nursery needs that does not end in its first poll.
struct Going {
    /// The body's own waker, once there have been same-task children.
    own: Option<Waker>,
    timer: DeadlineTimer,
    closing: Closing,
}

impl Default for Going {
    fn default() -> Self {
        Going { own: None, timer: DeadlineTimer::default(), closing: Closing::new() }
    }
}

/// Owns what is around a scope when it is dropped, also by a panic.
struct Owned<'a>(&'a LazyScope);

impl Drop for Owned<'_> {
    fn drop(&mut self) {
        let owned = catch_unwind(AssertUnwindSafe(|| self.0.origin.parent.get().is_some()));
        if owned.is_err() {
            // A runtime's clock panicked. What is borrowed would be looked at when it is gone.
            std::process::abort();
        }
    }
}

/// How the body is woken.
struct BodyWakes {
    /// It was last polled with the waker of the task itself, so any poll may be for it.
    with_outer: bool,
    /// It has been polled since the scope was cancelled.
    told: bool,
}

impl<'env, F, B: Future, E: Fault, K, M: Mode<B::Output, E>> Host<'env, F, B, E, K, M> {
    #[inline]
    pub(super) fn new(start: Start<'env, F, B, E, K>, body: F, nursery: Nursery<'env, 'env, E, K>) -> Self {
        Host {
            start,
            timeout: None,
            choose: None,
            stage: Stage::Fresh,
            body: Body::Unstarted(body),
            wakes: BodyWakes { with_outer: true, told: false },
            going: None,
            value: None,
            poller: Poller::default(),
            shields: ShieldCell::new(),
            cut: false,
            nursery: UnsafeCell::new(nursery),
            _pinned: PhantomPinned,
        }
    }

    /// Finds out where the nursery is polled for the first time. True if it has a scope now. To be called once, before the body
    /// exists; again where it panicked, as code of a runtime may.
    ///
    /// # Safety
    /// What is around it, which is borrowed, is owned before the caller returns, or never asked for again.
    #[inline]
    unsafe fn enter_tree(&mut self) -> bool {
        let scope = &mut self.nursery.get_mut().scope;
        let origin = &mut scope.origin;
        frame::here_with_locals(|place, locals| {
            if origin.runtime.is_none()
                && let Some(choose) = self.choose
            {
                origin.runtime = choose(place.as_ref().and_then(|(_, here)| here.runtime()));
            }
            // SAFETY: it is of this thread's topmost frame, which is left after the caller has returned.
            unsafe { origin.parent.borrow(place.as_ref().map(|(_, here)| *here)) };
            if let Some((task, _)) = place {
                origin.home = Some(task.clone());
                self.poller = Poller::of_home();
            } else {
                origin.home = Some(TaskRef::fresh(origin.name.clone(), origin.location));
            }
            if let Some(locals) = locals {
                origin.locals = locals.clone();
            }
        });
        if let Some(timeout) = self.timeout {
            let now = scope.runtime().map_or_else(Instant::now, |runtime| runtime.now());
            scope.origin.set_timeout(now, timeout);
        }
        scope.body_starts();
        let wanted = event::observed() || scope.origin.deadline.is_some();
        if wanted {
            scope.make();
        }
        wanted
    }

    /// What the nursery is opened with. Not after the first poll.
    pub(super) fn origin(&mut self) -> &mut Origin {
        &mut self.nursery.get_mut().scope.origin
    }

    /// The nursery, shared: by invariant 2 the only way to it from the first poll on.
    fn nursery(&self) -> &'env Nursery<'env, 'env, E, K> {
        // SAFETY: the reference is used by this future, and by the body and the children, all of which are gone before
        // the nursery is (invariant 1). That it does not escape from them is for the body's bound to see: it is generic
        // over every shorter lifetime. From here on nobody borrows the nursery exclusively (invariant 2).
        unsafe { &*self.nursery.get() }
    }

    fn going(&mut self) -> &mut Going {
        self.going.get_or_insert_default()
    }

    fn drop_body(&mut self) {
        if matches!(self.body, Body::Gone) {
            return;
        }
        let scope = &self.nursery().scope;
        // The assignment drops it where it lies, and leaves `Gone` also when that panics.
        let dropped = frame_of(scope).enter(|| catch_unwind(AssertUnwindSafe(|| self.body = Body::Gone)));
        if let Err(payload) = dropped {
            record(scope, RecordCause::Panicked(PanicPayload::new(payload)), true);
        }
        self.body_is_gone();
    }

    /// To be called when the body has been destroyed.
    fn body_is_gone(&mut self) {
        let scope = &self.nursery().scope;
        if let (Some(made), Some(home)) = (scope.get(), &scope.origin.home) {
            // A guard that went elsewhere: what was opened in a nursery ends with its body.
            frame_of(scope).enter(|| made.end_owned_of(home));
        }
        scope.body_ended();
        self.shields.forget_waker();
    }

    /// Arms the deadline's timer, and cancels the scope if it has passed.
    fn poll_deadline(&mut self, cx: &mut Context<'_>) {
        let nursery = self.nursery();
        let Some(scope) = nursery.scope.get() else { return };
        if !scope.had_deadline() {
            return;
        }
        match self.going().timer.poll(scope, cx) {
            Ok(false) => {}
            Ok(true) => scope.expire(),
            Err(error) => {
                scope.set_deadline(None);
                record(&nursery.scope, RecordCause::NoRuntime(error), true);
            }
        }
    }

    /// Ends the body at the await point it waits at.
    fn cut_body(&mut self) {
        self.cut = true;
        self.drop_body();
        self.stage = Stage::Children;
    }

    /// Polls the body if it is due. The stage is `Body`.
    fn poll_body(&mut self, cx: &mut Context<'_>) {
        let nursery = self.nursery();
        let cancelled = nursery.scope.is_cancelled();
        let due = self.wakes.with_outer | nursery.locals.take_body_wake() | (cancelled && !self.wakes.told);
        if !due {
            return;
        }
        self.wakes.told |= cancelled;
        if let Some(scope) = nursery.scope.get() {
            scope.body_waits().begin();
        }
        let (body, own) = (&mut self.body, &mut self.going.get_or_insert_default().own);
        if own.is_none() {
            *own = nursery.locals.queue().map(|queue| Waker::from(queue.clone()));
        }
        self.wakes.with_outer = own.is_none();
        let mut own_cx = Context::from_waker(own.as_ref().unwrap_or(cx.waker()));
        let mut output = None;
        let polled = frame_of(&nursery.scope)
            .body(&nursery.scope, &self.shields)
            .enter(|| catch_unwind(AssertUnwindSafe(|| poll_in_place::<F, B, E, M>(body, &mut own_cx, &mut output))));
        match polled {
            Ok(false) => self.body_waits(cx),
            polled => self.body_ended(output, polled.err()),
        }
    }

    /// The body is at an await point.
    fn body_waits(&mut self, cx: &mut Context<'_>) {
        let scope = &self.nursery().scope;
        // One that overran its deadline and now waits ends at this very await point.
        if let Some(scope) = scope.get() {
            scope.expire_if_due();
        }
        if scope.is_cancelled() && !self.shields.holds_back(cx.waker()) {
            self.cut_body();
        }
    }

    /// Notes what the body came to: its output, its panic, or both, if it panicked when it was destroyed.
    fn body_ended(&mut self, output: Option<Result<M::Value, E>>, panicked: Option<Box<dyn Any + Send>>) {
        let scope = &self.nursery().scope;
        match output {
            Some(Ok(value)) => self.value = Some(value),
            Some(Err(error)) => record(scope, RecordCause::failed(error), true),
            None => {}
        }
        if let Some(payload) = panicked {
            record(scope, RecordCause::Panicked(PanicPayload::new(payload)), true);
        }
        match self.body {
            // In which it panicked.
            Body::Runs(_) | Body::Unstarted(_) => self.drop_body(),
            Body::Gone => self.body_is_gone(),
        }
        self.stage = Stage::Children;
    }

    /// Destroys the body's value, which nobody will get, as the task that made it.
    fn give_up_value(&mut self) {
        let scope = &self.nursery().scope;
        let value = self.value.take();
        if let Err(payload) = frame_of(scope).enter(|| catch_unwind(AssertUnwindSafe(|| drop(value)))) {
            record(scope, RecordCause::Panicked(PanicPayload::new(payload)), true);
        }
    }

    /// What comes out, once nothing is left.
    fn conclude(&mut self) -> Poll<M::Output> {
        self.stage = Stage::Over;
        let nursery = self.nursery();
        let scope = match nursery.scope.get() {
            Some(scope) => scope,
            None => match self.value.take() {
                Some(value) => return Poll::Ready(M::finish(Ok(value))),
                // Never allocated, so never cancelled by itself: it was cut from above.
                None => nursery.scope.make(),
            },
        };
        // A deadline that cut a child short is no success, whatever the body returned before.
        let late = scope.is_late();
        self.cut |= late;
        if self.value.is_some() && (late || scope.has_records()) {
            self.give_up_value();
        }
        scope.ended();
        let mut records = scope.take_records();
        let failed = !records.is_empty();
        if scope.is_moot() && (self.cut || failed) {
            // Whoever was cancelled absorbs it, and drops this future. What failed here goes there.
            adopt::bequeath(scope, records);
            return Poll::Pending;
        }
        if records.first().is_some_and(Record::is_own_panic) {
            let first = records.remove(0);
            adopt::bequeath(scope, records);
            if let RecordCause::Panicked(payload) = first.cause {
                resume_unwind(payload.into_payload());
            }
            return Poll::Pending;
        }
        if let Some(value) = self.value.take() {
            return Poll::Ready(M::finish(Ok(value)));
        }
        let reason = if self.cut { scope.reason() } else { None };
        let reason = reason.filter(|reason| !(failed && is_for_failure(reason.cause())));
        let leaves = records.into_iter().map(Record::into_leaf).collect();
        Poll::Ready(M::finish(Err(ScopeError::new(scope.id().clone(), reason, leaves))))
    }
}

/// Polls a body that runs. True if it has ended: its future is gone then.
#[inline]
fn poll_in_place<F, B, E, M>(
    body: &mut Body<F, B>,
    cx: &mut Context<'_>,
    output: &mut Option<Result<M::Value, E>>,
) -> bool
where
    B: Future,
    E: Fault,
    M: Mode<B::Output, E>,
{
    let Body::Runs(future) = body else { return true };
    // SAFETY: it lies in a nursery's future, which is pinned, and is dropped in place.
    let Poll::Ready(ended) = unsafe { Pin::new_unchecked(future) }.poll(cx) else { return false };
    *output = Some(M::split(ended));
    // Where it lies; it is gone also when that panics.
    *body = Body::Gone;
    true
}

fn is_for_failure(cause: CancelCause) -> bool {
    matches!(cause, CancelCause::SiblingFailed | CancelCause::RuntimeShutdown)
}

/// The nursery's task in the nursery's scope.
fn frame_of(scope: &LazyScope) -> Frame<'_> {
    let Some(home) = &scope.origin.home else { unreachable!("set at the first poll, before anything runs") };
    Frame::of(home, Here::Lazy(scope)).locals(&scope.origin.locals)
}

/// Records what failed in the body or the scope itself.
fn record(scope: &LazyScope, cause: RecordCause, cancels: bool) {
    let scope = scope.make();
    if scope.is_over() {
        // Adopted and ended: only the future was left.
        if let Some(home) = scope.home() {
            adopt::record_late(scope, home, cause);
        }
        return;
    }
    let record =
        Record { path: scope.own_path(), location: scope.id().location(), task: None, cause, secondary: false };
    scope.fail(record, cancels);
}

/// How the scope has ended, as its finalizers are told.
fn exit_of(scope: &Arc<Scope>, cut: bool) -> Exit {
    if let Some(exit) = scope.failed_exit() {
        return exit;
    }
    match scope.reason() {
        Some(reason) if cut || scope.is_late() => Exit::Cancelled(reason),
        _ => Exit::Ok,
    }
}

impl<F, B: Future, E: Fault, K, M: Mode<B::Output, E>> Host<'_, F, B, E, K, M> {
    /// Polls it. The caller has it pinned.
    #[inline]
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<M::Output> {
        let polled = if self.stage == Stage::Fresh { self.begin(cx) } else { self.go_on(cx) };
        if polled.is_pending() {
            frame::note_wait(At::Nursery, Some(self.nursery().scope.origin.location));
        }
        polled
    }

    /// Drops it, once.
    ///
    /// # Safety
    /// It is not used after this.
    #[inline]
    pub(super) unsafe fn drop_once(this: &mut ManuallyDrop<Self>) {
        if this.stage != Stage::OverEmpty {
            // SAFETY: the caller's promise.
            return unsafe { Self::drop_all(this) };
        }
        // SAFETY: the caller's promise. Of all that it holds only these can have anything to drop: the body and its value are
        // gone, and neither a scope, nor a queue, nor what a second poll needs was ever made.
        unsafe {
            ptr::drop_in_place(&raw mut this.shields);
            ptr::drop_in_place(&raw mut this.nursery.get_mut().scope.origin);
        }
    }

    /// # Safety
    /// As for [`drop_once`](Self::drop_once).
    #[inline(never)]
    unsafe fn drop_all(this: &mut ManuallyDrop<Self>) {
        // SAFETY: the caller's promise.
        unsafe { ManuallyDrop::drop(this) };
    }

    /// The first poll, in which a nursery with nothing in it ends: without a scope, or anything else that would have to be
    /// looked at. The caller has it pinned.
    #[inline]
    fn begin(&mut self, cx: &mut Context<'_>) -> Poll<M::Output> {
        // SAFETY: owned where `owned` is dropped; what ends before that asks for nothing any more.
        let made = unsafe { self.enter_tree() };
        self.stage = Stage::Body;
        let nursery = self.nursery();
        let owned = Owned(&nursery.scope);
        if made {
            self.before_body(cx);
            self.wakes.told = nursery.scope.is_cancelled();
        }
        let (start, body) = (self.start, &mut self.body);
        let mut output = None;
        let polled = frame_of(&nursery.scope).body(&nursery.scope, &self.shields).enter(|| {
            catch_unwind(AssertUnwindSafe(|| {
                if let Some(unstarted) = body.take_unstarted() {
                    start(unstarted, nursery, body);
                }
                poll_in_place::<F, B, E, M>(body, cx, &mut output)
            }))
        });
        match (output, polled) {
            (Some(Ok(value)), Ok(_)) if nursery.is_untouched() => {
                self.stage = Stage::OverEmpty;
                std::mem::forget(owned);
                return Poll::Ready(M::finish(Ok(value)));
            }
            (_, Ok(false)) => {
                drop(owned);
                self.body_waits(cx);
            }
            (output, polled) => {
                drop(owned);
                self.body_ended(output, polled.err());
            }
        }
        self.drive(cx, made)
    }

    /// Looks at what others have done to the scope and left in it. False if there is none yet: then nobody did.
    #[inline]
    fn before_body(&mut self, cx: &mut Context<'_>) -> bool {
        let Some(scope) = self.nursery().scope.get() else { return false };
        scope.register_host(cx.waker());
        if scope.has_mail() || self.going.is_some() {
            self.going().closing.poll_foundlings(scope, cx);
        }
        // So that a body whose deadline has passed already ends at its first await point.
        self.poll_deadline(cx);
        true
    }

    fn go_on(&mut self, cx: &mut Context<'_>) -> Poll<M::Output> {
        if matches!(self.stage, Stage::Over | Stage::OverEmpty) {
            return Poll::Pending;
        }
        let nursery = self.nursery();
        if nursery.locals.queue().is_some() {
            // SAFETY: this future is the host.
            unsafe { nursery.locals.register(cx.waker()) };
        }
        if let Some(home) = &nursery.scope.origin.home {
            self.poller.check(home, || nursery.scope.make().clone());
        }
        if nursery.scope.get().is_some_and(|scope| scope.is_handed_over()) {
            // The scope around has ended, and cleans this one up.
            self.cut_body();
            frame_of(&nursery.scope).enter(|| {
                // SAFETY: this future is the host.
                unsafe { nursery.locals.clear(&nursery.scope) };
            });
            return self.conclude();
        }
        let registered = self.before_body(cx);
        if self.stage == Stage::Body {
            self.poll_body(cx);
        }
        self.drive(cx, registered)
    }

    /// Polls the children, and joins all when the body has ended. Whether the host is `registered` in the scope.
    fn drive(&mut self, cx: &mut Context<'_>, mut registered: bool) -> Poll<M::Output> {
        let nursery = self.nursery();
        loop {
            // SAFETY: this future is the host.
            let children = unsafe { nursery.locals.poll(&nursery.scope, cx) };
            // The scope may have been allocated just now; whoever could wake us does so from here on.
            if let Some(scope) = nursery.scope.get()
                && !std::mem::replace(&mut registered, true)
            {
                scope.register_host(cx.waker());
                // Who has left something in it before that found nobody to wake.
                if scope.has_mail() {
                    self.going().closing.poll_foundlings(scope, cx);
                }
            }
            self.poll_deadline(cx);
            if self.stage == Stage::Body {
                if !nursery.scope.is_cancelled() {
                    return Poll::Pending;
                }
                if !self.wakes.told {
                    // Cancelled while it waited: it is polled once more, for what may have come at the same time.
                    self.poll_body(cx);
                    continue;
                }
                if self.shields.holds_back(cx.waker()) {
                    return Poll::Pending;
                }
                self.cut_body();
                continue;
            }
            if children.is_pending() {
                return Poll::Pending;
            }
            let Some(scope) = nursery.scope.get() else { return self.conclude() };
            let cut = self.cut;
            if self.going().closing.poll(scope, &mut || exit_of(scope, cut), cx).is_pending() {
                return Poll::Pending;
            }
            return self.conclude();
        }
    }
}

impl<F, B: Future, E: Fault, K, M: Mode<B::Output, E>> Drop for Host<'_, F, B, E, K, M> {
    fn drop(&mut self) {
        if self.stage == Stage::Fresh {
            return;
        }
        let over = self.stage == Stage::Over;
        self.drop_body();
        let nursery = self.nursery();
        self.give_up_value();
        frame_of(&nursery.scope).enter(|| {
            // SAFETY: this future is the host.
            unsafe { nursery.locals.clear(&nursery.scope) };
        });
        if let Some(scope) = nursery.scope.get()
            && !over
        {
            adopt::hand_over(scope.clone(), self.going.take().unwrap_or_default().closing);
        }
    }
}
