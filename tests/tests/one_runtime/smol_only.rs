//! What only smol has: tasks that are cancelled by dropping them, and an executor that ends by being dropped.

use std::sync::Arc;

use async_executor::Executor;
use futures_lite::future::{block_on, pending};
use scope_core::rt::Handle;
use scope_core::task;
use scope_core::{Cause, Failure, Spawns, TaskId, nursery};
use scope_smol::{SmolRuntime, SpawnExt};
use scope_tests::{Gate, Journal, within_bound};

fn id() -> TaskId {
    task::id().expect("inside a task")
}

struct SaysWhetherIn(TaskId, Journal, &'static str);

impl Drop for SaysWhetherIn {
    fn drop(&mut self) {
        let right = task::id() == Some(self.0);
        self.1.add(format!("{}: {}", self.2, if right { "right" } else { "wrong" }));
    }
}

async fn parked_root(journal: Journal, runtime: Handle, parked: Gate) {
    let _ = nursery(async |n| -> Result<(), Failure> {
        let (j, in_parallel) = (journal.clone(), Gate::new());
        let here = in_parallel.clone();
        n.spawn_erased(async move {
            let _note = SaysWhetherIn(id(), j, "parallel");
            here.open();
            pending().await
        });
        in_parallel.passed().await;
        let _note = SaysWhetherIn(id(), journal.clone(), "body");
        parked.open();
        pending().await
    })
    .runtime(runtime)
    .await;
}

fn assert_right(journal: &Journal) {
    let mut lines = journal.lines();
    lines.sort();
    assert_eq!(lines, ["body: right", "parallel: right"]);
}

/// Fails if: the frame is set on polls only: smol drops a task's future where its handle is dropped, or on the executor.
#[test]
fn t02_in_drop_by_a_smol_tasks_cancel() {
    within_bound("t02_in_drop_by_a_smol_tasks_cancel", || {
        let executor = Arc::new(Executor::new());
        let runtime = Handle::new(SmolRuntime::on(&executor));
        let (journal, parked) = (Journal::new(), Gate::new());
        block_on(executor.run(async {
            let root = executor.spawn(parked_root(journal.clone(), runtime.clone(), parked.clone()));
            parked.passed().await;
            assert!(root.cancel().await.is_none());
            runtime.settled().await;
        }));
        assert_right(&journal);
    });
}

/// Fails if: the frame is set on polls only: an executor that is dropped drops its tasks.
#[test]
fn t02_in_drop_of_an_executor() {
    within_bound("t02_in_drop_of_an_executor", || {
        let executor = Arc::new(Executor::new());
        let runtime = Handle::new(SmolRuntime::on(&executor));
        let (journal, parked) = (Journal::new(), Gate::new());
        executor.spawn(parked_root(journal.clone(), runtime, parked.clone())).detach();
        block_on(executor.run(parked.passed()));
        drop(executor);
        assert_right(&journal);
    });
}

/// Fails if: an owner elsewhere waits for ever for a child that went down with its executor.
#[test]
fn n01_children_lost_with_their_executor_leave_a_leaf() {
    within_bound("n01_children_lost_with_their_executor_leave_a_leaf", || {
        let executor = Arc::new(Executor::new());
        let runtime = Handle::new(SmolRuntime::on(&executor));
        let mut executor = Some(executor);
        let error = block_on(
            nursery(async |n| -> Result<(), Failure> {
                let parked = Gate::new();
                let here = parked.clone();
                n.task("lost").spawn_erased(async move {
                    here.open();
                    pending().await
                });
                let executor = executor.take().expect("once");
                executor.run(parked.passed()).await;
                drop(executor);
                pending().await
            })
            .runtime(runtime),
        )
        .expect_err("its child is gone");
        assert!(matches!(error.cause(), Cause::Aborted), "{error:?}");
        assert_eq!(error.leaves().len(), 1, "{error:?}");
    });
}

/// Fails if: a spawn on an executor that is gone is not refused.
#[test]
fn n05_on_an_executor_that_is_gone() {
    within_bound("n05_on_an_executor_that_is_gone", || {
        let executor = Arc::new(Executor::new());
        let runtime = Handle::new(SmolRuntime::on(&executor));
        drop(executor);
        for boxed in [false, true] {
            let journal = Journal::new();
            let note = journal.on_drop("dropped");
            let child = async move {
                drop(note);
                Ok(())
            };
            let error = block_on(
                nursery(async |n| {
                    let unlucky = n.task("unlucky");
                    if boxed {
                        unlucky.spawn_erased(child)
                    } else {
                        unlucky.spawn(child)
                    }
                    Ok(())
                })
                .runtime(runtime.clone()),
            )
            .expect_err("a child was refused");
            journal.assert_is(&["dropped"]);
            assert!(matches!(error.cause(), Cause::Refused(why) if why.is_shut_down()), "{error:?}");
        }
    });
}
