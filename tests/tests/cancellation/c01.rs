//! c01: `cancel` is idempotent, callable from any thread, never blocks; the first reason wins.

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread;

use futures_lite::future::pending;
use scope_core::{CancelCause, Canceller, Failure, nursery};
use scope_tests::{Gate, Journal, Rt};

/// Fails if: a second call replaces the reason, tells the children again, or panics.
pub(crate) async fn c01_cancel_is_idempotent_and_the_first_reason_wins<R: Rt>() {
    let error = nursery(async |n| -> Result<(), Failure> {
        let canceller = n.canceller();
        assert!(!n.is_cancelled() && !canceller.is_cancelled());
        assert!(n.reason().is_none());
        n.cancel("first");
        n.cancel("second");
        canceller.cancel("third");
        canceller.cancel_for(CancelCause::Signal, "fourth");
        assert!(n.is_cancelled() && canceller.is_cancelled());
        for reason in [n.reason(), canceller.reason()] {
            assert_eq!(reason.expect("it has one").text(), "first");
        }
        pending().await
    })
    .await
    .expect_err("cancelled");
    let reason = error.reason().expect("it was cancelled");
    assert_eq!((reason.text(), reason.cause()), ("first", CancelCause::Explicit));
}

/// Fails if: `cancel` needs the runtime or a task around it. The runtime's own thread may be standing still: it waits
/// for the thread that calls.
pub(crate) async fn c01_cancel_works_from_any_thread<R: Rt>() {
    let journal = Journal::new();
    let error = nursery(async |n| -> Result<(), Failure> {
        let _note = journal.on_drop("body");
        let parked = Gate::new();
        let (note, here) = (journal.on_drop("child"), parked.clone());
        R::spawn(n, async move {
            let _note = note;
            here.open();
            pending().await
        });
        parked.passed().await;
        let canceller = n.canceller();
        thread::spawn(move || canceller.cancel("from a thread")).join().expect("no panic");
        assert!(n.is_cancelled(), "when `cancel` returns it is done");
        pending().await
    })
    .await
    .expect_err("cancelled");
    assert_eq!(error.reason().expect("it was cancelled").text(), "from a thread");
    assert_eq!(journal.lines().len(), 2);
}

/// Fails if: many at once lose the wake-up, or two reasons win.
pub(crate) async fn c01_many_threads_at_once_agree_on_one_reason<R: Rt>() {
    let error = nursery(async |n| -> Result<(), Failure> {
        R::spawn(n, pending());
        let canceller = n.canceller();
        let seen: Vec<String> = thread::scope(|s| {
            let threads: Vec<_> = (0..4)
                .map(|i| {
                    let canceller = canceller.clone();
                    s.spawn(move || {
                        canceller.cancel(format!("thread {i}"));
                        canceller.reason().expect("cancelled by now").text().to_owned()
                    })
                })
                .collect();
            threads.into_iter().map(|t| t.join().expect("no panic")).collect()
        });
        assert!(seen.iter().all(|text| *text == seen[0]), "{seen:?}");
        pending().await
    })
    .await
    .expect_err("cancelled");
    assert!(error.reason().expect("it was cancelled").text().starts_with("thread "));
}

/// Fails if: a lock is held while wakers run: this one cancels again, and asks.
pub(crate) async fn c01_cancel_never_blocks_even_from_a_waker_it_wakes<R: Rt>() {
    struct CancelsAgain(Canceller, Gate);
    impl Wake for CancelsAgain {
        fn wake(self: Arc<Self>) {
            self.0.cancel("from a waker");
            assert!(self.0.is_cancelled() && self.0.reason().is_some());
            self.1.open();
        }
    }
    let woken = Gate::new();
    let error = nursery(async |n| -> Result<(), Failure> {
        let canceller = n.canceller();
        let mut asked = pin!(canceller.cancelled());
        let waker = Waker::from(Arc::new(CancelsAgain(canceller.clone(), woken.clone())));
        assert!(asked.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        // The same for what waits in a child.
        let mut inner = Box::pin(nursery(async |inner| {
            inner.spawn_local(pending());
            pending::<()>().await;
            Ok(())
        }));
        assert!(inner.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        n.cancel("first");
        assert!(woken.is_open());
        assert!(matches!(asked.as_mut().poll(&mut Context::from_waker(&waker)), Poll::Ready(_)));
        drop(inner);
        pending().await
    })
    .await
    .expect_err("cancelled");
    assert_eq!(error.reason().expect("it was cancelled").text(), "first");
}

/// Fails if: cancelling from where cancellation itself runs code deadlocks: a destructor of a child.
pub(crate) async fn c01_cancel_from_a_destructor_that_cancelling_runs<R: Rt>() {
    struct CancelsOnDrop(Canceller, Gate);
    impl Drop for CancelsOnDrop {
        fn drop(&mut self) {
            self.0.cancel("from a destructor");
            self.1.open();
        }
    }
    let gates = [Gate::new(), Gate::new()];
    let error = nursery(async |n| -> Result<(), Failure> {
        let again = CancelsOnDrop(n.canceller(), gates[0].clone());
        R::spawn(n, async move {
            let _again = again;
            pending().await
        });
        let again = CancelsOnDrop(n.canceller(), gates[1].clone());
        n.spawn_local(async move {
            let _again = again;
            pending().await
        });
        n.cancel("first");
        pending().await
    })
    .await
    .expect_err("cancelled");
    assert!(gates.iter().all(Gate::is_open));
    assert_eq!(error.reason().expect("it was cancelled").text(), "first");
}

/// Fails if: a canceller that outlives its scope panics, blocks, or reaches something else.
pub(crate) async fn c01_cancel_after_the_end_does_nothing<R: Rt>() {
    let value = nursery(async |n| {
        let late = nursery(async |inner| Ok(inner.canceller())).await?;
        late.cancel("too late");
        late.cancel("much too late");
        assert!(!n.is_cancelled());
        futures_lite::future::yield_now().await;
        Ok(7)
    })
    .await
    .expect("nothing here was cancelled");
    assert_eq!(value, 7);
}
