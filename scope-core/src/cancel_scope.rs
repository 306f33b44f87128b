//! Cancel scopes: a region of code that can be cancelled, given a deadline, or shielded, apart from what is around it.

use std::fmt;
use std::future::Future;
use std::panic::{Location, resume_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use pin_project_lite::pin_project;

use crate::adopt;
use crate::block::{Block, Ended, Outcome};
use crate::cancel::{Canceller, canceller};
use crate::error::ScopeError;
use crate::failure::Failure;
use crate::name::Name;
use crate::origin::{Kind, Origin};
use crate::raw::frame;
use crate::reason::{CancelCause, CancelReason};
use crate::record::{Record, RecordCause};
use crate::scope::Scope;
use crate::waits::At;

/// A region of code to be cancelled, given a deadline, or shielded: made, and then [run](CancelScope::run), once.
///
/// ```
/// use scope_core::{CancelScope, checkpoint};
///
/// # fn block_on<T>(future: impl Future<Output = T>) -> T {
/// #     let mut future = std::pin::pin!(future);
/// #     let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
/// #     loop {
/// #         if let std::task::Poll::Ready(out) = future.as_mut().poll(&mut cx) {
/// #             return out;
/// #         }
/// #     }
/// # }
/// # block_on(async {
/// let answer = CancelScope::new()
///     .named("lookup")
///     .run_with(async |scope| {
///         scope.cancel("nobody wants to know any more");
///         checkpoint().await;
///         unreachable!("in a cancelled scope nothing is awaited to its end");
///     })
///     .await;
/// assert!(answer.unwrap_err().is_cancelled());
/// # });
/// ```
///
/// [`move_on_after`], [`fail_after`] and [`shield`] are the short forms.
#[must_use = "a cancel scope does nothing until something is `run` in it"]
pub struct CancelScope {
    origin: Origin,
    timeout: Option<Duration>,
}

impl CancelScope {
    /// One with no deadline and no shield.
    #[track_caller]
    #[expect(clippy::new_without_default, reason = "it takes the place of its caller")]
    pub fn new() -> Self {
        CancelScope { origin: Origin::new(Kind::Block, Location::caller()), timeout: None }
    }

    /// The name of the scope, for errors, events and the tree.
    pub fn named(mut self, name: impl Into<Name>) -> Self {
        self.origin.name = Some(name.into());
        self
    }

    /// Cancels it `timeout` after it is entered. Zero, or a time already past, still lets the body run to its first await
    /// point.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Cancels it at `at`, by the clock of the runtime.
    pub fn deadline(mut self, at: Instant) -> Self {
        self.origin.deadline = Some(at);
        self
    }

    /// Masks what is cancelled further out, until the scope is left or the shield [lifted](Canceller::lift_shield). Its own
    /// cancellation and deadline are not masked, nor those of scopes further in.
    ///
    /// While it is open, the delivery of an outer cancellation to each body around it in the same runtime's task waits: they
    /// end at their next await point after it. What runs beside it in one of these (the other branch of a `join!`) goes on,
    /// but for our own checkpoints, which stay pending. It masks cancellation, not the drop by a foreign `select!` or time-out.
    ///
    /// Await it where it was made: one that was begun in a body and is kept, half-polled, outside of it holds back what is
    /// delivered to that body for as long as it is kept.
    pub fn shield(mut self) -> Self {
        self.origin.shielded = true;
        self
    }

    /// How long the clean-up of what is adopted in here may take; 5 s where nothing is set.
    pub fn cleanup_budget(mut self, budget: Duration) -> Self {
        self.origin.budget = budget;
        self
    }

    /// Runs `body` in it.
    ///
    /// # Errors
    /// A [`ScopeError`] that was [cancelled](ScopeError::is_cancelled) or [timed out](ScopeError::is_timed_out), if that cut
    /// the body short: a body that ends after its last await point wins over both. One with
    /// [`Cause::NoRuntime`](crate::Cause::NoRuntime) where it has a deadline and no runtime is known. A failure of what was
    /// adopted in it is the scope's around; where there is none it is returned here.
    ///
    /// # Panics
    /// A panic of the body is resumed, after the join.
    ///
    /// # Cancel safety
    /// Dropping it drops the body; scopes in it are adopted by the scope around.
    pub fn run<F: Future>(self, body: F) -> InCancelScope<F> {
        InCancelScope { block: Block::new(self.origin, body).within(self.timeout), gone: false }
    }

    /// The same for a body that wants a handle on the scope: to cancel it, move its deadline, or pass the handle on.
    ///
    /// # Errors
    /// As [`run`](CancelScope::run).
    pub fn run_with<F, Fut>(self, body: F) -> InCancelScope<impl Future<Output = Fut::Output> + use<F, Fut>>
    where
        F: FnOnce(Canceller) -> Fut,
        Fut: Future,
    {
        self.run(async move {
            // In a block's body the innermost scope is the block's.
            let Some(scope) = canceller() else { unreachable!("a block's body is polled in its scope") };
            body(scope).await
        })
    }
}

impl fmt::Debug for CancelScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CancelScope")
            .field("name", &self.origin.name)
            .field("timeout", &self.timeout)
            .field("deadline", &self.origin.deadline)
            .field("shielded", &self.origin.shielded)
            .finish_non_exhaustive()
    }
}

