//! One of many, or all of many: the others have ended, clean-up included, when the answer is there.

use std::future::{Future, pending};
use std::panic::{AssertUnwindSafe, Location, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use futures_util::stream::{FuturesUnordered, StreamExt};
use pin_project_lite::pin_project;

use crate::block::Block;
use crate::cancel_scope::{Left, leave};
use crate::error::{Cause, Leaf, PanicPayload, ScopeError};
use crate::failure::{Failure, Fault};
use crate::name::Name;
use crate::origin::{Kind, Origin};
use crate::record::Record;

pin_project! {
    /// One of the futures: its destructor may panic, and keeps none of the others from being dropped.
    struct Entrant<F> {
        #[pin]
        future: Option<F>,
        panics: Arc<Panics>,
    }

    impl<F> PinnedDrop for Entrant<F> {
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            if let Err(payload) = catch_unwind(AssertUnwindSafe(|| this.future.set(None))) {
                this.panics.0.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(PanicPayload::new(payload));
            }
        }
    }
}

impl<F: Future> Future for Entrant<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        match self.project().future.as_pin_mut() {
            Some(future) => future.poll(cx),
            None => Poll::Pending,
        }
    }
}

/// The first panic of those. Goes on when all have been dropped.
#[derive(Default)]
struct Panics(Mutex<Option<PanicPayload>>);

impl Drop for Panics {
    fn drop(&mut self) {
        let first = self.0.get_mut().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(first) = first
            && !std::thread::panicking()
        {
            resume_unwind(first.into_payload());
        }
    }
}

/// Those that are given, each to be dropped whatever the others do.
fn entrants<I: IntoIterator<Item: Future>>(futures: I) -> impl Iterator<Item = Entrant<I::Item>> {
    let panics = Arc::<Panics>::default();
    futures.into_iter().map(move |future| Entrant { future: Some(future), panics: panics.clone() })
}

fn origin(name: &'static str, location: &'static Location<'static>) -> Origin {
    let mut origin = Origin::new(Kind::Block, location);
    origin.name = Some(Name::new(name));
    origin
}

/// The output of the first future to end. `None` if there was none at all.
///
/// The futures are polled in turn, in the current task, each by a waker of its own, inside a scope of their own. When one has
/// ended the others are dropped, and what their scopes leave is cleaned up, before this returns.
///
/// # Errors
/// A [`ScopeError`] where that clean-up failed.
///
/// # Panics
/// A panic of a future is resumed, when the others have been cleaned up.
///
/// # Cancel safety
/// Dropping it drops them all; scopes in them are adopted by the scope around.
#[track_caller]
pub fn race<I>(futures: I) -> impl Future<Output = Result<Option<<I::Item as Future>::Output>, ScopeError>> + use<I>
where
    I: IntoIterator<Item: Future>,
{
    let mut running: FuturesUnordered<_> = entrants(futures).collect();
    let block = Block::new(origin("race", Location::caller()), async move { running.next().await });
    async move {
        let (scope, left) = leave(block.await);
        match left {
            Left::Value(value, records) if records.is_empty() => Ok(value),
            Left::Value(_, records) | Left::NoClock(records) => Err(error::<Failure>(scope, Vec::new(), records)),
            Left::Cut(reason, records) => {
                Err(ScopeError::new(scope, Some(reason), records.into_iter().map(Record::into_leaf).collect()))
            }
            Left::Moot => pending().await,
        }
    }
}

/// The value of the first future that succeeds. `None` if there was none at all.
///
/// As [`race`], but one that fails leaves the others running.
///
/// # Errors
/// A [`ScopeError`] with the errors of all, in the order in which they failed, where none succeeded; or where clean-up failed.
///
/// # Panics
/// As [`race`].
///
/// # Cancel safety
/// As [`race`].
#[track_caller]
pub fn any_ok<I, T, E>(futures: I) -> impl Future<Output = Result<Option<T>, ScopeError<E>>> + use<I, T, E>
where
    I: IntoIterator<Item: Future<Output = Result<T, E>>>,
    E: Fault,
{
    let location = Location::caller();
    let mut running: FuturesUnordered<_> = entrants(futures).collect();
    let block = Block::new(origin("any_ok", location), async move {
        let mut failed = Vec::new();
        while let Some(output) = running.next().await {
            match output {
                Ok(value) => return Ok(Some(value)),
                Err(error) => failed.push(error),
            }
        }
        if failed.is_empty() { Ok(None) } else { Err(failed) }
    });
    settle(block)
}

/// The values of all futures, in the order in which the futures were given.
///
/// As [`race`]; the first that fails ends the others.
///
/// # Errors
/// A [`ScopeError`] with the first error; or where clean-up failed.
///
/// # Panics
/// As [`race`].
///
/// # Cancel safety
/// As [`race`].
#[track_caller]
pub fn all_ok<I, T, E>(futures: I) -> impl Future<Output = Result<Vec<T>, ScopeError<E>>> + use<I, T, E>
where
    I: IntoIterator<Item: Future<Output = Result<T, E>>>,
    E: Fault,
{
    let location = Location::caller();
    let numbered = |(number, future): (usize, Entrant<I::Item>)| async move { (number, future.await) };
    let mut running: FuturesUnordered<_> = entrants(futures).enumerate().map(numbered).collect();
    let block = Block::new(origin("all_ok", location), async move {
        let mut values: Vec<(usize, T)> = Vec::with_capacity(running.len());
        while let Some((number, output)) = running.next().await {
            match output {
                Ok(value) => values.push((number, value)),
                Err(error) => return Err(vec![error]),
            }
        }
        values.sort_unstable_by_key(|(number, _)| *number);
        Ok(values.into_iter().map(|(_, value)| value).collect())
    });
    settle(block)
}

async fn settle<T, E, F>(block: Block<F>) -> Result<T, ScopeError<E>>
where
    E: Fault,
    F: Future<Output = Result<T, Vec<E>>>,
{
    let (scope, left) = leave(block.await);
    match left {
        Left::Value(Ok(value), records) if records.is_empty() => Ok(value),
        Left::Value(Ok(_), records) | Left::NoClock(records) => Err(error(scope, Vec::new(), records)),
        Left::Value(Err(failed), records) => Err(error(scope, failed, records)),
        Left::Cut(reason, records) => {
            Err(ScopeError::new(scope, Some(reason), records.into_iter().map(Record::into_leaf).collect()))
        }
        Left::Moot => pending().await,
    }
}

fn error<E: Fault>(scope: crate::ScopeRef, failed: Vec<E>, records: Vec<Record>) -> ScopeError<E> {
    let path = crate::error::Path::new(vec![crate::error::Segment::Scope(scope.clone())]);
    let own = failed.into_iter().map(|error| Leaf::new(path.clone(), scope.location(), Cause::Failed(error)));
    let leaves = own.chain(records.into_iter().map(Record::into_leaf)).collect();
    ScopeError::new(scope, None, leaves)
}
