//! c06: of two nested cancelled scopes the outermost unshielded one catches, and the inner one reports that it did not. The
//! scope that was cancelled absorbs its own cancellation; an outer one passes through.

use std::cell::RefCell;
use std::time::Duration;

use futures_lite::future::{pending, yield_now};
use scope_core::{CancelCause, Canceller, Exit, Failure, fail_after, nursery, sleep};
use scope_tests::{Boom, Gate, Journal, Rt, turns};

const SHORT: Duration = Duration::from_millis(20);

/// Fails if: a scope lets its own cancellation through, to code that did not ask for it.
pub(crate) async fn c06_a_scope_absorbs_its_own<R: Rt>() {
    let journal = Journal::new();
    nursery(async |outer| {
        let inner = nursery(async |inner| -> Result<(), Failure> {
            inner.cancel("the inner one");
            pending().await
        })
        .named("inner")
        .await;
        let error = inner.expect_err("it was cancelled");
        let reason = error.reason().expect("it has one");
        assert_eq!((reason.cause(), reason.scope().name()), (CancelCause::Explicit, Some("inner")));
        assert!(!outer.is_cancelled());
        yield_now().await;
        sleep(Duration::from_millis(1)).await?;
        journal.add("went on");
        Ok(())
    })
    .await
    .expect("it absorbed nothing, and was asked nothing");
    journal.assert_is(&["went on"]);
}

/// Fails if: which of the two is cancelled first decides who catches.
pub(crate) async fn c06_the_outer_one_catches_in_whatever_order<R: Rt>() {
    for (order, while_waiting) in [("io", false), ("oi", false), ("io", true), ("oi", true)] {
        let journal = Journal::new();
        let error = nursery(async |outer| -> Result<(), Failure> {
            let caught = nursery(async |inner| -> Result<(), Failure> {
                let (outermost, innermost) = (outer.canceller(), inner.canceller());
                let cancel = move || {
                    for which in order.chars() {
                        let canceller = if which == 'i' { &innermost } else { &outermost };
                        assert!(canceller.cancel(which.to_string()), "each is cancelled once");
                    }
                };
                if while_waiting {
                    // In the same task, so that nobody is polled between the two.
                    outer.spawn_local(async move {
                        turns(2).await;
                        cancel();
                        Ok(())
                    });
                } else {
                    cancel();
                }
                pending().await
            })
            .named("inner")
            .await;
            journal.add(format!("the inner one came back: {caught:?}"));
            Ok(())
        })
        .named("outer")
        .await
        .expect_err("cancelled");
        journal.assert_is(&[]);
        let reason = error.reason().expect("it has one");
        assert_eq!((reason.text(), reason.scope().name()), ("o", Some("outer")), "{order}: {error:?}");
        assert_eq!(reason.cause(), CancelCause::Explicit);
        assert!(error.leaves().is_empty(), "cancelled is never a leaf: {error:?}");
    }
}

/// Fails if: "outermost" means the root, or the next one out: here the middle one of five was cancelled, and the fourth.
pub(crate) async fn c06_the_outermost_of_those_that_were_cancelled<R: Rt>() {
    let journal = Journal::new();
    let cancellers: RefCell<Vec<Canceller>> = RefCell::default();
    nursery(async |first| {
        nursery(async |second| {
            let third = nursery(async |third| {
                cancellers.borrow_mut().push(third.canceller());
                let fourth = nursery(async |fourth| {
                    cancellers.borrow_mut().push(fourth.canceller());
                    let fifth = nursery(async |fifth| -> Result<(), Failure> {
                        let _note = journal.on_drop("fifth");
                        assert!(!fifth.is_cancelled());
                        for canceller in cancellers.borrow().iter().rev() {
                            canceller.cancel("one of two");
                        }
                        assert!(fifth.is_cancelled());
                        pending().await
                    })
                    .await;
                    journal.add(format!("past the fifth: {fifth:?}"));
                    Ok(())
                })
                .await;
                journal.add(format!("past the fourth: {fourth:?}"));
                Ok(())
            })
            .named("third")
            .await;
            assert!(third.expect_err("it was cancelled").is_cancelled());
            assert!(!second.is_cancelled() && !first.is_cancelled());
            yield_now().await;
            journal.add("past the third");
            Ok(())
        })
        .await?;
        Ok(())
    })
    .await
    .expect("what it contains was caught in it");
    journal.assert_is(&["fifth", "past the third"]);
}

