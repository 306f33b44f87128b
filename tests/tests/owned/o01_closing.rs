//! o01: a close that is not gone on with where it was begun.

use std::future::Future;
use std::pin::pin;

use futures_lite::future::pending;
use scope_core::{Failure, NotClosed, OwnedScope, Spawns, nursery};
use scope_tests::{Gate, Journal, Rt, poll_now, turns, while_it_waits};

use crate::watch::Watch;

/// Whether `closing` ends as it must, once its home has ended; polled by whoever has it now.
async fn ends_as_home_did(closing: Closing) {
    let error = closing.await.expect_err("its home has ended");
    assert!(error.is_home_ended(), "{error}");
}

type Closing = std::pin::Pin<Box<dyn Future<Output = Result<(), NotClosed>> + Send>>;

/// Fails if: home's end comes in the middle of a finalizer of a `close` that was begun there and is carried elsewhere, and
/// that finalizer is cut, begun again, or not waited for by the scope around home.
pub(crate) async fn o01_a_close_carried_elsewhere_when_home_ends_in_a_finalizer<R: Rt>() {
    let (journal, hold) = (Journal::new(), Gate::new());
    nursery(async |outer| {
        let (send, got) = async_channel::bounded(1);
        let mut around = Box::pin(nursery(async |n| {
            let (j, h) = (journal.clone(), hold.clone());
            let opener = n.task("opener").spawn_erased_with_handle(async move {
                let owned: OwnedScope = OwnedScope::open("carried")?;
                let watch = Watch::of(owned.scope());
                let begun = Gate::new();
                let here = begun.clone();
                owned.finalizer("slow", async move |_| {
                    here.open();
                    h.passed().await;
                    j.add("cleaned up");
                    Ok(())
                })?;
                let mut closing: Closing = Box::pin(owned.close());
                while !begun.is_open() {
                    assert!(poll_now(closing.as_mut()).await.is_pending());
                    turns(1).await;
                }
                assert!(send.send((closing, watch)).await.is_ok());
                Ok(())
            });
            opener.await?;
            Ok(())
        }));
        while got.is_empty() {
            assert!(poll_now(around.as_mut()).await.is_pending());
            turns(1).await;
        }
        let (closing, watch) = got.recv().await?;
        let there = outer.spawn_erased_with_handle(async move {
            ends_as_home_did(closing).await;
            Ok(())
        });
        while_it_waits(around.as_mut(), "the owned scope in it still cleans up").await;
        hold.open();
        around.await?;
        journal.assert_is(&["cleaned up"]);
        assert_eq!(watch.ends(), 1, "it ends once");
        there.await?;
        Ok(())
    })
    .await
    .expect("a broken rule is no failure");
}

/// Fails if: a close that is dropped half-way cuts the finalizer it was at, begins it again, or forgets the rest.
pub(crate) async fn o01_a_close_dropped_half_way_is_gone_on_with<R: Rt>() {
    let journal = Journal::new();
    nursery(async |_| {
        let owned: OwnedScope = OwnedScope::open("half")?;
        let watch = Watch::of(owned.scope());
        let (begun, go) = (Gate::new(), Gate::new());
        let j = journal.clone();
        owned.finalizer("first added", async move |_| {
            j.add("first added");
            Ok(())
        })?;
        let (j, b, g) = (journal.clone(), begun.clone(), go.clone());
        owned.finalizer("last added", async move |_| {
            j.add("begun");
            b.open();
            g.passed().await;
            j.add("last added");
            Ok(())
        })?;
        {
            let mut closing = pin!(owned.close());
            while !begun.is_open() {
                assert!(poll_now(closing.as_mut()).await.is_pending());
                turns(1).await;
            }
        }
        go.open();
        watch.assert_no_violation();
        Ok(())
    })
    .await
    .expect("nothing fails");
    journal.assert_is(&["begun", "last added", "first added"]);
}

/// Fails if: home's end comes between two polls of a `close` that was begun there and is carried on elsewhere, and the two
/// who wait for the scope's children then take the wake-up from each other, or both end it.
pub(crate) async fn o01_a_close_carried_elsewhere_when_home_ends_with_a_child_left<R: Rt>() {
    let (journal, hold) = (Journal::new(), Gate::new());
    let watch = nursery(async |n| {
        let (send, got) = async_channel::bounded(1);
        let (j, h) = (journal.clone(), hold.clone());
        let opener = n.task("opener").spawn_erased_with_handle(async move {
            let owned: OwnedScope = OwnedScope::open("carried")?;
            let watch = Watch::of(owned.scope());
            let begun = Gate::new();
            let here = begun.clone();
            // Ends late although it is cancelled: what it leaves is shielded.
            owned.spawn_erased(async move {
                nursery(async |n| -> Result<(), Failure> {
                    n.finalizer("slow", async move |_| {
                        h.passed().await;
                        j.add("cleaned up");
                        Ok(())
                    });
                    here.open();
                    pending().await
                })
                .await?;
                Ok(())
            })?;
            begun.passed().await;
            let mut closing: Closing = Box::pin(owned.close());
            assert!(poll_now(closing.as_mut()).await.is_pending());
            assert!(send.send((closing, watch)).await.is_ok());
            Ok(())
        });
        let (closing, watch) = got.recv().await?;
        while watch.violations().is_empty() {
            turns(1).await;
        }
        let there = n.spawn_erased_with_handle(async move {
            ends_as_home_did(closing).await;
            Ok(watch)
        });
        turns(20).await;
        hold.open();
        opener.await?;
        Ok(there.await?)
    })
    .await
    .expect("a broken rule is no failure");
    journal.assert_is(&["cleaned up"]);
    assert_eq!(watch.ends(), 1, "it ends once");
}

/// Fails if: a close that is gone on with elsewhere is not woken when its home ends, because the scope had been cancelled
/// before, and so waits for the finalizer that it was at, which is somebody else's by now.
pub(crate) async fn o01_a_close_of_a_cancelled_scope_is_told_that_its_home_has_ended<R: Rt>() {
    let (journal, hold) = (Journal::new(), Gate::new());
    nursery(async |n| {
        let (send, got) = async_channel::bounded(1);
        let (j, h, polled) = (journal.clone(), hold.clone(), Gate::new());
        let may_end = polled.clone();
        n.task("opener").spawn_erased(async move {
            let owned: OwnedScope = OwnedScope::open("carried")?;
            let begun = Gate::new();
            let here = begun.clone();
            owned.finalizer("slow", async move |_| {
                here.open();
                h.passed().await;
                j.add("cleaned up");
                Ok(())
            })?;
            owned.canceller().cancel("before it is closed");
            let mut closing: Closing = Box::pin(owned.close());
            while !begun.is_open() {
                assert!(poll_now(closing.as_mut()).await.is_pending());
                turns(1).await;
            }
            assert!(send.send(closing).await.is_ok());
            may_end.passed().await;
            Ok(())
        });
        let mut closing = got.recv().await?;
        let there = n.spawn_erased_with_handle(async move {
            assert!(poll_now(closing.as_mut()).await.is_pending());
            polled.open();
            ends_as_home_did(closing).await;
            Ok(())
        });
        there.await?;
        journal.assert_is(&[]);
        hold.open();
        Ok(())
    })
    .await
    .expect("a broken rule is no failure");
    journal.assert_is(&["cleaned up"]);
}
