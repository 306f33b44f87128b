//! c03: a completed value wins, and nothing leaks past the scope.

use futures_lite::future::{pending, ready, yield_now};
use scope_core::{CancelCause, Failure, Spawns, checkpoint, nursery, sleep, sleep_until};
use scope_tests::{Boom, Gate, Journal, Rt, Still};

use std::time::Duration;

/// Fails if: a cancelled scope's result is "cancelled" whatever its body returned.
pub(crate) async fn c03_a_body_past_its_last_await_point_returns_its_value<R: Rt>() {
    for had_waited in [false, true] {
        let value = nursery(async |n| {
            if had_waited {
                yield_now().await;
            }
            n.cancel("too late for this body");
            // Ready at once: no await point.
            ready(()).await;
            Ok(7)
        })
        .await;
        assert_eq!(value.expect("the value was there"), 7);
    }
}

/// Fails if: the children are not cancelled because the body had its value, or their end takes it away.
pub(crate) async fn c03_its_children_are_cancelled_all_the_same<R: Rt>() {
    let journal = Journal::new();
    let value = nursery(async |n| {
        let parked = Gate::new();
        let (note, here) = (journal.on_drop("parallel"), parked.clone());
        R::spawn(n, async move {
            let _note = note;
            here.open();
            pending().await
        });
        parked.passed().await;
        let note = journal.on_drop("same-task");
        n.spawn_local(async move {
            let _note = note;
            pending().await
        });
        n.cancel("the children only");
        Ok(7)
    })
    .await;
    assert_eq!(value.expect("the value was there"), 7);
    assert_eq!(journal.lines().len(), 2);
}

/// Fails if: a body's own error is hidden by the cancellation.
pub(crate) async fn c03_so_does_its_error<R: Rt>() {
    let error = nursery(async |n| -> Result<(), Failure> {
        n.cancel("too late");
        Err(Boom("body").into())
    })
    .await
    .expect_err("the body failed");
    assert_eq!(error.find::<Boom>(), Some(&Boom("body")));
    assert!(!error.is_cancelled());
}

/// Fails if: a child's output is thrown away because its scope was cancelled after its last await point.
pub(crate) async fn c03_a_childs_value_wins_too<R: Rt>() {
    let handle = nursery(async |n| {
        let canceller = n.canceller();
        Ok(n.spawn_erased_with_handle(async move {
            yield_now().await;
            canceller.cancel("by the child itself");
            Ok(1)
        }))
    })
    .await
    .expect("the body had its value");
    assert_eq!(handle.await.expect("it had its value"), 1);

    let handle = nursery(async |n| {
        let canceller = n.canceller();
        Ok(n.spawn_local_with_handle(async move {
            yield_now().await;
            canceller.cancel("by the child itself");
            Ok(2)
        }))
    })
    .await
    .expect("the body had its value");
    assert_eq!(handle.await.expect("it had its value"), 2);
}

/// Fails if: a cancellation that was not delivered stays pending: in the outer scope, or in this task.
pub(crate) async fn c03_nothing_leaks_past_the_scope<R: Rt>() {
    let journal = Journal::new();
    nursery(async |outer| {
        for _ in 0..2 {
            nursery(async |inner| {
                inner.cancel("only this one");
                Ok(())
            })
            .await?;
            assert!(!outer.is_cancelled());
            yield_now().await;
            checkpoint().await;
            sleep(Duration::from_millis(1)).await?;
            R::spawn(outer, {
                let journal = journal.clone();
                async move {
                    checkpoint().await;
                    journal.add("child of the outer one");
                    Ok(())
                }
            });
        }
        Ok(())
    })
    .await
    .expect("nothing fails");
    assert_eq!(journal.lines().len(), 2);
}

/// Fails if: a checkpoint of ours that would be ready lets a cancelled body go on to a value.
pub(crate) async fn c03_a_checkpoint_of_ours_is_an_await_point_in_a_cancelled_scope<R: Rt>() {
    for which in ["sleep", "sleep until", "checkpoint", "handle", "ready", "send", "closed"] {
        let journal = Journal::new();
        let past = R::now();
        sleep(Duration::from_millis(5)).await.expect("on a runtime");
        let error = nursery(async |outer| {
            // Of the outer scope, so that it is there and open whatever happens to the inner one.
            let service = outer.open(Still("still")).await?;
            let ended = outer.open(Still("still")).await?;
            ended.close().await?;
            let finished = outer.spawn_erased_with_handle(async { Ok(()) });
            while !finished.is_finished() {
                yield_now().await;
            }
            let inner = nursery(async |n| {
                n.cancel("before the checkpoint");
                match which {
                    "sleep" => sleep(Duration::ZERO).await?,
                    "sleep until" => sleep_until(past).await?,
                    "checkpoint" => checkpoint().await,
                    "handle" => finished.await?,
                    "ready" => drop(service.ready().await?),
                    "send" => service.send(()).await?,
                    _ => drop(ended.closed().await),
                }
                journal.add("past it");
                Ok(())
            })
            .await;
            Ok(inner.expect_err("delivered at the checkpoint"))
        })
        .await
        .expect("only the inner one was cancelled");
        assert!(error.is_cancelled(), "{which}: {error:?}");
        assert_eq!(error.reason().expect("cancelled").cause(), CancelCause::Explicit);
        assert_eq!(journal.lines().len(), 0, "{which}");
    }
}
