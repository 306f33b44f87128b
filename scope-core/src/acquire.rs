//! Acquiring a resource: all or nothing, whatever is cancelled in between.

use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

use crate::adopt;
use crate::cancel_scope::shield;
use crate::deposit::{Deposit, End};
use crate::error::{PanicPayload, SpawnError};
use crate::failure::{Failure, Fault};
use crate::finalizer::{Exit, Finalizer};
use crate::name::Name;
use crate::raw::frame::{self, Here};
use crate::record::RecordCause;
use crate::scope::Scope;
use crate::spawner::Place;
use crate::task::TaskRef;
use crate::waits::At;

struct Slot<R> {
    state: Mutex<State<R>>,
}

enum State<R> {
    Acquiring(Option<Waker>),
    Done(Result<Arc<R>, Why>),
    Taken,
    GivenUp,
}

impl<R> Slot<R> {
    /// Gives the outcome to the one who waits. It comes back where nobody does.
    fn fill(&self, outcome: Result<Arc<R>, Why>) -> Result<(), Result<Arc<R>, Why>> {
        let waker = {
            let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            let State::Acquiring(waker) = &mut *state else { return Err(outcome) };
            let waker = waker.take();
            *state = State::Done(outcome);
            waker
        };
        if let Some(waker) = waker {
            waker.wake();
        }
        Ok(())
    }
}

/// Where the outcome of the acquiring goes.
struct Acquires<R>(Arc<Slot<R>>);

impl<R: Send + Sync + 'static> Deposit<Result<Arc<R>, Failure>> for Acquires<R> {
    fn deposit(self, here: Here<'_>, task: &TaskRef, end: End<Result<Arc<R>, Failure>>) {
        let outcome = match end {
            End::Done(Ok(resource)) => Ok(resource),
            End::Done(Err(failure)) => Err(Why::Failed(failure)),
            End::Panicked(payload) => Err(Why::Panicked(PanicPayload::new(payload))),
            End::Aborted | End::Cancelled => Err(Why::Aborted),
            // Told by what spawning returned.
            End::Refused | End::Recorded => return,
        };
        if let Err(Err(why)) = self.0.fill(outcome) {
            record_unseen(&here.make(), task, why);
        }
    }
}

/// What went wrong, where nobody waits for it any more.
fn record_unseen(scope: &Arc<Scope>, task: &TaskRef, why: Why) {
    let cause = match why {
        Why::Failed(failure) => RecordCause::failed(failure),
        Why::Panicked(payload) => RecordCause::Panicked(payload),
        Why::Aborted => RecordCause::Aborted,
        Why::Refused(_) => return,
    };
    adopt::record_late(scope, task, cause);
}

pub(crate) fn acquire<E, R, A, F, Fut>(
    place: Place<'_, E>,
    name: Name,
    location: &'static Location<'static>,
    acquiring: A,
    release: F,
) -> Acquire<R>
where
    E: Fault,
    R: Send + Sync + 'static,
    A: Future<Output = Result<R, Failure>> + Send + 'static,
    F: FnOnce(Arc<R>, Exit) -> Fut + Send + 'static,
    Fut: Future<Output = Result<(), Failure>> + Send + 'static,
{
    let slot = Arc::new(Slot { state: Mutex::new(State::Acquiring(None)) });
    let task = TaskRef::fresh(Some(name.clone()), location);
    let scope = place.scope().clone();
    let around = scope.clone();
    let finalizer = name.clone();
    let running = async move {
        // Nothing that is cancelled outside reaches in, and there is no await point between the two.
        shield(async move {
            let resource = Arc::new(acquiring.await?);
            let held = resource.clone();
            // The scope is open: it waits for this very child.
            let added = Finalizer::add(&scope, finalizer, location, None, move |exit| release(held, exit));
            added.map_err(|refused| Failure::msg(refused.to_string()))?;
            Ok(resource)
        })
        .await
    };
    let result = place.spawn_with(task.clone(), Acquires(slot.clone()), running);
    if let Err(error) = result {
        // Nobody polls it yet.
        let _ = slot.fill(Err(Why::Refused(error)));
    }
    Acquire { slot, task, scope: around }
}

/// Waits for a resource: [`Spawns::acquire`](crate::Spawns::acquire). The acquiring runs already.
///
/// # What drop does
/// Nothing but to give up the wait: the acquiring goes on, and the resource is released with the scope.
#[must_use = "the resource is released with the scope, wanted or not"]
pub struct Acquire<R> {
    slot: Arc<Slot<R>>,
    task: TaskRef,
    scope: Arc<Scope>,
}

impl<R> Future for Acquire<R> {
    type Output = Result<Arc<R>, AcquireError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        frame::note_wait(At::Acquire, Some(self.task.location()));
        if frame::checkpoint_is_cancelled() {
            return Poll::Pending;
        }
        let fresh = cx.waker().clone();
        let mut state = self.slot.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let State::Acquiring(waker) = &mut *state {
            let old = waker.replace(fresh);
            drop(state);
            drop(old);
            return Poll::Pending;
        }
        let done = std::mem::replace(&mut *state, State::Taken);
        drop(state);
        match done {
            State::Done(Ok(resource)) => Poll::Ready(Ok(resource)),
            State::Done(Err(why)) => Poll::Ready(Err(AcquireError { task: self.task.clone(), why })),
            _ => panic!("an acquisition was polled after it had given its result"),
        }
    }
}

impl<R> Drop for Acquire<R> {
    fn drop(&mut self) {
        let state = {
            let mut state = self.slot.state.lock().unwrap_or_else(PoisonError::into_inner);
            match &*state {
                State::Taken => return,
                _ => std::mem::replace(&mut *state, State::GivenUp),
            }
        };
        if let State::Done(Err(why)) = state {
            record_unseen(&self.scope, &self.task, why);
        }
    }
}

impl<R> fmt::Debug for Acquire<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Acquire").field("task", &self.task).finish_non_exhaustive()
    }
}

/// Why a resource was not acquired.
pub struct AcquireError {
    task: TaskRef,
    why: Why,
}

enum Why {
    Failed(Failure),
    Panicked(PanicPayload),
    Aborted,
    Refused(SpawnError),
}

impl AcquireError {
    /// The error that the acquiring returned.
    pub fn failed(&self) -> Option<&Failure> {
        match &self.why {
            Why::Failed(failure) => Some(failure),
            _ => None,
        }
    }

    /// Whether the acquiring panicked.
    pub fn is_panicked(&self) -> bool {
        matches!(self.why, Why::Panicked(_))
    }

    /// Why the acquiring was not started.
    pub fn spawn_error(&self) -> Option<&SpawnError> {
        match &self.why {
            Why::Refused(error) => Some(error),
            _ => None,
        }
    }
}

impl fmt::Display for AcquireError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (task, place) = (&self.task, self.task.location());
        match &self.why {
            Why::Failed(failure) => write!(f, "{task} (at {place}) could not be acquired: {failure}"),
            Why::Panicked(payload) => write!(f, "{task} (at {place}) could not be acquired: panicked: {payload}"),
            Why::Aborted => write!(f, "{task} (at {place}) was not acquired: the runtime dropped it before its end"),
            Why::Refused(error) => error.fmt(f),
        }
    }
}

impl fmt::Debug for AcquireError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AcquireError({self})")
    }
}

impl std::error::Error for AcquireError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        // The cause's own text is in this one's.
        self.failed()?.source()
    }
}
