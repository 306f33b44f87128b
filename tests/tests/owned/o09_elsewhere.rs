//! o09: a task that ends with owned scopes open that it has opened inside another task's.

use std::sync::Arc;

use scope_core::{OwnedScope, Spawns, nursery};
use scope_tests::{Journal, Rt, turns};

use crate::watch::Watch;

/// Fails if: it stays open when its home has ended, and nobody can close it; or its outer one goes with it.
pub(crate) async fn o09_opened_inside_another_tasks<R: Rt>() {
    for parallel in [true, false] {
        let journal = Journal::new();
        nursery(async |n| {
            let outer: Arc<OwnedScope> = Arc::new(OwnedScope::open("outer")?);
            let (o, j) = (outer.clone(), journal.clone());
            let opens = async move {
                // In a scope further in of its own: that is not where it belongs.
                let inner = nursery(async |_| Ok(o.open_inner("inner")?)).await?;
                inner.finalizer("sweep", async move |_| {
                    j.add("cleaned up");
                    Ok(())
                })?;
                assert!(!inner.canceller().is_cancelled(), "its home is the task");
                Ok((Watch::of(inner.scope()), inner))
            };
            let opener = n.task("opener");
            let opened =
                if parallel { opener.spawn_erased_with_handle(opens) } else { opener.spawn_local_with_handle(opens) };
            let (watch, inner) = opened.await?;
            while watch.ends() == 0 {
                turns(1).await;
            }
            journal.assert_is(&["cleaned up"]);
            watch.assert_one_violation(&["inner", "opener", "still open"]);
            assert!(inner.close().await.expect_err("it has ended").is_home_ended());
            assert!(!outer.canceller().is_cancelled());
            Arc::into_inner(outer).expect("the opener has ended").close().await?;
            watch.assert_one_violation(&[]);
            Ok(())
        })
        .await
        .expect("a broken rule is no failure");
    }
}

/// Fails if: it is ended twice, or told twice, where its home has opened the outer one too.
pub(crate) async fn o09_opened_inside_another_tasks_and_an_own_one_inside_that<R: Rt>() {
    let journal = Journal::new();
    nursery(async |n| {
        let outer: Arc<OwnedScope> = Arc::new(OwnedScope::open("outer")?);
        let (o, j) = (outer.clone(), journal.clone());
        let opened = n.spawn_erased_with_handle(async move {
            let inner = o.open_inner("inner")?;
            let innermost = inner.open_inner("innermost")?;
            for (owned, note) in [(&inner, "inner"), (&innermost, "innermost")] {
                let j = j.clone();
                owned.finalizer(note, async move |_| {
                    j.add(note);
                    Ok(())
                })?;
            }
            Ok((Watch::of(inner.scope()), Watch::of(innermost.scope()), inner, innermost))
        });
        let (watch, watch_innermost, ..) = &opened.await?;
        while watch.ends() == 0 {
            turns(1).await;
        }
        journal.assert_is(&["innermost", "inner"]);
        watch.assert_one_violation(&["inner"]);
        watch_innermost.assert_one_violation(&["innermost"]);
        Arc::into_inner(outer).expect("the opener has ended").close().await?;
        Ok(())
    })
    .await
    .expect("a broken rule is no failure");
}
