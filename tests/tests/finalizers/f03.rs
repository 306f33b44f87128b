//! f03: a failing finalizer never masks the body's error.

use std::panic::AssertUnwindSafe;

use futures_lite::future::pending;
use futures_util::FutureExt;
use scope_core::{Cause, Failure, Nursery, ScopeError, nursery};
use scope_tests::{Boom, Rt, panic_text};

fn break_clean_up(n: &Nursery<'_, '_>) {
    n.finalizer("first", async |_| Err(Boom("first clean-up").into()));
    n.finalizer("second", async |_| Err(Boom("second clean-up").into()));
}

fn clean_up(error: &ScopeError) -> Vec<String> {
    let found = error.leaves().iter().filter_map(|leaf| match leaf.cause() {
        Cause::CleanUp(failure) => Some(failure.to_string()),
        _ => None,
    });
    found.collect()
}

const BOTH: &[&str] = &["second clean-up", "first clean-up"];

/// Fails if: clean-up's error takes the place of the body's, or is dropped for it.
pub(crate) async fn f03_the_bodys_error_first_and_clean_ups_beside_it<R: Rt>() {
    let error = nursery(async |n| -> Result<(), Failure> {
        break_clean_up(n);
        Err(Boom("body").into())
    })
    .await
    .expect_err("all fail");
    assert!(matches!(error.cause(), Cause::Failed(failure) if failure.is::<Boom>()), "{error:?}");
    assert_eq!(error.find::<Boom>(), Some(&Boom("body")));
    assert_eq!(clean_up(&error), BOTH);
}

/// The same where a child failed first.
pub(crate) async fn f03_a_childs_error_first_and_clean_ups_beside_it<R: Rt>() {
    let error = nursery(async |n| -> Result<(), Failure> {
        break_clean_up(n);
        R::spawn(n, async { Err(Boom("child").into()) });
        pending().await
    })
    .await
    .expect_err("all fail");
    assert_eq!(error.find::<Boom>(), Some(&Boom("child")));
    assert_eq!(clean_up(&error), BOTH);
}

/// Fails if: a good body hides that its clean-up failed.
pub(crate) async fn f03_a_good_body_does_not_hide_a_failed_clean_up<R: Rt>() {
    let error = nursery(async |n| {
        break_clean_up(n);
        Ok(7)
    })
    .await
    .expect_err("clean-up fails");
    assert_eq!(clean_up(&error), BOTH);
    assert!(matches!(error.cause(), Cause::CleanUp(_)), "{error:?}");
}

/// Fails if: a cancelled scope's failed clean-up is lost, or its reason is.
pub(crate) async fn f03_a_cancelled_scope_keeps_its_reason_and_its_failed_clean_up<R: Rt>() {
    let error = nursery(async |n| -> Result<(), Failure> {
        break_clean_up(n);
        n.cancel("enough");
        pending().await
    })
    .await
    .expect_err("cancelled");
    assert_eq!(error.reason().expect("it was cancelled").text(), "enough");
    assert_eq!(clean_up(&error), BOTH);
}

/// Fails if: a failing finalizer swallows the panic that ended the body, or the panic what failed in clean-up: that goes
/// to the scope around.
pub(crate) async fn f03_a_panic_comes_through_a_failed_clean_up<R: Rt>() {
    let error = nursery(async |_| {
        let panic = AssertUnwindSafe(nursery(async |n| -> Result<(), Failure> {
            break_clean_up(n);
            panic!("in the body")
        }))
        .catch_unwind()
        .await
        .expect_err("it panics");
        assert_eq!(panic_text(&*panic), "in the body");
        Ok(())
    })
    .await
    .expect_err("clean-up failed further in");
    let found: Vec<_> = error.leaves().iter().map(|leaf| format!("{:?}", leaf.cause())).collect();
    assert_eq!(found.len(), 2, "{error:?}");
    for what in BOTH {
        assert!(found.iter().any(|cause| cause.contains(what)), "{what}: {error:?}");
    }
}
