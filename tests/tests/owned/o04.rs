//! o04: parents are explicit, and what is open side by side does not mind in which order it is closed.

use std::time::Duration;

use futures_lite::future::pending;
use futures_util::join;
use scope_core::{CancelCause, Failure, OwnedScope, Spawns, fail_after, nursery};
use scope_tests::{Boom, Gate, Journal, Rt, poll_now, turns};

use crate::watch::{ENDED, Watch, busy};

/// Fails if: a child follows the task or the block that spawned it, not the handle it was spawned by.
pub(crate) async fn o04_a_child_follows_the_handle_it_was_spawned_by<R: Rt>() {
    let journal = Journal::new();
    nursery(async |_| {
        let owned: OwnedScope = OwnedScope::open("theirs")?;
        let (begun, go) = (Gate::new(), Gate::new());
        // Spawned further in, in a scope that is then cancelled.
        let cancelled = nursery(async |n| -> Result<(), Failure> {
            let (j, b, g) = (journal.clone(), begun.clone(), go.clone());
            owned.spawn_erased(async move {
                let _note = j.on_drop("ended");
                b.open();
                g.passed().await;
                j.add("went on");
                pending().await
            })?;
            begun.passed().await;
            n.cancel("this one only");
            pending().await
        })
        .await;
        assert!(cancelled.expect_err("cancelled").is_cancelled());
        turns(10).await;
        journal.assert_is(&[]);
        go.open();
        while !journal.has("went on") {
            turns(1).await;
        }
        owned.canceller().cancel("now it is its turn");
        owned.close().await?;
        journal.assert_is(&["went on", "ended"]);
        Ok(())
    })
    .await
    .expect("nothing fails");
}

/// Fails if: a cancellation does not reach an owned scope from the scope it was opened in, or reaches it from another.
pub(crate) async fn o04_an_owned_scope_follows_the_scope_it_was_opened_in<R: Rt>() {
    let mut canceller = None;
    let journal = Journal::new();
    nursery(async |n| -> Result<(), Failure> {
        let (owned, begun) = busy("in the outer one", &journal);
        begun.passed().await;
        canceller = Some(owned.canceller());
        let inner = nursery(async |n| -> Result<(), Failure> {
            let further_in: OwnedScope = OwnedScope::open("in the inner one")?;
            n.cancel("inner");
            assert!(further_in.canceller().is_cancelled() && !owned.canceller().is_cancelled());
            let reason = further_in.canceller().reason().expect("cancelled");
            assert_eq!((reason.cause(), reason.text()), (CancelCause::Parent, "inner"));
            pending().await
        });
        assert!(inner.await.expect_err("cancelled").is_cancelled());
        assert!(!owned.canceller().is_cancelled());
        n.cancel("outer");
        pending().await
    })
    .await
    .expect_err("cancelled");
    let reason = canceller.expect("it began").reason().expect("cancelled");
    assert_eq!((reason.cause(), reason.text()), (CancelCause::Parent, "outer"));
    journal.assert_is(ENDED);
}

/// Fails if: cancelling an owned scope cancels the scope it was opened in, or a scope beside it.
pub(crate) async fn o04_a_cancellation_goes_inwards_only<R: Rt>() {
    nursery(async |n| {
        let journals = [Journal::new(), Journal::new()];
        let (one, begun) = busy("one", &journals[0]);
        begun.passed().await;
        let (other, begun) = busy("other", &journals[1]);
        begun.passed().await;
        one.canceller().cancel("this one");
        one.close().await?;
        journals[0].assert_is(ENDED);
        assert!(!n.is_cancelled() && !other.canceller().is_cancelled());
        journals[1].assert_is(&[]);
        other.canceller().cancel("that one");
        other.close().await?;
        Ok(())
    })
    .await
    .expect("nothing fails");
}

/// Fails if: a block's parent is where its future was made, or changes with who polls it.
pub(crate) async fn o04_a_blocks_parent_is_the_scope_that_polls_it_first<R: Rt>() {
    nursery(async |outer| {
        let journal = Journal::new();
        // Made out here, first polled further in.
        let made_here = Box::pin(nursery(async |n| -> Result<(), Failure> {
            journal.add("begun");
            let reason = n.canceller().cancelled().await;
            journal.add(reason.text());
            pending().await
        }));
        let error = nursery(async move |n| -> Result<(), Failure> {
            let mut made_there = made_here;
            assert!(poll_now(made_there.as_mut()).await.is_pending());
            // In a block still further in: that is not taken for the parent, and its end is none of the future's business.
            let block = fail_after(Duration::from_secs(3600), async {
                assert!(poll_now(made_there.as_mut()).await.is_pending());
            });
            block.await?;
            turns(3).await;
            assert!(poll_now(made_there.as_mut()).await.is_pending());
            n.cancel("further in");
            made_there.await?;
            Ok(())
        })
        .await
        .expect_err("cancelled");
        assert!(error.is_cancelled(), "{error:?}");
        assert!(!outer.is_cancelled());
        journal.assert_is(&["begun", "further in"]);
        Ok(())
    })
    .await
    .expect("nothing fails");
}

