//! c15: a cancellation carries its cause, a text, the scope's name, and the place that called `cancel`.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use futures_lite::future::pending;
use scope_core::{CancelCause, CancelReason, Failure, Spawns, nursery, rt};
use scope_tests::{Boom, Doomed, Gate, Rt};

#[track_caller]
fn check(reason: &CancelReason, cause: CancelCause, text: &str, scope: &str, line: u32) {
    assert_eq!(reason.cause(), cause, "{reason:?}");
    assert_eq!(reason.text(), text, "{reason:?}");
    assert_eq!(reason.scope().name(), Some(scope), "{reason:?}");
    assert_eq!((reason.location().file(), reason.location().line()), (file!(), line), "{reason:?}");
}

/// Fails if: one of the four is lost, or the place is inside the framework.
pub(crate) async fn c15_an_explicit_one<R: Rt>() {
    let mut line = 0;
    let error = nursery(async |n| -> Result<(), Failure> {
        line = line!() + 1;
        n.cancel("no longer needed");
        pending().await
    })
    .named("worker")
    .await
    .expect_err("cancelled");
    check(error.reason().expect("it has one"), CancelCause::Explicit, "no longer needed", "worker", line);
    let message = error.to_string();
    assert!(message.contains("worker") && message.contains("no longer needed"), "{message}");

    let line = Arc::new(AtomicU32::new(0));
    let error = nursery(async |n| -> Result<(), Failure> {
        let (canceller, here) = (n.canceller(), Arc::clone(&line));
        R::spawn(n, async move {
            here.store(line!() + 1, Ordering::SeqCst);
            canceller.cancel(format!("from {}", "a child"));
            Ok(())
        });
        pending().await
    })
    .named("worker")
    .await
    .expect_err("cancelled");
    let reason = error.reason().expect("it has one");
    check(reason, CancelCause::Explicit, "from a child", "worker", line.load(Ordering::SeqCst));
}

/// Fails if: the cause that a caller gives is overruled.
pub(crate) async fn c15_one_with_a_cause_of_the_callers<R: Rt>() {
    for cause in [CancelCause::Signal, CancelCause::RuntimeShutdown] {
        let mut line = 0;
        let error = nursery(async |n| -> Result<(), Failure> {
            line = line!() + 1;
            n.canceller().cancel_for(cause, "SIGTERM");
            pending().await
        })
        .named("program")
        .await
        .expect_err("cancelled");
        check(error.reason().expect("it has one"), cause, "SIGTERM", "program", line);
    }
}

/// Fails if: a deadline says that somebody cancelled.
pub(crate) async fn c15_a_deadline<R: Rt>() {
    let error = nursery(async |_| -> Result<(), Failure> { pending().await })
        .named("slow")
        .timeout(Duration::from_millis(10))
        .await
        .expect_err("it runs out of time");
    let reason = error.reason().expect("it has one");
    assert_eq!(reason.cause(), CancelCause::Deadline);
    assert_eq!(reason.scope().name(), Some("slow"));
    assert_eq!(reason.location().file(), file!(), "where the scope was opened");
}

/// Fails if: a failure's cancellation does not say whose failure it was.
pub(crate) async fn c15_a_siblings_failure<R: Rt>() {
    let mut line = 0;
    nursery(async |n| -> Result<(), Failure> {
        line = line!() + 1;
        n.task("reader").spawn_erased(async { Err(Boom("pipe broke").into()) });
        let canceller = n.canceller();
        canceller.cancelled().await;
        let reason = canceller.reason().expect("it has one");
        check(&reason, CancelCause::SiblingFailed, "pipe broke", "group", line);
        Ok(())
    })
    .named("group")
    .await
    .expect_err("a child failed");
}

/// Fails if: a scope further in says that it was cancelled itself, or forgets who was.
pub(crate) async fn c15_one_from_a_parent<R: Rt>() {
    let parked = Gate::new();
    let line = Arc::new(AtomicU32::new(0));
    nursery(async |outer| -> Result<(), Failure> {
        let (here, told) = (parked.clone(), Arc::clone(&line));
        R::spawn(outer, async move {
            nursery(async |inner| {
                let canceller = inner.canceller();
                here.open();
                canceller.cancelled().await;
                let reason = inner.reason().expect("it has one");
                assert_eq!(reason.origin(), CancelCause::Explicit);
                check(&reason, CancelCause::Parent, "from above", "outer", told.load(Ordering::SeqCst));
                assert!(reason.to_string().contains("outer"), "{reason}");
                Ok(())
            })
            .named("inner")
            .await?;
            Ok(())
        });
        parked.passed().await;
        line.store(line!() + 1, Ordering::SeqCst);
        outer.cancel("from above");
        pending().await
    })
    .named("outer")
    .await
    .expect_err("cancelled");
}

/// Fails if: the end of a runtime is told as a failure of the program's own.
pub(crate) async fn c15_the_runtimes_shutdown<R: Rt>() {
    let doomed = Doomed::new(rt::current().expect("on a runtime"));
    let error = nursery(async |n| -> Result<(), Failure> {
        let (parked, canceller) = (Gate::new(), n.canceller());
        let here = parked.clone();
        n.task("lost").spawn_erased(async move {
            here.open();
            pending().await
        });
        parked.passed().await;
        doomed.end();
        canceller.cancelled().await;
        assert_eq!(canceller.reason().expect("it has one").cause(), CancelCause::RuntimeShutdown);
        pending().await
    })
    .named("scope")
    .runtime(doomed.handle())
    .await
    .expect_err("a child is missing");
    assert!(!error.is_cancelled(), "the missing child is the cause: {error:?}");
}
