//! Children that are waited for: with a bound, or until they are ready.

use futures_lite::future::{block_on, pending};
use scope_core::{Failure, Spawner, Spawns, Started, nursery};
use scope_tests::{Boom, Gate};

use crate::{on_a_runtime, says};

#[test]
fn a_bound_of_zero() {
    on_a_runtime(|runtime| async move {
        nursery(async |n| {
            says("bound-zero", n.bounded(0).expect_err("nothing would ever run"));
            says("bound-zero-results", n.results_bounded::<u32>(0).expect_err("nothing would ever run"));
            Ok(())
        })
        .named("crawler")
        .runtime(runtime)
        .await
        .expect("the rest goes well");
    });
}

#[test]
fn waiting_for_a_place_in_ones_own_full_nursery() {
    on_a_runtime(|runtime| async move {
        nursery(async |n| {
            let bounded = n.spawner().bounded(1)?;
            let again = bounded.clone();
            bounded
                .spawn_erased(async move {
                    let error = again.spawn_erased(async { Ok(()) }).await.expect_err("it holds the only place");
                    says("bound-own-place", error);
                    Ok(())
                })
                .await?;
            Ok(())
        })
        .named("crawler")
        .runtime(runtime)
        .await
        .expect("the rest goes well");
    });
}

#[test]
fn a_start_that_is_never_reported() {
    on_a_runtime(|runtime| async move {
        nursery(async |n| {
            let started = n
                .task("server")
                .start_local(async |started: Started<u16>| {
                    drop(started);
                    Ok(())
                })
                .await;
            says("start-unreported", started.expect_err("it said nothing"));
            let started =
                n.task("server").start_local(async |_: Started<u16>| Err(Boom("the port is taken").into())).await;
            says("start-failed", started.expect_err("it failed"));
            Ok(())
        })
        .named("main")
        .runtime(runtime)
        .await
        .expect("the rest goes well");
    });
}

#[test]
fn a_start_that_panics() {
    on_a_runtime(|runtime| async move {
        nursery(async |n| {
            let started = n.task("server").start_local(async |_: Started<u16>| panic!("index out of range")).await;
            says("start-panicked", started.expect_err("it panicked"));
            Ok(())
        })
        .named("main")
        .runtime(runtime)
        .await
        .expect("the rest goes well");
    });
}

#[test]
fn a_start_whose_scope_is_cancelled() {
    on_a_runtime(|runtime| async move {
        nursery(async |n| {
            let (starting, begun) = (Gate::new(), Gate::new());
            let (sent, spawner) = async_channel::bounded::<Spawner>(1);
            let told = n.spawn_erased_with_handle({
                let starting = starting.clone();
                let begun = begun.clone();
                async move {
                    let spawner = spawner.recv().await?;
                    let start = spawner.task("server").start_erased(async move |_: Started<u16>| {
                        begun.open();
                        pending().await
                    });
                    starting.open();
                    Ok(start.await.expect_err("its scope is cancelled").to_string())
                }
            });
            let cancelled = nursery(async |inner| -> Result<(), Failure> {
                let _ = sent.send(inner.spawner()).await;
                begun.passed().await;
                inner.cancel("maintenance");
                pending().await
            });
            let _ = cancelled.named("storage").await;
            starting.passed().await;
            says("start-cancelled", told.await?);
            Ok(())
        })
        .named("main")
        .runtime(runtime)
        .await
        .expect("the rest goes well");
    });
}

#[test]
fn a_start_where_no_runtime_is_known() {
    let mut error = None;
    block_on(
        nursery(async |n| {
            error = n.task("server").start_erased(async |_: Started<u16>| Ok(())).await.err();
            Ok(())
        })
        .named("main"),
    )
    .expect("the body has handled it");
    says("start-no-runtime", error.expect("nobody could run it"));
}