/// Fails if: a scope that is carried out of the one it is inside outlives that, or goes on under another.
pub(crate) async fn o04_a_block_ends_with_its_parent_wherever_it_is_carried<R: Rt>() {
    nursery(async |_| {
        let (journal, begun) = (Journal::new(), Gate::new());
        let note = journal.on_drop("child ended");
        let mut carried = Box::pin(nursery(async |n| -> Result<(), Failure> {
            let b = begun.clone();
            n.spawn_erased(async move {
                let _note = note;
                b.open();
                pending().await
            });
            pending().await
        }));
        nursery(async |_| {
            while !begun.is_open() {
                assert!(poll_now(carried.as_mut()).await.is_pending());
                turns(1).await;
            }
            Ok(())
        })
        .await?;
        journal.assert_is(&["child ended"]);
        let error = carried.await.expect_err("it has ended with its parent");
        assert!(error.reason().is_some(), "{error:?}");
        Ok(())
    })
    .await
    .expect("a broken rule is no failure");
}

/// Fails if: scopes of two branches of a `join!` are taken for nested, so that closing the one that was opened first is
/// out of order, or touches the other.
pub(crate) async fn o04_join_of_two_branches_in_any_closing_order<R: Rt>() {
    for first_opened_closes_first in [true, false] {
        nursery(async |_| {
            let journals = [Journal::new(), Journal::new()];
            let (opened, closed) = (Gate::new(), Gate::new());
            let one = async {
                let (owned, begun) = busy("opened first", &journals[0]);
                let watch = Watch::of(owned.scope());
                begun.passed().await;
                opened.open();
                if !first_opened_closes_first {
                    closed.passed().await;
                }
                journals[0].assert_is(&[]);
                owned.canceller().cancel("enough");
                owned.close().await?;
                journals[0].assert_is(ENDED);
                watch.assert_no_violation();
                closed.open();
                Ok::<(), Failure>(())
            };
            let other = async {
                opened.passed().await;
                let (owned, begun) = busy("opened second", &journals[1]);
                let watch = Watch::of(owned.scope());
                begun.passed().await;
                if first_opened_closes_first {
                    closed.passed().await;
                }
                journals[1].assert_is(&[]);
                owned.canceller().cancel("enough");
                owned.close().await?;
                journals[1].assert_is(ENDED);
                watch.assert_no_violation();
                closed.open();
                Ok::<(), Failure>(())
            };
            let (one, other) = join!(one, other);
            one.and(other)
        })
        .await
        .expect("nothing fails");
    }
}

/// Fails if: what fails in one branch's scope reaches the other's, or the scope around both.
pub(crate) async fn o04_join_of_two_branches_one_of_which_fails<R: Rt>() {
    nursery(async |n| {
        let failed = Gate::new();
        let one = async {
            let owned: OwnedScope = OwnedScope::open("broken")?;
            owned.spawn_erased(async { Err(Boom("child").into()) })?;
            let error = owned.close().await.expect_err("its child failed");
            assert!(error.failed().is_some());
            failed.open();
            Ok::<(), Failure>(())
        };
        let other = async {
            let owned: OwnedScope = OwnedScope::open("whole")?;
            let f = failed.clone();
            let done = owned.spawn_erased_with_handle(async move {
                f.passed().await;
                turns(3).await;
                Ok(7)
            })?;
            assert_eq!(done.await?, 7);
            owned.close().await?;
            Ok::<(), Failure>(())
        };
        // Blocks of both kinds beside them, one of which is cut.
        let third = async {
            let cut = nursery(async |n| -> Result<(), Failure> {
                n.cancel("only this");
                pending().await
            });
            assert!(cut.await.expect_err("cancelled").is_cancelled());
            failed.passed().await;
            nursery(async |_| {
                turns(3).await;
                Ok(())
            })
            .await?;
            Ok::<(), Failure>(())
        };
        let (one, other, third) = join!(one, other, third);
        assert!(!n.is_cancelled());
        one.and(other).and(third)
    })
    .await
    .expect("each keeps to itself");
}
