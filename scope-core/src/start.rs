//! Starting a child, and waiting until it says that it is ready.

use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

use crate::deposit::{self, Deposit, End};
use crate::error::{Cause, Leaf, PanicPayload, SpawnError};
use crate::failure::{Failure, Fault};
use crate::name::Name;
use crate::raw::frame::{self, Here};
use crate::reason::{CancelCause, CancelReason};
use crate::record::{Record, RecordCause};
use crate::scope::Scope;
use crate::scope_ref::ScopeRef;
use crate::task::TaskRef;
use crate::tracked::{HasOwn, Own};
use crate::waits::At;

/// What the child and the one who waits for it share.
pub(crate) struct Cell<T> {
    own: Own,
    state: Mutex<State<T>>,
}

enum State<T> {
    Starting(Option<Waker>),
    Ready(T),
    /// It has ended without a report: the failure, if it was one.
    Ended(Option<Box<Record>>, Ending),
    /// The value, or the failure, has been taken.
    Taken,
    /// Nobody waits any more.
    GivenUp,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Ending {
    Failed,
    Cancelled,
    Unreported,
}

impl<T> HasOwn for Cell<T> {
    fn own(&self) -> &Own {
        &self.own
    }

    fn fails_the_scope(&self) -> bool {
        !matches!(*self.state.lock().unwrap_or_else(PoisonError::into_inner), State::Starting(_))
    }
}

impl<T> Cell<T> {
    /// Changes the state from `Starting`, and wakes. The new state comes back where it was another.
    fn settle(&self, to: State<T>) -> Result<(), State<T>> {
        let waker = {
            let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            let State::Starting(waker) = &mut *state else { return Err(to) };
            let waker = waker.take();
            *state = to;
            waker
        };
        if let Some(waker) = waker {
            waker.wake();
        }
        Ok(())
    }
}

pub(crate) fn pair<T, E: Fault>(task: TaskRef, scope: Arc<Scope>) -> (Arc<Cell<T>>, Start<T, E>) {
    let cell = Arc::new(Cell { own: Own::new(task, scope, 0), state: Mutex::new(State::Starting(None)) });
    (cell.clone(), Start { cell, refused: None, error: PhantomData })
}

/// The child's side of a start: to be told, once, that it is ready.
///
/// Dropped without a report, the start goes on waiting until the child has ended.
#[must_use = "whoever starts the child waits for its report"]
pub struct Started<T> {
    cell: Arc<Cell<T>>,
}

impl<T> Started<T> {
    pub(crate) fn new(cell: Arc<Cell<T>>) -> Self {
        Started { cell }
    }

    /// Reports that the child is ready, with a value for the one who waits.
    ///
    /// # Errors
    /// The value, where nobody waits any more: the child is being cancelled then.
    pub fn report(self, value: T) -> Result<(), T> {
        match self.cell.settle(State::Ready(value)) {
            Err(State::Ready(value)) => Err(value),
            _ => Ok(()),
        }
    }

    /// Whether nobody waits any more.
    pub fn is_given_up(&self) -> bool {
        matches!(*self.cell.state.lock().unwrap_or_else(PoisonError::into_inner), State::GivenUp)
    }
}

impl<T> fmt::Debug for Started<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Started").field("given_up", &self.is_given_up()).finish()
    }
}

/// Where the outcome of such a child goes: to the one who waits, as long as it has not reported; then to the scope.
pub(crate) struct Starting<T, E> {
    cell: Arc<Cell<T>>,
    error: PhantomData<fn() -> E>,
}

impl<T, E> Starting<T, E> {
    pub(crate) fn new(cell: Arc<Cell<T>>) -> Self {
        Starting { cell, error: PhantomData }
    }
}

impl<T, E: Fault> Deposit<Result<(), E>> for Starting<T, E> {
    fn deposit(self, here: Here<'_>, task: &TaskRef, end: End<Result<(), E>>) {
        let (cause, ending) = match end {
            End::Done(Ok(())) => (None, Ending::Unreported),
            End::Done(Err(error)) => (Some(RecordCause::failed(error)), Ending::Failed),
            End::Panicked(payload) => (Some(RecordCause::Panicked(PanicPayload::new(payload))), Ending::Failed),
            End::Aborted => (Some(RecordCause::Aborted), Ending::Failed),
            End::Cancelled | End::Refused | End::Recorded => (None, Ending::Cancelled),
        };
        let record = cause.map(|cause| {
            let path = here.make().child_path(task);
            Box::new(Record { path, location: task.location(), task: Some(task.clone()), cause, secondary: false })
        });
        let Err(back) = self.cell.settle(State::Ended(record, ending)) else { return };
        let State::Ended(Some(record), _) = back else { return };
        let given_up = matches!(*self.cell.state.lock().unwrap_or_else(PoisonError::into_inner), State::GivenUp);
        // Of a child that nobody wants any more it is told, but it cancels nobody.
        deposit::record_as(here, Record { secondary: given_up, ..*record });
    }
}

/// Waits until a child is ready: [`Spawns::start_erased`](crate::Spawns::start_erased) and its kin. The child runs already.
///
/// # What drop does
/// Before it is ready, it cancels the child; the scope waits for its end.
#[must_use = "dropping it cancels the child"]
pub struct Start<T, E: Fault = Failure> {
    cell: Arc<Cell<T>>,
    refused: Option<SpawnError>,
    error: PhantomData<fn() -> E>,
}

impl<T, E: Fault> Start<T, E> {
    pub(crate) fn or_refused(mut self, result: Result<(), SpawnError>) -> Self {
        self.refused = result.err();
        self
    }

    /// The child.
    pub fn task(&self) -> &TaskRef {
        self.cell.own.task()
    }
}

