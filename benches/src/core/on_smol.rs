//! P3: spawn and join children that do nothing, as tasks of an executor of smol's that one thread runs.
//!
//! What each gives beside that:
//! * ours: children cannot outlive the block, an error or a panic of one cancels the others and comes out;
//! * `Executor::spawn`, with its tasks awaited: results come out, a panic is the awaiter's; a drop cancels, and waits for
//!   nobody.

use std::sync::Arc;

use async_executor::Executor;
use futures_lite::future::block_on;
use scope_smol::SpawnExt as _;

use crate::bench::{Bench, Goal, Peer};

pub(crate) fn benches() -> Vec<Bench> {
    vec![Bench {
        name: "P3",
        case: "smol",
        sizes: &[1000, 100_000],
        peers,
        goals: &[Goal::Instructions("Executor", 1.15)],
    }]
}

fn peers(n: usize) -> Vec<Peer> {
    let executor = Arc::new(Executor::new());
    vec![
        Peer::whole("scope", {
            let executor = executor.clone();
            move || {
                move || {
                    let nursery = scope_smol::nursery_on(&executor, async |nursery| {
                        for _ in 0..n {
                            nursery.spawn(async { Ok(()) });
                        }
                        Ok(())
                    });
                    block_on(executor.run(nursery)).expect("these children cannot fail");
                }
            }
        }),
        Peer::whole("Executor", move || {
            move || {
                block_on(executor.run(async {
                    let mut tasks = Vec::with_capacity(n);
                    tasks.extend((0..n).map(|_| executor.spawn(async {})));
                    for task in tasks {
                        task.await;
                    }
                }));
            }
        }),
    ]
}
