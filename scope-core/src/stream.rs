//! Streams that own a scope: what an async generator would be.

use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use atomic_waker::AtomicWaker;
use futures_core::Stream;
use pin_project_lite::pin_project;

use crate::block::Block;
use crate::cancel_scope::{Left, leave};
use crate::error::{Path, ScopeError, Segment};
use crate::failure::Failure;
use crate::origin::{Kind, Origin};
use crate::record::{Record, RecordCause};
use crate::sync::Listen;
use crate::task::{TaskRef, at_checkpoint};
use crate::waits::At;

/// Between the body and the reader: one item at the most.
struct Slot<T> {
    state: Mutex<State<T>>,
    taken: Listen,
    reader: AtomicWaker,
}

struct State<T> {
    item: Option<T>,
    /// How many items were put in, and taken out.
    put: u64,
    got: u64,
}

impl<T> Slot<T> {
    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self) -> Option<T> {
        let item = {
            let mut state = self.lock();
            let item = state.item.take()?;
            state.got += 1;
            item
        };
        self.taken.notify();
        Some(item)
    }

    /// Waits until `look` finds what it looks for.
    async fn wait<R>(&self, mut look: impl FnMut(&mut State<T>) -> Option<R>) -> R {
        loop {
            if let Some(found) = look(&mut self.lock()) {
                return found;
            }
            let taken = self.taken.listen();
            if let Some(found) = look(&mut self.lock()) {
                return found;
            }
            taken.await;
        }
    }
}

/// Where a stream's body puts its items: [`stream`].
pub struct Yield<T> {
    slot: Arc<Slot<T>>,
}

impl<T> Yield<T> {
    /// Gives the reader an item, and waits until it was taken.
    ///
    /// # Cancel safety
    /// Dropped before it is ready, the item is dropped if it was not put in yet; otherwise the reader gets it.
    pub async fn send(&self, item: T) {
        let mut item = Some(item);
        let ticket = self.slot.wait(|state| {
            if state.item.is_some() {
                return None;
            }
            state.item = item.take();
            state.put += 1;
            Some(state.put)
        });
        let ticket = at_checkpoint(At::Stream, ticket).await;
        self.slot.reader.wake();
        let taken = self.slot.wait(|state| (state.got >= ticket).then_some(()));
        at_checkpoint(At::Stream, taken).await;
    }
}

impl<T> fmt::Debug for Yield<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Yield").finish_non_exhaustive()
    }
}

/// A stream made of a body that owns its scope: `stream(async |items| { items.send(1).await; Ok(()) })`.
///
/// The body is a task of its own, inside the scope that polls the stream first, and runs when the stream is polled, by
/// whichever task: it may be carried from one to another, into a response body say. Nurseries and finalizers in it end with
/// it.
///
/// # Errors
/// The last item, if the body failed, or was cut short because the scope around was cancelled and the stream carried out of it.
///
/// # Panics
/// A panic of the body is resumed in whoever reads.
///
/// # What drop does
/// Drops the body where it is; what its scopes leave is adopted by the scope around.
#[track_caller]
pub fn stream<T, F, Fut>(body: F) -> ScopeStream<T, Fut>
where
    F: FnOnce(Yield<T>) -> Fut,
    Fut: Future<Output = Result<(), Failure>>,
{
    let location = Location::caller();
    let state = State { item: None, put: 0, got: 0 };
    let slot = Arc::new(Slot { state: Mutex::new(state), taken: Listen::new(), reader: AtomicWaker::new() });
    let body = body(Yield { slot: slot.clone() });
    let block = Block::as_task(Origin::new(Kind::Block, location), TaskRef::fresh(None, location), body);
    ScopeStream { body: Some(block), moot: false, last: None, slot }
}

pin_project! {
    /// The stream of [`stream`].
    #[must_use = "streams do nothing unless they are polled"]
    pub struct ScopeStream<T, Fut: Future> {
        #[pin]
        body: Option<Block<Fut>>,
        // Set when a cancellation from further out has ended the body: it never becomes ready then.
        moot: bool,
        // How the body failed, behind an item that it had put in.
        last: Option<ScopeError>,
        slot: Arc<Slot<T>>,
    }
}

impl<T, Fut> Stream for ScopeStream<T, Fut>
where
    Fut: Future<Output = Result<(), Failure>>,
{
    type Item = Result<T, ScopeError>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let mut this = self.project();
        this.slot.reader.register(cx.waker());
        if let Some(item) = this.slot.take() {
            return Poll::Ready(Some(Ok(item)));
        }
        let Some(body) = this.body.as_mut().as_pin_mut() else {
            return if *this.moot { Poll::Pending } else { Poll::Ready(this.last.take().map(Err)) };
        };
        let ended = match body.poll(cx) {
            Poll::Pending => {
                return match this.slot.take() {
                    Some(item) => Poll::Ready(Some(Ok(item))),
                    None => Poll::Pending,
                };
            }
            Poll::Ready(ended) => ended,
        };
        this.body.set(None);
        let error = |scope, reason, records: Vec<Record>| {
            let leaves = records.into_iter().map(Record::into_leaf).collect();
            Some(ScopeError::new(scope, reason, leaves))
        };
        let (scope, left) = leave(ended);
        *this.last = match left {
            Left::Value(Ok(()), records) if records.is_empty() => None,
            Left::Value(Ok(()), records) | Left::NoClock(records) => error(scope, None, records),
            Left::Value(Err(failure), mut records) => {
                let path = Path::new(vec![Segment::Scope(scope.clone())]);
                let cause = RecordCause::failed(failure);
                let own = Record { path, location: scope.location(), task: None, cause, secondary: false };
                records.insert(0, own);
                error(scope, None, records)
            }
            Left::Cut(reason, records) => error(scope, Some(reason), records),
            Left::Moot => {
                *this.moot = true;
                None
            }
        };
        match this.slot.take() {
            Some(item) => Poll::Ready(Some(Ok(item))),
            None if *this.moot => Poll::Pending,
            None => Poll::Ready(this.last.take().map(Err)),
        }
    }
}

impl<T, Fut: Future> fmt::Debug for ScopeStream<T, Fut> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScopeStream").field("ended", &self.body.is_none()).finish_non_exhaustive()
    }
}
