//! P1: enter and exit with nothing in it.
//!
//! A scope that is left is joined: so are the tracker and moro's scope, while the sets and the collections, which wait for
//! nobody, are made and dropped.

use std::future::{Ready, ready};
use std::hint::black_box;

use futures_util::stream::FuturesUnordered;
use tokio::task::JoinSet;
use tokio_util::task::TaskTracker;

use super::by_hand::poll_through;
use crate::bench::{Bench, Goal, Peer};

pub(crate) fn benches() -> Vec<Bench> {
    vec![Bench {
        name: "P1",
        case: "",
        sizes: &[1],
        peers: |_| peers(),
        goals: &[Goal::Allocs(0.0), Goal::Ratio("JoinSet", 1.0)],
    }]
}

fn peers() -> Vec<Peer> {
    vec![
        Peer::whole("scope", || {
            || {
                let done = poll_through(scope_core::nursery(async |_| Ok(())));
                black_box(done).expect("nothing in it can fail");
            }
        }),
        Peer::whole("JoinSet", || || drop(black_box(JoinSet::<()>::new()))),
        Peer::whole("TaskTracker", || {
            || {
                let tracker = black_box(TaskTracker::new());
                tracker.close();
                poll_through(tracker.wait());
            }
        }),
        Peer::whole("FuturesUnordered", || || drop(black_box(FuturesUnordered::<Ready<()>>::new()))),
        Peer::whole("futures-buffered", || || drop(black_box(futures_buffered::FuturesUnordered::<Ready<()>>::new()))),
        // Its macro is this with the block in a box.
        Peer::whole("moro", || || poll_through(moro::scope_fn(|_| Box::pin(ready(()))))),
    ]
}
