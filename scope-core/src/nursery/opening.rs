//! The functions that open a nursery, and what a body may return.

use std::convert::Infallible;
use std::future::Future;
use std::panic::Location;

use super::{Local, Nursery, Sendable};
use crate::error::ScopeError;
use crate::failure::{Failure, Fault};
use crate::raw::future::NurseryFuture;

/// Opens a nursery around `body`: it returns when the body and every child have ended, their futures and outputs have
/// been destroyed, and the finalizers have run.
///
/// ```
/// # fn block_on<T>(future: impl Future<Output = T>) -> T {
/// #     let mut future = std::pin::pin!(future);
/// #     let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
/// #     loop {
/// #         if let std::task::Poll::Ready(out) = future.as_mut().poll(&mut cx) {
/// #             return out;
/// #         }
/// #     }
/// # }
/// # block_on(async {
/// let mut squares = [0; 3];
/// let count = scope_core::nursery(async |n| {
///     let mut count = 0;
///     for (number, square) in squares.iter_mut().enumerate() {
///         n.spawn_local(async move {
///             *square = number * number;
///             Ok(())
///         });
///         count += 1;
///     }
///     Ok(count)
/// })
/// .await?;
/// assert_eq!((count, squares), (3, [0, 1, 4]));
/// # Ok::<(), scope_core::ScopeError>(())
/// # })
/// # .unwrap();
/// ```
///
/// Write the body as `async |n| { .. }`: a plain closure that returns an async block (`|n| async move { .. }`) cannot
/// name how long it borrows `n`, and the compiler's message for that is not clear.
///
/// # Errors
/// A [`ScopeError`]: the first failure of the body or of a child cancels all the others; when they have ended it comes out
/// with whatever else failed. A nursery whose body was cut short by a cancellation of its own says so.
///
/// # Panics
/// A panic of the body or of a child cancels the others likewise and is resumed when they have ended, if it was the first
/// thing that went wrong.
///
/// # Cancel safety
/// See [`NurseryFuture`].
#[track_caller]
pub fn nursery<'env, F, B, T>(body: F) -> NurseryFuture<'env, F, B, Failure, Sendable, Fallible>
where
    F: for<'s> AsyncFnOnce(&'s Nursery<'s, 'env>) -> Result<T, Failure>,
    F: FnOnce(&'env Nursery<'env, 'env>) -> B,
    B: Future<Output = Result<T, Failure>>,
{
    NurseryFuture::new(|body, n, place| place.begin(body(n)), body, Nursery::new(Location::caller()))
}

/// [`nursery()`] with an error type of the caller's own: `try_nursery(async |n: &Nursery<io::Error>| ..)`.
///
/// # Errors
/// As [`nursery()`]'s, with the children's errors as they are.
///
/// # Panics
/// As [`nursery()`].
#[track_caller]
pub fn try_nursery<'env, F, B, T, E>(body: F) -> NurseryFuture<'env, F, B, E, Sendable, Fallible>
where
    E: Fault,
    F: for<'s> AsyncFnOnce(&'s Nursery<'s, 'env, E>) -> Result<T, E>,
    F: FnOnce(&'env Nursery<'env, 'env, E>) -> B,
    B: Future<Output = Result<T, E>>,
{
    NurseryFuture::new(|body, n, place| place.begin(body(n)), body, Nursery::new(Location::caller()))
}

/// [`nursery()`] for bodies and children that cannot fail: no `Result` anywhere.
///
/// # Panics
/// As [`nursery()`]; also when there is no value to return: the body was cut short by a cancellation of this nursery
/// itself, or a child could not be spawned or was dropped by the runtime.
#[track_caller]
pub fn nursery_infallible<'env, F, B, T>(body: F) -> NurseryFuture<'env, F, B, Infallible, Sendable, Unfailing>
where
    F: for<'s> AsyncFnOnce(&'s Nursery<'s, 'env, Infallible>) -> T,
    F: FnOnce(&'env Nursery<'env, 'env, Infallible>) -> B,
    B: Future<Output = T>,
{
    NurseryFuture::new(|body, n, place| place.begin(body(n)), body, Nursery::new(Location::caller()))
}

/// [`nursery()`] whose same-task children need not be `Send`. Its future is not `Send` either.
///
/// # Errors
/// As [`nursery()`].
///
/// # Panics
/// As [`nursery()`].
#[track_caller]
pub fn nursery_local<'env, F, B, T>(body: F) -> NurseryFuture<'env, F, B, Failure, Local, Fallible>
where
    F: for<'s> AsyncFnOnce(&'s Nursery<'s, 'env, Failure, Local>) -> Result<T, Failure>,
    F: FnOnce(&'env Nursery<'env, 'env, Failure, Local>) -> B,
    B: Future<Output = Result<T, Failure>>,
{
    NurseryFuture::new(|body, n, place| place.begin(body(n)), body, Nursery::new(Location::caller()))
}

/// [`nursery_local`] with an error type of the caller's own.
///
/// # Errors
/// As [`try_nursery`].
///
/// # Panics
/// As [`nursery()`].
#[track_caller]
pub fn try_nursery_local<'env, F, B, T, E>(body: F) -> NurseryFuture<'env, F, B, E, Local, Fallible>
where
    E: Fault,
    F: for<'s> AsyncFnOnce(&'s Nursery<'s, 'env, E, Local>) -> Result<T, E>,
    F: FnOnce(&'env Nursery<'env, 'env, E, Local>) -> B,
    B: Future<Output = Result<T, E>>,
{
    NurseryFuture::new(|body, n, place| place.begin(body(n)), body, Nursery::new(Location::caller()))
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for super::Fallible {}
    impl Sealed for super::Unfailing {}
}

/// How a body's output becomes the nursery's. Sealed.
pub trait Mode<O, E: Fault>: sealed::Sealed {
    /// What the body returns when all is well.
    type Value;
    /// What the nursery returns.
    type Output;
    #[doc(hidden)]
    fn split(output: O) -> Result<Self::Value, E>;
    #[doc(hidden)]
    fn finish(result: Result<Self::Value, ScopeError<E>>) -> Self::Output;
}

/// The body returns a `Result`.
#[derive(Debug)]
pub struct Fallible(());

/// The body returns a value.
#[derive(Debug)]
pub struct Unfailing(());

impl<T, E: Fault> Mode<Result<T, E>, E> for Fallible {
    type Value = T;
    type Output = Result<T, ScopeError<E>>;

    fn split(output: Result<T, E>) -> Result<T, E> {
        output
    }

    fn finish(result: Result<T, ScopeError<E>>) -> Self::Output {
        result
    }
}

impl<T> Mode<T, Infallible> for Unfailing {
    type Value = T;
    type Output = T;

    fn split(output: T) -> Result<T, Infallible> {
        Ok(output)
    }

    fn finish(result: Result<T, ScopeError<Infallible>>) -> T {
        result.unwrap_or_else(|error| panic!("a nursery that cannot fail has no value to return: {error}"))
    }
}
