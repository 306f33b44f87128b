//! Wake the innermost, `n` times at depth `n`, and let it go on: for each wake.
//!
//! In the case "wake, tasks" it is a parallel child of a parallel child, which wakes itself: its runtime polls it and nobody
//! else. In the case "wake, children" all is one task, polled from the outermost down to the leaf.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use futures_util::task::AtomicWaker;
use tokio::sync::oneshot;

use super::{DEPTHS, Level, children, futures_unordered, moro, tasks};
use crate::bench::{Bench, Goal, Peer};
use crate::core::on_tokio::current_thread;
use crate::measure::Meter;

pub(super) fn benches() -> Vec<Bench> {
    let (deepest, others) = DEPTHS.split_last().expect("there are depths");
    let deepest = std::slice::from_ref(deepest);
    vec![
        Bench { name: "P7", case: "wake, tasks", sizes: DEPTHS, peers: in_tasks, goals: &[Goal::Flat(1.5)] },
        Bench { name: "P7", case: "wake, children", sizes: others, peers: in_children, goals: &[] },
        Bench {
            name: "P7",
            case: "wake, children",
            sizes: deepest,
            peers: in_children,
            goals: &[Goal::Ratio("FuturesUnordered", 0.5)],
        },
    ]
}

fn in_tasks(depth: usize) -> Vec<Peer> {
    let peer = |name, level: fn(usize, Level) -> Level| {
        Peer::metered(name, move || {
            let runtime = current_thread();
            move |meter: &mut Meter| {
                let taken = runtime.block_on(async {
                    let (tell, told) = oneshot::channel();
                    level(
                        depth,
                        Box::pin(async move { tell.send(wake_itself(depth).await).expect("it is waited for") }),
                    )
                    .await;
                    told.await.expect("it is told")
                });
                meter.took(taken);
            }
        })
    };
    vec![peer("scope", tasks), peer("spawn", spawned)]
}

/// Waits so many times, and says how long that took.
async fn wake_itself(times: usize) -> Duration {
    let mut left = times;
    let begun = Instant::now();
    poll_fn(|cx| {
        if left == 0 {
            return Poll::Ready(());
        }
        left -= 1;
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
    begun.elapsed()
}

/// Each level a task that waits for the handle of the next.
fn spawned(depth: usize, leaf: Level) -> Level {
    if depth == 0 {
        return leaf;
    }
    Box::pin(async move { tokio::spawn(spawned(depth - 1, leaf)).await.expect("it does not panic") })
}

fn in_children(depth: usize) -> Vec<Peer> {
    let peer = |name, level: fn(usize, Level) -> Level| {
        Peer::metered(name, move || {
            let sleeper = Arc::new(AtomicWaker::new());
            let mut outermost = level(depth, asleep(sleeper.clone()));
            let mut poll = move || {
                assert!(outermost.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending(), "it sleeps on");
            };
            poll();
            move |meter: &mut Meter| {
                meter.start();
                for _ in 0..depth {
                    sleeper.wake();
                    poll();
                }
                meter.stop();
            }
        })
    };
    vec![peer("scope", children), peer("FuturesUnordered", futures_unordered), peer("moro", moro)]
}

/// Is woken from outside, and never comes to an end.
fn asleep(sleeper: Arc<AtomicWaker>) -> Level {
    Box::pin(poll_fn(move |cx| {
        sleeper.register(cx.waker());
        Poll::Pending
    }))
}
