//! A nursery as the root of a run.

use std::future::Future;

use scope_core::{Failure, Fallible, Nursery, NurseryFuture, ScopeError, Sendable};

use crate::config::block_on;
use crate::explore::{Explored, for_each_seed};
use crate::runtime::TestRuntime;

/// Runs `body` in a nursery, as the root of a run with `seed`: [`block_on`] and [`nursery`] in one.
///
/// ```
/// use std::time::Duration;
///
/// use scope_core::Spawns;
///
/// let result = scope_test::run(7, async |n| {
///     n.spawn_erased(async {
///         scope_core::sleep(Duration::from_secs(3600)).await?;
///         Err(std::io::Error::other("an hour later").into())
///     });
///     std::future::pending().await
/// });
/// assert!(result.map(|(): ()| ()).unwrap_err().to_string().contains("an hour later"));
/// ```
///
/// # Errors
/// As [`scope_core::nursery()`].
///
/// # Panics
/// As [`block_on`].
#[track_caller]
pub fn run<'env, F, B, T>(seed: u64, body: F) -> Result<T, ScopeError>
where
    F: for<'s> AsyncFnOnce(&'s Nursery<'s, 'env>) -> Result<T, Failure>,
    F: FnOnce(&'env Nursery<'env, 'env>) -> B,
    B: Future<Output = Result<T, Failure>>,
{
    // Made here, so that it says where this function was called.
    let root = nursery(body);
    block_on(seed, async |_| root.await)
}

/// Runs `body` in a nursery `runs` times, with the seeds from 0 on, as [`for_each_seed`] does. The body is cloned for
/// each; a closure is `Clone` if what it captures is, and captured references are.
///
/// The first choices are permuted systematically before chance decides: all combinations of the first *k* are run, where
/// *k* is the largest number of choices with no more combinations than there are runs. Where two tasks are ready each
/// time, 256 runs take all orders of the first 8 choices; [`Explored::first_choices`] says how many it were, and
/// [`Explored::exhaustive`] whether there are no others.
///
/// ```
/// use std::collections::HashSet;
/// use std::sync::{Arc, Mutex};
///
/// use scope_core::Spawns;
///
/// // Four children race: all of their orders are tried.
/// let orders = Mutex::new(HashSet::new());
/// let explored = scope_test::explore(256, async |_| {
///     let order = Arc::new(Mutex::new(Vec::new()));
///     scope_core::nursery(async |n| {
///         for child in [1, 2, 3, 4] {
///             let order = order.clone();
///             n.spawn_erased(async move { Ok(order.lock().unwrap().push(child)) });
///         }
///         Ok(())
///     })
///     .await?;
///     orders.lock().unwrap().insert(order.lock().unwrap().clone());
///     Ok(())
/// });
/// assert_eq!(orders.lock().unwrap().len(), 4 * 3 * 2);
/// assert!(explored.exhaustive);
/// ```
///
/// # Panics
/// As [`for_each_seed`]; also when the nursery fails, with its error.
#[track_caller]
pub fn explore<'env, F, B>(runs: u64, body: F) -> Explored
where
    F: for<'s> AsyncFnOnce(&'s Nursery<'s, 'env>) -> Result<(), Failure>,
    F: FnOnce(&'env Nursery<'env, 'env>) -> B + Clone,
    B: Future<Output = Result<(), Failure>>,
{
    for_each_seed(0..runs, async |rt| {
        if let Err(error) = nursery(body.clone()).await {
            panic!("with seed {}, the nursery failed: {error}", rt.seed());
        }
    })
}

/// [`scope_core::nursery()`] on the run in progress where it is first polled; it inherits the runtime where there is
/// none. A nursery inside another one needs no more than [`scope_core::nursery()`].
///
/// ```
/// scope_test::block_on(0, async |_| {
///     let mut number = 0;
///     scope_test::nursery(async |n| {
///         n.spawn_local(async {
///             number = 1;
///             Ok(())
///         });
///         Ok(())
///     })
///     .named("by name")
///     .await
///     .unwrap();
///     assert_eq!(number, 1);
/// });
/// ```
///
/// # Errors
/// As [`scope_core::nursery()`].
///
/// # Panics
/// As [`scope_core::nursery()`].
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
    scope_core::nursery(body).runtime_with(|_| TestRuntime::try_current().map(|runtime| runtime.handle()))
}
