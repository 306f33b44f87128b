//! Whole programs: a runtime, a root nursery, and the end of both.

use std::future::Future;

use scope_core::{Failure, Nursery, ScopeError};
use tokio::runtime::{Builder, Runtime};

use crate::known;

/// Runs a nursery on a new multi-thread runtime, with tokio's own defaults, and blocks until everything has ended: the
/// nursery, and whatever was dropped half-way with no scope around it. Then the runtime is shut down.
///
/// ```
/// use scope_tokio::SpawnExt;
///
/// let answer = scope_tokio::run(async |n| {
///     let half = n.spawn_with_handle(async { Ok(21) });
///     Ok(half.await? * 2)
/// })?;
/// assert_eq!(answer, 42);
/// # Ok::<(), scope_core::ScopeError>(())
/// ```
///
/// # Errors
/// As [`scope_core::nursery`](scope_core::nursery()).
///
/// # Panics
/// As [`scope_core::nursery`](scope_core::nursery()); also inside another tokio runtime, and when the system has no
/// threads or descriptors for one. [`run_on`] leaves building it to the caller.
#[track_caller]
pub fn run<'env, F, B, T>(body: F) -> Result<T, ScopeError>
where
    F: for<'s> AsyncFnOnce(&'s Nursery<'s, 'env>) -> Result<T, Failure>,
    F: FnOnce(&'env Nursery<'env, 'env>) -> B,
    B: Future<Output = Result<T, Failure>>,
{
    let root = crate::nursery(body).named("main");
    run_on(&build(Builder::new_multi_thread()), root)
}

/// [`run`] on a current-thread runtime: parallel children run on this thread too.
///
/// # Errors
/// As [`run`].
///
/// # Panics
/// As [`run`].
#[track_caller]
pub fn run_current_thread<'env, F, B, T>(body: F) -> Result<T, ScopeError>
where
    F: for<'s> AsyncFnOnce(&'s Nursery<'s, 'env>) -> Result<T, Failure>,
    F: FnOnce(&'env Nursery<'env, 'env>) -> B,
    B: Future<Output = Result<T, Failure>>,
{
    let root = crate::nursery(body).named("main");
    run_on(&build(Builder::new_current_thread()), root)
}

#[track_caller]
fn build(mut builder: Builder) -> Runtime {
    builder.enable_all().build().unwrap_or_else(|error| panic!("no tokio runtime could be built: {error}"))
}

/// Runs `future`, a [`nursery`](crate::nursery) most of the time, on a runtime that the caller has built, and blocks until
/// it has ended and so has whatever was dropped half-way on this runtime with no scope around it.
///
/// ```
/// let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
/// let root = scope_tokio::nursery(async |_| Ok("done")).named("main");
/// assert_eq!(scope_tokio::run_on(&runtime, root)?, "done");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Panics
/// If `future` does, after the same waiting; and inside another tokio runtime.
#[track_caller]
pub fn run_on<T>(runtime: &Runtime, future: impl Future<Output = T>) -> T {
    let handle = known::handle_of(runtime.handle());
    runtime.block_on(handle.settled_after(future))
}
