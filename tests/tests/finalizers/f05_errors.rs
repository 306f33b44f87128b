//! f05: what fails in an adopted scope joins its ancestor's errors, as secondary ones, and cancels nobody.

use std::time::Duration;

use futures_lite::future::pending;
use futures_util::future::select;
use scope_core::{Cause, Failure, Nursery, ScopeError, Spawns, fail_after, nursery};
use scope_tests::{Boom, Gate, Rt, turns, way_to};

use crate::adoption::Told;

/// Drops a scope, named `dropped`, whose finalizer will fail with [`Boom`]; returns when that has been told.
async fn drop_one_that_fails() {
    let (ready, mut told) = (Gate::new(), None);
    let half = nursery(async |n| -> Result<(), Failure> {
        told = Some(Told::of(n.spawner().scope()));
        n.finalizer("broken", async |_| Err(Boom("clean-up").into()));
        ready.open();
        pending().await
    })
    .named("dropped");
    drop(select(Box::pin(half), Box::pin(ready.passed())).await);
    let told = told.expect("it began");
    while told.ends() == 0 {
        turns(1).await;
    }
}

#[track_caller]
fn assert_has_the_adopted_one<E: scope_core::Fault>(error: &ScopeError<E>, way: &[&str]) {
    let adopted: Vec<_> = error.leaves().iter().filter(|leaf| matches!(leaf.cause(), Cause::Adopted(_))).collect();
    assert_eq!(adopted.len(), 1, "{error:?}");
    assert_eq!(way_to(adopted[0]), way, "{error:?}");
    let Cause::Adopted(failure) = adopted[0].cause() else { unreachable!() };
    assert_eq!(failure.downcast_ref::<Boom>(), Some(&Boom("clean-up")), "{error:?}");
}

/// Fails if: the error is lost with the scope that nobody waits for, or comes without the way to it.
pub(crate) async fn f05_an_error_joins_the_ancestors<R: Rt>() {
    let error = nursery(async |_| {
        drop_one_that_fails().await;
        Ok(7)
    })
    .named("around")
    .await
    .expect_err("its clean-up failed");
    assert_eq!(error.leaves().len(), 1, "{error:?}");
    assert_has_the_adopted_one(&error, &["around", "dropped", "broken"]);

    // One that a block adopted goes on to the scope around: the block's own value, an error perhaps, is not masked.
    let error = nursery(async |_| {
        fail_after(Duration::from_secs(3600), drop_one_that_fails()).await?;
        Ok(7)
    })
    .await
    .expect_err("its clean-up failed");
    assert_eq!(error.leaves().len(), 1, "{error:?}");
}

/// Fails if: it is taken for a failure of the ancestor's own, which cancels body and children.
pub(crate) async fn f05_an_error_cancels_nobody<R: Rt>() {
    let gate = Gate::new();
    let mut through = (false, false);
    let error = nursery(async |n| {
        let g = gate.clone();
        let child = n.spawn_erased_with_handle(async move {
            g.passed().await;
            turns(5).await;
            Ok(true)
        });
        drop_one_that_fails().await;
        turns(5).await;
        assert!(!n.is_cancelled());
        gate.open();
        through = (true, child.await?);
        Ok(())
    })
    .await
    .expect_err("a clean-up failed");
    assert_eq!(through, (true, true), "body and child went on");
    assert!(error.reason().is_none(), "{error:?}");
}

/// Fails if: what was adopted hides what failed in the ancestor itself before, or is hidden by it.
pub(crate) async fn f05_beside_the_ancestors_own_error<R: Rt>() {
    let error = nursery(async |n| -> Result<(), Failure> {
        let (ready, go) = (Gate::new(), Gate::new());
        let g = go.clone();
        let half = nursery(async |n| -> Result<(), Failure> {
            n.finalizer("broken", async move |_| {
                g.passed().await;
                Err(Boom("clean-up").into())
            });
            ready.open();
            pending().await
        })
        .named("dropped");
        drop(select(Box::pin(half), Box::pin(ready.passed())).await);
        open_when_cancelled(n, go);
        Err(Boom("body").into())
    })
    .named("around")
    .await
    .expect_err("both fail");
    assert_eq!(error.leaves().len(), 2, "{error:?}");
    assert!(matches!(error.cause(), Cause::Failed(failure) if failure.is::<Boom>()), "{error:?}");
    assert_eq!(error.find::<Boom>(), Some(&Boom("body")));
    assert_has_the_adopted_one(&error, &["around", "dropped", "broken"]);
}

