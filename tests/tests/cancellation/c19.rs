//! c19: an operation that cannot be cancelled runs to its end; the pending cancellation is delivered after it. Here: blocking
//! work. A process being reaped is in scope-process.

use std::pin::pin;

use futures_lite::future::{pending, yield_now};
use scope_core::{Blocking, Failure, blocking, nursery};
use scope_tests::{Gate, Journal, Rt, poll_now, turns, while_it_waits};

/// Fails if: the wait for a thread ends before the thread does, or the cancellation is forgotten after it.
pub(crate) async fn c19_blocking_work_runs_to_its_end<R: Rt>() {
    let journal = Journal::new();
    let error = nursery(async |n| -> Result<(), Failure> {
        let (canceller, j) = (n.canceller(), journal.clone());
        let value = blocking(move |b: &Blocking| {
            assert!(!b.is_cancelled());
            canceller.cancel("while the thread works");
            assert!(b.is_cancelled(), "it can ask");
            j.add("worked");
            7
        })
        .await?;
        journal.add(format!("got {value}"));
        yield_now().await;
        journal.add("went on");
        Ok(())
    })
    .await
    .expect_err("cancelled");
    assert!(error.is_cancelled(), "{error:?}");
    journal.assert_is(&["worked", "got 7"]);
}

/// Fails if: work that was handed over, and has perhaps not begun when the cancellation comes, is not waited for with its value.
pub(crate) async fn c19_cancelled_before_the_thread_has_begun<R: Rt>() {
    let journal = Journal::new();
    let error = nursery(async |n| -> Result<(), Failure> {
        let j = journal.clone();
        let mut work = pin!(blocking(move |_: &Blocking| j.add("worked")));
        let handed_over = poll_now(work.as_mut()).await;
        n.cancel("as soon as it is handed over");
        // Where there are threads it may have been done by then.
        if handed_over.is_pending() {
            work.await?;
        }
        journal.add("got it");
        yield_now().await;
        journal.add("went on");
        Ok(())
    })
    .await
    .expect_err("cancelled");
    assert!(error.is_cancelled(), "{error:?}");
    journal.assert_is(&["worked", "got it"]);
}

/// Fails if: a scope returns, timed out or cancelled from further out, while a thread of it still works.
pub(crate) async fn c19_the_scope_waits_for_the_thread<R: Rt>() {
    // On a runtime with one thread, whose blocking work takes a turn like everything else, nothing can be held up.
    if R::VIRTUAL {
        return;
    }
    let journal = Journal::new();
    let (working, cancelled, go) = (Gate::new(), Gate::new(), Gate::new());
    let mut waits = Box::pin(nursery(async |outer| -> Result<(), Failure> {
        let canceller = outer.canceller();
        let (here, until, j) = (working.clone(), go.clone(), journal.clone());
        let (cancels, has_cancelled) = (working.clone(), cancelled.clone());
        R::spawn(outer, async move {
            cancels.passed().await;
            canceller.cancel("while the thread works");
            has_cancelled.open();
            Ok(())
        });
        blocking(move |b: &Blocking| {
            here.open();
            until.passed_blocking();
            assert!(b.is_cancelled());
            j.add("worked");
        })
        .await?;
        journal.add("got it");
        pending().await
    }));
    while !cancelled.is_open() {
        assert!(scope_tests::poll_now(waits.as_mut()).await.is_pending());
        turns(1).await;
    }
    while_it_waits(waits.as_mut(), "the thread has not ended").await;
    go.open();
    assert!(waits.await.expect_err("cancelled").is_cancelled());
    journal.assert_is(&["worked", "got it"]);
}
