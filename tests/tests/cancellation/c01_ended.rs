//! c01: a scope that has ended is not cancelled any more, and keeps nothing of those who wanted to be told.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use scope_core::{Canceller, nursery};
use scope_tests::Rt;

/// The canceller of a scope that has ended well, with this hook.
async fn ended(hook: impl FnOnce() + Send + 'static) -> Canceller {
    nursery(async |n| {
        let scope = n.canceller();
        scope.on_cancel(|_| hook()).detach();
        Ok(scope)
    })
    .await
    .expect("nothing fails")
}

/// Fails if: a hook is called for a scope that has ended without a cancellation.
pub(crate) async fn c01_one_that_has_ended_is_not_cancelled<R: Rt>() {
    let called = Arc::new(AtomicBool::new(false));
    let c = called.clone();
    let scope = ended(move || c.store(true, Ordering::SeqCst)).await;
    assert!(!scope.cancel("too late"));
    assert!(!scope.is_cancelled());
    assert!(!called.load(Ordering::SeqCst));
}

/// Fails if: what a hook holds lives for as long as somebody has a handle on the scope: for ever, where it is the hook itself.
pub(crate) async fn c01_one_that_has_ended_keeps_no_hook<R: Rt>() {
    let held = Arc::new(());
    let of_hook = held.clone();
    let scope = ended(move || drop(of_hook)).await;
    assert_eq!(Arc::strong_count(&held), 1);

    let of_hook = held.clone();
    scope.on_cancel(move |_| drop(of_hook)).detach();
    assert_eq!(Arc::strong_count(&held), 1, "nobody will call it");

    let of_hook = held.clone();
    nursery(async |n| {
        let scope = n.canceller();
        scope.clone().on_cancel(move |_| drop((scope, of_hook))).detach();
        Ok(())
    })
    .await
    .expect("nothing fails");
    assert_eq!(Arc::strong_count(&held), 1);
}
