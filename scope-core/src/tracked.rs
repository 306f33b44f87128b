//! A child that can be cancelled alone: its future in a scope of its own, which is allocated when somebody refers to it.
//!
//! Invariant: nobody makes the scope once `ended` is set, which happens under its lock; so a cancel that comes too late leaves
//! no scope behind that nobody ends.
//!
//! Lock order: `ended` before the scope's, and its parent's. No code of a user runs under it.

use std::future::Future;
use std::panic::{AssertUnwindSafe, Location, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::sync::{Arc, PoisonError};
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;

use crate::adopt;
use crate::closing::Closing;
use crate::deposit::{Deposit, End, record_end};
use crate::failure::Fault;
use crate::finalizer::Exit;
use crate::name::Name;
use crate::origin::{Kind, LazyScope, Origin};
use crate::raw::frame::{self, Frame, Here};
use crate::reason::CancelCause;
use crate::record::RecordCause;
use crate::scope::Scope;
use crate::shield::{OpenShield, ShieldCell};
use crate::sync::{AtomicWaker, Mutex};
use crate::task::TaskRef;
use crate::timer::DeadlineTimer;

/// What such a child shares with those who may cancel it.
pub(crate) struct Own {
    task: TaskRef,
    parent: Arc<Scope>,
    lazy: LazyScope,
    ended: Mutex<bool>,
    /// Whoever polls the child: woken by the cancel that makes the scope.
    polled_by: AtomicWaker,
}

impl Own {
    /// Of a child of `parent` that holds a place of the bounded set `place`, 0 being none.
    pub(crate) fn new(task: TaskRef, parent: Arc<Scope>, place: u64) -> Self {
        let mut origin = Origin::new(Kind::Child, task.location());
        origin.home = Some(task.clone());
        origin.parent = parent.clone().into();
        origin.budget = parent.budget;
        origin.place = place;
        Own { task, parent, lazy: LazyScope::new(origin), ended: Mutex::new(false), polled_by: AtomicWaker::new() }
    }

    pub(crate) fn task(&self) -> &TaskRef {
        &self.task
    }

    /// The scope that the child is of.
    pub(crate) fn parent(&self) -> &Arc<Scope> {
        &self.parent
    }

    /// Cancels the child. False if it has ended or was cancelled before.
    pub(crate) fn cancel(&self, cause: CancelCause, text: Name, location: &'static Location<'static>) -> bool {
        let scope = {
            let ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
            if *ended {
                return false;
            }
            self.lazy.make_quietly().0.clone()
        };
        let first = scope.cancel(cause, text, location);
        self.polled_by.wake();
        first
    }

    /// Destroys what the child made, as the child. That may be over: then what this opens and gives away ends at once.
    pub(crate) fn destroy(&self, made: impl Sized) {
        let dropped =
            frame::enter(&self.task, Here::Made(&self.parent), || catch_unwind(AssertUnwindSafe(|| drop(made))));
        // One that ends after this look sees to it by itself.
        if *self.ended.lock().unwrap_or_else(PoisonError::into_inner) {
            self.parent.end_owned_of(&self.task);
        }
        if let Err(payload) = dropped {
            resume_unwind(payload);
        }
    }

    fn end(&self) {
        *self.ended.lock().unwrap_or_else(PoisonError::into_inner) = true;
    }
}

/// What has an [`Own`] in it, in one allocation.
pub(crate) trait HasOwn {
    fn own(&self) -> &Own;

    /// Whether an error of the child is its scope's.
    fn fails_the_scope(&self) -> bool {
        true
    }
}

/// One that needs nothing else.
impl HasOwn for Own {
    fn own(&self) -> &Own {
        self
    }
}

/// The child has nothing to give.
pub(crate) enum Cut {
    /// It was cancelled alone.
    Cancelled,
    /// It failed, and the scope has been told.
    Recorded,
}

pin_project! {
    pub(crate) struct Tracked<F: Future, C: HasOwn> {
        // While what its scopes left is cleaned up: it has ended, and is not cut any more.
        ending: Option<OpenShield>,
        #[pin]
        body: Option<F>,
        cell: Arc<C>,
        shields: ShieldCell,
        // Once its scope has been given a deadline.
        timer: Option<Box<DeadlineTimer>>,
        ended: Option<Result<F::Output, Cut>>,
        closing: Closing,
        over: bool,
    }

    impl<F: Future, C: HasOwn> PinnedDrop for Tracked<F, C> {
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            let own = this.cell.own();
            own.end();
            if *this.over {
                return;
            }
            let handed = HandsOver { own, closing: this.closing };
            frame::enter(own.task(), Here::Lazy(&own.lazy), || this.body.set(None));
            drop(handed);
        }
    }
}

/// Hands the scope over, also when the drop of the body unwinds.
struct HandsOver<'a> {
    own: &'a Own,
    closing: &'a mut Closing,
}

