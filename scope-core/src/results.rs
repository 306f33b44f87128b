//! The values of children, one by one, in the order in which they finish.

use std::fmt;
use std::future::{Future, poll_fn};
use std::marker::PhantomData;
use std::panic::Location;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_core::Stream;

use crate::bounded::{Bound, BoundedError, ZeroBound, holding_until_read};
use crate::collect::{Collected, Expected, Made, poll_at_checkpoint};
use crate::deposit::{Deposit, End, record_end, record_panic};
use crate::failure::Fault;
use crate::nursery::{Local, Nursery, Sendable};
use crate::places::Permit;
use crate::raw::frame::Here;
use crate::raw::values::{Counted, Values};
use crate::spawner::Spawns;
use crate::task::TaskRef;
use crate::tracked::{OrCut, Own, Tracked};

/// Children whose values are wanted one by one, in the order in which they finish: [`Spawns::results`].
///
/// A child that fails fails the scope, as any child; one that is cancelled leaves no value. Memory is bounded by the children
/// that run and the values that have not been read: [`results_bounded`](Spawns::results_bounded) puts a bound on both.
///
/// # What drop does
/// The values that were not read are destroyed; the children go on.
pub struct Results<S, T> {
    pub(crate) values: Values<S, T>,
}

/// Where the value of such a child goes.
struct Collects<X, E> {
    expected: X,
    error: PhantomData<fn() -> E>,
}

impl<X, E> Collects<X, E> {
    fn new(expected: X) -> Self {
        Collects { expected, error: PhantomData }
    }
}

/// Takes the value of one child.
trait Takes<T> {
    /// The same where that runs no code of a user. Otherwise nothing, and both come back.
    #[inline(always)]
    fn take_quietly(self, _here: Here<'_>, _task: &TaskRef, value: T) -> Result<(), (Self, T)>
    where
        Self: Sized,
    {
        Err((self, value))
    }

    /// It is destroyed where nobody reads any more.
    fn take(self, here: Here<'_>, task: &TaskRef, value: T);
}

impl<T> Takes<T> for Expected<Made<T>> {
    fn take(self, here: Here<'_>, task: &TaskRef, value: T) {
        let unread = self.leave(Made::by(task, here, value));
        drop(unread);
    }
}

impl<T> Takes<T> for Counted<T> {
    #[inline(always)]
    fn take_quietly(self, here: Here<'_>, task: &TaskRef, value: T) -> Result<(), (Self, T)> {
        self.leave_quietly(here, task, value)
    }

    fn take(self, here: Here<'_>, task: &TaskRef, value: T) {
        self.leave(here, task, value);
    }
}

impl<X: Takes<T>, T, E: Fault> Deposit<Result<T, E>> for Collects<X, E> {
    #[inline(always)]
    fn deposit_quietly(
        self,
        here: Here<'_>,
        task: &TaskRef,
        end: End<Result<T, E>>,
    ) -> Result<(), (Self, End<Result<T, E>>)> {
        match end {
            End::Done(Ok(value)) => match self.expected.take_quietly(here, task, value) {
                Ok(()) => Ok(()),
                Err((expected, value)) => Err((Collects::new(expected), End::Done(Ok(value)))),
            },
            end => Err((self, end)),
        }
    }

    fn deposit(self, here: Here<'_>, task: &TaskRef, end: End<Result<T, E>>) {
        match end {
            End::Done(Ok(value)) => self.expected.take(here, task, value),
            End::Done(Err(error)) => record_end(here, task, End::Done(error)),
            End::Panicked(payload) => record_panic(here, task, payload),
            End::Aborted => record_end::<E>(here, task, End::Aborted),
            End::Cancelled | End::Refused | End::Recorded => {}
        }
    }
}

impl<S: Spawns, T> Results<S, T> {
    pub(crate) fn new(spawns: S) -> Self {
        Results { values: Values::new(spawns) }
    }

    /// Spawns a parallel child.
    #[track_caller]
    pub fn spawn_erased<F>(&self, future: F) -> S::Answer<()>
    where
        F: Future<Output = Result<T, S::Error>> + Send + 'static,
        T: Send + 'static,
    {
        let place = self.values.spawns.place();
        let task = place.task(Location::caller());
        let deposit = Collects::<_, S::Error>::new(self.values.expect());
        let result = place.spawn_with(task, deposit, future);
        self.values.spawns.answer((), result)
    }

    /// The next value; `None` when no child runs and none is left to read. Children may be added after that.
    ///
    /// # Cancel safety
    /// Dropped before it is ready, no value is lost.
    pub async fn next(&mut self) -> Option<T> {
        poll_fn(|cx| poll_at_checkpoint(cx, |cx| self.values.poll_next(cx))).await
    }

    /// How many children run, or have a value that was not read.
    pub fn len(&self) -> usize {
        self.values.len()
    }

    /// Whether no child runs and no value is left.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<'s, E: Fault, K, T> Results<&'s Nursery<'s, '_, E, K>, T> {
    /// The methods that call this check that the future is `Send` where the nursery is.
    fn add<F>(&self, location: &'static Location<'static>, future: F)
    where
        F: Future<Output = Result<T, E>> + 's,
        T: 's,
    {
        let nursery = self.values.spawns;
        match self.values.expect_here() {
            Some(counted) => nursery.add(None, location, |task| (future, Collects::<_, E>::new(counted), task)),
            None => nursery.add(None, location, |task| (future, Collects::<_, E>::new(self.values.expect()), task)),
        }
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
        self.add(Location::caller(), future);
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
        self.add(Location::caller(), future);
    }
}

impl<S: Unpin, T> Stream for Results<S, T> {
    type Item = T;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<T>> {
        poll_at_checkpoint(cx, |cx| self.values.poll_next(cx))
    }
}

impl<S, T> fmt::Debug for Results<S, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Results").field("len", &self.values.len()).finish_non_exhaustive()
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
            let deposit = Collects::<_, S::Error>::new(self.collected.expect());
            let tracked = Tracked::new(holding_until_read(future, permit), own);
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
    let deposit = Collects::<_, E>::new(collected.expect());
    nursery.add(None, location, |task| {
        let own = Arc::new(Own::new(task.clone(), scope, bound.id()));
        (Tracked::new(holding_until_read(future, permit), own), OrCut(deposit), task)
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
        poll_at_checkpoint(cx, |cx| self.collected.poll_next(cx))
            .map(|item| item.and_then(Made::take).map(|(value, _)| value))
    }
}

impl<S, T> fmt::Debug for BoundedResults<S, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BoundedResults").field("len", &self.collected.len()).finish_non_exhaustive()
    }
}
