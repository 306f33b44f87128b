//! Whole programs: an executor, a root nursery, and the end of both.

use std::future::Future;
use std::num::NonZero;
use std::sync::Arc;

use async_executor::Executor;
use scope_core::{Failure, Fallible, Nursery, NurseryFuture, ScopeError, Sendable};

use crate::SmolRuntime;
use crate::executor::{self, Crew, Home};
use crate::known;

/// Runs a nursery on an executor of its own and blocks until everything has ended: the nursery, and whatever was dropped
/// half-way with no scope around it. Then the executor is gone, with any other task that was left on it.
///
/// The executor is run by `SMOL_THREADS` threads, or one for each processor; the calling thread is one of them.
///
/// ```
/// use scope_smol::SpawnExt;
///
/// let answer = scope_smol::run(async |n| {
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
/// As [`scope_core::nursery`](scope_core::nursery()), after the same waiting.
#[track_caller]
pub fn run<'env, F, B, T>(body: F) -> Result<T, ScopeError>
where
    F: for<'s> AsyncFnOnce(&'s Nursery<'s, 'env>) -> Result<T, Failure>,
    F: FnOnce(&'env Nursery<'env, 'env>) -> B,
    B: Future<Output = Result<T, Failure>>,
{
    drive(executor::default_threads(), scope_core::nursery(body).named("main"))
}

/// [`run`] on the calling thread alone: parallel children run there too.
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
    drive(1, scope_core::nursery(body).named("main"))
}

/// [`run`] on so many threads, the calling one among them. With fewer if the system does not give as many.
///
/// # Errors
/// As [`run`].
///
/// # Panics
/// As [`run`].
#[track_caller]
pub fn run_with_threads<'env, F, B, T>(threads: NonZero<usize>, body: F) -> Result<T, ScopeError>
where
    F: for<'s> AsyncFnOnce(&'s Nursery<'s, 'env>) -> Result<T, Failure>,
    F: FnOnce(&'env Nursery<'env, 'env>) -> B,
    B: Future<Output = Result<T, Failure>>,
{
    drive(threads.get(), scope_core::nursery(body).named("main"))
}

fn drive<'env, F, B, T>(
    threads: usize,
    root: NurseryFuture<'env, F, B, Failure, Sendable, Fallible>,
) -> Result<T, ScopeError>
where
    B: Future<Output = Result<T, Failure>>,
{
    let executor = Arc::new(Executor::new());
    let home = Home::Shared(Arc::downgrade(&executor));
    let runtime = known::handle_of(home.address(), || SmolRuntime::ours(home, threads));
    let _crew = Crew::start(&executor, threads - 1);
    executor::drive(&executor, runtime.settled_after(root.runtime(runtime.clone())))
}
