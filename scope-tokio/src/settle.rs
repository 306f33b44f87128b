//! Waiting for what was dropped with no scope around it.

use std::time::Duration;

use scope_core::Unsettled;

use crate::known;

/// Waits until everything that was left to the current runtime's orphan root has ended: scopes whose future was dropped
/// before its end (in a `select!`, by a time-out, by an abort) while no other scope was around them.
///
/// For the end of a program with a `main` of its own; [`run`](crate::run()) does it by itself. Outside a tokio runtime
/// there is nothing to wait for.
///
/// # Errors
/// `budget` was over first: names what has not ended. It goes on, until the runtime shuts down.
///
/// # Cancel safety
/// Nothing to lose.
pub async fn settle(budget: Duration) -> Result<(), Unsettled> {
    let Some(runtime) = known::current() else {
        return Ok(());
    };
    runtime.settle(budget).await
}
