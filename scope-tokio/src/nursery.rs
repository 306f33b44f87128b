//! Nurseries on tokio.

use std::future::Future;

use scope_core::{Failure, Fallible, Fault, Local, Nursery, NurseryFuture, Sendable};

use crate::known::runtime_here;

/// [`scope_core::nursery`](scope_core::nursery()) on the tokio runtime it is polled in.
///
/// For programs with a `main` of their own, `#[tokio::main]` say, and for whatever tokio runs otherwise:
///
/// ```
/// use scope_tokio::SpawnExt;
///
/// #[tokio::main(flavor = "current_thread")]
/// async fn main() -> Result<(), scope_core::ScopeError> {
///     scope_tokio::nursery(async |n| {
///         n.spawn(async { Ok(()) });
///         Ok(())
///     })
///     .await
/// }
/// ```
///
/// Polled outside of tokio it inherits the runtime of the scope around it, if there is one. At the end of such a `main`,
/// [`settle`](crate::settle()) waits for what was dropped half-way with no scope around it.
///
/// # Errors
/// As [`scope_core::nursery`](scope_core::nursery()).
///
/// # Panics
/// As [`scope_core::nursery`](scope_core::nursery()).
#[track_caller]
pub fn nursery<'env, F, B, T>(body: F) -> NurseryFuture<'env, F, B, Failure, Sendable, Fallible>
where
    F: for<'s> AsyncFnOnce(&'s Nursery<'s, 'env>) -> Result<T, Failure>,
    F: FnOnce(&'env Nursery<'env, 'env>) -> B,
    B: Future<Output = Result<T, Failure>>,
{
    scope_core::nursery(body).runtime_with(runtime_here)
}

/// [`nursery`] with an error type of the caller's own: `try_nursery(async |n: &Nursery<io::Error>| ..)`.
///
/// # Errors
/// As [`scope_core::try_nursery`](scope_core::try_nursery()).
///
/// # Panics
/// As [`nursery`].
#[track_caller]
pub fn try_nursery<'env, F, B, T, E>(body: F) -> NurseryFuture<'env, F, B, E, Sendable, Fallible>
where
    E: Fault,
    F: for<'s> AsyncFnOnce(&'s Nursery<'s, 'env, E>) -> Result<T, E>,
    F: FnOnce(&'env Nursery<'env, 'env, E>) -> B,
    B: Future<Output = Result<T, E>>,
{
    scope_core::try_nursery(body).runtime_with(runtime_here)
}

/// [`nursery`] whose same-task children need not be `Send`. Its future is not `Send` either.
///
/// # Errors
/// As [`nursery`].
///
/// # Panics
/// As [`nursery`].
#[track_caller]
pub fn nursery_local<'env, F, B, T>(body: F) -> NurseryFuture<'env, F, B, Failure, Local, Fallible>
where
    F: for<'s> AsyncFnOnce(&'s Nursery<'s, 'env, Failure, Local>) -> Result<T, Failure>,
    F: FnOnce(&'env Nursery<'env, 'env, Failure, Local>) -> B,
    B: Future<Output = Result<T, Failure>>,
{
    scope_core::nursery_local(body).runtime_with(runtime_here)
}
