//! Nurseries on smol.

use std::future::Future;
use std::sync::Arc;

use async_executor::Executor;
use scope_core::{Failure, Fallible, Fault, Local, Nursery, NurseryFuture, Sendable};

use crate::SmolRuntime;
use crate::known::{handle_of, runtime_here};

/// [`scope_core::nursery`](scope_core::nursery()) on smol.
///
/// For programs with a `block_on` of their own, and for whatever smol runs otherwise:
///
/// ```
/// use scope_smol::SpawnExt;
///
/// # fn main() -> Result<(), scope_core::ScopeError> {
/// futures_lite::future::block_on(async {
///     scope_smol::nursery(async |n| {
///         n.spawn(async { Ok(()) });
///         Ok(())
///     })
///     .await
/// })
/// # }
/// ```
///
/// Its parallel children run where those of the scope around it do; with none around, on the executor of this crate that
/// the thread is running, or on its [global](crate::SmolRuntime::global) one. [`nursery_on`] takes another. At the end of
/// such a program, [`settle`](crate::settle()) waits for what was dropped half-way with no scope around it.
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

/// [`nursery`] whose parallel children run on `executor`, which the caller runs. It is not kept alive: once it is gone, a
/// child is refused, and those that were left on it have been dropped. Better end the nursery first: async-executor 1.14 forgets
/// a task, and all that it owns, if another thread wakes it while the executor is being dropped (401 of two million that were
/// woken all the time).
///
/// ```
/// use std::sync::Arc;
/// use scope_smol::SpawnExt;
///
/// let executor = Arc::new(async_executor::Executor::new());
/// let root = scope_smol::nursery_on(&executor, async |n| {
///     n.spawn(async { Ok(()) });
///     Ok(())
/// });
/// futures_lite::future::block_on(executor.run(root))?;
/// # Ok::<(), scope_core::ScopeError>(())
/// ```
///
/// # Errors
/// As [`nursery`].
///
/// # Panics
/// As [`nursery`].
#[track_caller]
pub fn nursery_on<'env, F, B, T>(
    executor: &Arc<Executor<'static>>,
    body: F,
) -> NurseryFuture<'env, F, B, Failure, Sendable, Fallible>
where
    F: for<'s> AsyncFnOnce(&'s Nursery<'s, 'env>) -> Result<T, Failure>,
    F: FnOnce(&'env Nursery<'env, 'env>) -> B,
    B: Future<Output = Result<T, Failure>>,
{
    scope_core::nursery(body).runtime(handle_of(Arc::as_ptr(executor).addr(), || SmolRuntime::on(executor)))
}
