//! c21: a `CancellationToken` of tokio-util can be a scope's parent, and a scope can drive one. The tokio adapter has it, and
//! it needs nothing of tokio's runtime, so it works on the others too.

use std::time::Duration;

use futures_lite::future::{pending, yield_now};
use scope_core::{CancelCause, Failure, Spawns, fail_after, nursery, shield};
use scope_tests::{Gate, Journal, Rt, turns, while_it_waits};
use scope_tokio::{drive_token, under_token};
use tokio_util::sync::CancellationToken;

/// Fails if: what is under a token goes on when the token, or one further up, is cancelled; or is not told at once.
pub(crate) async fn c21_a_token_is_a_parent<R: Rt>() {
    for from_above in [false, true] {
        let above = CancellationToken::new();
        let token = above.child_token();
        let journal = Journal::new();
        let parked = Gate::new();
        let mut under = Box::pin(under_token(
            token.clone(),
            nursery(async |n| -> Result<(), Failure> {
                let _body = journal.on_drop("body");
                let (note, here) = (journal.on_drop("parallel"), parked.clone());
                R::spawn(n, async move {
                    let _note = note;
                    nursery(async |_| {
                        here.open();
                        pending::<()>().await;
                        Ok(())
                    })
                    .await?;
                    Ok(())
                });
                let note = journal.on_drop("same-task");
                n.spawn_local(async move {
                    let _note = note;
                    pending().await
                });
                pending().await
            }),
        ));
        while !parked.is_open() {
            assert!(scope_tests::poll_now(under.as_mut()).await.is_pending());
            turns(1).await;
        }
        while_it_waits(under.as_mut(), "the token is not cancelled").await;
        journal.assert_is(&[]);
        if from_above {
            above.cancel()
        } else {
            token.cancel()
        }
        let error = under.await.expect_err("cancelled");
        assert!(error.is_cancelled(), "{error:?}");
        let reason = error.reason().expect("it has one");
        assert_eq!(reason.cause(), CancelCause::Explicit);
        assert!(reason.text().contains("token"), "{reason}");
        let mut lines = journal.lines();
        lines.sort();
        assert_eq!(lines, ["body", "parallel", "same-task"]);
    }
}

/// Fails if: a token's cancellation gets past the scope that is under it, or anything leads back to the token.
pub(crate) async fn c21_the_scope_under_it_catches<R: Rt>() {
    let token = CancellationToken::new();
    let value = nursery(async |n| {
        let inner = under_token(token.clone(), async {
            token.cancel();
            yield_now().await;
        })
        .await;
        assert!(inner.expect_err("cancelled").is_cancelled());
        assert!(!n.is_cancelled());
        yield_now().await;
        Ok(7)
    })
    .await;
    assert_eq!(value.expect("it went on"), 7);

    let token = CancellationToken::new();
    nursery(async |n| -> Result<(), Failure> {
        n.cancel("the scope around");
        under_token(token.clone(), pending::<()>()).await?;
        Ok(())
    })
    .await
    .expect_err("cancelled");
    assert!(!token.is_cancelled(), "a parent is not cancelled by its children");
}

/// Fails if: one that was cancelled before does not let the body start, or lets it past its first await point; or a value
/// does not win.
pub(crate) async fn c21_a_token_cancelled_before<R: Rt>() {
    let token = CancellationToken::new();
    token.cancel();
    let journal = Journal::new();
    let error = under_token(token.clone(), async {
        let _note = journal.on_drop("destructor");
        journal.add("started");
        yield_now().await;
        journal.add("went on");
    })
    .await
    .expect_err("cancelled");
    assert!(error.is_cancelled(), "{error:?}");
    journal.assert_is(&["started", "destructor"]);
    assert_eq!(under_token(token, async { 7 }).await.expect("it never waited"), 7);
}

