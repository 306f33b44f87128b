//! n03: a child whose error cannot be printed: it counts as a panic, and whoever waits for the child is told.

use std::fmt;
use std::panic::AssertUnwindSafe;

use futures_util::FutureExt;
use scope_core::{Failure, Lost, Spawns, Started, nursery};
use scope_tests::{Boom, Rt, panic_text, turns};

#[derive(Debug)]
struct Unprintable;

impl fmt::Display for Unprintable {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        panic!("it cannot be printed")
    }
}

impl std::error::Error for Unprintable {}

/// Fails if: its handle, awaited elsewhere, is never ready.
pub(crate) async fn n03_the_handle_of_a_child_whose_error_cannot_be_printed<R: Rt>() {
    let mut handle = None;
    let panic = AssertUnwindSafe(nursery(async |n| {
        handle = Some(n.spawn_erased_with_handle(async {
            turns(1).await;
            Err::<(), Failure>(Unprintable.into())
        }));
        Ok(())
    }))
    .catch_unwind()
    .await
    .expect_err("it panicked when it was printed");
    assert_eq!(panic_text(&*panic), "it cannot be printed");
    assert_eq!(handle.expect("the body ran").await, Err(Lost::Failed));
}

/// Fails if: a start that is awaited elsewhere is never ready, or is not told of the panic.
pub(crate) async fn n03_the_start_of_a_child_whose_error_cannot_be_printed<R: Rt>() {
    let mut start = None;
    nursery(async |n| {
        start = Some(n.start_erased(async |started: Started<()>| {
            let _started = started;
            turns(1).await;
            Err::<(), Failure>(Unprintable.into())
        }));
        Ok(())
    })
    .await
    .expect("a failure before the report is its starter's");
    let error = start.expect("the body ran").await.expect_err("it has failed");
    assert!(error.is_panicked(), "{error:?}");
}

/// Fails if: a supervisor that is dropped with it unread loses those behind it.
pub(crate) async fn n03_a_supervisor_dropped_with_an_error_that_cannot_be_printed<R: Rt>() {
    let error = nursery(async |_| {
        let panic = AssertUnwindSafe(nursery(async |n| {
            let children = n.supervisor::<()>();
            children.spawn_local(async { Err(Unprintable.into()) });
            children.spawn_local(async { Err(Boom("behind it").into()) });
            turns(2).await;
            drop(children);
            Ok(())
        }))
        .catch_unwind()
        .await
        .expect_err("nobody has read it");
        assert_eq!(panic_text(&*panic), "it cannot be printed");
        Ok(())
    })
    .await
    .expect_err("the other comes behind the panic");
    assert_eq!(error.leaves().len(), 1, "{error:?}");
    assert!(error.to_string().contains("behind it"), "{error}");
}
