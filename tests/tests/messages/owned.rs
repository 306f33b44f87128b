//! Owned scopes: opened where nobody owns them, closed or dropped where they do not belong.

use std::sync::{Arc, Mutex};

use futures_lite::future::{block_on, pending};
use scope_core::event::{self, EventKind};
use scope_core::{Failure, OwnedScope, Spawner, Spawns, nursery};
use scope_tests::Boom;

use crate::{on_a_runtime, says};

#[test]
fn opened_outside_any_task() {
    let error = OwnedScope::<Failure>::open("connection").expect_err("no task");
    says("owned-no-task", error);
}

/// Runs `case` in a scope that has a runtime and a name.
fn in_main(case: impl AsyncFnOnce(Spawner) -> Result<(), Failure>) {
    on_a_runtime(|runtime| async move {
        nursery(async |n| case(n.spawner()).await).named("main").runtime(runtime).await.expect("the rest goes well");
    });
}

#[test]
fn closed_in_another_task() {
    in_main(async |n| {
        let owned: OwnedScope = OwnedScope::open("connection")?;
        let owned = n
            .task("janitor")
            .spawn_erased_with_handle(async move {
                let error = owned.close().await.expect_err("not its home");
                says("owned-wrong-task", &error);
                says("owned-wrong-task-debug", format!("{error:?}"));
                Ok(error.into_scope())
            })?
            .await?
            .expect("it is still open");
        owned.close().await?;
        Ok(())
    });
}

#[test]
fn closed_outside_any_task() {
    in_main(async |_| {
        let owned: OwnedScope = OwnedScope::open("connection")?;
        let closed = std::thread::spawn(|| block_on(owned.close())).join().expect("no panic");
        let error = closed.expect_err("no task is its home");
        says("owned-closed-nowhere", &error);
        error.into_scope().expect("it is still open").close().await?;
        Ok(())
    });
}

#[test]
fn closed_when_its_task_has_ended() {
    in_main(async |n| {
        let owned = n
            .task("opener")
            .spawn_erased_with_handle(async { Ok(OwnedScope::<Failure>::open("connection")?) })?
            .await?;
        says("owned-home-ended", owned.close().await.expect_err("it was closed with it"));
        Ok(())
    });
}

#[test]
fn closed_with_a_failure_in_it() {
    in_main(async |_| {
        let owned: OwnedScope = OwnedScope::open("connection")?;
        owned.spawner().task("reader").spawn_erased(async { Err(Boom("the peer hung up").into()) })?;
        let error = owned.close().await.expect_err("a child failed");
        says("owned-failed", &error);
        says("owned-failed-debug", format!("{error:?}"));
        Ok(())
    });
}

/// What the events say of the scopes of this name that broke a rule.
async fn violations_of(name: &'static str, case: impl AsyncFnOnce() -> Result<(), Failure>) -> Result<String, Failure> {
    let told = Arc::new(Mutex::new(Vec::new()));
    let t = Arc::clone(&told);
    let observer = event::observe(move |event| {
        if event.scope().name() == Some(name) && matches!(event.kind(), EventKind::Violated(_)) {
            t.lock().expect("no panic").push(event.to_string());
        }
    });
    case().await?;
    drop(observer);
    let told = told.lock().expect("no panic").join("\n");
    Ok(told)
}

#[test]
fn dropped_in_another_task() {
    in_main(async |n| {
        let told = violations_of("dropped elsewhere", async || {
            let owned: OwnedScope = OwnedScope::open("dropped elsewhere")?;
            let dropped = n.task("janitor").spawn_erased_with_handle(async move {
                drop(owned);
                Ok(())
            })?;
            Ok(dropped.await?)
        });
        says("owned-dropped-elsewhere", told.await?);
        Ok(())
    });
}

#[test]
fn dropped_outside_any_task() {
    in_main(async |_| {
        let told = violations_of("dropped nowhere", async || {
            let owned: OwnedScope = OwnedScope::open("dropped nowhere")?;
            std::thread::spawn(|| drop(owned)).join().expect("no panic");
            Ok(())
        });
        says("owned-dropped-nowhere", told.await?);
        Ok(())
    });
}

#[test]
fn left_open_by_its_task() {
    in_main(async |n| {
        let told = violations_of("left open", async || {
            let opener = n.task("opener").spawn_erased_with_handle(async {
                let owned: OwnedScope = OwnedScope::open("left open")?;
                owned.spawner().task("reader").spawn_erased(pending())?;
                Ok(owned)
            })?;
            drop(opener.await?);
            Ok(())
        });
        says("owned-left-open", told.await?);
        Ok(())
    });
}
