//! Children that are waited for: with a bound, or until they are ready.

use scope_core::{Spawns, Started, nursery};
use scope_tests::Boom;

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
