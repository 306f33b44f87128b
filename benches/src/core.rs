//! Nurseries and children, beside JoinSet and FuturesUnordered. Figures are for one unit: an empty nursery, or one child
//! of the `n`.

use std::hint::black_box;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use futures_util::stream::{FuturesUnordered, StreamExt as _};
use scope_tokio::SpawnExt as _;
use tokio::task::JoinSet;

use crate::measure::{Peer, Row, compare};

/// Measures one thing, for us and our peers.
type Bench = fn() -> Vec<Row>;

pub(crate) fn run(only: Option<&str>) -> Vec<Row> {
    let benches: [(&str, Bench); 3] = [("P1", empty), ("P2", parallel_children), ("P4", same_task_children)];
    benches.iter().filter(|(name, _)| only.is_none_or(|only| only == *name)).flat_map(|(_, bench)| bench()).collect()
}

fn current_thread() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().build().expect("a runtime")
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

/// Enter and exit with nothing in it.
fn empty() -> Vec<Row> {
    let peers = vec![
        Peer::new("scope", || {
            let _ = black_box(poll_through(scope_core::nursery(async |_| Ok(()))));
        }),
        Peer::new("JoinSet", || drop(black_box(JoinSet::<()>::new()))),
        Peer::new("FuturesUnordered", || drop(black_box(FuturesUnordered::<std::future::Ready<()>>::new()))),
    ];
    compare("P1", 1, peers)
}

/// Spawn and join children that do nothing, on tokio's current-thread runtime.
fn parallel_children() -> Vec<Row> {
    let n = 1000;
    let runtime = current_thread();
    let peers = vec![
        Peer::new("scope", || {
            let done = runtime.block_on(scope_tokio::nursery(async |nursery| {
                for _ in 0..n {
                    nursery.run(async {});
                }
                Ok(())
            }));
            assert!(done.is_ok());
        }),
        Peer::new("JoinSet", || {
            runtime.block_on(async {
                let mut set = JoinSet::new();
                for _ in 0..n {
                    set.spawn(async {});
                }
                while set.join_next().await.is_some() {}
            });
        }),
    ];
    compare("P2", n, peers)
}

/// Spawn and join children that do nothing, in one task.
fn same_task_children() -> Vec<Row> {
    let n = 1000;
    let peers = vec![
        Peer::new("scope", || {
            let done = poll_through(scope_core::nursery(async |nursery| {
                for _ in 0..n {
                    nursery.run_local(async {});
                }
                Ok(())
            }));
            assert!(done.is_ok());
        }),
        Peer::new("FuturesUnordered", || {
            poll_through(async {
                let mut set = FuturesUnordered::new();
                for _ in 0..n {
                    set.push(async {});
                }
                while set.next().await.is_some() {}
            });
        }),
    ];
    compare("P4", n, peers)
}