/// Runs `body` in a block inside `scope`, wherever it is polled.
pub(crate) fn in_scope<F: Future>(
    scope: Arc<Scope>,
    location: &'static Location<'static>,
    body: F,
) -> InCancelScope<F> {
    let mut origin = Origin::new(Kind::Block, location);
    origin.name = scope.id().name().map(|name| Name::from(name.to_owned()));
    origin.budget = scope.budget;
    origin.parent = scope.into();
    InCancelScope { block: Block::new(origin, body), gone: false }
}

pin_project! {
    /// The future of [`CancelScope::run`] and [`fail_after`].
    #[must_use = "futures do nothing unless they are awaited"]
    pub struct InCancelScope<F: Future> {
        #[pin]
        block: Block<F>,
        // Set when a cancellation from further out has ended the block: it never becomes ready then.
        gone: bool,
    }
}

/// What is left to a block's caller to decide.
pub(crate) enum Left<T> {
    Value(T, Vec<Record>),
    Cut(CancelReason, Vec<Record>),
    NoClock(Vec<Record>),
    /// A cancellation from further out: whoever absorbs it drops the block.
    Moot,
}

pub(crate) fn leave<T>(outcome: Outcome<T>) -> (crate::ScopeRef, Left<T>) {
    let Outcome { ended, mut records, scope } = outcome;
    let left = match ended {
        Ended::Panicked(payload) => {
            adopt::bequeath(&scope, records);
            resume_unwind(payload)
        }
        Ended::Cancelled(_) if scope.is_moot() => {
            adopt::bequeath(&scope, records);
            Left::Moot
        }
        Ended::Done(value) => Left::Value(value, records),
        Ended::Cancelled(reason) => Left::Cut(reason, records),
        Ended::NoClock(error) => {
            let cause = RecordCause::NoRuntime(error);
            let record =
                Record { path: scope.own_path(), location: scope.id().location(), task: None, cause, secondary: false };
            records.insert(0, record);
            Left::NoClock(records)
        }
    };
    (scope.id().clone(), left)
}

fn error(scope: crate::ScopeRef, reason: Option<CancelReason>, records: Vec<Record>) -> ScopeError {
    ScopeError::new(scope, reason, records.into_iter().map(Record::into_leaf::<Failure>).collect())
}

impl<F: Future> Future for InCancelScope<F> {
    type Output = Result<F::Output, ScopeError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        if *this.gone {
            return Poll::Pending;
        }
        let outcome = match this.block.poll(cx) {
            Poll::Ready(outcome) => outcome,
            Poll::Pending => {
                frame::note_wait(At::Scope, None);
                return Poll::Pending;
            }
        };
        let own = outcome.scope.clone();
        let (scope, left) = leave(outcome);
        Poll::Ready(match left {
            // What failed in what was adopted is a secondary failure, the scope's around: the value may be an error itself.
            Left::Value(value, records) => match adopt::bequeath_to_open(&own, records) {
                Ok(()) => Ok(value),
                Err(records) => Err(error(scope, None, records)),
            },
            Left::NoClock(records) => Err(error(scope, None, records)),
            Left::Cut(reason, records) => Err(error(scope, Some(reason), records)),
            Left::Moot => {
                *this.gone = true;
                return Poll::Pending;
            }
        })
    }
}

