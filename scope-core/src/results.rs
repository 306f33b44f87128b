//! The values of children, one by one, in the order in which they finish.

use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::panic::Location;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_core::Stream;

use crate::bounded::{Bound, BoundedError, ZeroBound, holding_until_read};
use crate::collect::{Collected, Expected, Made};
use crate::deposit::{Deposit, End, record_end, record_panic};
use crate::failure::Fault;
use crate::nursery::{Local, Nursery, Sendable};
use crate::places::Permit;
use crate::raw::frame::{self, Here};
use crate::spawner::Spawns;
use crate::task::TaskRef;
use crate::tracked::{OrCut, Own, Tracked};
use crate::waits::At;

/// Children whose values are wanted one by one, in the order in which they finish: [`Spawns::results`].
///
/// A child that fails fails the scope, as any child; one that is cancelled leaves no value. Memory is bounded by the children
/// that run and the values that have not been read: [`results_bounded`](Spawns::results_bounded) puts a bound on both.
///
/// # What drop does
/// The values that were not read are destroyed; the children go on.
pub struct Results<S, T> {
    spawns: S,
    collected: Arc<Collected<Made<T>>>,
}

/// Where the value of such a child goes.
struct Collects<T, E> {
    expected: Expected<Made<T>>,
    error: PhantomData<fn() -> E>,
}

impl<T, E: Fault> Deposit<Result<T, E>> for Collects<T, E> {
    fn deposit(self, here: Here<'_>, task: &TaskRef, end: End<Result<T, E>>) {
        match end {
            End::Done(Ok(value)) => {
                // Destroyed here where nobody reads.
                let unread = self.expected.leave(Made::by(task, here, value));
                drop(unread);
            }
            End::Done(Err(error)) => record_end(here, task, End::Done(error)),
            End::Panicked(payload) => record_panic(here, task, payload),
            End::Aborted => record_end::<E>(here, task, End::Aborted),
            End::Cancelled | End::Refused | End::Recorded => {}
        }
    }
}

impl<S: Spawns, T> Results<S, T> {
    pub(crate) fn new(spawns: S) -> Self {
        Results { spawns, collected: Collected::new() }
    }

    /// Spawns a parallel child.
    #[track_caller]
    pub fn spawn_erased<F>(&self, future: F) -> S::Answer<()>
    where
        F: Future<Output = Result<T, S::Error>> + Send + 'static,
        T: Send + 'static,
    {
        let place = self.spawns.place();
        let task = place.task(Location::caller());
        let deposit = Collects { expected: self.collected.expect(), error: PhantomData::<fn() -> S::Error> };
        let result = place.spawn_with(task, deposit, future);
        self.spawns.answer((), result)
    }

    /// The next value; `None` when no child runs and none is left to read. Children may be added after that.
    ///
    /// # Cancel safety
    /// Dropped before it is ready, no value is lost.
    pub async fn next(&mut self) -> Option<T> {
        self.collected.next().await.and_then(Made::take)
    }

    /// How many children run, or have a value that was not read.
    pub fn len(&self) -> usize {
        self.collected.len()
    }

    /// Whether no child runs and no value is left.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<'s, E: Fault, T> Results<&'s Nursery<'s, '_, E, Sendable>, T> {
    /// Adds a same-task child. It may borrow from outside the nursery.
    #[track_caller]
    pub fn spawn_local<F>(&self, future: F)
    where
        F: Future<Output = Result<T, E>> + Send + 's,
        T: Send + 's,
    {
        let deposit = Collects { expected: self.collected.expect(), error: PhantomData::<fn() -> E> };
        self.spawns.add(None, Location::caller(), |task| (future, deposit, task));
    }
}

impl<'s, E: Fault, T> Results<&'s Nursery<'s, '_, E, Local>, T> {
    /// Adds a same-task child. It may borrow from outside the nursery.
    #[track_caller]
    pub fn spawn_local<F>(&self, future: F)
    where
        F: Future<Output = Result<T, E>> + 's,
        T: 's,
    {
        let deposit = Collects { expected: self.collected.expect(), error: PhantomData::<fn() -> E> };
        self.spawns.add(None, Location::caller(), |task| (future, deposit, task));
    }
}

impl<S, T> Drop for Results<S, T> {
    fn drop(&mut self) {
        drop(self.collected.close());
    }
}

impl<S: Unpin, T> Stream for Results<S, T> {
    type Item = T;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<T>> {
        poll_at_checkpoint(&self.collected, cx).map(|item| item.and_then(Made::take))
    }
}

fn poll_at_checkpoint<I>(collected: &Collected<I>, cx: &mut Context<'_>) -> Poll<Option<I>> {
    let polled = if frame::checkpoint_is_cancelled() { Poll::Pending } else { collected.poll_next(cx) };
    if polled.is_pending() {
        frame::note_wait(At::Results, None);
    }
    polled
}

impl<S, T> fmt::Debug for Results<S, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Results").field("len", &self.collected.len()).finish_non_exhaustive()
    }
}

