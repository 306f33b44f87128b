//! c10: waiting for shielded or slow work causes no wake-ups: the number of polls while waiting is bounded by a constant.

use std::cell::OnceCell;
use std::time::Duration;

use futures_lite::future::pending;
use scope_core::{CancelScope, Canceller, Failure, nursery, shield, sleep};
use scope_tests::{Gate, Rt, poll_now, turns};

use crate::counted::Polls;

/// How often something may be polled from when it was cancelled until what it waits for has come, both included.
const FEW: usize = 8;
/// For how many turns of others it waits.
const LONG: usize = 300;

const SHORT: Duration = Duration::from_millis(10);

/// Lets others have their turns, `LONG` of them, and opens the gate.
fn opens_late<R: Rt>(gate: &Gate) {
    let gate = gate.clone();
    R::foreign(async move {
        turns(LONG).await;
        gate.open();
    });
}

/// Fails if: a cancelled body behind a shield is polled again and again until it leaves it.
pub(crate) async fn c10_a_body_in_a_shield<R: Rt>() {
    let (whole, shielded, go) = (Polls::new(), Polls::new(), Gate::new());
    let outcome = whole
        .of_whole(nursery(async |n| -> Result<(), Failure> {
            n.cancel("and then a long wait");
            opens_late::<R>(&go);
            shield(shielded.of(go.passed())).await;
            pending().await
        }))
        .await;
    assert!(outcome.expect_err("cancelled").is_cancelled());
    assert!(shielded.so_far() <= FEW, "{} polls in the shield", shielded.so_far());
    assert!(whole.so_far() <= FEW, "{} polls of the whole", whole.so_far());
}

/// Fails if: the same of a child, or of its owner that waits for it.
pub(crate) async fn c10_a_child_in_a_shield<R: Rt>() {
    for same_task in [false, true] {
        let (whole, shielded, body, go) = (Polls::new(), Polls::new(), Polls::new(), Gate::new());
        let outcome = whole
            .of_whole(nursery(async |n| -> Result<(), Failure> {
                let parked = Gate::new();
                let (polls, here, until) = (shielded.clone(), parked.clone(), go.clone());
                let child = async move {
                    shield(polls.of(async {
                        here.open();
                        until.passed().await;
                    }))
                    .await;
                    pending().await
                };
                if same_task {
                    n.spawn_local(child);
                } else {
                    R::spawn(n, child);
                }
                parked.passed().await;
                opens_late::<R>(&go);
                n.cancel("and then a long wait");
                body.of(pending()).await
            }))
            .await;
        assert!(outcome.expect_err("cancelled").is_cancelled());
        assert!(go.is_open(), "it waited");
        assert!(body.so_far() <= 2, "{} polls of the body", body.so_far());
        assert!(shielded.so_far() <= FEW, "{} polls in the shield", shielded.so_far());
        assert!(whole.so_far() <= FEW, "{} polls of the whole", whole.so_far());
    }
}

/// Fails if: an owner looks after slow clean-up all the time: a finalizer here, of its own and of a child's scope.
pub(crate) async fn c10_slow_clean_up<R: Rt>() {
    let (whole, own, childs, go) = (Polls::new(), Polls::new(), Polls::new(), Gate::new());
    let outcome = whole
        .of_whole(nursery(async |n| -> Result<(), Failure> {
            let (polls, until) = (own.clone(), go.clone());
            n.finalizer("own", async move |_| {
                polls.of(until.passed()).await;
                Ok(())
            });
            let (polls, until, parked) = (childs.clone(), go.clone(), Gate::new());
            let here = parked.clone();
            R::spawn(n, async move {
                nursery(async |inner| -> Result<(), Failure> {
                    inner.finalizer("the child's", async move |_| {
                        polls.of(until.passed()).await;
                        Ok(())
                    });
                    here.open();
                    pending().await
                })
                .await?;
                Ok(())
            });
            parked.passed().await;
            opens_late::<R>(&go);
            n.cancel("and then slow clean-up");
            pending().await
        }))
        .await;
    assert!(outcome.expect_err("cancelled").is_cancelled());
    for (what, polls) in [("whole", whole), ("own", own), ("child's", childs)] {
        assert!((1..=FEW).contains(&polls.so_far()), "{} polls of {what}", polls.so_far());
    }
}

