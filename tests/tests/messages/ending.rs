//! Scopes that end early: cancelled, out of time, or with a clean-up that does not end.

use std::time::Duration;

use futures_lite::future::pending;
use scope_core::{CancelCause, Failure, ScopeError, fail_after, nursery};
use scope_tests::Boom;

use crate::{on_a_runtime, says};

const BUDGET: Duration = Duration::from_millis(100);

#[test]
fn cancelled_by_its_own_body() {
    on_a_runtime(|runtime| async move {
        let error = nursery(async |n| -> Result<(), Failure> {
            n.cancel("the user pressed stop");
            pending().await
        })
        .named("download")
        .runtime(runtime)
        .await
        .expect_err("cancelled");
        says("cancelled", &error);
        says("cancelled-debug", format!("{error:?}"));
    });
}

#[test]
fn cancelled_from_outside_for_a_signal() {
    on_a_runtime(|runtime| async move {
        let error = nursery(async |n| -> Result<(), Failure> {
            n.canceller().cancel_for(CancelCause::Signal, "SIGTERM");
            pending().await
        })
        .named("server")
        .runtime(runtime)
        .await
        .expect_err("cancelled");
        says("cancelled-signal", error);
    });
}

#[test]
fn what_a_child_is_told_of_a_cancellation_further_out() {
    on_a_runtime(|runtime| async move {
        let _ = nursery(async |outer| -> Result<(), Failure> {
            let canceller = outer.canceller();
            nursery(async |inner| -> Result<(), Failure> {
                canceller.cancel("the user pressed stop");
                says("cancelled-from-above", inner.reason().expect("cancelled"));
                Ok(())
            })
            .named("chunk 3")
            .await?;
            Ok(())
        })
        .named("download")
        .runtime(runtime)
        .await;
    });
}

#[test]
fn a_deadline_that_passed() {
    on_a_runtime(|runtime| async move {
        let error = nursery(async |_| Ok(fail_after(BUDGET, pending::<()>()).await?))
            .named("download")
            .runtime(runtime)
            .await
            .expect_err("it takes for ever");
        says("timed-out", &error);
        says("timed-out-debug", format!("{error:?}"));
    });
}

#[test]
fn a_deadline_of_zero() {
    on_a_runtime(|runtime| async move {
        nursery(async |_| {
            let error: ScopeError = fail_after(Duration::ZERO, pending::<()>()).await.expect_err("no time at all");
            says("timed-out-zero", error);
            Ok(())
        })
        .named("download")
        .runtime(runtime)
        .await
        .expect("the rest goes well");
    });
}

#[test]
fn a_deadline_in_the_past() {
    on_a_runtime(|runtime| async move {
        let now = runtime.now();
        let error = nursery(async |n| -> Result<(), Failure> {
            scope_core::sleep(BUDGET).await?;
            n.set_deadline(Some(now));
            pending().await
        })
        .named("download")
        .runtime(runtime.clone())
        .await
        .expect_err("it was over before it was set");
        says("timed-out-past", error);
    });
}

#[test]
fn a_deadline_that_was_moved() {
    on_a_runtime(|runtime| async move {
        let now = runtime.now();
        let error = nursery(async |n| -> Result<(), Failure> {
            scope_core::sleep(BUDGET).await?;
            n.set_deadline(Some(now + 3 * BUDGET));
            pending().await
        })
        .named("download")
        .timeout(10 * BUDGET)
        .runtime(runtime.clone())
        .await
        .expect_err("it takes for ever");
        says("timed-out-moved", error);
    });
}

#[test]
fn a_finalizer_that_never_ends() {
    on_a_runtime(|runtime| async move {
        let error = nursery(async |n| {
            n.finalizer("say goodbye", async |_| {
                pending::<()>().await;
                Ok(())
            });
            Ok(())
        })
        .named("session")
        .cleanup_budget(BUDGET)
        .runtime(runtime)
        .await
        .expect_err("it does not end");
        says("finalizer-overran", &error);
        says("finalizer-overran-debug", format!("{error:?}"));
    });
}

#[test]
fn a_finalizer_that_fails_beside_the_body() {
    on_a_runtime(|runtime| async move {
        let error = nursery(async |n| -> Result<(), Failure> {
            n.finalizer("say goodbye", async |_| Err(Boom("the line is dead").into()));
            Err(Boom("the peer hung up").into())
        })
        .named("session")
        .runtime(runtime)
        .await
        .expect_err("both fail");
        says("finalizer-failed", &error);
        says("finalizer-failed-debug", format!("{error:?}"));
    });
}

#[test]
fn what_has_not_settled() {
    on_a_runtime(|runtime| async move {
        // A root that is dropped half-way, with a finalizer that takes its time.
        let on = runtime.clone();
        let root = nursery(async |n| -> Result<(), Failure> {
            n.finalizer("say goodbye", async |_| Ok(scope_core::sleep(2 * BUDGET).await?));
            pending().await
        })
        .named("session")
        .runtime(on);
        let mut root = Box::pin(root);
        assert!(scope_tests::poll_now(root.as_mut()).await.is_pending());
        drop(root);
        says("unsettled", runtime.settle(BUDGET).await.expect_err("it takes longer"));
        runtime.settled().await;
    });
}
