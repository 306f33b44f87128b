//! Waiting for what was dropped with no scope around it.

use std::time::Duration;

use scope_core::{Unsettled, rt};

use crate::known;

/// Waits until everything that was left to the orphan root of the current executor has ended: scopes whose future was dropped
/// before its end (in a `select!`, by a time-out, by an abort) while no other scope was around them.
///
/// For the end of a program with a `main` of its own; [`run`](crate::run()) does it by itself. The current executor is the
/// one of the scope that this is awaited in, or else as [`nursery`](crate::nursery()) finds it.
///
/// # Errors
/// `budget` was over first: names what has not ended. It goes on.
///
/// # Cancel safety
/// Nothing to lose.
pub async fn settle(budget: Duration) -> Result<(), Unsettled> {
    let inherited = rt::current().ok();
    let Some(runtime) = known::runtime_here(inherited.as_ref()) else {
        return Ok(());
    };
    runtime.settle(budget).await
}