/// Fails if: a deadline that has passed is looked at all the time while what it is for is still shielded.
pub(crate) async fn c10_a_deadline_that_passed_while_shielded<R: Rt>() {
    let (whole, shielded, go) = (Polls::new(), Polls::new(), Gate::new());
    let outcome = whole
        .of_whole(
            nursery(async |n| -> Result<(), Failure> {
                let canceller = n.canceller();
                shield(shielded.of(async {
                    canceller.cancelled().await;
                    opens_late::<R>(&go);
                    go.passed().await;
                }))
                .await;
                pending().await
            })
            .timeout(SHORT),
        )
        .await;
    assert!(outcome.expect_err("out of time").is_timed_out());
    assert!(shielded.so_far() <= FEW, "{} polls in the shield", shielded.so_far());
    assert!(whole.so_far() <= FEW, "{} polls of the whole", whole.so_far());

    // One of a scope around, and one of the shielded scope itself that is far away.
    let (whole, shielded, go) = (Polls::new(), Polls::new(), Gate::new());
    let outcome = whole
        .of_whole(
            nursery(async |n| -> Result<(), Failure> {
                let canceller = n.canceller();
                CancelScope::new()
                    .shield()
                    .timeout(Duration::from_secs(3600))
                    .run(shielded.of(async {
                        canceller.cancelled().await;
                        opens_late::<R>(&go);
                        go.passed().await;
                    }))
                    .await?;
                pending().await
            })
            .timeout(SHORT),
        )
        .await;
    assert!(outcome.expect_err("out of time").is_timed_out());
    assert!(shielded.so_far() <= FEW, "{} polls in the shield", shielded.so_far());
    assert!(whole.so_far() <= FEW, "{} polls of the whole", whole.so_far());
}

/// Fails if: those who ask, and the many who cancel again, cause polls of what waits.
pub(crate) async fn c10_cancelling_again<R: Rt>() {
    let (whole, go, told) = (Polls::new(), Gate::new(), OnceCell::new());
    let mut waits = Box::pin(whole.of_whole(nursery(async |n| -> Result<(), Failure> {
        let _ = told.set(n.canceller());
        shield(go.passed()).await;
        pending().await
    })));
    assert!(poll_now(waits.as_mut()).await.is_pending());
    let canceller: &Canceller = told.get().expect("it was polled");
    let again = canceller.clone();
    R::foreign({
        let go = go.clone();
        async move {
            for _ in 0..LONG {
                again.cancel("again");
                assert!(again.is_cancelled() && again.reason().is_some());
                turns(1).await;
            }
            go.open();
        }
    });
    assert!(waits.await.expect_err("cancelled").is_cancelled());
    assert!(whole.so_far() <= FEW, "{} polls", whole.so_far());
}

/// Fails if: somebody else's wait in the same body, one that is cut off by the cancellation, wakes it all the time. It is
/// polled for what it asked itself, and no more.
pub(crate) async fn c10_a_checkpoint_beside_a_shield<R: Rt>() {
    let (whole, go) = (Polls::new(), Gate::new());
    let outcome = whole
        .of_whole(nursery(async |n| -> Result<(), Failure> {
            n.cancel("and then a long wait");
            opens_late::<R>(&go);
            futures_util::join!(shield(go.passed()), scope_core::checkpoint(), async {
                let _ = sleep(Duration::ZERO).await;
            });
            pending().await
        }))
        .await;
    assert!(outcome.expect_err("cancelled").is_cancelled());
    assert!(whole.so_far() <= FEW, "{} polls", whole.so_far());
}
