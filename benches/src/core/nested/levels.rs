//! Enter and exit, for each level.
//!
//! In the case "blocks" ours is one nursery in the body of the other, which is what nesting scopes means where a scope is a
//! block. `JoinSet` has no body: its level is a task that has a set. "JoinSet as block" is one that holds nothing. In the case
//! "children" each level of ours has a same-task child, which is the next level, as all the peers' have.

use std::future::ready;

use tokio::task::JoinSet;

use super::{DEPTHS, Level, blocks, children, futures_unordered, moro};
use crate::bench::{Bench, Goal, Peer};
use crate::core::by_hand::poll_through;
use crate::core::on_tokio::current_thread;

pub(super) fn benches() -> Vec<Bench> {
    let goals: &[Goal] = &[Goal::Ratio("JoinSet", 0.3)];
    vec![
        Bench { name: "P7", case: "blocks", sizes: DEPTHS, peers: |n| peers(n, blocks), goals },
        Bench { name: "P7", case: "children", sizes: DEPTHS, peers: |n| peers(n, children), goals: &[] },
    ]
}

fn peers(depth: usize, ours: fn(usize, Level) -> Level) -> Vec<Peer> {
    let leaf = || -> Level { Box::pin(ready(())) };
    vec![
        Peer::whole("scope", move || move || poll_through(ours(depth, leaf()))),
        Peer::whole("JoinSet", move || {
            let runtime = current_thread();
            move || runtime.block_on(join_sets(depth, leaf()))
        }),
        Peer::whole("JoinSet as block", move || move || poll_through(sets_around(depth, leaf()))),
        Peer::whole("FuturesUnordered", move || move || poll_through(futures_unordered(depth, leaf()))),
        Peer::whole("moro", move || move || poll_through(moro(depth, leaf()))),
        Peer::whole("box", move || move || poll_through(boxes(depth, leaf()))),
    ]
}

fn join_sets(depth: usize, leaf: Level) -> Level {
    if depth == 0 {
        return leaf;
    }
    Box::pin(async move {
        let mut set = JoinSet::new();
        set.spawn(join_sets(depth - 1, leaf));
        while let Some(done) = set.join_next().await {
            done.expect("it does not panic");
        }
    })
}

fn sets_around(depth: usize, leaf: Level) -> Level {
    if depth == 0 {
        return leaf;
    }
    Box::pin(async move {
        let set = std::hint::black_box(JoinSet::<()>::new());
        sets_around(depth - 1, leaf).await;
        drop(set);
    })
}

/// What all have in common.
fn boxes(depth: usize, leaf: Level) -> Level {
    if depth == 0 {
        return leaf;
    }
    Box::pin(async move { boxes(depth - 1, leaf).await })
}
