//! P5: cancel children that wait, and join them. Spawning them, and waiting until all wait, is not measured.
//!
//! What each gives beside that:
//! * ours: when it returns, every child has been destroyed, and the error says why; `scope, own tasks` the same, with a task of
//!   tokio's for each;
//! * `JoinSet::shutdown`: the same, without the reason;
//! * `TaskTracker` with a token that each child looks at in a `select!`: the children take part by themselves;
//! * `abort` and awaiting the handles: what `shutdown` does, by hand.

use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use scope_core::rt;
use scope_tokio::SpawnExt as _;
use tokio::runtime::Runtime;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::on_tokio::{current_thread, four_threads, own_on, usual_on};
use crate::bench::{Bench, Goal, Peer};
use crate::measure::Meter;

pub(crate) fn benches() -> Vec<Bench> {
    vec![
        Bench {
            name: "P5",
            case: "tokio mt4",
            sizes: &[100_000],
            peers: |n| peers(n, four_threads()),
            goals: &[Goal::Ratio("JoinSet", 0.75)],
        },
        Bench {
            name: "P5",
            case: "tokio ct",
            sizes: &[100_000],
            peers: |n| peers(n, current_thread()),
            goals: &[Goal::Ratio("JoinSet", 0.6)],
        },
    ]
}

/// Counts those who wait.
#[derive(Clone)]
struct Crowd {
    missing: Arc<AtomicUsize>,
    complete: Arc<Notify>,
}

impl Crowd {
    fn of(n: usize) -> Self {
        Crowd { missing: Arc::new(AtomicUsize::new(n)), complete: Arc::default() }
    }

    /// A child that comes to wait for ever.
    fn child(&self) -> impl Future<Output = ()> + Send + use<> {
        let crowd = self.clone();
        async move {
            if crowd.missing.fetch_sub(1, Ordering::AcqRel) == 1 {
                crowd.complete.notify_one();
            }
            pending().await
        }
    }

    /// All wait.
    async fn complete(&self) {
        self.complete.notified().await;
    }
}

fn peers(n: usize, runtime: Arc<Runtime>) -> Vec<Peer> {
    let (usual, own) = (usual_on(&runtime), own_on(&runtime));
    vec![
        on(&runtime, "scope", async move |meter| ours(n, usual.clone(), meter).await),
        on(&runtime, "scope, own tasks", async move |meter| ours(n, own.clone(), meter).await),
        on(&runtime, "JoinSet", async move |meter| {
            let crowd = Crowd::of(n);
            let mut set = JoinSet::new();
            for _ in 0..n {
                set.spawn(crowd.child());
            }
            crowd.complete().await;
            meter.start();
            set.shutdown().await;
            meter.stop();
        }),
        on(&runtime, "TaskTracker", async move |meter| {
            let crowd = Crowd::of(n);
            let tracker = TaskTracker::new();
            let token = CancellationToken::new();
            for _ in 0..n {
                let (token, child) = (token.clone(), crowd.child());
                tracker.spawn(async move {
                    tokio::select! {
                        () = token.cancelled() => {}
                        () = child => {}
                    }
                });
            }
            crowd.complete().await;
            meter.start();
            token.cancel();
            tracker.close();
            tracker.wait().await;
            meter.stop();
        }),
        on(&runtime, "abort", async move |meter| {
            let crowd = Crowd::of(n);
            let handles: Vec<_> = (0..n).map(|_| tokio::spawn(crowd.child())).collect();
            crowd.complete().await;
            meter.start();
            for handle in &handles {
                handle.abort();
            }
            for handle in handles {
                assert!(handle.await.expect_err("it was aborted").is_cancelled());
            }
            meter.stop();
        }),
    ]
}

async fn ours(n: usize, runtime: rt::Handle, meter: &mut Meter) {
    let crowd = Crowd::of(n);
    let cancelled = scope_core::nursery(async |nursery| -> Result<(), _> {
        for _ in 0..n {
            nursery.run(crowd.child());
        }
        crowd.complete().await;
        meter.start();
        nursery.cancel("enough");
        pending().await
    });
    let cancelled = cancelled.runtime(runtime).await;
    meter.stop();
    assert!(cancelled.expect_err("it was cancelled").is_cancelled());
}

fn on(runtime: &Arc<Runtime>, name: &'static str, operation: impl AsyncFn(&mut Meter) + 'static) -> Peer {
    let runtime = runtime.clone();
    Peer::metered(name, || move |meter: &mut Meter| runtime.block_on(operation(meter)))
}
