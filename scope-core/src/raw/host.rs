//! The future of a nursery: it owns the nursery, the body that borrows it, and the same-task children.
//!
//! Invariants
//! 1. The nursery lies in this future and does not move from the first poll on; the body and the children refer to it.
//!    They are destroyed before it, in this order: body, children, nursery.
//! 2. After the first poll the nursery is only ever borrowed shared; what changes in it is atomic, under a lock, or the
//!    host's part of the children, and the host is this future.
//! 3. Nothing that the body or a same-task child borrows is touched once this future has been forgotten: only parallel
//!    children, which are `'static`, go on.

use std::cell::UnsafeCell;
use std::fmt;
use std::future::Future;
use std::marker::PhantomPinned;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use crate::adopt;
use crate::closing::Closing;
use crate::error::{PanicPayload, ScopeError};
use crate::event;
use crate::failure::Fault;
use crate::finalizer::Exit;
use crate::name::Name;
use crate::nursery::{Mode, Nursery};
use crate::origin::LazyScope;
use crate::poller::Poller;
use crate::raw::frame::{self, Frame, Here};
use crate::reason::CancelCause;
use crate::record::{Erased, Record, RecordCause};
use crate::rt;
use crate::scope::Scope;
use crate::shield::ShieldCell;
use crate::task::TaskRef;
use crate::timer::DeadlineTimer;
use crate::violation::Policy;
use crate::waits::At;

/// Which runtime a nursery uses, decided when it is first polled: given the one of the scope around it.
type Choose = fn(Option<&rt::Handle>) -> Option<rt::Handle>;

/// The future of a nursery: [`nursery`](crate::nursery()) and its kin.
///
/// It does nothing until it is polled. Its methods set what is to be known before that.
///
/// # Cancel safety
/// Dropping it before its end drops the body and the same-task children where they are; parallel children are cancelled,
/// and they and the finalizers are adopted by the nearest scope around that is still open, which does not return before
/// they are done.
#[must_use = "a nursery does nothing unless it is awaited"]
pub struct NurseryFuture<'env, F, B: Future, E: Fault, K, M: Mode<B::Output, E>> {
    start: fn(F, &'env Nursery<'env, 'env, E, K>) -> B,
    body_of: Option<F>,
    timeout: Option<Duration>,
    choose: Option<Choose>,
    stage: Stage,
    /// Dropped in place, by assignment.
    body: Option<B>,
    wakes: BodyWakes,
    value: Option<M::Value>,
    poller: Poller,
    shields: ShieldCell,
    /// The body was dropped at an await point because the scope had been cancelled.
    cut: bool,
    timer: DeadlineTimer,
    closing: Closing,
    nursery: UnsafeCell<Nursery<'env, 'env, E, K>>,
    _pinned: PhantomPinned,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Fresh,
    /// The body runs.
    Body,
    /// The body has ended; children run.
    Children,
    /// All has ended, or a cancellation from further out has made it moot.
    Over,
}

/// How the body is woken.
struct BodyWakes {
    /// Its own waker, once there have been same-task children.
    own: Option<Waker>,
    /// It was last polled with the waker of the task itself, so any poll may be for it.
    with_outer: bool,
    /// It has been polled since the scope was cancelled.
    told: bool,
}

