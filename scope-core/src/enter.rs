//! Code of a foreign task in a scope: entered by handle.

use std::fmt;
use std::future::Future;
use std::panic::{Location, resume_unwind};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;

use crate::deposit::{Deposit, End};
use crate::name::Name;
use crate::raw::child::Child;
use crate::raw::counted::Counted;
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
        start: Option<F>,
        task: TaskRef,
        scope: Arc<Scope>,
        slot: Slot<F::Output>,
    }
}

impl<F: Future> Entered<F> {
    pub(crate) fn new(scope: Arc<Scope>, name: Option<Name>, location: &'static Location<'static>, body: F) -> Self {
        let task = TaskRef::fresh(name, location);
        Entered { child: None, start: Some(body), task, scope, slot: Slot::default() }
    }
}

impl<F: Future> Future for Entered<F> {
    type Output = Result<F::Output, EnterError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let error = |why| EnterError { task: this.task.clone(), scope: this.scope.id().clone(), why };
        if let Some(body) = this.start.take() {
            let Ok(counted) = Counted::admit(this.scope, Part::Child) else {
                return Poll::Ready(Err(error(Why::Closed)));
            };
            let child = Child::new(this.task.clone(), counted, Back(this.slot.clone()), body);
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
            _ => Poll::Ready(Err(error(Why::Cancelled(this.scope.reason())))),
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
pub struct EnterError {
    task: TaskRef,
    scope: ScopeRef,
    why: Why,
}

#[derive(Clone)]
enum Why {
    Closed,
    Cancelled(Option<CancelReason>),
}

impl EnterError {
    /// Whether the scope had closed: nothing was run.
    pub fn is_closed(&self) -> bool {
        matches!(self.why, Why::Closed)
    }

    /// Whether the scope was cancelled, and the code cut short.
    pub fn is_cancelled(&self) -> bool {
        matches!(self.why, Why::Cancelled(_))
    }

    /// Why the scope was cancelled.
    pub fn reason(&self) -> Option<&CancelReason> {
        match &self.why {
            Why::Cancelled(reason) => reason.as_ref(),
            Why::Closed => None,
        }
    }

    /// The scope that was to be entered.
    pub fn scope(&self) -> &ScopeRef {
        &self.scope
    }
}

impl fmt::Display for EnterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (task, place) = (&self.task, self.task.location());
        let (scope, opened) = (&self.scope, self.scope.location());
        match &self.why {
            Why::Closed => write!(
                f,
                "{task} (at {place}) cannot enter {scope} (opened at {opened}): it has ended, so nothing was run. Enter a scope \
                 that lives as long as its handles are used"
            ),
            Why::Cancelled(reason) => {
                write!(f, "{task} (at {place}) was cut short in {scope} (opened at {opened}), which it had entered")?;
                reason.as_ref().map_or(Ok(()), |reason| write!(f, ": {reason}"))
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
