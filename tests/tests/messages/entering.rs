//! Code of foreign tasks and of threads, and resources that are acquired.

use std::sync::Arc;

use futures_lite::future::{block_on, pending};
use scope_core::rt::Handle;
use scope_core::{Blocking, Exit, Failure, Spawner, Spawns, blocking, nursery};
use scope_tests::Boom;
use scope_tokio::TokioRuntime;

use crate::{on_a_runtime, says};

#[test]
fn entering_a_scope_that_has_ended() {
    let spawner: Spawner = block_on(nursery(async |n| Ok(n.spawner())).named("server")).expect("nothing fails");
    let error = block_on(spawner.task("request 7").enter(async {})).expect_err("it has ended");
    says("enter-closed", &error);
    says("enter-closed-unnamed", block_on(spawner.enter(async {})).expect_err("it has ended"));
}

#[test]
fn entering_a_scope_that_is_cancelled() {
    let _ = block_on(
        nursery(async |n| -> Result<(), Failure> {
            let request = n.spawner().task("request 7");
            n.cancel("maintenance");
            let entered = std::thread::spawn(move || block_on(request.enter(pending::<()>())));
            let error = entered.join().expect("no panic").expect_err("cut short");
            says("enter-cancelled", error);
            Ok(())
        })
        .named("server"),
    );
}

async fn no_release(_: Arc<()>, _: Exit) -> Result<(), Failure> {
    Ok(())
}

#[test]
fn what_cannot_be_acquired() {
    on_a_runtime(|runtime| async move {
        nursery(async |n| {
            let failing = async { Err::<(), Failure>(Boom("all connections are in use").into()) };
            let error = n.acquire("connection", failing, no_release).await.expect_err("it fails");
            says("acquire-failed", &error);
            let panicking = async { panic!("index out of range") };
            let error = n.acquire("connection", panicking, no_release).await.expect_err("it panics");
            says("acquire-panicked", &error);
            Ok(())
        })
        .named("pool")
        .runtime(runtime)
        .await
        .expect("the waiter has handled it");
    });
}

#[test]
fn acquiring_where_no_runtime_is_known() {
    let mut error = None;
    block_on(
        nursery(async |n| {
            error = n.acquire("connection", async { Ok(()) }, no_release).await.err();
            Ok(())
        })
        .named("pool"),
    )
    .expect("the waiter has handled it");
    says("acquire-no-runtime", error.expect("nobody could run it"));
}

#[test]
fn blocking_where_no_runtime_is_known() {
    let mut error = None;
    block_on(nursery(async |_| {
        error = blocking(|_| ()).await.err();
        Ok(())
    }))
    .expect("the body has handled it");
    says("blocking-no-runtime", error.expect("nobody could run it"));
}

/// On tokio: a deterministic run goes on as long as its tasks.
#[test]
fn blocking_where_the_runtime_has_shut_down() {
    let tokio = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let on = Handle::new(TokioRuntime::new(tokio.handle().clone()));
    drop(tokio);
    let mut error = None;
    let indexer = nursery(async |_| {
        error = blocking(|_| ()).await.err();
        Ok(())
    });
    block_on(indexer.named("indexer").runtime(on)).expect("the body has handled it");
    says("blocking-shut-down", error.expect("it has ended"));
}

#[test]
fn calling_back_on_the_only_thread() {
    on_a_runtime(|runtime| async move {
        nursery(async |_| {
            let error = blocking(|work: &Blocking| work.run(async { Ok(()) }).expect_err("it would stand still"));
            says("blocking-only-thread", error.await?);
            Ok(())
        })
        .named("indexer")
        .runtime(runtime)
        .await
        .expect("the body has handled it");
    });
}

/// On threads: a deterministic run has only one.
#[test]
fn calling_back_with_what_fails() {
    let failed = scope_smol::run(async |_| {
        let error = blocking(|work: &Blocking| {
            work.run(async { Err::<(), _>(Boom("the disk is full").into()) }).expect_err("it fails")
        });
        says("blocking-lost", error.await?);
        Ok(())
    });
    assert!(failed.expect_err("it is the scope's, too").to_string().contains("the disk is full"));
}
