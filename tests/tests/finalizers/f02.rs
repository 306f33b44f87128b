//! f02: a finalizer learns how the scope ended.

use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_lite::future::pending;
use futures_util::FutureExt;
use scope_core::{CancelCause, Exit, Failure, Nursery, nursery};
use scope_tests::{Boom, Rt};

type Told = Arc<Mutex<Vec<Exit>>>;

fn ask(n: &Nursery<'_, '_>) -> Told {
    let told = Told::default();
    let t = Arc::clone(&told);
    n.finalizer("asks", async move |exit: Exit| {
        t.lock().expect("no panic").push(exit);
        Ok(())
    });
    told
}

fn only(told: Option<Told>) -> Exit {
    let told = told.expect("the body began");
    let mut exits = std::mem::take(&mut *told.lock().expect("no panic"));
    assert_eq!(exits.len(), 1);
    exits.remove(0)
}

/// Fails if: a good end is told as anything else.
pub(crate) async fn f02_ok<R: Rt>() {
    let mut told = None;
    nursery(async |n| {
        told = Some(ask(n));
        Ok(())
    })
    .await
    .expect("nothing fails");
    let exit = only(told);
    assert!(matches!(exit, Exit::Ok), "{exit:?}");
}

/// Fails if: a body's or a child's error is told as a good end, or as a cancellation.
pub(crate) async fn f02_failed<R: Rt>() {
    let mut told = None;
    nursery(async |n| -> Result<(), Failure> {
        told = Some(ask(n));
        Err(Boom("body broke").into())
    })
    .await
    .expect_err("the body fails");
    let exit = only(told);
    assert!(matches!(exit, Exit::Failed(_)), "{exit:?}");
    assert!(format!("{exit:?}").contains("body broke"), "it says how: {exit:?}");

    let mut told = None;
    nursery(async |n| -> Result<(), Failure> {
        told = Some(ask(n));
        R::spawn(n, async { Err(Boom("child broke").into()) });
        pending().await
    })
    .await
    .expect_err("a child fails");
    let exit = only(told);
    assert!(matches!(exit, Exit::Failed(_)), "{exit:?}");
    assert!(format!("{exit:?}").contains("child broke"), "it says how: {exit:?}");
}

/// Fails if: a cancellation loses its reason on the way to the finalizer.
pub(crate) async fn f02_cancelled<R: Rt>() {
    let mut told = None;
    nursery(async |n| -> Result<(), Failure> {
        told = Some(ask(n));
        n.cancel("no longer needed");
        pending().await
    })
    .await
    .expect_err("cancelled");
    match only(told) {
        Exit::Cancelled(reason) => assert_eq!(reason.text(), "no longer needed"),
        exit => panic!("{exit:?}"),
    }

    let mut told = None;
    nursery(async |n| -> Result<(), Failure> {
        told = Some(ask(n));
        pending().await
    })
    .timeout(Duration::from_millis(5))
    .await
    .expect_err("it runs out of time");
    match only(told) {
        Exit::Cancelled(reason) => assert_eq!(reason.cause(), CancelCause::Deadline),
        exit => panic!("{exit:?}"),
    }

    // From above.
    let mut told = None;
    nursery(async |outer| -> Result<(), Failure> {
        nursery(async |n| -> Result<(), Failure> {
            told = Some(ask(n));
            outer.cancel("from above");
            pending().await
        })
        .await?;
        Ok(())
    })
    .await
    .expect_err("cancelled");
    match only(told) {
        Exit::Cancelled(reason) => assert_eq!((reason.cause(), reason.text()), (CancelCause::Parent, "from above")),
        exit => panic!("{exit:?}"),
    }
}

/// Fails if: a panic is told as a failure, or as nothing.
pub(crate) async fn f02_panicked<R: Rt>() {
    let mut told = None;
    AssertUnwindSafe(nursery(async |n| -> Result<(), Failure> {
        told = Some(ask(n));
        panic!("in the body")
    }))
    .catch_unwind()
    .await
    .expect_err("it panics");
    let exit = only(told);
    assert!(matches!(exit, Exit::Panicked(_)), "{exit:?}");

    let mut told = None;
    AssertUnwindSafe(nursery(async |n| -> Result<(), Failure> {
        told = Some(ask(n));
        R::spawn(n, async { panic!("in a child") });
        pending().await
    }))
    .catch_unwind()
    .await
    .expect_err("it panics");
    let exit = only(told);
    assert!(matches!(exit, Exit::Panicked(_)), "{exit:?}");
}

/// Fails if: a body that had its value is told as cancelled because `cancel` was called.
pub(crate) async fn f02_a_value_that_won_is_ok<R: Rt>() {
    let mut told = None;
    nursery(async |n| {
        told = Some(ask(n));
        n.cancel("too late");
        Ok(())
    })
    .await
    .expect("the body had its value");
    let exit = only(told);
    assert!(matches!(exit, Exit::Ok), "{exit:?}");
}

/// Fails if: a finalizer is told of another's failure as of the scope's.
pub(crate) async fn f02_a_finalizer_that_fails_is_not_how_the_scope_ended<R: Rt>() {
    let mut told = None;
    nursery(async |n| {
        told = Some(ask(n));
        n.finalizer("fails before", async |_| Err(Boom("clean-up").into()));
        Ok(())
    })
    .await
    .expect_err("its clean-up failed");
    let exit = only(told);
    assert!(matches!(exit, Exit::Ok), "{exit:?}");
}
