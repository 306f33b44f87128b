//! f05: what breaks on the way of a dropped scope.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use futures_lite::future::pending;
use futures_util::future::select;
use scope_core::{Cause, Failure, Spawns, fail_after, nursery};
use scope_tests::{Boom, Gate, Journal, Rt, poll_now, turns, while_it_waits};

use crate::adoption::{Told, filled};

/// Panics when it is dropped.
struct Breaks;

impl Drop for Breaks {
    fn drop(&mut self) {
        panic!("a destructor broke");
    }
}

/// Fails if: a destructor in a dropped block that panics keeps what the block had adopted from being handed on.
pub(crate) async fn f05_a_destructor_that_panics_in_a_dropped_block<R: Rt>() {
    let (journal, go) = (Journal::new(), Gate::new());
    let mut around = Box::pin(nursery(async |_| {
        let ready = Gate::new();
        let mut block = Box::pin(fail_after(Duration::from_secs(3600), async {
            let _breaks = Breaks;
            let half = nursery(async |n| filled::<R>(n, "scope", &journal, &go, &ready).await);
            drop(select(Box::pin(half), Box::pin(ready.passed())).await);
            journal.add("lost");
            pending::<()>().await;
        }));
        while !journal.has("lost") {
            assert!(poll_now(block.as_mut()).await.is_pending());
            turns(1).await;
        }
        // Recorded, or passed on: either will do.
        let _dropped = catch_unwind(AssertUnwindSafe(move || drop(block)));
        journal.add("block dropped");
        Ok(())
    }));
    while !journal.has("block dropped") {
        assert!(poll_now(around.as_mut()).await.is_pending());
        turns(1).await;
    }
    while_it_waits(around.as_mut(), "what the block had adopted still cleans up").await;
    go.open();
    let _ended = AssertUnwindSafe(async { drop(around.await) });
    let _ended = futures_util::FutureExt::catch_unwind(_ended).await;
    assert!(journal.has("scope: cleaned up"), "{journal:?}");
}

/// Fails if: a block's value, given up with its future, panics in whoever drops that; or keeps what the block had adopted from
/// being handed on.
pub(crate) async fn f05_a_value_whose_destructor_panics_in_a_dropped_block<R: Rt>() {
    let (journal, go) = (Journal::new(), Gate::new());
    let error = nursery(async |n| {
        let ready = Gate::new();
        let mut block = Box::pin(fail_after(Duration::from_secs(3600), async {
            let half = nursery(async |n| filled::<R>(n, "scope", &journal, &go, &ready).await);
            drop(select(Box::pin(half), Box::pin(ready.passed())).await);
            journal.add("value");
            Breaks
        }));
        while !journal.has("value") {
            assert!(poll_now(block.as_mut()).await.is_pending());
            turns(1).await;
        }
        assert!(poll_now(block.as_mut()).await.is_pending());
        assert!(catch_unwind(AssertUnwindSafe(move || drop(block))).is_ok());
        go.open();
        turns(10).await;
        assert!(!n.is_cancelled());
        Ok(())
    })
    .await
    .expect_err("the destructor broke");
    assert!(matches!(error.cause(), Cause::Panicked(panic) if panic.message() == "a destructor broke"), "{error:?}");
    assert!(journal.has("scope: cleaned up"), "{journal:?}");
}

/// Fails if: an adopted error that comes first takes the first place from the ancestor's own.
pub(crate) async fn f05_an_adopted_error_is_a_secondary_one_even_if_it_comes_first<R: Rt>() {
    let error = nursery(async |_| -> Result<(), Failure> {
        let (ready, mut told) = (Gate::new(), None);
        let half = nursery(async |n| -> Result<(), Failure> {
            told = Some(Told::of(n.spawner().scope()));
            n.finalizer("broken", async |_| Err(Boom("clean-up").into()));
            ready.open();
            pending().await
        });
        drop(select(Box::pin(half), Box::pin(ready.passed())).await);
        let told = told.expect("it began");
        while told.ends() == 0 {
            turns(1).await;
        }
        Err(Boom("body").into())
    })
    .await
    .expect_err("both fail");
    assert_eq!(error.leaves().len(), 2, "{error:?}");
    assert!(
        matches!(error.cause(), Cause::Failed(failure) if failure.downcast_ref() == Some(&Boom("body"))),
        "{error:?}"
    );
}

/// Fails if: a child that had failed before the future was dropped is forgotten: the finalizers are told of a cancellation.
pub(crate) async fn f05_a_child_that_had_failed_before_is_how_it_ended<R: Rt>() {
    let exits = Journal::new();
    let error = nursery(async |_| {
        let ((send, got), go) = (async_channel::bounded(1), Gate::new());
        let mut half = Box::pin(nursery(async |n| -> Result<(), Failure> {
            send.send(n.canceller()).await?;
            let e = exits.clone();
            n.finalizer("asks", async move |exit| {
                e.add(exit.to_string());
                Ok(())
            });
            let g = go.clone();
            n.task("broken").spawn_erased(async move {
                g.passed().await;
                Err(Boom("child").into())
            });
            pending().await
        }));
        // By hand, so that it is dropped before it sees its own cancellation.
        assert!(poll_now(half.as_mut()).await.is_pending());
        go.open();
        let canceller = got.try_recv().expect("it began");
        while !canceller.is_cancelled() {
            turns(1).await;
        }
        drop(half);
        Ok(())
    })
    .await
    .expect_err("a child failed");
    assert_eq!(error.leaves().len(), 1, "{error:?}");
    exits.assert_is(&["failed: child"]);
}