/// Fails if: an inner scope that is already ending for itself comes back when an outer one is cancelled meanwhile.
pub(crate) async fn c06_an_outer_one_catches_while_the_inner_one_cleans_up<R: Rt>() {
    let journal = Journal::new();
    let error = nursery(async |outer| {
        let (canceller, j) = (outer.canceller(), journal.clone());
        let inner = nursery(async |inner| -> Result<(), Failure> {
            inner.finalizer("clean up", async move |exit| {
                assert!(matches!(exit, Exit::Cancelled(reason) if reason.text() == "inner"));
                canceller.cancel("outer");
                yield_now().await;
                j.add("cleaned up");
                Ok(())
            });
            inner.cancel("inner");
            pending().await
        })
        .await;
        journal.add(format!("the inner one came back: {inner:?}"));
        Ok(())
    })
    .await
    .expect_err("cancelled");
    assert_eq!(error.reason().expect("it has one").text(), "outer");
    journal.assert_is(&["cleaned up"]);
}

/// Fails if: what failed in an inner scope is lost because that scope did not come back to say it.
pub(crate) async fn c06_what_failed_further_in_comes_out_of_the_one_that_catches<R: Rt>() {
    let error = nursery(async |outer| {
        let canceller = outer.canceller();
        nursery(async |inner| -> Result<(), Failure> {
            inner.finalizer("clean up", async |_| Err(Boom("clean-up failed").into()));
            inner.cancel("inner");
            canceller.cancel("outer");
            pending().await
        })
        .named("inner")
        .await?;
        Ok(())
    })
    .named("outer")
    .await
    .expect_err("cancelled");
    assert_eq!(error.reason().expect("it was cancelled all the same").text(), "outer");
    assert_eq!(error.leaves().len(), 1, "{error:?}");
    assert_eq!(error.find::<Boom>(), Some(&Boom("clean-up failed")));
}

/// Fails if: an inner one's completed value, or its own failure, gets past the await point that comes after it.
pub(crate) async fn c06_an_inner_value_wins_and_the_next_await_point_ends<R: Rt>() {
    let journal = Journal::new();
    let error = nursery(async |outer| {
        let value = nursery(async |inner| {
            inner.cancel("inner");
            outer.cancel("outer");
            Ok(7)
        })
        .await;
        journal.add(format!("{value:?}"));
        yield_now().await;
        journal.add("went on");
        Ok(())
    })
    .await
    .expect_err("cancelled");
    assert_eq!(error.reason().expect("it has one").text(), "outer");
    journal.assert_is(&["Ok(7)"]);
}

/// Fails if: a deadline of an inner scope that passes too lets the code between the two run.
pub(crate) async fn c06_of_two_deadlines_the_outer_one_catches<R: Rt>() {
    let journal = Journal::new();
    let error = nursery(async |outer| {
        outer.canceller().cancelled().await;
        let inner = fail_after(Duration::ZERO, pending::<()>()).await;
        journal.add(format!("the inner one came back: {inner:?}"));
        Ok(())
    })
    .named("outer")
    .timeout(SHORT)
    .await
    .expect_err("out of time");
    assert!(error.is_timed_out(), "{error:?}");
    assert_eq!(error.reason().expect("it has one").scope().name(), Some("outer"));
    journal.assert_is(&[]);

    // The inner one's alone is its own.
    nursery(async |_| {
        let inner = fail_after(SHORT, pending::<()>()).await;
        assert!(inner.expect_err("out of time").is_timed_out());
        yield_now().await;
        journal.add("went on");
        Ok(())
    })
    .timeout(Duration::from_secs(3600))
    .await
    .expect("in time");
    journal.assert_is(&["went on"]);
}

/// Fails if: a child's own scope catches what was meant for the scope that the child belongs to.
pub(crate) async fn c06_the_scope_around_a_child_catches<R: Rt>() {
    for same_task in [false, true] {
        let journal = Journal::new();
        let error = nursery(async |outer| -> Result<(), Failure> {
            let (canceller, parked, j) = (outer.canceller(), Gate::new(), journal.clone());
            let here = parked.clone();
            let child = async move {
                let inner = nursery(async |inner| -> Result<(), Failure> {
                    here.open();
                    let told = inner.canceller();
                    let reason = told.cancelled().await;
                    j.add(format!("{:?} of {}", reason.cause(), reason.scope().name().unwrap_or_default()));
                    inner.cancel("its own, too late");
                    pending().await
                })
                .await;
                j.add(format!("the inner one came back: {inner:?}"));
                Ok(())
            };
            if same_task {
                outer.spawn_local(child);
            } else {
                R::spawn(outer, child);
            }
            parked.passed().await;
            canceller.cancel("outer");
            pending().await
        })
        .named("outer")
        .await
        .expect_err("cancelled");
        assert!(error.is_cancelled() && error.leaves().is_empty(), "{error:?}");
        let lines = journal.lines();
        // With threads the poll in which it says that it is there may still be in progress, and ends it then.
        let unasked = R::THREADS && !same_task && lines.is_empty();
        assert!(unasked || lines == ["Parent of outer"], "{lines:?}");
    }
}
