//! What children have left for their owner to read, in the order in which they finished.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, PoisonError};
use std::task::{Context, Poll, Waker};

use crate::adopt;
use crate::error::PanicPayload;
use crate::raw::frame::{self, Here};
use crate::record::RecordCause;
use crate::scope::Scope;
use crate::sync::{Mutex, MutexGuard};
use crate::task::TaskRef;
use crate::waits::At;

/// What a child has left: destroyed as that child where nobody reads it.
pub(crate) struct Made<T> {
    value: Option<T>,
    task: TaskRef,
    scope: Arc<Scope>,
}

impl<T> Made<T> {
    pub(crate) fn new(value: T, task: TaskRef, scope: Arc<Scope>) -> Self {
        Made { value: Some(value), task, scope }
    }

    pub(crate) fn by(task: &TaskRef, here: Here<'_>, value: T) -> Self {
        Made::new(value, task.clone(), here.make())
    }

    pub(crate) fn take(mut self) -> Option<T> {
        self.value.take()
    }

    pub(crate) fn as_ref(&self) -> Option<&T> {
        self.value.as_ref()
    }

    pub(crate) fn task(&self) -> &TaskRef {
        &self.task
    }

    pub(crate) fn scope(&self) -> &Arc<Scope> {
        &self.scope
    }
}

impl<T> Drop for Made<T> {
    fn drop(&mut self) {
        let Some(value) = self.value.take() else { return };
        let dropped =
            frame::enter(&self.task, Here::Made(&self.scope), || catch_unwind(AssertUnwindSafe(|| drop(value))));
        // It is the last of the child: what it opened and gave away ends with it.
        self.scope.end_owned_of(&self.task);
        if let Err(payload) = dropped {
            let cause = RecordCause::Panicked(PanicPayload::new(payload));
            adopt::record_late(&self.scope, &self.task, cause);
        }
    }
}

/// Shared by the children and the one reader.
pub(crate) struct Collected<I> {
    state: Mutex<State<I>>,
}

struct State<I> {
    items: VecDeque<I>,
    /// Children that have not ended.
    unfinished: usize,
    reader: Option<Waker>,
    /// The reader has gone.
    closed: bool,
}

impl<I> Collected<I> {
    pub(crate) fn new() -> Arc<Self> {
        let state = State { items: VecDeque::new(), unfinished: 0, reader: None, closed: false };
        Arc::new(Collected { state: Mutex::new(state) })
    }

    fn lock(&self) -> MutexGuard<'_, State<I>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a child in; it is counted out when what comes back is dropped.
    pub(crate) fn expect(self: &Arc<Self>) -> Expected<I> {
        self.lock().unfinished += 1;
        Expected(self.clone())
    }

    /// How many children run, or have left something that was not read.
    pub(crate) fn len(&self) -> usize {
        let state = self.lock();
        state.unfinished + state.items.len()
    }

    pub(crate) fn poll_next(&self, cx: &mut Context<'_>) -> Poll<Option<I>> {
        self.poll_next_beside(false, cx)
    }

    /// The same of a reader that waits on while there is `more` elsewhere.
    pub(crate) fn poll_next_beside(&self, more: bool, cx: &mut Context<'_>) -> Poll<Option<I>> {
        let fresh = cx.waker().clone();
        let old;
        {
            let mut state = self.lock();
            if let Some(item) = state.items.pop_front() {
                return Poll::Ready(Some(item));
            }
            if state.unfinished == 0 && !more {
                return Poll::Ready(None);
            }
            old = state.reader.replace(fresh);
        }
        drop(old);
        Poll::Pending
    }

    pub(crate) async fn next(&self) -> Option<I> {
        poll_fn(|cx| poll_at_checkpoint(cx, |cx| self.poll_next(cx))).await
    }

    /// Leaves an item. It comes back where nobody reads any more. The reader is not told.
    pub(crate) fn put(&self, item: I) -> Result<(), I> {
        let mut state = self.lock();
        if state.closed {
            return Err(item);
        }
        state.items.push_back(item);
        Ok(())
    }

    /// Nobody reads any more: what was not read comes back.
    pub(crate) fn close(&self) -> VecDeque<I> {
        let mut state = self.lock();
        state.closed = true;
        std::mem::take(&mut state.items)
    }
}

/// Reads the next of what children leave, at a checkpoint.
pub(crate) fn poll_at_checkpoint<T>(
    cx: &mut Context<'_>,
    poll: impl FnOnce(&mut Context<'_>) -> Poll<Option<T>>,
) -> Poll<Option<T>> {
    let polled = if frame::checkpoint_is_cancelled() { Poll::Pending } else { poll(cx) };
    let polled = match polled {
        // The last of them may have been cut, by a cancellation that came since we looked: no end that anybody is to go on from.
        Poll::Ready(None) if frame::here_is_cancelled() => Poll::Pending,
        polled => polled,
    };
    if polled.is_pending() {
        frame::note_wait(At::Results, None);
    }
    polled
}

/// A child that is to leave one item, or none.
pub(crate) struct Expected<I>(Arc<Collected<I>>);

impl<I> Expected<I> {
    /// Leaves it. It comes back where nobody reads any more.
    pub(crate) fn leave(self, item: I) -> Result<(), I> {
        self.0.put(item)
    }
}

impl<I> Drop for Expected<I> {
    fn drop(&mut self) {
        let reader = {
            let mut state = self.0.lock();
            state.unfinished -= 1;
            state.reader.take()
        };
        if let Some(reader) = reader {
            reader.wake();
        }
    }
}
