//! c20: graceful first: `shutdown(grace)` tells those who ask, and turns into a cancellation when the grace ends, under one
//! deadline for the whole subtree; who was still running is named.

use std::time::Duration;

use futures_lite::future::{pending, yield_now};
use scope_core::{
    CancelCause, Failure, Spawns, cancelled, fail_after, is_cancelled, is_shutdown_requested, nursery, shield,
    shutdown_requested, sleep,
};
use scope_tests::{Gate, Journal, Rt, turns};

const SHORT: Duration = Duration::from_millis(10);
const HOUR: Duration = Duration::from_secs(3600);

/// Fails if: somebody who asks is not told, or somebody is cancelled before the grace has ended.
pub(crate) async fn c20_those_who_ask_are_told<R: Rt>() {
    let (journal, begun) = (Journal::new(), R::now());
    nursery(async |n| {
        assert!(!is_shutdown_requested());
        let mut parked = Vec::new();
        for who in ["parallel", "further in", "shielded"] {
            let (j, here) = (journal.clone(), Gate::new());
            parked.push(here.clone());
            R::spawn(n, async move {
                let told = async {
                    here.open();
                    shutdown_requested().await;
                    assert!(is_shutdown_requested() && !is_cancelled());
                    // Time to finish, in what is not cancelled.
                    turns(3).await;
                    scope_core::checkpoint().await;
                    j.add(who);
                };
                match who {
                    "parallel" => told.await,
                    "shielded" => shield(told).await,
                    _ => {
                        nursery(async |_| Ok(fail_after(HOUR, told).await?)).await?;
                    }
                }
                Ok(())
            });
        }
        let (j, here) = (journal.clone(), Gate::new());
        parked.push(here.clone());
        n.spawn_local(async move {
            here.open();
            shutdown_requested().await;
            j.add("same-task");
            Ok(())
        });
        for parked in &parked {
            parked.passed().await;
        }
        n.canceller().shutdown(HOUR);
        shutdown_requested().await;
        assert!(is_shutdown_requested() && !n.is_cancelled());
        journal.add("body");
        Ok(())
    })
    .await
    .expect("all of them ended in time");
    let mut lines = journal.lines();
    lines.sort();
    assert_eq!(lines, ["body", "further in", "parallel", "same-task", "shielded"]);
    R::assert_no_time_passed(begun);
}

/// Fails if: one who asks late is not told, or is told of somebody else's.
pub(crate) async fn c20_a_late_one_is_told_at_once<R: Rt>() {
    nursery(async |outer| {
        nursery(async |n| {
            n.canceller().shutdown(HOUR);
            yield_now().await;
            shutdown_requested().await;
            R::spawn(n, async {
                assert!(is_shutdown_requested());
                shutdown_requested().await;
                Ok(())
            });
            Ok(())
        })
        .await?;
        assert!(!is_shutdown_requested() && !outer.is_cancelled());
        Ok(())
    })
    .await
    .expect("nothing fails");
}

/// Fails if: the grace ends and nothing does, or who did not end in time is not named.
pub(crate) async fn c20_when_the_grace_ends_it_is_a_cancellation<R: Rt>() {
    let (journal, begun) = (Journal::new(), R::now());
    let error = nursery(async |n| -> Result<(), Failure> {
        let _body = journal.on_drop("body");
        let note = journal.on_drop("stubborn");
        n.task("stubborn").spawn_erased(async move {
            let _note = note;
            pending().await
        });
        n.task("polite").spawn_erased(async {
            shutdown_requested().await;
            Ok(())
        });
        n.canceller().shutdown(SHORT);
        let reason = cancelled().await;
        assert_eq!(reason.cause(), CancelCause::Shutdown);
        journal.add("told");
        pending().await
    })
    .named("program")
    .await
    .expect_err("one did not end in time");
    R::assert_elapsed(begun, SHORT);
    let mut lines = journal.lines();
    lines.sort();
    assert_eq!(lines, ["body", "stubborn", "told"]);
    let reason = error.reason().expect("it was cancelled");
    assert_eq!((reason.cause(), reason.scope().name()), (CancelCause::Shutdown, Some("program")));
    let text = error.to_string();
    assert!(text.contains("stubborn") && !text.contains("polite"), "{text}");
}