impl<'env, F, B: Future, E: Fault, K, M: Mode<B::Output, E>> NurseryFuture<'env, F, B, E, K, M> {
    pub(crate) fn new(
        start: fn(F, &'env Nursery<'env, 'env, E, K>) -> B,
        body_of: F,
        nursery: Nursery<'env, 'env, E, K>,
    ) -> Self {
        NurseryFuture {
            start,
            body_of: Some(body_of),
            timeout: None,
            choose: None,
            stage: Stage::Fresh,
            body: None,
            wakes: BodyWakes { own: None, with_outer: true, told: false },
            value: None,
            poller: Poller::default(),
            shields: ShieldCell::new(),
            cut: false,
            timer: DeadlineTimer::default(),
            closing: Closing::new(),
            nursery: UnsafeCell::new(nursery),
            _pinned: PhantomPinned,
        }
    }

    /// The name of the scope, for errors, events and the tree.
    pub fn named(mut self, name: impl Into<Name>) -> Self {
        self.nursery.get_mut().scope.origin.name = Some(name.into());
        self
    }

    /// Cancels the scope `timeout` after the first poll. Needs a runtime: without one the nursery fails with
    /// [`Cause::NoRuntime`](crate::Cause::NoRuntime). Movable by [`Nursery::set_deadline`].
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Cancels the scope at `at`, by the clock of its runtime. One that lies in the past still lets the body start.
    pub fn deadline(mut self, at: Instant) -> Self {
        self.nursery.get_mut().scope.origin.deadline = Some(at);
        self
    }

    /// How long the finalizers may take in all; 5 s where nothing is set.
    pub fn cleanup_budget(mut self, budget: Duration) -> Self {
        self.nursery.get_mut().scope.origin.budget = budget;
        self
    }

    /// The runtime that parallel children, timers and processes in this scope use; inherited where nothing is set.
    pub fn runtime(mut self, runtime: rt::Handle) -> Self {
        self.nursery.get_mut().scope.origin.runtime = Some(runtime);
        self
    }

    /// For adapters: chooses the runtime when the nursery is first polled, given the one of the scope around it. `None`
    /// inherits.
    pub fn runtime_with(mut self, choose: fn(Option<&rt::Handle>) -> Option<rt::Handle>) -> Self {
        self.choose = Some(choose);
        self
    }

    /// Finds out where the nursery is polled for the first time. To be called once, before the body exists.
    fn enter_tree(&mut self) {
        let scope = &mut self.nursery.get_mut().scope;
        let origin = &mut scope.origin;
        frame::here(|place| {
            if let Some((task, scope)) = place {
                origin.home = Some(task.clone());
                origin.parent = Some(scope.make());
            }
        });
        origin.locals = frame::snapshot();
        self.poller.first();
        if origin.home.is_none() {
            origin.home = Some(TaskRef::fresh(origin.name.clone(), origin.location));
        }
        if let Some(choose) = self.choose.take()
            && origin.runtime.is_none()
        {
            origin.runtime = choose(origin.parent.as_ref().and_then(|parent| parent.runtime()));
        }
        if let Some(timeout) = self.timeout.take() {
            let now = scope.runtime().map_or_else(Instant::now, |runtime| runtime.now());
            scope.origin.set_timeout(now, timeout);
        }
        if event::observed() || scope.origin.deadline.is_some() {
            scope.make();
        }
    }

    /// What a broken rule does in here, beside the event; inherited where nothing is set.
    pub fn policy(mut self, policy: Policy) -> Self {
        self.nursery.get_mut().scope.origin.policy = policy;
        self
    }

    /// The nursery, shared: by invariant 2 the only way to it from the first poll on.
    fn nursery(&self) -> &'env Nursery<'env, 'env, E, K> {
        // SAFETY: the reference is used by this future, and by the body and the children, all of which are gone before
        // the nursery is (invariant 1). That it does not escape from them is for the body's bound to see: it is generic
        // over every shorter lifetime. From here on nobody borrows the nursery exclusively (invariant 2).
        unsafe { &*self.nursery.get() }
    }

    fn drop_body(&mut self) {
        if self.body.is_none() {
            return;
        }
        let scope = &self.nursery().scope;
        // The assignment drops it where it lies, and leaves `None` also when that panics.
        let dropped = in_frame(scope, || catch_unwind(AssertUnwindSafe(|| self.body = None)));
        if let Err(payload) = dropped {
            record(scope, RecordCause::Panicked(PanicPayload::new(payload)), true);
        }
        if let (Some(scope), Some(home)) = (scope.get(), &scope.origin.home) {
            // A guard that went elsewhere: what was opened in a nursery ends with its body.
            in_frame(&self.nursery().scope, || scope.end_owned_of(home));
        }
        self.nursery().scope.body_ended();
        self.shields.forget_waker();
    }

