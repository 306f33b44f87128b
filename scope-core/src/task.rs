//! Tasks and their identity.
//!
//! A task is a future this framework wraps: every child of a nursery (a same-task child too), every root, every
//! service. Which one is current is known from a frame that the wrapper sets on each poll and in its own drop, so it is
//! right wherever code runs: in combinators, in nested executors, in destructors, also when the runtime drops the task.

use std::fmt;
use std::future::{Future, poll_fn};
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;

use crate::id::TaskId;
use crate::name::Name;
use crate::raw::{child, frame};
use crate::rt;
use crate::waits::At;

/// A task, as others may refer to it: its identity, its name, and where it was spawned.
#[derive(Clone)]
pub struct TaskRef {
    id: TaskId,
    name: Option<Name>,
    location: &'static Location<'static>,
}

impl TaskRef {
    pub(crate) fn fresh(name: Option<Name>, location: &'static Location<'static>) -> Self {
        TaskRef { id: TaskId::fresh(), name, location }
    }

    /// The task's identity, never reused in the process.
    pub fn id(&self) -> TaskId {
        self.id
    }

    /// The name it was given, if any.
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// Where it was spawned: the caller of the spawning method.
    pub fn location(&self) -> &'static Location<'static> {
        self.location
    }
}

impl PartialEq for TaskRef {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id
    }
}

impl Eq for TaskRef {}

impl fmt::Display for TaskRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.name {
            Some(name) => write!(f, "{name}"),
            None => write!(f, "task {}", self.id),
        }
    }
}

impl fmt::Debug for TaskRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "task {}", self.id)?;
        if let Some(name) = &self.name {
            write!(f, " {name:?}")?;
        }
        write!(f, " at {}", self.location)
    }
}

/// The task that is being polled, or whose future is being dropped, on this thread. `None` outside any task of this
/// framework; two such places are not the same task.
pub fn current() -> Option<TaskRef> {
    frame::here(|place| place.map(|(task, _)| task.clone()))
}

/// The [identity](TaskId) of the [current] task.
pub fn id() -> Option<TaskId> {
    frame::here(|place| place.map(|(task, _)| task.id()))
}

/// For runtimes: the task that is being given to the runtime on this thread, to be asked within
/// [`Runtime::spawn`](rt::Runtime::spawn). `None` where that is no task of a scope, but the clean-up of a dropped one.
pub fn launching() -> Option<TaskRef> {
    child::launched()
}

pub(crate) fn current_runtime() -> Option<rt::Handle> {
    frame::here(|place| place.and_then(|(_, scope)| scope.runtime().cloned()))
}

/// Gives others a turn, and ends here if the scope it is awaited in has been cancelled.
///
/// Pending once, with the task woken at once; in a cancelled scope it never becomes ready, so nothing after it runs.
///
/// # Cancel safety
/// Nothing to lose.
#[track_caller]
pub fn checkpoint() -> Checkpoint {
    Checkpoint { yielded: false, location: Location::caller() }
}

/// The future of [`checkpoint`].
#[derive(Debug)]
#[must_use = "futures do nothing unless they are awaited"]
pub struct Checkpoint {
    yielded: bool,
    location: &'static Location<'static>,
}

impl Future for Checkpoint {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if frame::checkpoint_is_cancelled() {
            frame::note_wait(At::Checkpoint, Some(self.location));
            return Poll::Pending;
        }
        if self.yielded {
            return Poll::Ready(());
        }
        self.yielded = true;
        frame::note_wait(At::Checkpoint, Some(self.location));
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

pin_project! {
    /// Makes a checkpoint of an operation of ours: in a cancelled scope it is not polled, and nothing is taken.
    pub(crate) struct AtCheckpoint<F> {
        #[pin]
        operation: F,
        at: At,
    }
}

pub(crate) fn at_checkpoint<F: Future>(at: At, operation: F) -> AtCheckpoint<F> {
    AtCheckpoint { operation, at }
}

/// Ends at once, but never in a cancelled scope. For what a cancellation has made of an operation that began just before it came:
/// nobody left to answer, or nothing to come. Whoever waited there is cut, as if it had come a moment earlier.
pub(crate) async fn unless_cancelled(at: At) {
    poll_fn(|_| {
        if !frame::here_is_cancelled() {
            return Poll::Ready(());
        }
        frame::note_wait(at, None);
        Poll::Pending
    })
    .await;
}

impl<F: Future> Future for AtCheckpoint<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let polled = if frame::checkpoint_is_cancelled() { Poll::Pending } else { this.operation.poll(cx) };
        if polled.is_pending() {
            frame::note_wait(*this.at, None);
        }
        polled
    }
}
