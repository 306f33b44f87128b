//! A block: a scope around one future, with no children list of its own. What cancel scopes, finalizers and services are
//! made of.

use std::any::Any;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use pin_project_lite::pin_project;

use crate::adopt;
use crate::closing::Closing;
use crate::error::PanicPayload;
use crate::finalizer::Exit;
use crate::name::Name;
use crate::origin::{Kind, Origin};
use crate::poller::Poller;
use crate::raw::frame::{self, Frame, Here};
use crate::reason::{CancelCause, CancelReason};
use crate::record::{Record, RecordCause};
use crate::rt::NoRuntime;
use crate::scope::Scope;
use crate::shield::{OpenShield, ShieldCell};
use crate::task::TaskRef;
use crate::timer::DeadlineTimer;

/// A block that has ended: how, and what failed in it beside its body.
pub(crate) struct Outcome<T> {
    pub(crate) ended: Ended<T>,
    pub(crate) records: Vec<Record>,
    pub(crate) scope: Arc<Scope>,
}

/// How a block's body ended.
pub(crate) enum Ended<T> {
    Done(T),
    Cancelled(CancelReason),
    Panicked(Box<dyn Any + Send>),
    /// It was given a deadline where there is no clock.
    NoClock(NoRuntime),
}

pin_project! {
    pub(crate) struct Block<F: Future> {
        #[pin]
        body: Option<F>,
        origin: Option<Origin>,
        // Counted from the first poll.
        timeout: Option<Duration>,
        // The task it is, if it is one of its own; else the one that polls it first.
        task: Option<TaskRef>,
        poller: Poller,
        scope: Option<Arc<Scope>>,
        shields: ShieldCell,
        timer: DeadlineTimer,
        ended: Option<Ended<F::Output>>,
        closing: Closing,
    }

    impl<F: Future> PinnedDrop for Block<F> {
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            if let (Some(scope), Some(task)) = (this.scope.take(), this.task.take()) {
                let ended = this.ended.take();
                let panics = frame::enter(&task, Here::Made(&scope), || {
                    let body = catch_unwind(AssertUnwindSafe(|| this.body.set(None))).err();
                    // A value that nobody gets goes as part of the task that made it.
                    let ended = match ended {
                        Some(Ended::Panicked(payload)) => Some(payload),
                        ended => catch_unwind(AssertUnwindSafe(|| drop(ended))).err(),
                    };
                    scope.end_owned_of(&task);
                    [ended, body]
                });
                scope.note_body(false);
                scope.leave_shield();
                this.shields.forget_waker();
                for payload in panics.into_iter().flatten() {
                    let cause = RecordCause::Panicked(PanicPayload::new(payload));
                    if scope.is_over() {
                        // Adopted and ended: only the future was left.
                        adopt::record_late(&scope, &task, cause);
                        continue;
                    }
                    let (path, location) = (scope.own_path(), scope.id().location());
                    scope.fail(Record { path, location, task: None, cause, secondary: false }, false);
                }
                adopt::hand_over(scope, std::mem::replace(this.closing, Closing::new()));
            }
        }
    }
}

impl<F: Future> Block<F> {
    pub(crate) fn new(origin: Origin, body: F) -> Self {
        Block {
            body: Some(body),
            origin: Some(origin),
            timeout: None,
            task: None,
            poller: Poller::default(),
            scope: None,
            shields: ShieldCell::new(),
            timer: DeadlineTimer::default(),
            ended: None,
            closing: Closing::new(),
        }
    }

    /// One whose body is a task of its own.
    pub(crate) fn as_task(origin: Origin, task: TaskRef, body: F) -> Self {
        let mut block = Block::new(origin, body);
        block.task = Some(task);
        block
    }

    /// Its deadline is this long after its first poll.
    pub(crate) fn within(mut self, timeout: Option<Duration>) -> Self {
        self.timeout = timeout;
        self
    }
}

/// Opens the block's scope where it is polled first.
fn enter_tree(mut origin: Origin, timeout: Option<Duration>, task: &mut Option<TaskRef>) -> Arc<Scope> {
    let own = task.is_some();
    frame::here(|place| {
        if let Some((current, scope)) = place {
            task.get_or_insert_with(|| current.clone());
            if origin.parent.get().is_none() {
                let mut parent = scope.make();
                // A task of its own may outlive the child that polls it first: it belongs to the nursery.
                while own
                    && parent.kind() == Kind::Child
                    && let Some(around) = parent.parent().cloned()
                {
                    parent = around;
                }
                origin.parent = parent.into();
            }
        }
    });
    let home = task.get_or_insert_with(|| TaskRef::fresh(origin.name.clone(), origin.location));
    origin.home = Some(home.clone());
    origin.locals = frame::snapshot();
    if let Some(timeout) = timeout {
        let runtime = origin.runtime.as_ref().or_else(|| origin.parent.get()?.runtime());
        // Without a runtime any clock will do: the block finds out that the deadline cannot be kept.
        let now = runtime.map_or_else(Instant::now, |runtime| runtime.now());
        origin.set_timeout(now, timeout);
    }
    let scope = Scope::open(&origin);
    scope.note_body(true);
    scope.tell_opened();
    if origin.shielded {
        scope.keep_shield(OpenShield::here());
    }
    scope
}

