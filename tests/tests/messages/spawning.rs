//! Children that cannot be spawned, and time that nobody can keep.

use std::sync::Arc;
use std::time::Duration;

use async_executor::Executor;
use futures_lite::future::{block_on, pending};
use scope_core::rt::Handle;
use scope_core::{Failure, Spawner, Spawns, fail_after, nursery, sleep};
use scope_smol::SmolRuntime;
use scope_tests::Doomed;
use scope_tokio::SpawnExt;

use crate::{on_a_runtime, says};

#[test]
fn a_parallel_child_where_no_runtime_is_known() {
    let error = block_on(
        nursery(async |n| {
            n.task("reader").spawn_erased(async { Ok(()) });
            Ok(())
        })
        .named("client"),
    )
    .expect_err("nobody could run it");
    says("spawn-no-runtime", &error);
    says("spawn-no-runtime-debug", format!("{error:?}"));
}

#[test]
fn a_child_without_a_name_where_no_runtime_is_known() {
    let error = block_on(nursery(async |n| {
        n.spawn_erased(async { Ok(()) });
        Ok(())
    }))
    .expect_err("nobody could run it");
    says("spawn-no-runtime-unnamed", error);
}

#[test]
fn a_spawner_that_outlives_its_scope() {
    let spawner: Spawner = block_on(nursery(async |n| Ok(n.spawner())).named("session")).expect("nothing fails");
    let error = spawner.task("late reader").spawn_erased(async { Ok(()) }).expect_err("the scope has ended");
    says("spawn-closed", error);
}

#[test]
fn a_runtime_that_has_shut_down() {
    on_a_runtime(|on| async move {
        let doomed = Doomed::new(on);
        let error = nursery(async |n| -> Result<(), Failure> {
            doomed.end();
            n.task("reader").spawn_erased(async { Ok(()) });
            pending().await
        })
        .named("session")
        .runtime(doomed.handle())
        .await
        .expect_err("the runtime has ended");
        says("spawn-shut-down", error);
    });
}

#[test]
fn an_adapter_of_another_runtime() {
    let executor = Arc::new(Executor::new());
    let runtime = Handle::new(SmolRuntime::on(&executor));
    let error = block_on(
        executor.run(
            nursery(async |n| {
                n.task("reader").spawn(async { Ok(()) });
                Ok(())
            })
            .named("client")
            .runtime(runtime),
        ),
    )
    .expect_err("it is smol's");
    says("spawn-other-runtime", error);
}

#[test]
fn sleeping_where_no_runtime_is_known() {
    let error = block_on(nursery(async |_| Ok(sleep(Duration::from_secs(1)).await))).expect("nothing fails");
    says("sleep-no-runtime", error.expect_err("nobody could keep the time"));
}

#[test]
fn a_deadline_where_no_runtime_is_known() {
    let error = block_on(nursery(async |_| Ok(fail_after(Duration::from_secs(1), pending::<()>()).await)))
        .expect("nothing fails")
        .expect_err("nobody could keep the time");
    says("deadline-no-runtime", &error);
    says("deadline-no-runtime-debug", format!("{error:?}"));
}

/// A nursery that cannot fail has only a panic to tell it by.
#[test]
fn a_child_refused_in_a_nursery_that_cannot_fail() {
    let panic = std::panic::catch_unwind(|| {
        block_on(scope_core::nursery_infallible(async |n| {
            n.task("reader").run_erased(async {});
        }));
    })
    .expect_err("it has nothing else");
    says("infallible", scope_tests::panic_text(&*panic));
}

#[test]
fn a_handle_on_a_child_that_never_was() {
    let mut kept = None;
    block_on(nursery(async |n| {
        kept = Some(n.spawn_erased_with_handle(async { Ok(1) }));
        Ok(())
    }))
    .expect_err("nobody could run it");
    says("handle-refused", block_on(kept.expect("the body has run")).expect_err("it was not spawned"));
}
