//! P1: enter and exit with nothing in it.

use std::future::Ready;
use std::hint::black_box;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use futures_util::stream::FuturesUnordered;
use tokio::task::JoinSet;

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
                let mut nursery = pin!(scope_core::nursery(async |_| Ok(())));
                let Poll::Ready(done) = nursery.as_mut().poll(&mut Context::from_waker(Waker::noop())) else {
                    unreachable!("a nursery with nothing in it has nothing to wait for")
                };
                black_box(done).expect("nothing in it can fail");
            }
        }),
        Peer::whole("JoinSet", || || drop(black_box(JoinSet::<()>::new()))),
        Peer::whole("FuturesUnordered", || || drop(black_box(FuturesUnordered::<Ready<()>>::new()))),
    ]
}
