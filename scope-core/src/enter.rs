//! Code of a foreign task in a scope: entered by handle.

use std::fmt;
use std::future::Future;
use std::panic::{Location, resume_unwind};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;

use crate::deposit::{Deposit, End};
use crate::error::SpawnError;
use crate::name::Name;
use crate::raw::child::Child;
use crate::raw::frame::Here;
use crate::reason::CancelReason;
use crate::scope::{Part, Scope};
use crate::scope_ref::ScopeRef;
use crate::task::TaskRef;

type Slot<T> = Arc<Mutex<Option<End<T>>>>;

/// Gives the outcome back to whoever entered: none of it is the scope's.
struct Back<T>(Slot<T>);

impl<T> Deposit<T> for Back<T> {
    fn deposit(self, _: Here<'_>, _: &TaskRef, end: End<T>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(end);
    }
}

pin_project! {
    /// The future of [`Spawner::enter`](crate::Spawner::enter).
    #[must_use = "futures do nothing unless they are awaited"]
    pub struct Entered<F: Future> {
        #[pin]
        child: Option<Child<F, Back<F::Output>>>,
        // Until the first poll.
        start: Option<(F, TaskRef)>,
        scope: Arc<Scope>,
        slot: Slot<F::Output>,
    }
}

impl<F: Future> Entered<F> {
    pub(crate) fn new(scope: Arc<Scope>, name: Option<Name>, location: &'static Location<'static>, body: F) -> Self {
        let task = TaskRef::fresh(name, location);
        Entered { child: None, start: Some((body, task)), scope, slot: Slot::default() }
    }
}

impl<F: Future> Future for Entered<F> {
    type Output = Result<F::Output, EnterError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        if let Some((body, task)) = this.start.take() {
            if let Err(error) = this.scope.admit(Part::Child) {
                return Poll::Ready(Err(EnterError(Why::Closed(error.of_task(task)))));
            }
            let child = Child::new(task, this.scope.clone(), Part::Child, Back(this.slot.clone()), body);
            this.child.set(Some(child));
        }
        let Some(child) = this.child.as_mut().as_pin_mut() else {
            panic!("code that was entered in a scope was polled after it had ended");
        };
        ready!(child.poll(cx));
        this.child.set(None);
        let end = this.slot.lock().unwrap_or_else(PoisonError::into_inner).take();
        match end {
            Some(End::Done(output)) => Poll::Ready(Ok(output)),
            Some(End::Panicked(payload)) => resume_unwind(payload),
            _ => Poll::Ready(Err(EnterError(Why::Cancelled(this.scope.id().clone(), this.scope.reason())))),
        }
    }
}

impl<F: Future> fmt::Debug for Entered<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entered").field("scope", self.scope.id()).finish_non_exhaustive()
    }
}

/// Why code that was to run in a scope did not, or did not come to its end.
#[derive(Clone)]
pub struct EnterError(Why);

#[derive(Clone)]
enum Why {
    Closed(SpawnError),
    Cancelled(ScopeRef, Option<CancelReason>),
}

impl EnterError {
    /// Whether the scope had closed: nothing was run.
    pub fn is_closed(&self) -> bool {
        matches!(self.0, Why::Closed(_))
    }

    /// Whether the scope was cancelled, and the code cut short.
    pub fn is_cancelled(&self) -> bool {
        matches!(self.0, Why::Cancelled(..))
    }

    /// Why the scope was cancelled.
    pub fn reason(&self) -> Option<&CancelReason> {
        match &self.0 {
            Why::Cancelled(_, reason) => reason.as_ref(),
            Why::Closed(_) => None,
        }
    }
}

impl fmt::Display for EnterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Why::Closed(error) => error.fmt(f),
            Why::Cancelled(scope, reason) => {
                write!(f, "code that was entered in {scope} (opened at {}) was cut short", scope.location())?;
                match reason {
                    Some(reason) => write!(f, ": {reason}"),
                    None => Ok(()),
                }
            }
        }
    }
}

impl fmt::Debug for EnterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EnterError({self})")
    }
}

impl std::error::Error for EnterError {}
