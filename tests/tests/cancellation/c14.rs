//! c14: `Timeout` and `Cancelled` are told apart by the recorded cause, not by the clock.

use std::time::Duration;

use futures_lite::future::{pending, yield_now};
use scope_core::{CancelCause, Exit, Failure, fail_after, nursery, sleep};
use scope_tests::{Boom, Gate, Journal, Rt};

use crate::clock::busy_for;

const SHORT: Duration = Duration::from_millis(10);
const HOUR: Duration = Duration::from_secs(3600);

/// Fails if: the clock is asked at the end, when the clean-up has overrun the deadline.
pub(crate) async fn c14_cancelled_before_its_deadline_with_a_slow_clean_up<R: Rt>() {
    let error = nursery(async |n| -> Result<(), Failure> {
        n.finalizer("slow", async |exit| {
            assert!(matches!(exit, Exit::Cancelled(reason) if reason.cause() == CancelCause::Explicit));
            Ok(sleep(SHORT * 3).await?)
        });
        n.set_deadline(Some(R::now() + SHORT));
        n.cancel("in time");
        pending().await
    })
    .await
    .expect_err("cancelled");
    assert!(error.is_cancelled() && !error.is_timed_out(), "{error:?}");
    let reason = error.reason().expect("it has one");
    assert_eq!((reason.cause(), reason.text()), (CancelCause::Explicit, "in time"));
    assert!(!error.to_string().contains("deadline"), "{error}");
}

/// Keeps its task busy when it is dropped: a clean-up of the synchronous kind.
struct SlowToDrop<R: Rt>(Duration, std::marker::PhantomData<R>);

impl<R: Rt> Drop for SlowToDrop<R> {
    fn drop(&mut self) {
        busy_for::<R>(self.0);
    }
}

/// Fails if: a destructor of body or child that takes until after the deadline makes a time-out of it.
pub(crate) async fn c14_with_slow_destructors<R: Rt>() {
    for who in ["body", "same-task", "parallel"] {
        let slow = SlowToDrop::<R>(SHORT * 3, std::marker::PhantomData);
        let error = nursery(async |n| -> Result<(), Failure> {
            n.set_deadline(Some(R::now() + HOUR));
            let mut in_body = None;
            let parked = Gate::new();
            let here = parked.clone();
            match who {
                "body" => in_body = Some(slow),
                "same-task" => n.spawn_local(async move {
                    let _slow = slow;
                    here.open();
                    pending().await
                }),
                _ => R::spawn(n, async move {
                    let _slow = slow;
                    here.open();
                    pending().await
                }),
            }
            if in_body.is_none() {
                parked.passed().await;
            }
            n.cancel("in time");
            n.set_deadline(Some(R::now() + SHORT));
            pending().await
        })
        .await
        .expect_err("cancelled");
        assert!(error.is_cancelled() && !error.is_timed_out(), "{who}: {error:?}");
    }
}

/// Fails if: an explicit cancel during the clean-up of a time-out overwrites the cause.
pub(crate) async fn c14_timed_out_and_then_cancelled<R: Rt>() {
    let error = nursery(async |n| -> Result<(), Failure> {
        let canceller = n.canceller();
        n.finalizer("late", async move |_| {
            assert!(!canceller.cancel("too late"));
            Ok(())
        });
        pending().await
    })
    .timeout(SHORT)
    .await
    .expect_err("out of time");
    assert!(error.is_timed_out() && !error.is_cancelled(), "{error:?}");
    assert_eq!(error.reason().expect("it has one").cause(), CancelCause::Deadline);
}

/// Fails if: of a cancel and a deadline in the same tick another wins than the one that was recorded.
pub(crate) async fn c14_in_the_same_tick_the_first_recorded_wins<R: Rt>() {
    // Cancelled while the deadline has passed but nobody has looked at the clock.
    let error = nursery(async |n| -> Result<(), Failure> {
        n.set_deadline(Some(R::now() + SHORT));
        busy_for::<R>(SHORT * 2);
        n.cancel("explicit");
        pending().await
    })
    .await
    .expect_err("cancelled");
    assert!(error.is_cancelled() && !error.is_timed_out(), "{error:?}");
    assert_eq!(error.reason().expect("it has one").text(), "explicit");

    // Told of the deadline, and cancelled in the poll in which it was told.
    let error = nursery(async |n| -> Result<(), Failure> {
        n.canceller().cancelled().await;
        n.cancel("explicit");
        pending().await
    })
    .timeout(SHORT)
    .await
    .expect_err("out of time");
    assert!(error.is_timed_out() && !error.is_cancelled(), "{error:?}");
}

/// Fails if: a failure whose siblings' clean-up overruns the deadline is reported as a time-out.
pub(crate) async fn c14_a_failure_before_the_deadline_is_neither<R: Rt>() {
    let error = nursery(async |n| -> Result<(), Failure> {
        let slow = SlowToDrop::<R>(SHORT * 3, std::marker::PhantomData);
        let parked = Gate::new();
        let here = parked.clone();
        R::spawn(n, async move {
            let _slow = slow;
            here.open();
            pending().await
        });
        parked.passed().await;
        n.set_deadline(Some(R::now() + HOUR));
        R::spawn(n, async { Err(Boom("child").into()) });
        n.canceller().cancelled().await;
        n.set_deadline(Some(R::now() + SHORT));
        pending().await
    })
    .await
    .expect_err("a child failed");
    assert!(!error.is_cancelled() && !error.is_timed_out(), "{error:?}");
    assert_eq!(error.find::<Boom>(), Some(&Boom("child")));
}

/// Fails if: whose deadline it was is not told apart: an outer one's is none of the inner scope's.
pub(crate) async fn c14_an_outer_deadline_is_the_outer_scopes<R: Rt>() {
    let journal = Journal::new();
    let error = nursery(async |_| -> Result<(), Failure> {
        let inner = nursery(async |inner| -> Result<(), Failure> {
            let reason = inner.canceller().cancelled().await;
            journal.add(format!("{:?}, {:?}", reason.cause(), reason.origin()));
            pending().await
        })
        .timeout(HOUR)
        .await;
        journal.add(format!("the inner one came back: {inner:?}"));
        Ok(())
    })
    .named("outer")
    .timeout(SHORT)
    .await
    .expect_err("out of time");
    assert!(error.is_timed_out(), "{error:?}");
    assert_eq!(error.reason().expect("it has one").scope().name(), Some("outer"));
    journal.assert_is(&["Parent, Deadline"]);
}

/// Fails if: `fail_after` says "timed out" of a body that was cancelled for another reason, or the other way round.
pub(crate) async fn c14_fail_after_says_timed_out_only_of_its_own_deadline<R: Rt>() {
    let begun = R::now();
    let error = fail_after(SHORT, pending::<()>()).await.expect_err("out of time");
    assert!(error.is_timed_out() && !error.is_cancelled(), "{error:?}");
    R::assert_elapsed(begun, SHORT);

    // What fails in a body that is in time is a value of its own, not a time-out.
    let inner = fail_after(HOUR, async {
        fail_after(SHORT, pending::<()>()).await.expect_err("the inner one's").is_timed_out()
    })
    .await;
    assert!(inner.expect("the outer one was in time"));

    let error = nursery(async |n| -> Result<(), Failure> {
        let gone = fail_after(HOUR, async {
            n.cancel("explicit");
            yield_now().await;
        })
        .await;
        panic!("the block came back: {gone:?}");
    })
    .await
    .expect_err("cancelled");
    assert!(error.is_cancelled() && !error.is_timed_out(), "{error:?}");
}