/// Fails if: each scope on the way down has a grace of its own: then three levels take three times as long.
pub(crate) async fn c20_one_deadline_for_the_whole_subtree<R: Rt>() {
    let begun = R::now();
    let error = nursery(async |a| -> Result<(), Failure> {
        let parked = Gate::new();
        let here = parked.clone();
        R::spawn(a, async move {
            nursery(async |b| -> Result<(), Failure> {
                R::spawn(b, async move {
                    nursery(async |_| -> Result<(), Failure> {
                        here.open();
                        shutdown_requested().await;
                        pending().await
                    })
                    .await?;
                    Ok(())
                });
                shutdown_requested().await;
                pending().await
            })
            .await?;
            Ok(())
        });
        parked.passed().await;
        a.canceller().shutdown(SHORT * 2);
        shutdown_requested().await;
        pending().await
    })
    .await
    .expect_err("the grace ended");
    assert_eq!(error.reason().expect("it was cancelled").cause(), CancelCause::Shutdown);
    R::assert_elapsed(begun, SHORT * 2);
}

/// Fails if: a second call makes the grace longer.
pub(crate) async fn c20_the_grace_does_not_grow<R: Rt>() {
    let begun = R::now();
    let error = nursery(async |n| -> Result<(), Failure> {
        n.canceller().shutdown(SHORT);
        n.canceller().shutdown(HOUR);
        pending().await
    })
    .await
    .expect_err("the grace ended");
    assert_eq!(error.reason().expect("it was cancelled").cause(), CancelCause::Shutdown);
    R::assert_elapsed(begun, SHORT);
}

/// Fails if: no grace at all is something else than a cancellation; or one that was cancelled before says "shutdown".
pub(crate) async fn c20_no_grace_and_no_more_need<R: Rt>() {
    let begun = R::now();
    let error = nursery(async |n| -> Result<(), Failure> {
        n.canceller().shutdown(Duration::ZERO);
        yield_now().await;
        sleep(HOUR).await?;
        Ok(())
    })
    .await
    .expect_err("no grace");
    assert_eq!(error.reason().expect("it was cancelled").cause(), CancelCause::Shutdown);
    let error = nursery(async |n| -> Result<(), Failure> {
        n.cancel("before");
        n.canceller().shutdown(SHORT);
        pending().await
    })
    .await
    .expect_err("cancelled");
    assert_eq!(error.reason().expect("it was cancelled").cause(), CancelCause::Explicit);
    R::assert_no_time_passed(begun);
}

/// Fails if: a cancellation in the grace waits for the end of it.
pub(crate) async fn c20_cancelled_in_the_grace<R: Rt>() {
    let begun = R::now();
    let error = nursery(async |n| -> Result<(), Failure> {
        n.canceller().shutdown(HOUR);
        n.cancel("no patience");
        pending().await
    })
    .await
    .expect_err("cancelled");
    let reason = error.reason().expect("it was cancelled");
    assert_eq!((reason.cause(), reason.text()), (CancelCause::Explicit, "no patience"));
    R::assert_no_time_passed(begun);
}

/// Fails if: the clean-up after the grace gets none of its own budget, or a deadline of the scope's own is put off by the
/// grace.
pub(crate) async fn c20_clean_up_and_the_scopes_own_deadline<R: Rt>() {
    let (journal, begun) = (Journal::new(), R::now());
    nursery(async |n| -> Result<(), Failure> {
        let j = journal.clone();
        n.finalizer("flush", async move |_| {
            sleep(SHORT).await?;
            j.add("flushed");
            Ok(())
        });
        n.canceller().shutdown(SHORT);
        pending().await
    })
    .await
    .expect_err("the grace ended");
    journal.assert_is(&["flushed"]);
    R::assert_elapsed(begun, SHORT * 2);

    let begun = R::now();
    let error = nursery(async |n| -> Result<(), Failure> {
        n.canceller().shutdown(HOUR);
        pending().await
    })
    .timeout(SHORT)
    .await
    .expect_err("out of time");
    assert!(error.is_timed_out(), "{error:?}");
    R::assert_elapsed(begun, SHORT);
}
