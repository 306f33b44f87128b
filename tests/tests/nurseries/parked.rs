//! Children that are certain to wait.

use futures_lite::future::yield_now;
use scope_core::Canceller;

/// Waits until these children of the scope are at an await point: a gate that they open comes too early, by the rest of the
/// poll in which they open it, and a cancellation in the middle of a poll is delivered at its end.
pub(crate) async fn parked(scope: &Canceller, names: &[&str]) {
    loop {
        let open = scope.why_open();
        let waits = |name: &&str| open.blockers().iter().any(|blocker| blocker.name() == *name);
        if names.iter().all(waits) {
            return;
        }
        yield_now().await;
    }
}