/// [`Results`] of at most so many children that run or whose value has not been read: [`Spawns::results_bounded`]. Spawning
/// waits for a place; reading a value frees one.
///
/// # What drop does
/// As [`Results`].
pub struct BoundedResults<S, T> {
    spawns: S,
    bound: Arc<Bound>,
    collected: Arc<Collected<Made<(T, Permit)>>>,
}

impl<S: Spawns, T> BoundedResults<S, T> {
    pub(crate) fn new(spawns: S, limit: usize, location: &'static Location<'static>) -> Result<Self, ZeroBound> {
        Ok(BoundedResults { spawns, bound: Bound::new(limit, location)?, collected: Collected::new() })
    }

    /// Waits for a place, and spawns a parallel child.
    ///
    /// # Errors
    /// As [`Bounded::spawn_erased`](crate::Bounded::spawn_erased).
    ///
    /// # Cancel safety
    /// Dropped before it is ready, the future is dropped, unpolled, and no place is taken.
    #[track_caller]
    pub fn spawn_erased<F>(&self, future: F) -> impl Future<Output = Result<(), BoundedError>> + use<'_, S, T, F>
    where
        F: Future<Output = Result<T, S::Error>> + Send + 'static,
        T: Send + 'static,
    {
        let location = Location::caller();
        async move {
            let place = self.spawns.place();
            let scope = place.scope().clone();
            let permit = self.bound.take(scope.id()).await?;
            let task = place.task(location);
            let own = Arc::new(Own::new(task.clone(), scope.clone(), self.bound.id()));
            let deposit = Collects { expected: self.collected.expect(), error: PhantomData::<fn() -> S::Error> };
            let tracked = Tracked::new(holding_until_read(permit, future), own);
            place
                .spawn_with(task, OrCut(deposit), tracked)
                .map_err(|error| BoundedError::refused(scope.id().clone(), error))
        }
    }

    /// The next value; `None` when no child runs and none is left to read. Children may be added after that.
    ///
    /// # Cancel safety
    /// Dropped before it is ready, no value is lost.
    pub async fn next(&mut self) -> Option<T> {
        self.collected.next().await.and_then(Made::take).map(|(value, _)| value)
    }

    /// How many children run, or have a value that was not read.
    pub fn len(&self) -> usize {
        self.collected.len()
    }

    /// Whether no child runs and no value is left.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<'s, E: Fault, T> BoundedResults<&'s Nursery<'s, '_, E, Sendable>, T> {
    /// Waits for a place, and adds a same-task child. It may borrow from outside the nursery.
    ///
    /// # Errors
    /// As [`Bounded::spawn_local`](crate::Bounded::spawn_local).
    ///
    /// # Cancel safety
    /// As [`spawn_erased`](BoundedResults::spawn_erased).
    #[track_caller]
    pub fn spawn_local<F>(&self, future: F) -> impl Future<Output = Result<(), BoundedError>>
    where
        F: Future<Output = Result<T, E>> + Send + 's,
        T: Send + 's,
    {
        add_local(self.spawns, self.bound.clone(), self.collected.clone(), future, Location::caller())
    }
}

impl<'s, E: Fault, T> BoundedResults<&'s Nursery<'s, '_, E, Local>, T> {
    /// Waits for a place, and adds a same-task child. It may borrow from outside the nursery.
    ///
    /// # Errors
    /// As [`Bounded::spawn_local`](crate::Bounded::spawn_local).
    ///
    /// # Cancel safety
    /// As [`spawn_erased`](BoundedResults::spawn_erased).
    #[track_caller]
    pub fn spawn_local<F>(&self, future: F) -> impl Future<Output = Result<(), BoundedError>>
    where
        F: Future<Output = Result<T, E>> + 's,
        T: 's,
    {
        add_local(self.spawns, self.bound.clone(), self.collected.clone(), future, Location::caller())
    }
}

/// The methods that call this check that the future is `Send` where the nursery is.
async fn add_local<'s, E: Fault, K, T: 's, F>(
    nursery: &'s Nursery<'s, '_, E, K>,
    bound: Arc<Bound>,
    collected: Arc<Collected<Made<(T, Permit)>>>,
    future: F,
    location: &'static Location<'static>,
) -> Result<(), BoundedError>
where
    F: Future<Output = Result<T, E>> + 's,
{
    let scope = nursery.scope.make().clone();
    let permit = bound.take(scope.id()).await?;
    let deposit = Collects { expected: collected.expect(), error: PhantomData::<fn() -> E> };
    nursery.add(None, location, |task| {
        let own = Arc::new(Own::new(task.clone(), scope, bound.id()));
        (Tracked::new(holding_until_read(permit, future), own), OrCut(deposit), task)
    });
    Ok(())
}

impl<S, T> Drop for BoundedResults<S, T> {
    fn drop(&mut self) {
        drop(self.collected.close());
    }
}

impl<S: Unpin, T> Stream for BoundedResults<S, T> {
    type Item = T;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<T>> {
        poll_at_checkpoint(&self.collected, cx).map(|item| item.and_then(Made::take).map(|(value, _)| value))
    }
}

impl<S, T> fmt::Debug for BoundedResults<S, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BoundedResults").field("len", &self.collected.len()).finish_non_exhaustive()
    }
}
