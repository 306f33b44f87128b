//! Who is told: every one of many, and those for whom a shield was lifted or ended elsewhere.

use std::future::Future;
use std::pin::Pin;

use futures_lite::future::pending;
use scope_core::{CancelScope, Canceller, Failure, Policy, checkpoint, nursery, shield};
use scope_tests::{Gate, Journal, Rt, poll_now, turns};

/// Fails if: of many that are parked only the first ones are told.
pub(crate) async fn c02_of_a_hundred_parked_children_each_is_told<R: Rt>() {
    let error = nursery(async |n| -> Result<(), Failure> {
        for _ in 0..100 {
            R::spawn(n, pending());
        }
        turns(300).await;
        n.cancel("all of you");
        pending().await
    })
    .await
    .expect_err("cancelled");
    assert!(error.is_cancelled());
}

/// Fails if: what was cancelled further out while the shield stood is not seen once it is lifted.
pub(crate) async fn c08_what_was_masked_is_seen_once_it_is_lifted<R: Rt>() {
    let journal = Journal::new();
    nursery(async |n| -> Result<(), Failure> {
        let _ = CancelScope::new()
            .shield()
            .run_with(async |c| {
                n.cancel("outside");
                checkpoint().await;
                assert!(!c.is_cancelled());
                assert!(c.lift_shield());
                assert!(c.is_cancelled(), "at once");
                checkpoint().await;
                journal.add("went on");
            })
            .await;
        Ok(())
    })
    .await
    .expect_err("cancelled");
    journal.assert_is(&[]);
}

/// Fails if: the end of a shield wakes nobody but whoever polled it last.
pub(crate) async fn c08_a_shield_that_ends_elsewhere_wakes_the_body<R: Rt>() {
    type Shielded = Pin<Box<dyn Future<Output = ()> + Send>>;
    let (give, taken) = async_channel::bounded::<(Shielded, Canceller)>(1);
    let gate = Gate::new();
    nursery(async |outer| {
        R::spawn(outer, {
            let gate = gate.clone();
            async move {
                let (shielded, canceller) = taken.recv().await?;
                canceller.cancel("behind a shield");
                turns(5).await;
                gate.open();
                // Whom that woke has had its turn.
                turns(5).await;
                shielded.await;
                // As long as nothing else happens.
                pending().await
            }
        });
        let error = nursery(async |n| -> Result<(), Failure> {
            let mut shielded: Shielded = Box::pin(shield(async move { gate.passed().await }));
            assert!(poll_now(shielded.as_mut()).await.is_pending());
            let _ = give.try_send((shielded, n.canceller()));
            pending().await
        })
        .await
        .expect_err("cancelled");
        assert!(error.is_cancelled());
        outer.cancel("done");
        Ok(())
    })
    .policy(Policy::Report)
    .await
    .expect("the body has its value");
}
