//! n11: places are given in the order in which they were asked for.

use std::pin::pin;

use futures_lite::future::yield_now;
use scope_core::{Spawns, nursery};
use scope_tests::{Gate, Journal, Rt, poll_now};

/// Fails if: a newcomer takes the place that somebody has waited for: "first come, first served".
pub(crate) async fn n11_places_are_given_in_the_order_in_which_they_were_asked_for<R: Rt>() {
    let journal = Journal::new();
    nursery(async |n| {
        let bounded = n.bounded(1)?;
        let gate = Gate::new();
        let here = gate.clone();
        let opens = journal.on_drop("first gone");
        bounded
            .spawn_local(async move {
                let _opens = opens;
                here.passed().await;
                Ok(())
            })
            .await?;
        let child = |name: &'static str| {
            let journal = journal.clone();
            async move {
                journal.add(name);
                Ok(())
            }
        };
        let mut waits = pin!(bounded.spawn_local(child("waited")));
        assert!(poll_now(waits.as_mut()).await.is_pending());
        gate.open();
        while !journal.has("first gone") {
            yield_now().await;
        }
        // Free now, and promised to the one that waits, which has not been polled since.
        let mut newcomer = pin!(bounded.spawn_local(child("newcomer")));
        let early = poll_now(newcomer.as_mut()).await.is_ready();
        waits.as_mut().await?;
        if !early {
            newcomer.await?;
        }
        Ok(())
    })
    .await
    .expect("nothing fails");
    journal.assert_is(&["first gone", "waited", "newcomer"]);
}