impl<F: Future> fmt::Debug for InCancelScope<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InCancelScope").finish_non_exhaustive()
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
pub fn fail_after<F: Future>(within: Duration, body: F) -> InCancelScope<F> {
    CancelScope::new().timeout(within).run(body)
}

/// [`fail_after`] with the deadline as a time, by the clock of the runtime.
///
/// # Errors
/// As `fail_after`.
#[track_caller]
pub fn fail_at<F: Future>(at: Instant, body: F) -> InCancelScope<F> {
    CancelScope::new().deadline(at).run(body)
}

pin_project! {
    /// The future of [`move_on_after`].
    #[must_use = "futures do nothing unless they are awaited"]
    pub struct MoveOn<F: Future> {
        #[pin]
        scope: InCancelScope<F>,
    }
}

/// Runs `body` in a scope of its own whose deadline is `within` after the first poll, and goes on without its value, with
/// `None`, if that cut it short.
///
/// # Errors
/// A [`ScopeError`] for whatever else kept it from its value: something that was adopted in it failed, or no runtime is
/// known that could keep the deadline.
///
/// # Panics
/// A panic of the body is resumed, after the join.
///
/// # Cancel safety
/// Dropping it drops the body; scopes in it are adopted by the scope around.
#[track_caller]
pub fn move_on_after<F: Future>(within: Duration, body: F) -> MoveOn<F> {
    MoveOn { scope: fail_after(within, body) }
}

/// [`move_on_after`] with the deadline as a time, by the clock of the runtime.
///
/// # Errors
/// As `move_on_after`.
#[track_caller]
pub fn move_on_at<F: Future>(at: Instant, body: F) -> MoveOn<F> {
    MoveOn { scope: fail_at(at, body) }
}

impl<F: Future> Future for MoveOn<F> {
    type Output = Result<Option<F::Output>, ScopeError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Poll::Ready(match ready!(self.project().scope.poll(cx)) {
            Ok(value) => Ok(Some(value)),
            Err(error) if error.is_timed_out() => Ok(None),
            Err(error) => Err(error),
        })
    }
}

impl<F: Future> fmt::Debug for MoveOn<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MoveOn").finish_non_exhaustive()
    }
}

pin_project! {
    /// The future of [`shield`].
    #[must_use = "futures do nothing unless they are awaited"]
    pub struct Shield<F: Future> {
        #[pin]
        block: Block<F>,
        gone: bool,
    }
}

/// Runs `body` to its end although a scope further out is cancelled: see [`CancelScope::shield`].
///
/// Cancellation of the scopes around is delivered at the next await point after it. Keep it short: for a final message, a
/// rollback, the release of a lease. Clean-up as such belongs into a [finalizer](crate::Nursery::finalizer), which has a
/// budget.
///
/// # Panics
/// A panic of the body is resumed, after the join.
///
/// # Cancel safety
/// A foreign `select!` or time-out that drops it drops the body: it masks cancellation, not that.
#[track_caller]
pub fn shield<F: Future>(body: F) -> Shield<F> {
    let mut origin = Origin::new(Kind::Block, Location::caller());
    origin.shielded = true;
    Shield { block: Block::new(origin, body), gone: false }
}

impl<F: Future> Future for Shield<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        if *this.gone {
            return Poll::Pending;
        }
        let mut block = this.block;
        let outcome = ready!(block.as_mut().poll(cx));
        let scope = outcome.scope.clone();
        match leave(outcome).1 {
            Left::Value(value, records) => {
                // There is no place for them in the value: they are the scope's around.
                adopt::bequeath(&scope, records);
                Poll::Ready(value)
            }
            Left::Cut(reason, records) => {
                // Somebody who had a handle cancelled the shielded region itself: there is no value. It goes on outwards.
                adopt::bequeath(&scope, records);
                if let Some(around) = scope.parent() {
                    around.cancel(CancelCause::Explicit, Name::from(reason.to_string()), reason.location());
                }
                *this.gone = true;
                Poll::Pending
            }
            Left::NoClock(_) => unreachable!("it has no deadline"),
            Left::Moot => {
                *this.gone = true;
                Poll::Pending
            }
        }
    }
}

impl<F: Future> fmt::Debug for Shield<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shield").finish_non_exhaustive()
    }
}
