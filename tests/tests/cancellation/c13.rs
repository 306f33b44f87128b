//! c13: a synchronous body that overruns its deadline without an await point returns Ok.

use std::time::Duration;

use futures_lite::future::{pending, ready, yield_now};
use scope_core::{Failure, checkpoint, fail_after, nursery, sleep};
use scope_tests::{Boom, Journal, Rt};

use crate::clock::busy_for;

const SHORT: Duration = Duration::from_millis(10);

/// Fails if: the clock is looked at when the body has returned, and overrules it.
pub(crate) async fn c13_a_body_without_an_await_point<R: Rt>() {
    let begun = R::now();
    let value = nursery(async |n| {
        busy_for::<R>(SHORT * 2);
        ready(()).await;
        assert!(R::now() > n.deadline().expect("it has one"));
        Ok(7)
    })
    .timeout(SHORT)
    .await;
    assert_eq!(value.expect("it never waited"), 7);
    assert!(R::now() - begun >= SHORT * 2);

    let value = fail_after(SHORT, async {
        busy_for::<R>(SHORT * 2);
        7
    })
    .await;
    assert_eq!(value.expect("it never waited"), 7);
}

/// Fails if: its error is taken for a time-out.
pub(crate) async fn c13_nor_is_its_error_overruled<R: Rt>() {
    let error = nursery(async |_| -> Result<(), Failure> {
        busy_for::<R>(SHORT * 2);
        Err(Boom("body").into())
    })
    .timeout(SHORT)
    .await
    .expect_err("the body failed");
    assert_eq!(error.find::<Boom>(), Some(&Boom("body")));
    assert!(!error.is_timed_out() && !error.is_cancelled(), "{error:?}");
}

/// Fails if: having waited before counts as having waited past the deadline.
pub(crate) async fn c13_after_its_last_await_point<R: Rt>() {
    // An hour, that is then made shorter: nothing is as slow as that.
    let value = nursery(async |n| {
        yield_now().await;
        checkpoint().await;
        n.set_deadline(Some(R::now() + SHORT));
        busy_for::<R>(SHORT * 2);
        Ok(7)
    })
    .timeout(Duration::from_secs(3600))
    .await;
    assert_eq!(value.expect("it did not wait any more"), 7);
}

/// Fails if: a child that overran but did not wait is taken for one that was cut short.
pub(crate) async fn c13_children_without_an_await_point<R: Rt>() {
    for same_task in [false, true] {
        let journal = Journal::new();
        let j = journal.clone();
        let value = nursery(async |n| {
            let deadline = R::now() + SHORT;
            n.set_deadline(Some(deadline));
            let child = async move {
                while R::now() <= deadline {
                    busy_for::<R>(SHORT);
                }
                j.add("child");
                Ok(())
            };
            if same_task {
                n.spawn_local(child);
            } else {
                R::spawn(n, child);
            }
            Ok(7)
        })
        .await;
        assert_eq!(value.expect("nobody was cut short"), 7);
        journal.assert_is(&["child"]);
    }
}

/// Fails if: a body that is over its time and then waits gets away with it.
pub(crate) async fn c13_the_first_await_point_after_it_ends<R: Rt>() {
    let journal = Journal::new();
    let begun = R::now();
    let error = nursery(async |_| {
        busy_for::<R>(SHORT * 2);
        journal.add("late");
        yield_now().await;
        journal.add("went on");
        Ok(())
    })
    .timeout(SHORT)
    .await
    .expect_err("out of time");
    assert!(error.is_timed_out(), "{error:?}");

    let error = fail_after(SHORT, async {
        busy_for::<R>(SHORT * 2);
        journal.add("late");
        yield_now().await;
        journal.add("went on");
    })
    .await
    .expect_err("out of time");
    assert!(error.is_timed_out(), "{error:?}");
    journal.assert_is(&["late", "late"]);
    R::assert_elapsed(begun, SHORT * 4);
}

/// Fails if: overrunning leaves something behind that ends the scope around.
pub(crate) async fn c13_nothing_is_left_of_the_deadline<R: Rt>() {
    let value = nursery(async |outer| {
        nursery(async |_| {
            busy_for::<R>(SHORT * 2);
            Ok(())
        })
        .timeout(SHORT)
        .await?;
        yield_now().await;
        sleep(SHORT).await?;
        assert!(!outer.is_cancelled());
        Ok(7)
    })
    .await;
    assert_eq!(value.expect("it has no deadline"), 7);

    // One whose value came in time for a deadline further out that it overran too: the outer body ends where it waits.
    let journal = Journal::new();
    let error = nursery(async |_| {
        let value = fail_after(SHORT, async {
            busy_for::<R>(SHORT * 2);
            7
        })
        .await;
        journal.add(format!("{value:?}"));
        pending::<()>().await;
        Ok(())
    })
    .timeout(SHORT)
    .await
    .expect_err("out of time");
    assert!(error.is_timed_out(), "{error:?}");
    journal.assert_is(&["Ok(7)"]);
}
