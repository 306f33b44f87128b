//! c11, its first half: deadlines start at entry, move both ways, never un-cancel, and let the body start.

use std::time::Duration;

use futures_lite::future::{pending, yield_now};
use scope_core::{CancelCause, Failure, fail_after, nursery, sleep};
use scope_tests::{Journal, Rt};

const SHORT: Duration = Duration::from_millis(20);
/// Longer than a thread may be kept from running on a loaded machine, or so we hope.
const LONG: Duration = Duration::from_millis(700);
const HOUR: Duration = Duration::from_secs(3600);

/// Fails if: the clock starts when the nursery is built.
pub(crate) async fn c11_a_relative_deadline_starts_at_entry<R: Rt>() {
    let built = nursery(async |n| Ok(n.deadline())).timeout(HOUR);
    sleep(SHORT).await.expect("on a runtime");
    let entered = R::now();
    let deadline = built.await.expect("nothing fails").expect("it has one");
    assert!(deadline >= entered + HOUR, "{:?} too early", entered + HOUR - deadline);
    assert!(deadline <= R::now() + HOUR);
}

/// Fails if: a deadline is noticed only when something else wakes the body, or reaches the body alone.
pub(crate) async fn c11_a_deadline_ends_body_and_children_wherever_they_wait<R: Rt>() {
    let journal = Journal::new();
    let begun = R::now();
    let error = nursery(async |n| -> Result<(), Failure> {
        let _note = journal.on_drop("body");
        let note = journal.on_drop("parallel");
        R::spawn(n, async move {
            let _note = note;
            pending().await
        });
        let note = journal.on_drop("same-task");
        n.spawn_local(async move {
            let _note = note;
            pending().await
        });
        pending().await
    })
    .named("slow")
    .timeout(SHORT)
    .await
    .expect_err("it runs out of time");
    R::assert_elapsed(begun, SHORT);
    assert_eq!(journal.lines().len(), 3, "{journal:?}");
    assert!(error.is_timed_out() && !error.is_cancelled(), "{error:?}");
    let reason = error.reason().expect("it was cancelled");
    assert_eq!(reason.cause(), CancelCause::Deadline);
    assert_eq!(reason.scope().name(), Some("slow"));
    assert!(error.to_string().contains("slow") && error.to_string().contains("deadline"), "{error}");
}

/// Fails if: the timer that was armed first decides.
pub(crate) async fn c11_a_deadline_moves_earlier<R: Rt>() {
    let begun = R::now();
    let error = nursery(async |n| -> Result<(), Failure> {
        // Armed with the hour first.
        yield_now().await;
        let earlier = R::now() + SHORT;
        n.set_deadline(Some(earlier));
        assert_eq!(n.deadline(), Some(earlier));
        pending().await
    })
    .timeout(HOUR)
    .await
    .expect_err("it runs out of time");
    assert!(error.is_timed_out(), "{error:?}");
    R::assert_elapsed(begun, SHORT);

    // From none at all.
    let begun = R::now();
    nursery(async |n| -> Result<(), Failure> {
        yield_now().await;
        n.set_deadline(Some(R::now() + SHORT));
        pending().await
    })
    .await
    .expect_err("it runs out of time");
    R::assert_elapsed(begun, SHORT);
}

/// Fails if: the timer that was armed first decides.
pub(crate) async fn c11_a_deadline_moves_later_and_away<R: Rt>() {
    for later in [Some(HOUR), None] {
        let begun = R::now();
        let value = nursery(async |n| {
            // Armed with the short one first.
            yield_now().await;
            n.set_deadline(later.map(|later| R::now() + later));
            sleep(LONG + SHORT).await?;
            Ok(7)
        })
        .timeout(LONG)
        .await;
        assert_eq!(value.expect("it has time enough now"), 7);
        R::assert_elapsed(begun, LONG + SHORT);
    }
}

/// Fails if: moving a deadline that has passed takes the cancellation back.
pub(crate) async fn c11_moving_a_deadline_never_uncancels<R: Rt>() {
    let journal = Journal::new();
    let error = nursery(async |n| {
        let canceller = n.canceller();
        canceller.cancelled().await;
        n.set_deadline(Some(R::now() + HOUR));
        n.set_deadline(None);
        assert!(n.is_cancelled());
        assert_eq!(n.reason().expect("it has one").cause(), CancelCause::Deadline);
        journal.add("asked");
        yield_now().await;
        journal.add("past the next await point");
        Ok(())
    })
    .timeout(SHORT)
    .await
    .expect_err("it ran out of time");
    assert!(error.is_timed_out(), "{error:?}");
    journal.assert_is(&["asked"]);
}

