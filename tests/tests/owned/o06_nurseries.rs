//! o06: what is forgotten is sound: parallel children are ended, and that is told; same-task children leak.

use std::mem::forget;

use futures_lite::future::pending;
use scope_core::{CancelScope, Failure, Spawns, nursery};
use scope_tests::{Gate, Journal, Rt, poll_now, turns};

use crate::watch::{ENDED, Watch};

/// Fails if: the parallel children of a forgotten nursery go on when the scope around it has returned, or nobody hears of
/// it; or its same-task children, whose borrows may be gone, are touched.
pub(crate) async fn o06_a_forgotten_nursery_ends_with_the_scope_around<R: Rt>() {
    let (journal, local) = (Journal::new(), Journal::new());
    let watch = nursery(async |_| {
        let mut watch = None;
        let begun = Gate::new();
        let mut forgotten = Box::pin(
            nursery(async |n| -> Result<(), Failure> {
                watch = Some(Watch::of(n.spawner().scope()));
                let j = journal.clone();
                n.finalizer("sweep", async move |_| {
                    turns(1).await;
                    j.add("cleaned up");
                    Ok(())
                });
                let (note, b) = (journal.on_drop("child ended"), begun.clone());
                R::spawn(n, async move {
                    let _note = note;
                    b.open();
                    pending().await
                });
                let note = local.on_drop("same-task child dropped");
                n.spawn_local(async move {
                    let _note = note;
                    pending().await
                });
                let _note = local.on_drop("body dropped");
                pending().await
            })
            .named("forgotten"),
        );
        while !begun.is_open() {
            assert!(poll_now(forgotten.as_mut()).await.is_pending());
            turns(1).await;
        }
        forget(forgotten);
        turns(5).await;
        journal.assert_is(&[]);
        Ok(watch.expect("it began"))
    })
    .await
    .expect("a broken rule is no failure");
    journal.assert_is(ENDED);
    local.assert_is(&[]);
    watch.assert_one_violation(&["forgotten", "o06_nurseries.rs"]);
    assert_eq!(watch.ends(), 1);
}

/// The same in a child of the scope around, which ends long before it.
pub(crate) async fn o06_a_nursery_forgotten_by_a_child<R: Rt>() {
    let journal = Journal::new();
    nursery(async |n| {
        let j = journal.clone();
        n.task("forgetful").spawn_erased(async move {
            let begun = Gate::new();
            let (note, b) = (j.on_drop("child ended"), begun.clone());
            let mut forgotten = Box::pin(nursery(async move |n| -> Result<(), Failure> {
                n.spawn_erased(async move {
                    let _note = note;
                    b.open();
                    pending().await
                });
                pending().await
            }));
            while !begun.is_open() {
                assert!(poll_now(forgotten.as_mut()).await.is_pending());
                turns(1).await;
            }
            forget(forgotten);
            Ok(())
        });
        Ok(())
    })
    .await
    .expect("a broken rule is no failure");
    journal.assert_is(&["child ended"]);
}

/// Fails if: only nurseries are registered: a forgotten block has scopes further in, whose children go on.
pub(crate) async fn o06_a_nursery_in_a_forgotten_block<R: Rt>() {
    let journal = Journal::new();
    nursery(async |_| {
        let begun = Gate::new();
        let (note, b) = (journal.on_drop("child ended"), begun.clone());
        let mut forgotten = Box::pin(CancelScope::new().run(async move {
            nursery(async move |n| -> Result<(), Failure> {
                n.spawn_erased(async move {
                    let _note = note;
                    b.open();
                    pending().await
                });
                pending().await
            })
            .await
        }));
        while !begun.is_open() {
            assert!(poll_now(forgotten.as_mut()).await.is_pending());
            turns(1).await;
        }
        forget(forgotten);
        Ok(())
    })
    .await
    .expect("a broken rule is no failure");
    journal.assert_is(&["child ended"]);
}
