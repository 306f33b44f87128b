//! Owned scopes in one another, and handles that are shared.

use scope_core::{Failure, OwnedScope, Spawner, Spawns, nursery};

use crate::{on_a_runtime, says};

/// Runs `case` in a scope that has a runtime and a name.
fn in_main(case: impl AsyncFnOnce(Spawner) -> Result<(), Failure>) {
    on_a_runtime(|runtime| async move {
        nursery(async |n| case(n.spawner()).await).named("main").runtime(runtime).await.expect("the rest goes well");
    });
}

#[test]
fn closed_out_of_order() {
    in_main(async |_| {
        let outer: OwnedScope = OwnedScope::open("session")?;
        let inner = outer.open_inner("transaction")?;
        let innermost = inner.open_inner("statement")?;
        let error = outer.close().await.expect_err("what is inside is open still");
        says("owned-out-of-order", &error);
        says("owned-out-of-order-debug", format!("{error:?}"));
        for closed in [inner.close().await, innermost.close().await] {
            says(
                "owned-closed-with-its-outer",
                closed.expect_err("closed already").to_string().replace("statement", "transaction"),
            );
        }
        Ok(())
    });
}

#[test]
fn closed_twice() {
    in_main(async |n| {
        let owned: OwnedScope = OwnedScope::open("connection")?;
        let first = owned.shared();
        let second = first.clone();
        let elsewhere = first.clone();
        let wrong = n.task("janitor").spawn_erased_with_handle(async move {
            says("owned-shared-wrong-task", elsewhere.close().await.expect_err("not its home"));
            Ok(())
        })?;
        wrong.await?;
        first.close().await?;
        says("owned-closed-twice", second.close().await.expect_err("it has been closed"));
        Ok(())
    });
}

#[test]
fn closed_from_within() {
    in_main(async |_| {
        let owned: OwnedScope = OwnedScope::open("connection")?;
        let shared = owned.shared();
        let spawner = shared.spawner().expect("it is open");
        let canceller = shared.canceller().expect("it is open");
        let inside = shared.clone();
        let _ = canceller;
        let child = spawner.task("reader").spawn_erased_with_handle(async move {
            says("owned-closed-by-its-child", inside.close().await.expect_err("it would wait for itself"));
            Ok(())
        })?;
        child.await?;
        shared.close().await?;
        Ok(())
    });
}

#[test]
fn opened_inside_one_that_has_ended() {
    in_main(async |n| {
        let outer =
            n.task("opener").spawn_erased_with_handle(async { Ok(OwnedScope::<Failure>::open("session")?) })?.await?;
        says("owned-outer-ended", outer.open_inner("transaction").expect_err("the outer one has ended"));
        Ok(())
    });
}