/// Fails if: a deadline in the past skips the body, or is first noticed at a later await point.
pub(crate) async fn c11_a_past_deadline_lets_the_body_start<R: Rt>() {
    let journal = Journal::new();
    sleep(SHORT).await.expect("on a runtime");
    let past = R::now() - SHORT;
    let error = nursery(async |_| {
        let _note = journal.on_drop("destructor");
        journal.add("started");
        yield_now().await;
        journal.add("past its first await point");
        Ok(())
    })
    .deadline(past)
    .await
    .expect_err("its deadline has passed");
    assert!(error.is_timed_out(), "{error:?}");
    journal.assert_is(&["started", "destructor"]);

    let value = nursery(async |_| Ok(7)).deadline(past).await;
    assert_eq!(value.expect("it never waited"), 7);
    let value = nursery(async |_| Ok(7)).timeout(Duration::ZERO).await;
    assert_eq!(value.expect("it never waited"), 7);
}

/// Fails if: a deadline set from the body's own past is not noticed at its next await point.
pub(crate) async fn c11_a_deadline_moved_into_the_past_ends_at_the_next_await_point<R: Rt>() {
    let journal = Journal::new();
    let begun = R::now();
    let error = nursery(async |n| {
        yield_now().await;
        n.set_deadline(Some(begun));
        journal.add("moved");
        pending::<()>().await;
        Ok(())
    })
    .timeout(HOUR)
    .await
    .expect_err("its deadline has passed");
    assert!(error.is_timed_out(), "{error:?}");
    journal.assert_is(&["moved"]);
    R::assert_no_time_passed(begun);
}

/// Fails if: nobody looks at the clock once the body has its value: the children would run for ever. Or if what they
/// did not finish in time passes for a success.
pub(crate) async fn c11_a_deadline_reaches_children_after_the_body_has_ended<R: Rt>() {
    for same_task in [false, true] {
        let journal = Journal::new();
        let begun = R::now();
        let error = nursery(async |n| {
            let note = journal.on_drop("child");
            let child = async move {
                let _note = note;
                pending().await
            };
            if same_task {
                n.spawn_local(child)
            } else {
                R::spawn(n, child)
            }
            Ok(7)
        })
        .timeout(SHORT)
        .await
        .expect_err("a child did not end in time");
        assert!(error.is_timed_out(), "{error:?}");
        assert_eq!(journal.lines().len(), 1);
        R::assert_elapsed(begun, SHORT);
    }

    // In time, it is one.
    let value = nursery(async |n| {
        R::spawn(n, async { Ok(sleep(SHORT).await?) });
        Ok(7)
    })
    .timeout(HOUR)
    .await;
    assert_eq!(value.expect("all ended in time"), 7);
}

/// Fails if: a deadline that passes during clean-up cuts that short, or takes the value away.
pub(crate) async fn c11_a_deadline_does_not_reach_clean_up<R: Rt>() {
    let journal = Journal::new();
    let begun = R::now();
    let value = nursery(async |n| {
        let j = journal.clone();
        n.finalizer("flush", async move |_| {
            sleep(SHORT * 3).await?;
            j.add("flushed");
            Ok(())
        });
        Ok(7)
    })
    .timeout(SHORT)
    .await;
    assert_eq!(value.expect("it was in time"), 7);
    journal.assert_is(&["flushed"]);
    R::assert_elapsed(begun, SHORT * 3);
}

/// Fails if: a time that no clock can count is taken for one that has passed.
pub(crate) async fn c11_a_deadline_beyond_all_clocks_is_none<R: Rt>() {
    let value = nursery(async |n| {
        assert_eq!(n.deadline(), None);
        sleep(SHORT).await?;
        Ok(7)
    })
    .timeout(Duration::MAX)
    .await;
    assert_eq!(value.expect("it has all the time there is"), 7);
    assert_eq!(fail_after(Duration::MAX, async { 7 }).await.expect("likewise"), 7);
}

/// Fails if: `fail_after` cuts the wrong thing short, or leaves it behind.
pub(crate) async fn c11_fail_after<R: Rt>() {
    let journal = Journal::new();
    assert_eq!(fail_after(HOUR, async { 7 }).await.expect("in time"), 7);
    let begun = R::now();
    let error = fail_after(SHORT, async {
        let _note = journal.on_drop("late");
        pending::<()>().await;
    })
    .await
    .expect_err("too late");
    assert!(error.is_timed_out(), "{error:?}");
    R::assert_elapsed(begun, SHORT);
    journal.assert_is(&["late"]);
    // Ready at once is in time, however little there is; and it starts when it is polled, not when it is made.
    assert_eq!(fail_after(Duration::ZERO, async { 7 }).await.expect("in time"), 7);
    let made = fail_after(HOUR, sleep(SHORT));
    sleep(SHORT).await.expect("on a runtime");
    made.await.expect("in time").expect("on a runtime");
    // What is around it goes on.
    yield_now().await;
}
