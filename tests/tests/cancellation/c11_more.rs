//! c11, its second half: deadlines are noticed by a body whose checkpoints of ours are always ready, which read the clock at
//! least every 64th time; and they fire inside the shields they belong to.

use std::time::Duration;

use futures_lite::future::pending;
use scope_core::{
    CancelScope, Failure, Spawns, checkpoint, fail_after, move_on_after, nursery, shield, sleep, sleep_until,
};
use scope_tests::{Journal, Rt, Still, turns};

use crate::clock::busy_for;
use crate::counted::Polls;

const SHORT: Duration = Duration::from_millis(10);
const HOUR: Duration = Duration::from_secs(3600);
/// As the contract says.
const EVERY: usize = 64;

/// Waits for checkpoints of ours that are ready at once, for ever; the deadline of somebody around passes on the way.
async fn always_ready<R: Rt>(which: &str, rounds: &Polls) -> Result<(), Failure> {
    let past = R::now();
    busy_for::<R>(SHORT * 2);
    loop {
        match which {
            "sleep" => sleep(Duration::ZERO).await?,
            "sleep until" => sleep_until(past).await?,
            _ if rounds.so_far().is_multiple_of(2) => sleep(Duration::ZERO).await?,
            _ => sleep_until(past).await?,
        }
        assert!(rounds.count() <= EVERY, "not noticed");
    }
}

/// Fails if: a body that never really waits at its checkpoints is never told that its time is up.
pub(crate) async fn c11_a_body_whose_checkpoints_are_always_ready<R: Rt>() {
    for which in ["sleep", "sleep until", "both"] {
        let rounds = Polls::new();
        let error =
            nursery(async |_| always_ready::<R>(which, &rounds).await).timeout(SHORT).await.expect_err("out of time");
        assert!(error.is_timed_out(), "{which}: {error:?}");

        let rounds = Polls::new();
        let error = fail_after(SHORT, always_ready::<R>(which, &rounds)).await.expect_err("out of time");
        assert!(error.is_timed_out(), "{which}: {error:?}");

        let rounds = Polls::new();
        let cut = move_on_after(SHORT, always_ready::<R>(which, &rounds)).await.expect("nothing fails");
        assert!(cut.is_none(), "{which}");
    }
}

/// Fails if: only the innermost scope's deadline is looked at by such a body, or only in the body and not in children.
pub(crate) async fn c11_an_outer_deadline_and_always_ready_checkpoints<R: Rt>() {
    let rounds = Polls::new();
    let error = nursery(async |_| {
        nursery(async |_| {
            fail_after(HOUR, always_ready::<R>("both", &rounds)).await??;
            Ok(())
        })
        .await?;
        Ok(())
    })
    .named("outer")
    .timeout(SHORT)
    .await
    .expect_err("out of time");
    assert!(error.is_timed_out(), "{error:?}");
    assert_eq!(error.reason().expect("it has one").scope().name(), Some("outer"));

    for same_task in [false, true] {
        let error = nursery(async |n| -> Result<(), Failure> {
            let child = async {
                let rounds = Polls::new();
                always_ready::<R>("both", &rounds).await
            };
            if same_task {
                n.spawn_local(child);
            } else {
                R::spawn(n, child);
            }
            pending().await
        })
        .timeout(SHORT)
        .await
        .expect_err("out of time");
        assert!(error.is_timed_out(), "{error:?}");
    }
}

/// Fails if: one kind of checkpoint of ours that can be ready at once does not look at the clock.
pub(crate) async fn c11_each_kind_of_checkpoint_reads_the_clock<R: Rt>() {
    nursery(async |outer| {
        let service = outer.open(Still("still")).await?;
        for which in ["ready", "ask for nothing", "handle", "nursery"] {
            let rounds = Polls::new();
            let error = nursery(async |n| -> Result<(), Failure> {
                n.set_deadline(Some(R::now() + SHORT));
                busy_for::<R>(SHORT * 2);
                loop {
                    match which {
                        "ready" => drop(service.ready().await?),
                        "ask for nothing" => {
                            scope_core::checkpoint().await;
                        }
                        "handle" => {
                            let handle = nursery(async |one| Ok(one.spawn_local_with_handle(async { Ok(()) }))).await?;
                            handle.await?;
                        }
                        _ => {
                            nursery(async |_| Ok(sleep(Duration::ZERO).await?)).await?;
                        }
                    }
                    assert!(rounds.count() <= EVERY, "{which}: not noticed");
                }
            })
            .await
            .expect_err("out of time");
            assert!(error.is_timed_out(), "{which}: {error:?}");
        }
        service.close().await?;
        Ok(())
    })
    .await
    .expect("nothing fails out here");
}

