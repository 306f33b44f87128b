//! n15: nurseries in nurseries.

use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use futures_lite::future::yield_now;
use scope_core::nursery;
use scope_tests::{Rt, poll_now};

use crate::n15::{BOUND, MANY, spin};

/// Fails if: each level of nurseries multiplies what one poll does: a hundred children that are nurseries of a hundred.
pub(crate) async fn n15_nested_nurseries_share_one_bound<R: Rt>() {
    let (polls, stop) = (AtomicUsize::new(0), AtomicBool::new(false));
    let mut whole = pin!(nursery(async |n| {
        for _ in 0..MANY / 100 {
            n.spawn_local(async {
                nursery(async |inner| {
                    spin(inner, 100, &polls, &stop);
                    Ok(())
                })
                .await?;
                Ok(())
            });
        }
        Ok(())
    }));
    let mut most = 0;
    for _ in 0..300 {
        let before = polls.load(Ordering::Relaxed);
        assert!(poll_now(whole.as_mut()).await.is_pending());
        most = most.max(polls.load(Ordering::Relaxed) - before);
        yield_now().await;
    }
    assert!(most <= BOUND, "{most} polls of grandchildren in one poll");
    assert!(polls.load(Ordering::Relaxed) >= MANY, "each has had its turn");
    stop.store(true, Ordering::Relaxed);
    whole.await.expect("nothing fails");
}
