//! Children on a current-thread runtime, where one task of tokio's polls them all: what is beside them, and what is left of
//! them. The contract's own tests run there too.

use std::future::{pending, poll_fn};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Poll, Waker};
use std::time::Duration;

use scope_core::Failure;
use scope_core::rt::Handle;
use scope_tokio::{SpawnExt, TokioRuntime};
use tokio::net::UnixStream;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{mpsc, oneshot};

fn one_thread() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

/// Never waits for anything, until the flag is set.
async fn spin(stop: Arc<AtomicBool>) -> Result<(), Failure> {
    poll_fn(|cx| {
        if stop.load(Ordering::Relaxed) {
            return Poll::Ready(Ok(()));
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await
}

#[test]
fn children_that_are_always_ready_starve_nobody() {
    let stop = Arc::new(AtomicBool::new(false));
    let root = scope_tokio::nursery(async |n| {
        for _ in 0..1000 {
            n.spawn(spin(stop.clone()));
        }
        // The timer and the reactor, from the root, from a task of tokio's and from a child.
        tokio::time::sleep(Duration::from_millis(5)).await;
        let (near, far) = UnixStream::pair()?;
        let echo = tokio::spawn(async move {
            far.readable().await?;
            tokio::time::sleep(Duration::from_millis(5)).await;
            far.try_write(b"!")
        });
        let stop = stop.clone();
        n.spawn(async move {
            near.try_write(b"?")?;
            near.readable().await?;
            stop.store(true, Ordering::Relaxed);
            Ok(())
        });
        assert_eq!(echo.await??, 1);
        Ok(())
    });
    scope_tokio::run_on(&one_thread(), root).unwrap();
}

/// How often `children` that are always ready are polled at the most while tokio does not look at its drivers: just after
/// that it polls the root.
fn most_between_drivers(children: usize) -> usize {
    let polls = Arc::new(AtomicUsize::new(0));
    let stop = Arc::new(AtomicBool::new(false));
    let root = scope_tokio::nursery(async |n| {
        for _ in 0..children {
            let (polls, mut spin) = (polls.clone(), Box::pin(spin(stop.clone())));
            n.spawn(poll_fn(move |cx| {
                polls.fetch_add(1, Ordering::Relaxed);
                spin.as_mut().poll(cx)
            }));
        }
        let (mut before, mut most, mut rounds) = (0, 0, 100);
        poll_fn(|cx| {
            let now = polls.load(Ordering::Relaxed);
            most = most.max(now - before);
            before = now;
            rounds -= 1;
            cx.waker().wake_by_ref();
            if rounds == 0 { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
        stop.store(true, Ordering::Relaxed);
        Ok(most)
    });
    scope_tokio::run_on(&one_thread(), root).unwrap()
}

#[test]
fn the_drivers_have_their_turn_as_beside_tasks_of_tokios_own() {
    for children in [1, 60, 61, 62, 1000] {
        assert_eq!(most_between_drivers(children), 61, "{children} children");
    }
}

#[test]
fn nothing_is_left_of_a_handle_that_nobody_has_any_more() {
    let runtime = one_thread();
    for wait in [false, true] {
        for _ in 0..100 {
            runtime.block_on(async {
                let (tx, rx) = oneshot::channel::<()>();
                let on = Handle::new(TokioRuntime::current().unwrap());
                if wait {
                    // Goes on when its handle has gone.
                    on.spawn(Box::pin(async { drop(rx.await) })).unwrap();
                }
                let root = scope_core::nursery(async |n| {
                    n.run(tokio::task::yield_now());
                    Ok(())
                });
                root.runtime(on).await.unwrap();
                tokio::task::yield_now().await;
                drop(tx);
            });
        }
        runtime.block_on(async {
            for _ in 0..3 {
                tokio::task::yield_now().await;
            }
        });
        assert_eq!(runtime.metrics().num_alive_tasks(), 0);
    }
}

#[test]
fn a_child_that_uses_up_the_budget_does_not_keep_it_from_the_others() {
    const MANY: usize = 10_000;
    let begun = Arc::new(AtomicUsize::new(0));
    let root = scope_tokio::nursery(async |n| {
        for _ in 0..3 {
            let (tx, mut rx) = mpsc::unbounded_channel();
            for number in 0..MANY {
                tx.send(number)?;
            }
            let begun = begun.clone();
            n.spawn(async move {
                for _ in 0..MANY / 2 {
                    rx.recv().await;
                }
                begun.fetch_add(1, Ordering::Relaxed);
                for _ in 0..MANY / 2 {
                    rx.recv().await;
                }
                assert_eq!(begun.load(Ordering::Relaxed), 3, "all are half-way before one has ended");
                drop(tx);
                Ok(())
            });
        }
        Ok(())
    });
    scope_tokio::run_on(&one_thread(), root).unwrap();
}

#[test]
fn children_are_woken_from_other_threads() {
    const MANY: usize = 2000;
    let root = scope_tokio::nursery(async |n| {
        for _ in 0..4 {
            let mut senders = Vec::new();
            for number in 0..MANY {
                let (tx, rx) = oneshot::channel();
                senders.push(tx);
                n.spawn(async move {
                    assert_eq!(rx.await?, number);
                    Ok(())
                });
            }
            std::thread::spawn(move || senders.into_iter().enumerate().for_each(|(at, tx)| tx.send(at).unwrap()));
        }
        Ok(())
    });
    scope_tokio::run_on(&one_thread(), root).unwrap();
}

#[test]
fn children_are_spawned_from_other_threads() {
    const MANY: usize = 2000;
    let ended = Arc::new(AtomicUsize::new(0));
    let root = scope_tokio::nursery(async |n| {
        let (tx, rx) = oneshot::channel();
        let (spawner, ended) = (n.spawner(), ended.clone());
        std::thread::spawn(move || {
            for _ in 0..MANY {
                let ended = ended.clone();
                let spawned = spawner.run(async move {
                    tokio::task::yield_now().await;
                    ended.fetch_add(1, Ordering::Relaxed);
                });
                spawned.unwrap();
            }
            tx.send(()).unwrap();
        });
        rx.await?;
        Ok(())
    });
    scope_tokio::run_on(&one_thread(), root).unwrap();
    assert_eq!(ended.load(Ordering::Relaxed), MANY);
}

/// Says that it was dropped.
struct Noted(Arc<AtomicUsize>);

impl Drop for Noted {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn children_that_wait_go_with_the_runtime_whoever_has_their_wakers() {
    const MANY: usize = 100;
    let dropped = Arc::new(AtomicUsize::new(0));
    let runtime = one_thread();
    let (tx, rx) = std::sync::mpsc::channel::<Waker>();
    runtime.block_on(async {
        let (told, waits) = oneshot::channel();
        let (tx, dropped) = (tx, dropped.clone());
        tokio::spawn(scope_tokio::nursery(async move |n| {
            for _ in 0..MANY {
                let (tx, noted) = (tx.clone(), Noted(dropped.clone()));
                n.spawn(async move {
                    let _noted = noted;
                    poll_fn(|cx| Poll::Ready(tx.send(cx.waker().clone()))).await?;
                    pending().await
                });
            }
            tokio::task::yield_now().await;
            let _ = told.send(());
            pending::<Result<(), Failure>>().await
        }));
        waits.await.unwrap();
    });
    assert_eq!(dropped.load(Ordering::Relaxed), 0);
    drop(runtime);
    assert_eq!(dropped.load(Ordering::Relaxed), MANY);
    let wakers: Vec<Waker> = rx.iter().collect();
    assert_eq!(wakers.len(), MANY);
    // They wake nobody, and hurt nobody.
    wakers.iter().for_each(Waker::wake_by_ref);
    wakers.into_iter().for_each(Waker::wake);
}

#[test]
fn a_runtime_that_is_left_and_entered_again_goes_on_where_it_was() {
    let polls = Arc::new(AtomicUsize::new(0));
    let runtime = one_thread();
    let counted = polls.clone();
    let nursery = runtime.spawn(scope_tokio::nursery(async move |n| {
        for _ in 0..100 {
            let polls = counted.clone();
            n.spawn(poll_fn(move |cx| {
                polls.fetch_add(1, Ordering::Relaxed);
                cx.waker().wake_by_ref();
                Poll::<Result<(), Failure>>::Pending
            }));
        }
        pending::<Result<(), Failure>>().await
    }));
    for yields in 1..200 {
        // Left at any moment of a turn or a rest, and idle meanwhile.
        runtime.block_on(async {
            for _ in 0..yields % 7 {
                tokio::task::yield_now().await;
            }
        });
        let before = polls.load(Ordering::Relaxed);
        runtime.block_on(async {
            while polls.load(Ordering::Relaxed) < before + 200 {
                tokio::task::yield_now().await;
            }
        });
    }
    nursery.abort();
    assert!(runtime.block_on(nursery).is_err_and(|error| error.is_cancelled()));
}