impl<T, E: Fault> Future for Start<T, E> {
    type Output = Result<T, StartError<E>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let (task, scope) = (self.cell.own.task().clone(), self.cell.own.parent().id().clone());
        let error = |why| StartError { task, scope, why };
        if self.refused.is_none() {
            frame::note_wait(At::Start, Some(self.task().location()));
            if frame::checkpoint_is_cancelled() {
                return Poll::Pending;
            }
        }
        let fresh = cx.waker().clone();
        let mut state = self.cell.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let State::Starting(waker) = &mut *state {
            let old = waker.replace(fresh);
            drop(state);
            drop(old);
            return Poll::Pending;
        }
        if let State::Ended(None, ending) = &*state
            && self.refused.is_none()
            && !matches!(ending, Ending::Unreported)
            && frame::here_is_cancelled()
        {
            // By what cancels this one too, and has come since we looked.
            drop(state);
            drop(fresh);
            return Poll::Pending;
        }
        let settled = std::mem::replace(&mut *state, State::Taken);
        drop(state);
        Poll::Ready(match settled {
            State::Ready(value) => Ok(value),
            State::Ended(record, ending) => Err(match (self.refused.take(), record, ending) {
                (Some(refused), ..) => error(Why::Refused(refused)),
                (None, Some(record), _) => error(Why::Failed(Box::new(record.into_leaf()))),
                (None, None, Ending::Unreported) => error(Why::Unreported),
                (None, None, _) => error(Why::Cancelled(self.cell.own.parent().reason_if_cancelled())),
            }),
            _ => panic!("a start was polled after it had given its result"),
        })
    }
}

impl<T, E: Fault> Drop for Start<T, E> {
    fn drop(&mut self) {
        let own = &self.cell.own;
        let state = {
            let mut state = self.cell.state.lock().unwrap_or_else(PoisonError::into_inner);
            match &*state {
                State::Taken => return,
                _ => std::mem::replace(&mut *state, State::GivenUp),
            }
        };
        match state {
            State::Starting(_) => {
                own.cancel(CancelCause::Dropped, Name::new("nobody waits for its start"), own.task().location());
            }
            // An error that nobody has seen.
            State::Ended(Some(record), _) => own.parent().fail(Record { secondary: true, ..*record }, false),
            State::Ready(value) => {
                own.cancel(CancelCause::Dropped, Name::new("nobody waits for its start"), own.task().location());
                own.destroy(value);
            }
            _ => {}
        }
    }
}

impl<T, E: Fault> fmt::Debug for Start<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Start").field("task", self.task()).finish_non_exhaustive()
    }
}

/// Why a child that was started did not become ready.
pub struct StartError<E: Fault = Failure> {
    task: TaskRef,
    scope: ScopeRef,
    why: Why<E>,
}

enum Why<E> {
    Failed(Box<Leaf<E>>),
    Cancelled(Option<CancelReason>),
    Unreported,
    Refused(SpawnError),
}

impl<E: Fault> StartError<E> {
    /// The child.
    pub fn task(&self) -> &TaskRef {
        &self.task
    }

    /// What went wrong in the child: its error, its panic, or that the runtime dropped it.
    pub fn cause(&self) -> Option<&Cause<E>> {
        match &self.why {
            Why::Failed(leaf) => Some(leaf.cause()),
            _ => None,
        }
    }

    /// The error that the child returned.
    pub fn failed(&self) -> Option<&E> {
        match self.cause() {
            Some(Cause::Failed(error)) => Some(error),
            _ => None,
        }
    }

    /// What went wrong in the child, by value.
    ///
    /// # Errors
    /// The error itself, where nothing went wrong in the child.
    pub fn into_cause(self) -> Result<Cause<E>, Self> {
        match self.why {
            Why::Failed(leaf) => Ok(leaf.into_cause()),
            why => Err(StartError { why, ..self }),
        }
    }

    /// Whether the child panicked before it was ready.
    pub fn is_panicked(&self) -> bool {
        matches!(self.cause(), Some(Cause::Panicked(_)))
    }

    /// Whether the child was cancelled before it was ready.
    pub fn is_cancelled(&self) -> bool {
        matches!(self.why, Why::Cancelled(_))
    }

    /// Why the child was cancelled before it was ready, if it was.
    pub fn reason(&self) -> Option<&CancelReason> {
        match &self.why {
            Why::Cancelled(reason) => reason.as_ref(),
            _ => None,
        }
    }

    /// Whether the child ended without a report.
    pub fn is_unreported(&self) -> bool {
        matches!(self.why, Why::Unreported)
    }

    /// Why the child was not spawned.
    pub fn spawn_error(&self) -> Option<&SpawnError> {
        match &self.why {
            Why::Refused(error) => Some(error),
            _ => None,
        }
    }
}

impl<E: Fault> fmt::Display for StartError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (task, place, scope) = (&self.task, self.task.location(), &self.scope);
        match &self.why {
            Why::Failed(leaf) => {
                write!(f, "{task} (started at {place} in {scope}) failed before it was ready: {}", leaf.cause())
            }
            Why::Cancelled(reason) => {
                write!(f, "{task} (started at {place} in {scope}) was cut short before it was ready")?;
                reason.as_ref().map_or(Ok(()), |reason| write!(f, ": {reason}"))
            }
            Why::Unreported => write!(
                f,
                "{task} (started at {place} in {scope}) ended without a report. Call `report` when it is ready, or spawn it \
                 without waiting"
            ),
            Why::Refused(error) => error.fmt(f),
        }
    }
}

impl<E: Fault> fmt::Debug for StartError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StartError({self})")
    }
}

impl<E: Fault> std::error::Error for StartError<E> {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        // The cause's own text is in this one's.
        self.cause()?.error()?.source()
    }
}
