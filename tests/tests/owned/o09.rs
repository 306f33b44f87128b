//! o09: a task that ends with owned scopes open: they are closed and reported.

use std::panic::AssertUnwindSafe;

use futures_lite::future::pending;
use futures_util::FutureExt;
use scope_core::{Cause, Failure, OwnedScope, Spawns, nursery, rt};
use scope_tests::{Boom, Gate, Journal, Rt, turns, way_to};

use crate::watch::{ENDED, Watch, busy};

/// How the task that opened it ends.
#[derive(Clone, Copy, Debug, PartialEq)]
enum End {
    Returns,
    Fails,
    Panics,
    IsCancelled,
}

/// Fails if: some way for a child to end leaves its open scope behind, does not tell, or tells twice; and whoever holds the
/// guard can still do something with it.
pub(crate) async fn o09_whatever_way_the_child_ends<R: Rt>() {
    for parallel in [true, false] {
        for end in [End::Returns, End::Fails, End::Panics, End::IsCancelled] {
            let journal = Journal::new();
            let (j, lent) = (journal.clone(), async_channel::bounded(1));
            let child = async move {
                let (owned, begun) = busy("lent", &j);
                begun.passed().await;
                assert!(lent.0.send((Watch::of(owned.scope()), owned)).await.is_ok());
                match end {
                    End::Returns => Ok(()),
                    End::Fails => Err(Boom("the opener").into()),
                    End::Panics => panic!("the opener"),
                    End::IsCancelled => pending().await,
                }
            };
            let mut got = None;
            let ended = AssertUnwindSafe(nursery(async |n| -> Result<(), Failure> {
                let opener = n.task("opener");
                if parallel {
                    opener.spawn_erased(child);
                } else {
                    opener.spawn_local(child);
                }
                got = Some(lent.1.recv().await?);
                if end == End::IsCancelled {
                    n.cancel("enough");
                    pending().await
                }
                Ok(())
            }))
            .catch_unwind()
            .await;
            assert_eq!(ended.is_err(), end == End::Panics);
            journal.assert_is(ENDED);
            // The body may have been cut before it had the guard: then it went with the channel, when the home was gone.
            let Some((watch, owned)) = got.or_else(|| lent.1.try_recv().ok()) else { continue };
            watch.assert_one_violation(&["lent", "opener", "still open"]);
            assert_eq!(watch.ends(), 1, "{end:?}");
            assert!(owned.canceller().is_cancelled());
            assert!(owned.close().await.expect_err("it has ended").is_home_ended());
            watch.assert_one_violation(&[]);
            assert_eq!(watch.ends(), 1, "{end:?}");
        }
    }
}

/// Fails if: one that ends takes the scopes of others with it, because they were opened in the same nursery.
pub(crate) async fn o09_only_its_own<R: Rt>() {
    let (journal, other) = (Journal::new(), Journal::new());
    nursery(async |n| {
        let (owned, begun) = busy("the body's", &other);
        begun.passed().await;
        let watch = Watch::of(owned.scope());
        let opener = n.task("opener").spawn_erased_with_handle({
            let journal = journal.clone();
            async move {
                let (owned, begun) = busy("the child's", &journal);
                begun.passed().await;
                Ok(owned)
            }
        });
        let lent = opener.await?;
        assert!(lent.canceller().is_cancelled(), "its home has ended");
        turns(10).await;
        assert!(!owned.canceller().is_cancelled());
        other.assert_is(&[]);
        watch.assert_no_violation();
        owned.canceller().cancel("enough");
        owned.close().await?;
        assert!(lent.close().await.expect_err("it has ended").is_home_ended());
        Ok(())
    })
    .await
    .expect("a broken rule is no failure");
    journal.assert_is(ENDED);
    other.assert_is(ENDED);
}

/// Fails if: what its clean-up fails with is lost with the task, or cancels those beside it.
pub(crate) async fn o09_what_fails_then_goes_to_the_scope_around<R: Rt>() {
    let mut went_on = false;
    let error = nursery(async |n| {
        let opener = n.task("opener").spawn_erased_with_handle(async {
            let owned: OwnedScope = OwnedScope::open("left open")?;
            owned.finalizer("sweep", async |_| Err(Boom("clean-up").into()))?;
            Ok(owned)
        });
        let lent = opener.await?;
        // Closed means: its finalizers have begun.
        while lent.spawner().spawn_erased(async { Ok(()) }).is_ok() {
            turns(1).await;
        }
        turns(20).await;
        went_on = !n.is_cancelled();
        Ok(())
    })
    .named("around")
    .await
    .expect_err("its clean-up failed");
    assert!(went_on, "nobody is cancelled for it");
    assert_eq!(error.leaves().len(), 1, "{error:?}");
    assert!(matches!(error.cause(), Cause::Adopted(_)), "{error:?}");
    assert_eq!(way_to(&error.leaves()[0]), ["around", "opener", "left open", "sweep"]);
}

/// Fails if: a task that its runtime drops (aborted, here, while another task holds the guard) leaves its scope open.
pub(crate) async fn o09_its_task_is_aborted_while_another_holds_the_guard<R: Rt>() {
    let journal = Journal::new();
    let runtime = rt::current().expect("on a runtime");
    nursery(async |n| {
        let (j, lent) = (journal.clone(), async_channel::bounded(1));
        let (held, aborted) = (Gate::new(), Gate::new());
        let r = runtime.clone();
        let foreign = R::foreign(async move {
            let root = nursery(async |_| -> Result<(), Failure> {
                let (owned, begun) = busy("lent", &j);
                begun.passed().await;
                assert!(lent.0.send((Watch::of(owned.scope()), owned)).await.is_ok());
                pending().await
            });
            drop(root.named("owner").runtime(r).await);
        });
        let (h, a) = (held.clone(), aborted.clone());
        let holder = n.task("holder").spawn_erased_with_handle(async move {
            let (watch, owned) = lent.1.recv().await?;
            assert!(!owned.canceller().is_cancelled());
            h.open();
            a.passed().await;
            while watch.ends() == 0 {
                turns(1).await;
            }
            watch.assert_one_violation(&["lent", "owner", "still open"]);
            let error = owned.close().await.expect_err("it has ended");
            assert!(error.is_home_ended() && error.to_string().contains("owner"), "{error}");
            watch.assert_one_violation(&[]);
            // The aborted root is an ancestor as good as any: it waits for it, and the orphan root for both.
            assert_eq!(watch.adopted_by().len(), 1);
            Ok(())
        });
        held.passed().await;
        foreign.abort();
        aborted.open();
        holder.await?;
        Ok(())
    })
    .await
    .expect("a broken rule is no failure");
    runtime.settled().await;
    journal.assert_is(ENDED);
}