/// Polls a body. True if it has ended, and by what is in `ended` then.
#[inline]
fn poll_into<F: Future>(body: Pin<&mut F>, cx: &mut Context<'_>, ended: &mut Option<Ended<F::Output>>) -> bool {
    match body.poll(cx) {
        Poll::Ready(value) => {
            *ended = Some(Ended::Done(value));
            true
        }
        Poll::Pending => false,
    }
}

impl<F: Future> Future for Block<F> {
    type Output = Outcome<F::Output>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        if let Some(origin) = this.origin.take() {
            if this.task.is_none() && crate::task::id().is_some() {
                *this.poller = Poller::of_home();
            }
            *this.scope = Some(enter_tree(origin, this.timeout.take(), this.task));
        }
        let (Some(scope), Some(task)) = (this.scope.as_ref(), this.task.as_ref()) else {
            panic!("a block was polled after it had ended");
        };
        this.poller.check(task, || scope.clone());

        if let Some(body) = this.body.as_mut().as_pin_mut() {
            scope.register_host(cx.waker());
            this.closing.poll_foundlings(scope, cx);
            // Before the body, which is told, and after it: one that overruns its deadline ends where it waits next.
            if let Ok(true) = this.timer.poll(scope, cx) {
                scope.expire();
            }
            // Put where it stays: what it comes to may be large, and would be moved at each poll.
            let ended = &mut *this.ended;
            let polled = if scope.is_handed_over() {
                // The scope around has ended, and cleans this one up.
                Ok(false)
            } else {
                Frame::of(task, Here::Made(scope))
                    .shields(this.shields)
                    .waits(scope.body_waits())
                    .enter(|| catch_unwind(AssertUnwindSafe(|| poll_into(body, cx, ended))))
            };
            match polled {
                Ok(true) => {}
                Err(payload) => *this.ended = Some(Ended::Panicked(payload)),
                Ok(false) => {
                    match this.timer.poll(scope, cx) {
                        Ok(false) => {}
                        Ok(true) => scope.expire(),
                        Err(error) => *this.ended = Some(Ended::NoClock(error)),
                    }
                    if this.ended.is_none() {
                        // A service ends itself: its phases are cut, it is not.
                        if !scope.is_cancelled() || scope.kind() == Kind::Service {
                            return Poll::Pending;
                        }
                        if !scope.is_handed_over() && this.shields.holds_back(cx.waker()) {
                            return Poll::Pending;
                        }
                        let reason = scope.reason().unwrap_or_else(|| {
                            let id = scope.id().clone();
                            CancelReason::new(CancelCause::Explicit, Name::new(""), id, scope.id().location())
                        });
                        *this.ended = Some(Ended::Cancelled(reason));
                    }
                }
            }
            let dropped = frame::enter(task, Here::Made(scope), || {
                let dropped = catch_unwind(AssertUnwindSafe(|| this.body.set(None)));
                // A guard that went elsewhere.
                scope.end_owned_of(task);
                dropped
            });
            scope.note_body(false);
            this.shields.forget_waker();
            if let Err(payload) = dropped
                && !matches!(this.ended, Some(Ended::Panicked(_)))
            {
                *this.ended = Some(Ended::Panicked(payload));
            }
            // Whatever still lives in here is only in the way from now on.
            if !matches!(this.ended, Some(Ended::Done(_))) {
                scope.cancel(CancelCause::SiblingFailed, Name::new(""), scope.id().location());
            }
        }

        if !scope.is_handed_over() {
            // What has been left in it, by blocking work say, is under its deadline too.
            if let Ok(true) = this.timer.poll(scope, cx) {
                scope.expire();
            }
            let ended = &*this.ended;
            let mut exit = || match ended {
                Some(Ended::Cancelled(reason)) => Exit::Cancelled(reason.clone()),
                Some(Ended::Panicked(_)) => Exit::Panicked(Name::new("the body panicked")),
                Some(Ended::NoClock(error)) => Exit::Failed(Name::from(error.to_string())),
                _ => Exit::Ok,
            };
            ready!(this.closing.poll(scope, &mut exit, cx));
        }
        scope.leave_shield();
        scope.ended();
        let records = scope.take_records();
        match (this.scope.take(), this.ended.take()) {
            (Some(scope), Some(ended)) => Poll::Ready(Outcome { ended, records, scope }),
            _ => Poll::Pending,
        }
    }
}
