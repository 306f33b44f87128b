//! n03: no error is lost; the first cause comes first; each leaf has its path.

use std::error::Error;

use futures_lite::future::pending;
use scope_core::{Cause, Failure, ScopeError, Spawns, nursery, shield};
use scope_tests::{Boom, Rt, poll_now, way_to};

use crate::parked::parked;

/// What each leaf says, in order: its error or kind, and its path.
fn leaves(error: &ScopeError) -> Vec<(String, String)> {
    error.leaves().iter().map(|leaf| (text(leaf.cause()), way_to(leaf).join(" > "))).collect()
}

fn text(cause: &Cause<Failure>) -> String {
    match cause {
        Cause::Failed(failure) | Cause::CleanUp(failure) => failure.to_string(),
        other => format!("{other:?}"),
    }
}

/// Fails if: only the first error is kept, or clean-up's are dropped, or a later one comes first.
pub(crate) async fn n03_body_children_and_clean_up_are_all_in_the_result<R: Rt>() {
    let error = nursery(async |n| -> Result<(), Failure> {
        n.finalizer("sweep", async |_| Err(Boom("clean-up").into()));
        for name in ["second", "third"] {
            let told = n.canceller();
            let what = if name == "second" { "second child" } else { "third child" };
            n.task(name).spawn_erased(async move {
                // Ready when the scope is cancelled: no await point is left, so what it returns counts.
                told.cancelled().await;
                Err(Boom(what).into())
            });
        }
        let told = n.canceller();
        parked(&told, &["second", "third"]).await;
        n.task("first").spawn_erased(async { Err(Boom("first child").into()) });
        // Shielded, for on several threads the first may fail while the body is on its way to wait: then that is its end.
        shield(told.cancelled()).await;
        Err(Boom("body").into())
    })
    .named("scope")
    .await
    .expect_err("everything fails");
    let found = leaves(&error);
    assert_eq!(found.len(), 5, "{error:?}");
    assert_eq!(found[0].0, "first child", "the first cause first: {found:?}");
    assert_eq!(found[4].0, "clean-up", "clean-up comes last: {found:?}");
    for (what, path) in [
        ("first child", "scope > first"),
        ("second child", "scope > second"),
        ("third child", "scope > third"),
        ("body", "scope"),
        ("clean-up", "scope > sweep"),
    ] {
        let at = found.iter().find(|(text, _)| text == what);
        assert_eq!(at.map(|(_, path)| path.as_str()), Some(path), "{what}: {found:?}");
    }
    assert_eq!(text(error.cause()), "first child");
}

/// Fails if: what fails in a scope that was dropped half-way, and cleaned up under the next one, is lost.
pub(crate) async fn n03_adopted_work_too<R: Rt>() {
    let error = nursery(async |n| {
        {
            let mut half = Box::pin(
                nursery(async |inner| -> Result<(), Failure> {
                    inner.finalizer("sweep", async |_| Err(Boom("adopted clean-up").into()));
                    pending().await
                })
                .named("half"),
            );
            assert!(poll_now(half.as_mut()).await.is_pending());
        }
        assert!(!n.is_cancelled(), "it is nobody's failure yet");
        Ok(7)
    })
    .named("scope")
    .await
    .expect_err("an adopted scope failed in its clean-up");
    let leaf = &error.leaves()[0];
    assert_eq!(error.leaves().len(), 1, "{error:?}");
    assert!(matches!(leaf.cause(), Cause::Adopted(failure) if failure.is::<Boom>()), "{error:?}");
    assert_eq!(way_to(leaf), ["scope", "half", "sweep"]);
}

/// Fails if: a leaf's path stops at the nearest scope, or its names are out of order.
pub(crate) async fn n03_each_leaf_has_its_path_of_scope_and_task_names<R: Rt>() {
    let error = nursery(async |n| {
        n.task("worker").spawn_erased(async {
            nursery(async |n| {
                n.task("reader").spawn_erased(async { Err(Boom("deep").into()) });
                Ok(())
            })
            .named("connection")
            .await?;
            Ok(())
        });
        Ok(())
    })
    .named("server")
    .await
    .expect_err("a grandchild failed");
    let all: Vec<_> = error.all_leaves().iter().map(|leaf| way_to(leaf)).collect();
    assert_eq!(all.len(), 1, "{error:?}");
    assert_eq!(all[0], ["server", "worker", "connection", "reader"]);
    assert_eq!(error.find::<Boom>(), Some(&Boom("deep")), "found through the inner scope's error");
}

/// Fails if: a cancelled child or body leaves a leaf.
pub(crate) async fn n03_cancelled_is_never_a_leaf<R: Rt>() {
    let error = nursery(async |n| -> Result<(), Failure> {
        for _ in 0..3 {
            R::spawn(n, pending());
            n.spawn_local(pending());
        }
        n.cancel("enough");
        pending().await
    })
    .await
    .expect_err("cancelled");
    assert!(error.is_cancelled(), "{error:?}");
    assert!(matches!(error.cause(), Cause::Cancelled(_)), "{error:?}");
    assert_eq!(leaves(&error), []);

    // Nor beside a real one.
    let error = nursery(async |n| -> Result<(), Failure> {
        R::spawn(n, pending());
        n.spawn_local(pending());
        R::spawn(n, async { Err(Boom("real").into()) });
        pending().await
    })
    .await
    .expect_err("a child failed");
    assert!(!error.is_cancelled(), "{error:?}");
    assert_eq!(leaves(&error).len(), 1, "{error:?}");
}

/// Fails if: one failure has another shape than two.
pub(crate) async fn n03_one_shape_whether_one_or_many<R: Rt>() {
    let one = nursery(async |n| {
        n.task("only").spawn_local(async { Err(Boom("only").into()) });
        Ok(())
    })
    .named("scope")
    .await
    .expect_err("it fails");
    let many = nursery(async |n| -> Result<(), Failure> {
        n.task("first").spawn_local(async { Err(Boom("first").into()) });
        n.finalizer("last", async |_| Err(Boom("last").into()));
        Ok(())
    })
    .named("scope")
    .await
    .expect_err("it fails twice");
    assert_eq!(leaves(&one).iter().map(|(text, _)| text.as_str()).collect::<Vec<_>>(), ["only"]);
    assert_eq!(leaves(&many).iter().map(|(text, _)| text.as_str()).collect::<Vec<_>>(), ["first", "last"]);
    for error in [&one, &many] {
        assert_eq!(text(error.cause()), text(error.leaves()[0].cause()));
        assert!(error.find::<Boom>().is_some());
    }
}

/// Fails if: `Display` prints its source too, or leaves out what failed.
pub(crate) async fn n03_the_message_names_the_scope_and_prints_once<R: Rt>() {
    let error = nursery(async |n| {
        n.task("reader").spawn_erased(async { Err(Boom("pipe broke").into()) });
        Ok(())
    })
    .named("connection")
    .await
    .expect_err("it fails");
    let mut chain = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        chain.push_str("; ");
        chain.push_str(&error.to_string());
        source = error.source();
    }
    assert_eq!(chain.matches("pipe broke").count(), 1, "{chain}");
    assert!(chain.contains("connection") && chain.contains("reader"), "{chain}");
}
