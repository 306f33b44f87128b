//! P4: spawn and join children that do nothing, in one task.

use std::pin::pin;
use std::task::{Context, Poll, Waker};

use futures_util::stream::{FuturesUnordered, StreamExt as _};

use crate::bench::{Bench, Goal, Peer};

pub(crate) fn benches() -> Vec<Bench> {
    vec![Bench {
        name: "P4",
        case: "mixed",
        sizes: &[10, 1000, 100_000, 1_000_000],
        peers,
        goals: &[Goal::Allocs(1.1), Goal::Ratio("FuturesUnordered", 1.1)],
    }]
}

/// Polls a future that needs no runtime to its end.
fn poll_through<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    let mut cx = Context::from_waker(Waker::noop());
    loop {
        if let Poll::Ready(out) = future.as_mut().poll(&mut cx) {
            return out;
        }
    }
}

fn peers(n: usize) -> Vec<Peer> {
    vec![
        Peer::whole("scope", move || {
            move || {
                let done = poll_through(scope_core::nursery(async |nursery| {
                    for _ in 0..n {
                        nursery.run_local(async {});
                    }
                    Ok(())
                }));
                done.expect("children that do nothing cannot fail");
            }
        }),
        Peer::whole("FuturesUnordered", move || {
            move || {
                poll_through(async {
                    let mut set = FuturesUnordered::new();
                    for _ in 0..n {
                        set.push(async {});
                    }
                    while set.next().await.is_some() {}
                });
            }
        }),
    ]
}