/// Fails if: checkpoints in a shield, which are not under the deadline, are those that happen to read the clock each time.
pub(crate) async fn c11_always_ready_checkpoints_in_turn_with_shielded_ones<R: Rt>() {
    for shift in 0..2 {
        let rounds = Polls::new();
        let error = nursery(async |n| -> Result<(), Failure> {
            n.set_deadline(Some(R::now() + SHORT));
            for _ in 0..shift {
                sleep(Duration::ZERO).await?;
            }
            busy_for::<R>(SHORT * 2);
            loop {
                sleep(Duration::ZERO).await?;
                shield(sleep(Duration::ZERO)).await?;
                assert!(rounds.count() <= EVERY, "not noticed");
            }
        })
        .await
        .expect_err("out of time");
        assert!(error.is_timed_out(), "{error:?}");
    }
}

/// Fails if: the clock is read although nothing has a deadline, or a deadline that has not come ends something.
pub(crate) async fn c11_always_ready_checkpoints_in_time<R: Rt>() {
    let value = nursery(async |n| {
        n.set_deadline(Some(R::now() + HOUR));
        for _ in 0..EVERY * 4 {
            sleep(Duration::ZERO).await?;
        }
        n.set_deadline(None);
        for _ in 0..EVERY * 4 {
            sleep(Duration::ZERO).await?;
        }
        Ok(7)
    })
    .await;
    assert_eq!(value.expect("in time"), 7);
}

/// Fails if: a shield keeps out the deadline of the very scope it belongs to, or of one further in.
pub(crate) async fn c11_deadlines_fire_inside_shields_they_belong_to<R: Rt>() {
    let journal = Journal::new();
    let begun = R::now();
    let error = nursery(async |n| -> Result<(), Failure> {
        n.cancel("what the shield is for");
        let own = CancelScope::new()
            .shield()
            .timeout(SHORT)
            .run(async {
                let _note = journal.on_drop("cut");
                loop {
                    // Neither always ready nor never: really waiting.
                    sleep(Duration::from_millis(1)).await?;
                    turns(1).await;
                }
                #[expect(unreachable_code, reason = "names the type")]
                Ok::<(), Failure>(())
            })
            .await;
        assert!(own.expect_err("out of time").is_timed_out());
        R::assert_elapsed(begun, SHORT);
        let further_in = shield(async { fail_after(SHORT, pending::<()>()).await }).await;
        assert!(further_in.expect_err("out of time").is_timed_out());
        let in_it = shield(
            nursery(async |n| -> Result<(), Failure> {
                R::spawn(n, pending());
                Ok(())
            })
            .timeout(SHORT),
        )
        .await;
        assert!(in_it.expect_err("out of time").is_timed_out());
        R::assert_elapsed(begun, SHORT * 3);
        journal.add("out of all of them");
        checkpoint().await;
        journal.add("went on");
        Ok(())
    })
    .await
    .expect_err("cancelled");
    assert!(error.is_cancelled(), "{error:?}");
    journal.assert_is(&["cut", "out of all of them"]);
}

/// Fails if: code in a block that asks is cut without being told when the block's own deadline passes.
pub(crate) async fn c11_a_block_is_told_of_its_deadline<R: Rt>() {
    let journal = Journal::new();
    let error = CancelScope::new()
        .timeout(SHORT)
        .run_with(async |c| {
            let reason = c.cancelled().await;
            journal.add(format!("{:?}", reason.cause()));
            pending::<()>().await;
        })
        .await
        .expect_err("out of time");
    assert!(error.is_timed_out(), "{error:?}");
    journal.assert_is(&["Deadline"]);
}

/// Fails if: a deadline further out fires inside a shield, or is forgotten after it.
pub(crate) async fn c11_deadlines_further_out_wait_for_the_shield<R: Rt>() {
    let journal = Journal::new();
    let begun = R::now();
    let error = nursery(async |_| -> Result<(), Failure> {
        shield(async {
            sleep(SHORT * 3).await?;
            journal.add("slept");
            Ok::<_, Failure>(())
        })
        .await?;
        R::assert_elapsed(begun, SHORT * 3);
        journal.add("left");
        turns(1).await;
        journal.add("went on");
        Ok(())
    })
    .timeout(SHORT)
    .await
    .expect_err("out of time");
    assert!(error.is_timed_out(), "{error:?}");
    R::assert_elapsed(begun, SHORT * 3);
    journal.assert_is(&["slept", "left"]);
}
