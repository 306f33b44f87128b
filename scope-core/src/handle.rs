//! A handle to a child's result.

use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::sync::{Arc, PoisonError};
use std::task::{Context, Poll, Waker};

use crate::name::Name;
use crate::raw::frame;
use crate::reason::CancelCause;
use crate::scope::Scope;
use crate::sync::Mutex;
use crate::task::TaskRef;
use crate::tracked::{HasOwn, Own};
use crate::waits::At;

/// The result of a child, to be awaited anywhere.
///
/// Dropping the handle gives up the result and nothing else: the child goes on, and its value is destroyed when it has
/// made it.
///
/// # Cancel safety
/// Awaiting `&mut handle` and dropping that loses nothing.
#[must_use = "a handle that is dropped gives up the child's result; use `spawn` for a child without one"]
pub struct TaskHandle<T> {
    cell: Arc<Cell<T>>,
}

/// The child's side.
pub(crate) struct Slot<T> {
    cell: Arc<Cell<T>>,
}

pub(crate) struct Cell<T> {
    own: Own,
    state: Mutex<State<T>>,
}

enum State<T> {
    Running(Option<Waker>),
    /// The handle was dropped first.
    GivenUp,
    Filled(Result<T, Lost>),
    Taken,
}

/// Why a child gave its handle no value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Lost {
    /// It returned an error, which is the nursery's.
    Failed,
    /// It panicked; the panic is the nursery's.
    Panicked,
    /// It was cancelled.
    Cancelled,
    /// The runtime dropped it before its end.
    Aborted,
    /// It was never spawned; the nursery has the reason.
    Refused,
}

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Lost::Failed => "the task failed; its nursery has the error",
            Lost::Panicked => "the task panicked; its nursery has the panic",
            Lost::Cancelled => "the task was cancelled",
            Lost::Aborted => "the runtime dropped the task before its end",
            Lost::Refused => "the task was never spawned; its nursery has the reason",
        })
    }
}

impl std::error::Error for Lost {}

pub(crate) fn pair<T>(task: TaskRef, scope: Arc<Scope>) -> (Slot<T>, TaskHandle<T>) {
    let own = Own::new(task, scope, 0);
    let cell = Arc::new(Cell { own, state: Mutex::new(State::Running(None)) });
    (Slot { cell: cell.clone() }, TaskHandle { cell })
}

impl<T> HasOwn for Cell<T> {
    fn own(&self) -> &Own {
        &self.own
    }
}

impl<T> Cell<T> {
    fn swap(&self, state: State<T>) -> State<T> {
        std::mem::replace(&mut *self.state.lock().unwrap_or_else(PoisonError::into_inner), state)
    }
}

impl<T> Slot<T> {
    /// What the child shares with the handle.
    pub(crate) fn cell(&self) -> Arc<Cell<T>> {
        self.cell.clone()
    }

    /// Gives the result to the handle; destroys it here if nobody holds one.
    pub(crate) fn fill(self, result: Result<T, Lost>) {
        let waker = {
            let mut state = self.cell.state.lock().unwrap_or_else(PoisonError::into_inner);
            match &mut *state {
                State::Running(waker) => {
                    let waker = waker.take();
                    *state = State::Filled(result);
                    waker
                }
                _ => {
                    drop(state);
                    drop(result);
                    return;
                }
            }
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl<T> TaskHandle<T> {
    /// The child.
    pub fn task(&self) -> &TaskRef {
        self.cell.own.task()
    }

    /// Cancels this child and nothing else: it ends at its next await point, or at the one it waits at, and what its own scopes
    /// have left is cleaned up; then the handle says [`Lost::Cancelled`]. A child that ends with a value before its next await
    /// point has that value. Siblings and the nursery go on. From any thread; never blocks. False if it has ended, or was
    /// cancelled by its handle before.
    #[track_caller]
    pub fn cancel(&self, text: impl Into<Name>) -> bool {
        self.cell.own.cancel(CancelCause::Explicit, text.into(), Location::caller())
    }

    /// Whether the result is there.
    pub fn is_finished(&self) -> bool {
        !matches!(*self.cell.state.lock().unwrap_or_else(PoisonError::into_inner), State::Running(_))
    }
}

impl<T> TaskHandle<T> {
    /// The result; not a checkpoint, for who cannot be cancelled.
    pub(crate) fn poll_ended(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<T, Lost>> {
        let fresh = cx.waker().clone();
        let mut state = self.cell.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let State::Running(waker) = &mut *state {
            let old = waker.replace(fresh);
            drop(state);
            drop(old);
            return Poll::Pending;
        }
        let filled = std::mem::replace(&mut *state, State::Taken);
        drop(state);
        match filled {
            State::Filled(result) => Poll::Ready(result),
            _ => panic!("a task handle was polled after it had given its result"),
        }
    }
}

impl<T> Future for TaskHandle<T> {
    type Output = Result<T, Lost>;

    /// # Panics
    /// When polled after it was ready.
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        frame::note_wait(At::Handle, Some(self.cell.own.task().location()));
        if frame::checkpoint_is_cancelled() {
            return Poll::Pending;
        }
        match self.as_mut().poll_ended(cx) {
            Poll::Ready(Err(lost)) if frame::here_is_cancelled() => {
                // What has come since we looked, and has most likely ended it, is for the nursery to tell. It is put back: the
                // handle may be awaited elsewhere.
                let taken = self.cell.swap(State::Filled(Err(lost)));
                drop(taken);
                Poll::Pending
            }
            polled => polled,
        }
    }
}

impl<T> Drop for TaskHandle<T> {
    fn drop(&mut self) {
        // An untaken value is destroyed as the task that made it.
        let state = self.cell.swap(State::GivenUp);
        self.cell.own.destroy(state);
    }
}

impl<T> fmt::Debug for TaskHandle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TaskHandle").field("task", self.cell.own.task()).field("finished", &self.is_finished()).finish()
    }
}