/// Fails if: a token gets through a shield, or a deadline is taken for it.
pub(crate) async fn c21_shields_and_deadlines_in_it<R: Rt>() {
    let token = CancellationToken::new();
    let journal = Journal::new();
    let error = under_token(token.clone(), async {
        shield(async {
            token.cancel();
            turns(3).await;
            journal.add("shielded");
        })
        .await;
        journal.add("left");
        yield_now().await;
        journal.add("went on");
    })
    .await
    .expect_err("cancelled");
    assert!(error.is_cancelled(), "{error:?}");
    journal.assert_is(&["shielded", "left"]);

    let token = CancellationToken::new();
    let inner = under_token(token.clone(), fail_after(Duration::from_millis(5), pending::<()>())).await;
    assert!(inner.expect("the token was not cancelled").expect_err("out of time").is_timed_out());
    assert!(!token.is_cancelled());
}

/// Fails if: a token that a scope drives is not cancelled with it, before `cancel` returns, or is without a reason.
pub(crate) async fn c21_a_scope_drives_a_token<R: Rt>() {
    for from_above in [false, true] {
        let token = CancellationToken::new();
        let follower = token.child_token();
        let (told, told_of) = async_channel::bounded(1);
        nursery(async |outer| {
            let (waits, j) = (follower.clone(), told.clone());
            // Of the outer scope's, and shielded, so that it is there to see it.
            R::spawn(outer, async move {
                shield(async move {
                    waits.cancelled().await;
                    let _ = j.try_send(());
                })
                .await;
                Ok(())
            });
            let inner = nursery(async |inner| -> Result<(), Failure> {
                let _drives = drive_token(&inner.canceller(), token.clone());
                yield_now().await;
                assert!(!token.is_cancelled());
                if from_above {
                    outer.cancel("from above")
                } else {
                    inner.cancel("itself")
                }
                assert!(token.is_cancelled() && follower.is_cancelled());
                pending().await
            })
            .await;
            assert!(!from_above && inner.expect_err("cancelled").is_cancelled());
            Ok(())
        })
        .await
        .map_or_else(|error| assert!(from_above && error.is_cancelled(), "{error:?}"), |()| assert!(!from_above));
        assert_eq!(told_of.try_recv(), Ok(()));
    }
}

/// Fails if: the end of a scope that was not cancelled cancels its token; if one that has been cancelled does not cancel
/// it at once; or if a guard that is dropped does not part the two.
pub(crate) async fn c21_when_a_token_is_left_alone<R: Rt>() {
    let [ends, late, parted, detached] = std::array::from_fn(|_| CancellationToken::new());
    nursery(async |n| {
        drive_token(&n.canceller(), ends.clone()).detach();
        R::spawn(n, async {
            yield_now().await;
            Ok(())
        });
        Ok(())
    })
    .await
    .expect("nothing fails");
    assert!(!ends.is_cancelled());

    nursery(async |n| {
        drop(drive_token(&n.canceller(), parted.clone()));
        drive_token(&n.canceller(), detached.clone()).detach();
        n.cancel("now");
        assert!(!parted.is_cancelled() && detached.is_cancelled());
        let _drives = drive_token(&n.canceller(), late.clone());
        assert!(late.is_cancelled());
        Ok(())
    })
    .await
    .expect("the value was there");
}

/// Fails if: a token that is both above a scope and driven by one in it is more than cancelled.
pub(crate) async fn c21_a_token_above_and_below<R: Rt>() {
    let token = CancellationToken::new();
    let error = under_token(
        token.clone(),
        nursery(async |n| -> Result<(), Failure> {
            drive_token(&n.canceller(), token.clone()).detach();
            n.task("cancels").run_erased({
                let token = token.clone();
                async move { token.cancel() }
            });
            pending().await
        }),
    )
    .await
    .expect_err("cancelled");
    assert!(error.is_cancelled(), "{error:?}");

    // The inner scope's own cancellation goes to the token, and by it to the outer scope.
    let token = CancellationToken::new();
    let journal = Journal::new();
    let error = under_token(token.clone(), async {
        let inner = nursery(async |n| -> Result<(), Failure> {
            drive_token(&n.canceller(), token.clone()).detach();
            n.cancel("the inner one");
            pending().await
        })
        .await;
        assert!(inner.expect_err("it was cancelled itself").is_cancelled());
        journal.add("went on to its next await point");
        turns(2).await;
        journal.add("and past it");
    })
    .await
    .expect_err("cancelled");
    assert!(error.is_cancelled(), "{error:?}");
    journal.assert_is(&["went on to its next await point"]);
}