impl Drop for HandsOver<'_> {
    fn drop(&mut self) {
        drop(self.own.polled_by.take());
        if let Some(scope) = self.own.lazy.get() {
            scope.end_owned_of(self.own.task());
            adopt::hand_over(scope.clone(), std::mem::replace(self.closing, Closing::new()));
        }
    }
}

impl<F: Future, C: HasOwn> Tracked<F, C> {
    pub(crate) fn new(body: F, cell: Arc<C>) -> Self {
        Tracked {
            ending: None,
            body: Some(body),
            cell,
            shields: ShieldCell::new(),
            timer: None,
            ended: None,
            closing: Closing::new(),
            over: false,
        }
    }
}

impl<F, C, T, E> Future for Tracked<F, C>
where
    F: Future<Output = Result<T, E>>,
    C: HasOwn,
    E: Fault,
{
    type Output = Result<F::Output, Cut>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let own = this.cell.own();
        let lazy = &own.lazy;
        own.polled_by.register(cx.waker());
        if let Some(scope) = lazy.get() {
            scope.register_host(cx.waker());
            this.closing.poll_foundlings(scope, cx);
            // Before the body, which is told, and after it.
            poll_deadline(this.timer, scope, own, cx);
        }
        if let Some(body) = this.body.as_mut().as_pin_mut() {
            let polled = Frame::of(own.task(), Here::Lazy(lazy)).shields(this.shields).enter(|| body.poll(cx));
            *this.ended = match polled {
                Poll::Ready(output) => Some(Ok(output)),
                Poll::Pending => {
                    // Made in that poll, or by a cancel, which wakes us.
                    let Some(scope) = lazy.get() else { return Poll::Pending };
                    scope.register_host(cx.waker());
                    // Who has left something in it before that found nobody to wake.
                    this.closing.poll_foundlings(scope, cx);
                    poll_deadline(this.timer, scope, own, cx);
                    if !scope.is_cancelled_itself() || this.shields.holds_back(cx.waker()) {
                        return Poll::Pending;
                    }
                    Some(Err(Cut::Cancelled))
                }
            };
            frame::enter(own.task(), Here::Lazy(lazy), || this.body.set(None));
            this.shields.forget_waker();
            own.end();
            if let Some(scope) = lazy.get() {
                *this.ending = Some(OpenShield::innermost());
                scope.end_owned_of(own.task());
                // Its siblings are told at once, not when the clean-up is over.
                if this.cell.fails_the_scope() {
                    match this.ended.take() {
                        Some(Ok(Err(error))) => {
                            record_end(Here::Made(own.parent()), own.task(), End::Done(error));
                            *this.ended = Some(Err(Cut::Recorded));
                        }
                        ended => *this.ended = ended,
                    }
                }
            }
        }
        if let Some(scope) = lazy.get() {
            poll_deadline(this.timer, scope, own, cx);
            let cut = matches!(this.ended, Some(Err(Cut::Cancelled)));
            let mut exit = || match scope.reason() {
                Some(reason) if cut => Exit::Cancelled(reason),
                _ => Exit::Ok,
            };
            ready!(this.closing.poll(scope, &mut exit, cx));
            let records = scope.take_records();
            adopt::bequeath(scope, records);
            scope.ended();
        }
        *this.over = true;
        *this.ending = None;
        drop(own.polled_by.take());
        match this.ended.take() {
            Some(ended) => Poll::Ready(ended),
            None => Poll::Pending,
        }
    }
}

/// Arms the timer of a deadline that the child's own scope was given, and cancels that if it has passed.
fn poll_deadline(timer: &mut Option<Box<DeadlineTimer>>, scope: &Arc<Scope>, own: &Own, cx: &mut Context<'_>) {
    if !scope.had_deadline() {
        return;
    }
    match timer.get_or_insert_default().poll(scope, cx) {
        Ok(false) => {}
        Ok(true) => scope.expire(),
        Err(error) => {
            scope.set_deadline(None);
            adopt::record_now(own.parent(), own.task(), RecordCause::NoRuntime(error));
        }
    }
}

/// The deposit of such a child: cut alone, it was cancelled.
pub(crate) struct OrCut<D>(pub(crate) D);

impl<O, D: Deposit<O>> Deposit<Result<O, Cut>> for OrCut<D> {
    fn deposit(self, here: Here<'_>, task: &TaskRef, end: End<Result<O, Cut>>) {
        let end = match end {
            End::Done(Ok(output)) => End::Done(output),
            End::Done(Err(Cut::Cancelled)) | End::Cancelled => End::Cancelled,
            End::Done(Err(Cut::Recorded)) | End::Recorded => End::Recorded,
            End::Panicked(payload) => End::Panicked(payload),
            End::Aborted => End::Aborted,
            End::Refused => End::Refused,
        };
        self.0.deposit(here, task, end);
    }
}
