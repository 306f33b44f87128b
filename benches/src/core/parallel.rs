//! P2: spawn and join parallel children on tokio, all of one case on the same runtime.
//!
//! What each gives beside that:
//! * ours: children cannot outlive the block, an error or a panic of one cancels the others and comes out, each is registered
//!   for cancellation while it waits. On one thread a single task of tokio's polls them all, and they take turns there;
//! * `scope, own tasks`: the same, with a task of tokio's for each;
//! * `JoinSet`: a drop aborts, and waits for nobody; results and panics come out one by one;
//! * `TaskTracker`: waits, and nothing else; results are lost;
//! * `token`, a tracker, a token for each child and a `select!` on it: the children are told of a cancellation; results are
//!   lost;
//! * `idiom`: the same where a panic and an error are caught, kept, and cancel the others. What people write to come near to
//!   ours; a drop of it leaves all running;
//! * `spawn`, with its handles awaited: results and panics come out; a drop leaves all running.

use std::error::Error;
use std::hint::black_box;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex};

use futures_util::FutureExt as _;
use scope_tokio::SpawnExt as _;
use tokio::runtime::Runtime;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::on_tokio::{current_thread, four_threads, own_on};
use crate::bench::{Bench, Goal, Peer};

const SIZES: &[usize] = &[1000, 100_000];

/// Those of children that do nothing, and of children that wait.
const GOALS: &[Goal] =
    &[Goal::Allocs(1.02), Goal::Ratio("JoinSet", 0.75), Goal::Ratio("TaskTracker", 1.2), Goal::Ratio("idiom", 0.4)];

pub(crate) fn benches() -> Vec<Bench> {
    vec![
        Bench {
            name: "P2",
            case: "tokio mt4",
            sizes: SIZES,
            peers: |n| peers(n, four_threads(), Nothing),
            goals: GOALS,
        },
        Bench {
            name: "P2",
            case: "tokio ct",
            sizes: SIZES,
            peers: |n| peers(n, current_thread(), Nothing),
            goals: GOALS,
        },
        Bench {
            name: "P2",
            case: "waiting, ct",
            sizes: &SIZES[..1],
            peers: |n| peers(n, current_thread(), WaitingOnce),
            goals: GOALS,
        },
        Bench {
            name: "P2",
            case: "results, ct",
            sizes: &SIZES[..1],
            peers: |n| results(n, current_thread()),
            goals: &[Goal::Allocs(2.02)],
        },
    ]
}

/// What a child does.
trait Work: Copy + Send + 'static {
    fn work(self) -> impl Future<Output = ()> + Send + 'static;
}

#[derive(Clone, Copy)]
struct Nothing;

impl Work for Nothing {
    async fn work(self) {}
}

/// Is pending once, so that whoever registers for cancellation does.
#[derive(Clone, Copy)]
struct WaitingOnce;

impl Work for WaitingOnce {
    async fn work(self) {
        tokio::task::yield_now().await;
    }
}

