//! A block: a scope around one future, with no children list of its own. What deadlines, finalizers and services are
//! made of.

use std::any::Any;
use std::fmt;
use std::future::Future;
use std::panic::{AssertUnwindSafe, Location, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use pin_project_lite::pin_project;

use crate::adopt;
use crate::closing::Closing;
use crate::error::ScopeError;
use crate::finalizer::Exit;
use crate::name::Name;
use crate::origin::{Kind, Origin};
use crate::raw::frame::{self, Here};
use crate::reason::{CancelCause, CancelReason};
use crate::record::{Record, RecordCause};
use crate::scope::Scope;
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
}

pin_project! {
    pub(crate) struct Block<F: Future> {
        #[pin]
        body: Option<F>,
        origin: Option<Origin>,
        // The task it is, if it is one of its own; else the one that polls it first.
        task: Option<TaskRef>,
        scope: Option<Arc<Scope>>,
        timer: DeadlineTimer,
        ended: Option<Ended<F::Output>>,
        closing: Closing,
    }

    impl<F: Future> PinnedDrop for Block<F> {
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            if let (Some(scope), Some(task)) = (this.scope.take(), this.task.take()) {
                frame::enter(&task, Here::Made(&scope), || {
                    this.body.set(None);
                    scope.end_owned_of(&task);
                });
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
            task: None,
            scope: None,
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
}

impl<F: Future> Future for Block<F> {
    type Output = Outcome<F::Output>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        if let Some(mut origin) = this.origin.take() {
            frame::with(|top| {
                if let Some(frame) = top {
                    this.task.get_or_insert_with(|| frame.task().clone());
                    origin.parent.get_or_insert_with(|| frame.scope().make());
                }
            });
            let home = this.task.get_or_insert_with(|| TaskRef::fresh(origin.name.clone(), origin.location));
            origin.home = Some(home.clone());
            let scope = Scope::open(&origin);
            scope.tell_opened();
            *this.scope = Some(scope);
        }
        let (Some(scope), Some(task)) = (this.scope.as_ref(), this.task.as_ref()) else {
            panic!("a block was polled after it had ended");
        };

        if let Some(body) = this.body.as_mut().as_pin_mut() {
            scope.register_host(cx.waker());
            this.closing.poll_foundlings(scope, cx);
            let polled = frame::enter(task, Here::Made(scope), || catch_unwind(AssertUnwindSafe(|| body.poll(cx))));
            match polled {
                Ok(Poll::Ready(value)) => *this.ended = Some(Ended::Done(value)),
                Err(payload) => *this.ended = Some(Ended::Panicked(payload)),
                Ok(Poll::Pending) => {
                    match this.timer.poll(scope, cx) {
                        Ok(false) => {}
                        Ok(true) => {
                            scope.cancel(CancelCause::Deadline, Name::new(""), scope.id().location());
                        }
                        Err(error) => scope.fail(
                            Record {
                                path: scope.own_path(),
                                location: scope.id().location(),
                                task: None,
                                cause: RecordCause::NoRuntime(error),
                            },
                            true,
                        ),
                    }
                    // A service ends itself: its phases are cut, it is not.
                    if !scope.is_cancelled() || scope.kind() == Kind::Service {
                        return Poll::Pending;
                    }
                    let reason = scope.reason().unwrap_or_else(|| {
                        CancelReason::new(
                            CancelCause::Explicit,
                            Name::new(""),
                            scope.id().clone(),
                            scope.id().location(),
                        )
                    });
                    *this.ended = Some(Ended::Cancelled(reason));
                }
            }
            let dropped = frame::enter(task, Here::Made(scope), || {
                let dropped = catch_unwind(AssertUnwindSafe(|| this.body.set(None)));
                // A guard that went elsewhere.
                scope.end_owned_of(task);
                dropped
            });
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

        let ended = &*this.ended;
        let mut exit = || match ended {
            Some(Ended::Cancelled(reason)) => Exit::Cancelled(reason.clone()),
            Some(Ended::Panicked(_)) => Exit::Panicked(Name::new("the body panicked")),
            _ => Exit::Ok,
        };
        ready!(this.closing.poll(scope, &mut exit, cx));
        scope.ended();
        let records = scope.take_records();
        match (this.scope.take(), this.ended.take()) {
            (Some(scope), Some(ended)) => Poll::Ready(Outcome { ended, records, scope }),
            _ => Poll::Pending,
        }
    }
}

pin_project! {
    /// The future of [`fail_after`].
    #[must_use = "futures do nothing unless they are awaited"]
    pub struct FailAfter<F: Future> {
        #[pin]
        block: Block<F>,
        within: Option<Duration>,
        // Set when a cancellation from further out has ended the block: it never becomes ready then.
        gone: bool,
    }
}

/// Runs `body` in a scope of its own whose deadline is `within` after the first poll.
///
/// A body that ends after its last await point wins over the deadline. One that is cut short is dropped at an await
/// point; what it had opened is joined before this returns.
///
/// # Errors
/// A [`ScopeError`] that [timed out](ScopeError::is_timed_out); or one with [`Cause::NoRuntime`](crate::Cause::NoRuntime)
/// where no runtime is known.
///
/// # Panics
/// A panic of the body is resumed, after the join.
///
/// # Cancel safety
/// Dropping it drops the body; scopes in it are adopted by the scope around.
#[track_caller]
pub fn fail_after<F: Future>(within: Duration, body: F) -> FailAfter<F> {
    let origin = Origin::new(Kind::Block, Location::caller());
    FailAfter { block: Block::new(origin, body), within: Some(within), gone: false }
}

impl<F: Future> Future for FailAfter<F> {
    type Output = Result<F::Output, ScopeError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        if *this.gone {
            return Poll::Pending;
        }
        let mut block = this.block;
        if let Some(within) = this.within.take()
            && let Some(origin) = block.as_mut().project().origin
        {
            // Without a runtime any clock will do: the block finds out that it cannot be kept.
            let now = crate::rt::current().map_or_else(|_| Instant::now(), |runtime| runtime.now());
            origin.deadline = now.checked_add(within);
        }
        let Outcome { ended, records, scope } = ready!(block.poll(cx));
        let leaves = |records: Vec<Record>| records.into_iter().map(Record::into_leaf).collect();
        match ended {
            Ended::Panicked(payload) => {
                adopt::bequeath(&scope, records);
                resume_unwind(payload)
            }
            Ended::Cancelled(_) if scope.is_moot() => {
                adopt::bequeath(&scope, records);
                *this.gone = true;
                Poll::Pending
            }
            Ended::Done(value) if records.is_empty() => Poll::Ready(Ok(value)),
            Ended::Done(_) => Poll::Ready(Err(ScopeError::new(scope.id().clone(), None, leaves(records)))),
            Ended::Cancelled(reason) => {
                Poll::Ready(Err(ScopeError::new(scope.id().clone(), Some(reason), leaves(records))))
            }
        }
    }
}

impl<F: Future> fmt::Debug for FailAfter<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FailAfter").finish_non_exhaustive()
    }
}
