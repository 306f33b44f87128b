//! t04: a panic inside a poll leaves no stale identity on that worker thread.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::task::{Context, Waker};

use futures_lite::future::{pending, yield_now};
use futures_util::FutureExt;
use scope_core::task;
use scope_core::{Failure, TaskId, nursery};
use scope_tests::{Rt, panic_text};

fn id() -> TaskId {
    task::id().expect("inside a task")
}

struct PanicsOnDrop;

impl Drop for PanicsOnDrop {
    fn drop(&mut self) {
        panic!("in drop");
    }
}

/// Polls `root` by hand until it panics, and returns what it said.
fn poll_into_a_panic(root: impl Future) -> String {
    let mut root = Box::pin(root);
    let polled = catch_unwind(AssertUnwindSafe(|| {
        for _ in 0..10 {
            let _ = root.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        }
    }));
    panic_text(&*polled.expect_err("it panics")).to_owned()
}

/// Fails if: the frame is restored by a statement after the poll instead of by a guard.
pub(crate) async fn t04_a_panic_in_a_nested_poll_restores_the_outer_task<R: Rt>() {
    let me = id();
    let text = poll_into_a_panic(nursery(async |_| -> Result<(), Failure> { panic!("in the body") }));
    assert_eq!(text, "in the body");
    assert_eq!(id(), me);

    let text = poll_into_a_panic(nursery(async |n| {
        n.spawn_local(async { panic!("in a child") });
        Ok(())
    }));
    assert_eq!(text, "in a child");
    assert_eq!(id(), me);
}

/// Fails if: a root's frame outlives its panic: this thread would hold on to a task that is gone.
pub(crate) async fn t04_a_panic_in_a_root_leaves_no_task_on_its_thread<R: Rt>() {
    let bare = std::thread::spawn(|| {
        let text = poll_into_a_panic(nursery(async |n| {
            n.spawn_local(async { panic!("in a child") });
            Ok(())
        }));
        assert_eq!(text, "in a child");
        let after_child = task::current();
        let text = poll_into_a_panic(nursery(async |_| -> Result<(), Failure> { panic!("in the body") }));
        assert_eq!(text, "in the body");
        (after_child, task::current())
    });
    assert_eq!(bare.join().expect("it caught its panics"), (None, None));
}

/// Fails if: a worker that has seen a child panic keeps that child's frame for whatever it polls next.
pub(crate) async fn t04_a_panicking_child_leaves_its_worker_clean<R: Rt>() {
    let me = id();
    let (sent, found) = async_channel::unbounded();
    for _ in 0..4 {
        let panicked = AssertUnwindSafe(nursery(async |n| {
            R::spawn(n, async {
                yield_now().await;
                panic!("in a child")
            });
            // More than there are workers, before and after the panic.
            for _ in 0..8 {
                let sent = sent.clone();
                R::foreign(async move {
                    for _ in 0..4 {
                        yield_now().await;
                        let _ = sent.try_send(task::id());
                    }
                });
            }
            Ok(())
        }))
        .catch_unwind()
        .await;
        assert_eq!(panic_text(&*panicked.expect_err("the child panics")), "in a child");
        assert_eq!(id(), me);
    }
    drop(sent);
    let mut asked = 0;
    while let Ok(found) = found.recv().await {
        assert_eq!(found, None, "a foreign task is in no task of ours");
        asked += 1;
    }
    assert_eq!(asked, 4 * 8 * 4);
}

/// Fails if: the frame that is set for dropping a future is not restored when a destructor panics.
pub(crate) async fn t04_a_panic_in_a_destructor_restores_the_outer_task<R: Rt>() {
    let me = id();
    let panicked = AssertUnwindSafe(nursery(async |n| {
        n.spawn_local(async {
            let _bomb = PanicsOnDrop;
            pending().await
        });
        n.cancel("drop it");
        pending::<()>().await;
        Ok(())
    }))
    .catch_unwind()
    .await;
    assert_eq!(panic_text(&*panicked.expect_err("the destructor panics")), "in drop");
    assert_eq!(id(), me);

    let panicked = AssertUnwindSafe(nursery(async |n| {
        R::spawn(n, async {
            let _bomb = PanicsOnDrop;
            yield_now().await;
            Ok(())
        });
        Ok(())
    }))
    .catch_unwind()
    .await;
    assert_eq!(panic_text(&*panicked.expect_err("the destructor panics")), "in drop");
    assert_eq!(id(), me);
}