/// Opens `gate` as soon as `n` is cancelled.
fn open_when_cancelled(n: &Nursery<'_, '_>, gate: Gate) {
    struct Opens(Gate);
    impl Drop for Opens {
        fn drop(&mut self) {
            self.0.open();
        }
    }
    let opens = Opens(gate);
    n.spawn_erased(async move {
        let _opens = opens;
        pending().await
    });
}

/// Fails if: a cancelled ancestor's reason is lost beside it, or it beside the reason.
pub(crate) async fn f05_beside_the_ancestors_cancellation<R: Rt>() {
    let error = nursery(async |n| -> Result<(), Failure> {
        drop_one_that_fails().await;
        n.cancel("enough");
        pending().await
    })
    .named("around")
    .await
    .expect_err("cancelled");
    assert_eq!(error.reason().expect("it was cancelled").text(), "enough");
    assert_has_the_adopted_one(&error, &["around", "dropped", "broken"]);
}

/// Fails if: an error of a child, which the dropped future would have returned, goes with it.
pub(crate) async fn f05_a_childs_error_is_not_lost_with_the_future<R: Rt>() {
    let error = nursery(async |_| {
        let hold = Gate::new();
        let failed = Gate::new();
        let mut told = None;
        {
            let half = nursery(async |n| -> Result<(), Failure> {
                told = Some(Told::of(n.spawner().scope()));
                let h = hold.clone();
                n.finalizer("slow", async move |_| {
                    h.passed().await;
                    Ok(())
                });
                n.task("broken").spawn_erased(async { Err(Boom("child").into()) });
                open_when_cancelled(n, failed.clone());
                pending().await
            })
            .named("dropped");
            drop(select(Box::pin(half), Box::pin(failed.passed())).await);
        }
        hold.open();
        drop(told);
        Ok(())
    })
    .named("around")
    .await
    .expect_err("a child failed");
    assert_eq!(error.leaves().len(), 1, "{error:?}");
    assert_eq!(way_to(&error.leaves()[0]), ["around", "dropped", "broken"]);
    assert!(format!("{error:?}").contains("child"), "{error:?}");
}

/// Fails if: an error of another type than the ancestor's cannot be handed to it.
pub(crate) async fn f05_an_error_of_another_type<R: Rt>() {
    let error = scope_core::try_nursery(async |_: &Nursery<'_, '_, std::io::Error>| {
        drop_one_that_fails().await;
        Ok(())
    })
    .named("around")
    .await
    .expect_err("its clean-up failed");
    assert_has_the_adopted_one(&error, &["around", "dropped", "broken"]);
}

/// Fails if: one that overruns its own budget is waited for, or not named.
pub(crate) async fn f05_one_that_overruns_is_named_by_the_ancestor<R: Rt>() {
    let budget = Duration::from_millis(30);
    let begun = R::now();
    let error = nursery(async |_| {
        let ready = Gate::new();
        let half = nursery(async |n| -> Result<(), Failure> {
            n.finalizer("stuck", async |_| pending().await);
            ready.open();
            pending().await
        })
        .named("dropped")
        .cleanup_budget(budget);
        drop(select(Box::pin(half), Box::pin(ready.passed())).await);
        Ok(())
    })
    .named("around")
    .await
    .expect_err("it overran");
    R::assert_elapsed(begun, budget);
    assert_eq!(error.leaves().len(), 1, "{error:?}");
    assert!(matches!(error.cause(), Cause::Overran { .. }), "{error:?}");
    assert_eq!(way_to(&error.leaves()[0]), ["around", "dropped", "stuck"]);
}