    /// Arms the deadline's timer, and cancels the scope if it has passed.
    fn poll_deadline(&mut self, cx: &mut Context<'_>) {
        let nursery = self.nursery();
        let Some(scope) = nursery.scope.get() else { return };
        match self.timer.poll(scope, cx) {
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
        let scope = &nursery.scope;
        let cancelled = scope.is_cancelled();
        let due = self.wakes.with_outer | nursery.locals.take_body_wake() | (cancelled && !self.wakes.told);
        if !due {
            return;
        }
        self.wakes.told |= cancelled;
        if self.wakes.own.is_none() {
            self.wakes.own = nursery.locals.queue().map(|queue| queue.body_waker());
        }
        self.wakes.with_outer = self.wakes.own.is_none();
        let Some(body) = &mut self.body else { return };
        // SAFETY: `self` is pinned, and the body is dropped in place.
        let body = unsafe { Pin::new_unchecked(body) };
        let own = self.wakes.own.clone();
        let mut own_cx = Context::from_waker(own.as_ref().unwrap_or(cx.waker()));
        let polled = body_frame(scope, &self.shields, || catch_unwind(AssertUnwindSafe(|| body.poll(&mut own_cx))));
        let failed = match polled {
            Ok(Poll::Pending) => {
                // One that overran its deadline and now waits ends at this very await point.
                if let Some(scope) = scope.get() {
                    scope.expire_if_due();
                }
                if scope.is_cancelled() && !self.shields.holds_back(cx.waker()) {
                    self.cut_body();
                }
                return;
            }
            Ok(Poll::Ready(output)) => match M::split(output) {
                Ok(value) => {
                    self.value = Some(value);
                    None
                }
                // Printing an error of the user's may panic.
                Err(error) => match catch_unwind(AssertUnwindSafe(|| Erased::new(error))) {
                    Ok(erased) => Some(RecordCause::Failed(erased)),
                    Err(payload) => Some(RecordCause::Panicked(PanicPayload::new(payload))),
                },
            },
            Err(payload) => Some(RecordCause::Panicked(PanicPayload::new(payload))),
        };
        if let Some(cause) = failed {
            record(scope, cause, true);
        }
        self.drop_body();
        self.stage = Stage::Children;
    }

    /// Destroys the body's value, which nobody will get, as the task that made it.
    fn give_up_value(&mut self) {
        let scope = &self.nursery().scope;
        let value = self.value.take();
        if let Err(payload) = in_frame(scope, || catch_unwind(AssertUnwindSafe(|| drop(value)))) {
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
        if late || scope.has_records() {
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
        let reason = scope.reason().filter(|reason| self.cut && !(failed && is_for_failure(reason.cause())));
        match self.value.take() {
            Some(value) => Poll::Ready(M::finish(Ok(value))),
            None => {
                let leaves = records.into_iter().map(Record::into_leaf).collect();
                Poll::Ready(M::finish(Err(ScopeError::new(scope.id().clone(), reason, leaves))))
            }
        }
    }
}

fn is_for_failure(cause: CancelCause) -> bool {
    matches!(cause, CancelCause::SiblingFailed | CancelCause::RuntimeShutdown)
}

/// Runs `f` as the nursery's task in the nursery's scope.
fn in_frame<R>(scope: &LazyScope, f: impl FnOnce() -> R) -> R {
    match &scope.origin.home {
        Some(home) => Frame::of(home, Here::Lazy(scope)).locals(&scope.origin.locals).enter(f),
        // Set at the first poll, before anything runs.
        None => f(),
    }
}

/// The same for the body, whose shields are counted.
fn body_frame<R>(scope: &LazyScope, shields: &ShieldCell, f: impl FnOnce() -> R) -> R {
    match &scope.origin.home {
        Some(home) => {
            let mut frame = Frame::of(home, Here::Lazy(scope)).locals(&scope.origin.locals).shields(shields);
            if let Some(scope) = scope.get() {
                frame = frame.waits(scope.body_waits());
            }
            frame.enter(f)
        }
        None => f(),
    }
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

impl<F, B: Future, E: Fault, K, M: Mode<B::Output, E>> Future for NurseryFuture<'_, F, B, E, K, M> {
    type Output = M::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        // SAFETY: nothing is moved out of a pinned part: the body is dropped in place, the nursery never.
        let this = unsafe { self.get_unchecked_mut() };
        let polled = this.drive(cx);
        if polled.is_pending() {
            frame::note_wait(At::Nursery, Some(this.nursery().scope.origin.location));
        }
        polled
    }
}

impl<F, B: Future, E: Fault, K, M: Mode<B::Output, E>> NurseryFuture<'_, F, B, E, K, M> {
    /// Polls it. The caller has it pinned.
    fn drive(&mut self, cx: &mut Context<'_>) -> Poll<M::Output> {
        let this = self;
        if this.stage == Stage::Over {
            return Poll::Pending;
        }
        if this.stage == Stage::Fresh {
            this.enter_tree();
            this.stage = Stage::Body;
            let nursery = this.nursery();
            nursery.scope.body_started();
            if let Some(body_of) = this.body_of.take() {
                let start = this.start;
                match in_frame(&nursery.scope, || catch_unwind(AssertUnwindSafe(|| start(body_of, nursery)))) {
                    Ok(body) => this.body = Some(body),
                    Err(payload) => {
                        record(&nursery.scope, RecordCause::Panicked(PanicPayload::new(payload)), true);
                        this.stage = Stage::Children;
                    }
                }
            }
        }
        let nursery = this.nursery();
        nursery.locals.register(cx.waker());
        this.poller.check(|| nursery.scope.make().clone());
        if nursery.scope.get().is_some_and(|scope| scope.is_handed_over()) {
            // The scope around has ended, and cleans this one up.
            this.cut_body();
            in_frame(&nursery.scope, || {
                // SAFETY: this future is the host.
                unsafe { nursery.locals.clear(&nursery.scope) };
            });
            return this.conclude();
        }
        loop {
            if let Some(scope) = nursery.scope.get() {
                scope.register_host(cx.waker());
                this.closing.poll_foundlings(scope, cx);
            }
            // Before the body, so that one whose deadline has passed already ends at its first await point.
            this.poll_deadline(cx);
            if this.stage == Stage::Body {
                this.poll_body(cx);
            }
            // SAFETY: this future is the host.
            let children = unsafe { nursery.locals.poll(&nursery.scope, cx) };
            // The scope may have been allocated just now; whoever could wake us does so from here on.
            if let Some(scope) = nursery.scope.get() {
                scope.register_host(cx.waker());
            }
            this.poll_deadline(cx);
            if this.stage == Stage::Body {
                if !nursery.scope.is_cancelled() {
                    return Poll::Pending;
                }
                if !this.wakes.told {
                    // Cancelled while it waited: it is polled once more, for what may have come at the same time.
                    continue;
                }
                if this.shields.holds_back(cx.waker()) {
                    return Poll::Pending;
                }
                this.cut_body();
                continue;
            }
            if children.is_pending() {
                return Poll::Pending;
            }
            let Some(scope) = nursery.scope.get() else { return this.conclude() };
            let cut = this.cut;
            if this.closing.poll(scope, &mut || exit_of(scope, cut), cx).is_pending() {
                return Poll::Pending;
            }
            return this.conclude();
        }
    }
}

impl<F, B: Future, E: Fault, K, M: Mode<B::Output, E>> Drop for NurseryFuture<'_, F, B, E, K, M> {
    fn drop(&mut self) {
        if self.stage == Stage::Fresh {
            return;
        }
        let over = self.stage == Stage::Over;
        self.drop_body();
        let nursery = self.nursery();
        self.give_up_value();
        in_frame(&nursery.scope, || {
            // SAFETY: this future is the host.
            unsafe { nursery.locals.clear(&nursery.scope) };
        });
        if let Some(scope) = nursery.scope.get()
            && !over
        {
            adopt::hand_over(scope.clone(), std::mem::replace(&mut self.closing, Closing::new()));
        }
    }
}

impl<F, B: Future, E: Fault, K, M: Mode<B::Output, E>> fmt::Debug for NurseryFuture<'_, F, B, E, K, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NurseryFuture").field("stage", &self.stage).finish_non_exhaustive()
    }
}