fn peers(n: usize, runtime: Arc<Runtime>, child: impl Work) -> Vec<Peer> {
    let mut peers = vec![
        on(&runtime, "scope", async move || {
            let done = scope_tokio::nursery(async |nursery| {
                for _ in 0..n {
                    nursery.spawn(async move {
                        child.work().await;
                        Ok(())
                    });
                }
                Ok(())
            });
            done.await.expect("these children cannot fail");
        }),
        on(&runtime, "JoinSet", async move || {
            let mut set = JoinSet::new();
            for _ in 0..n {
                set.spawn(child.work());
            }
            while let Some(done) = set.join_next().await {
                done.expect("these children cannot fail");
            }
        }),
        on(&runtime, "TaskTracker", async move || {
            let tracker = TaskTracker::new();
            for _ in 0..n {
                tracker.spawn(child.work());
            }
            tracker.close();
            tracker.wait().await;
        }),
        on(&runtime, "token", async move || {
            let tracker = TaskTracker::new();
            let token = CancellationToken::new();
            for _ in 0..n {
                let token = token.child_token();
                tracker.spawn(async move {
                    tokio::select! {
                        () = token.cancelled() => {}
                        () = child.work() => {}
                    }
                });
            }
            tracker.close();
            tracker.wait().await;
        }),
        on(&runtime, "idiom", async move || {
            let tracker = TaskTracker::new();
            let scope = CancellationToken::new();
            let failures = Arc::new(Mutex::new(Vec::new()));
            for _ in 0..n {
                let (scope, token, failures) = (scope.clone(), scope.child_token(), failures.clone());
                tracker.spawn(async move {
                    let work = AssertUnwindSafe(async move {
                        child.work().await;
                        Ok::<(), Box<dyn Error + Send + Sync>>(())
                    });
                    let ended = tokio::select! {
                        // Without it, half of the children that are ready at once never register.
                        biased;
                        () = token.cancelled() => return,
                        ended = work.catch_unwind() => ended,
                    };
                    if !matches!(ended, Ok(Ok(()))) {
                        failures.lock().expect("nobody panics under it").push(ended);
                        scope.cancel();
                    }
                });
            }
            tracker.close();
            tracker.wait().await;
            assert!(failures.lock().expect("nobody panics under it").is_empty(), "these children cannot fail");
        }),
        on(&runtime, "spawn", async move || {
            let mut handles = Vec::with_capacity(n);
            handles.extend((0..n).map(|_| tokio::spawn(child.work())));
            for handle in handles {
                handle.await.expect("these children cannot fail");
            }
        }),
    ];
    let handle = own_on(&runtime);
    peers.push({
        on(&runtime, "scope, own tasks", async move || {
            let done = scope_core::nursery(async |nursery| {
                for _ in 0..n {
                    nursery.spawn(async move {
                        child.work().await;
                        Ok(())
                    });
                }
                Ok(())
            });
            done.runtime(handle.clone()).await.expect("these children cannot fail");
        })
    });
    peers
}

/// Children whose values are wanted, in any order.
fn results(n: usize, runtime: Arc<Runtime>) -> Vec<Peer> {
    vec![
        on(&runtime, "scope", async move || {
            let done = scope_tokio::nursery(async |nursery| {
                let mut handles = Vec::with_capacity(n);
                handles.extend((0..n).map(|value| nursery.spawn_with_handle(async move { Ok(value) })));
                let mut sum = 0;
                for handle in handles {
                    sum += handle.await?;
                }
                Ok(sum)
            });
            black_box(done.await.expect("these children cannot fail"));
        }),
        on(&runtime, "JoinSet", async move || {
            let mut set = JoinSet::new();
            for value in 0..n {
                set.spawn(async move { value });
            }
            let mut sum = 0;
            while let Some(value) = set.join_next().await {
                sum += value.expect("these children cannot fail");
            }
            black_box(sum);
        }),
        on(&runtime, "TaskTracker", async move || {
            let tracker = TaskTracker::new();
            let mut handles = Vec::with_capacity(n);
            handles.extend((0..n).map(|value| tracker.spawn(async move { value })));
            let mut sum = 0;
            for handle in handles {
                sum += handle.await.expect("these children cannot fail");
            }
            tracker.close();
            tracker.wait().await;
            black_box(sum);
        }),
        on(&runtime, "spawn", async move || {
            let mut handles = Vec::with_capacity(n);
            handles.extend((0..n).map(|value| tokio::spawn(async move { value })));
            let mut sum = 0;
            for handle in handles {
                sum += handle.await.expect("these children cannot fail");
            }
            black_box(sum);
        }),
    ]
}

/// A peer whose operation is awaited by the one who drives the runtime, as a `main` is.
fn on(runtime: &Arc<Runtime>, name: &'static str, operation: impl AsyncFn() + 'static) -> Peer {
    let runtime = runtime.clone();
    Peer::whole(name, || move || runtime.block_on(operation()))
}
