//! Cancel the outermost, and join all, for each level: in the case "cancel, tasks" each level is a parallel child, in "cancel,
//! blocks" it is a block in the body of the one around. Coming down to where the leaf waits is not measured.

use std::future::pending;
use std::sync::Arc;

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::{DEPTHS, Level, blocks, tasks};
use crate::bench::{Bench, Goal, Peer};
use crate::core::on_tokio::current_thread;
use crate::measure::Meter;

pub(super) fn benches() -> Vec<Bench> {
    let goals: &[Goal] = &[Goal::Ns(300.0)];
    vec![
        Bench { name: "P7", case: "cancel, tasks", sizes: DEPTHS, peers: |n| peers(n, tasks), goals },
        Bench { name: "P7", case: "cancel, blocks", sizes: DEPTHS, peers: |n| peers(n, blocks), goals },
    ]
}

/// Waits for ever, and says when it has come to that.
fn waiting(there: Arc<Notify>) -> Level {
    Box::pin(async move {
        there.notify_one();
        pending().await
    })
}

fn peers(depth: usize, ours: fn(usize, Level) -> Level) -> Vec<Peer> {
    vec![
        Peer::metered("scope", move || {
            let runtime = current_thread();
            move |meter: &mut Meter| {
                let cancelled = runtime.block_on(async {
                    let there = Arc::new(Notify::new());
                    let meter = &mut *meter;
                    // The outermost level has one child beside: whoever cancels.
                    let outermost = scope_tokio::nursery(async |nursery| -> Result<(), _> {
                        nursery.run_local(ours(depth - 1, waiting(there.clone())));
                        there.notified().await;
                        meter.start();
                        nursery.cancel("enough");
                        pending().await
                    });
                    let cancelled = outermost.await;
                    meter.stop();
                    cancelled
                });
                assert!(cancelled.expect_err("it was cancelled").is_cancelled());
            }
        }),
        Peer::metered("tracker + token", move || {
            let runtime = current_thread();
            move |meter: &mut Meter| {
                runtime.block_on(async {
                    let there = Arc::new(Notify::new());
                    let token = CancellationToken::new();
                    let tracker = TaskTracker::new();
                    tracker.spawn(tracked(depth - 1, token.child_token(), waiting(there.clone())));
                    tracker.close();
                    there.notified().await;
                    meter.start();
                    token.cancel();
                    tracker.wait().await;
                    meter.stop();
                });
            }
        }),
    ]
}

fn tracked(depth: usize, token: CancellationToken, leaf: Level) -> Level {
    Box::pin(async move {
        if depth == 0 {
            tokio::select! {
                () = token.cancelled() => {}
                () = leaf => {}
            }
            return;
        }
        let tracker = TaskTracker::new();
        tracker.spawn(tracked(depth - 1, token.child_token(), leaf));
        tracker.close();
        // Those within look at the token themselves.
        tracker.wait().await;
    })
}
