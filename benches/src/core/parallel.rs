//! P2: spawn and join children that do nothing, as tasks of tokio.

use scope_tokio::SpawnExt as _;
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinSet;

use crate::bench::{Bench, Goal, Peer};

pub(crate) fn benches() -> Vec<Bench> {
    vec![Bench {
        name: "P2",
        case: "tokio ct",
        sizes: &[1000, 100_000],
        peers: |n| peers(n, || Builder::new_current_thread().build().expect("a runtime")),
        goals: &[Goal::Allocs(1.1), Goal::Ratio("JoinSet", 0.75)],
    }]
}

fn peers(n: usize, runtime: fn() -> Runtime) -> Vec<Peer> {
    vec![
        Peer::whole("scope", move || {
            let runtime = runtime();
            move || {
                let done = runtime.block_on(scope_tokio::nursery(async |nursery| {
                    for _ in 0..n {
                        nursery.run(async {});
                    }
                    Ok(())
                }));
                done.expect("children that do nothing cannot fail");
            }
        }),
        Peer::whole("JoinSet", move || {
            let runtime = runtime();
            move || {
                runtime.block_on(async {
                    let mut set = JoinSet::new();
                    for _ in 0..n {
                        set.spawn(async {});
                    }
                    while set.join_next().await.is_some() {}
                });
            }
        }),
    ]
}
