//! Children on a multi-thread runtime where a few tasks of tokio's poll them all: who gets to them, what is beside them, and
//! what is left of them. The contract's own tests run there too.

use std::future::{pending, poll_fn};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc;
use std::task::{Poll, Waker};
use std::thread;
use std::time::{Duration, Instant};

use scope_core::Failure;
use scope_core::rt::Handle;
use scope_tokio::{SpawnExt, TokioRuntime};
use tokio::net::UnixStream;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::oneshot;
use tokio::task::{block_in_place, yield_now};

/// What takes longer hangs.
const BOUND: Duration = Duration::from_secs(20);

fn threads(workers: usize) -> (Runtime, Handle) {
    let runtime = Builder::new_multi_thread().worker_threads(workers).enable_all().build().unwrap();
    let handle = Handle::new(TokioRuntime::new(runtime.handle().clone()));
    (runtime, handle)
}

/// Keeps its thread busy until so many are there.
fn meet(there: &AtomicUsize, many: usize) {
    there.fetch_add(1, Ordering::AcqRel);
    let begun = Instant::now();
    while there.load(Ordering::Acquire) < many {
        assert!(begun.elapsed() < BOUND, "they do not run beside each other");
        thread::yield_now();
    }
}

#[test]
fn children_run_on_all_workers_beside_each_other() {
    let (runtime, handle) = threads(4);
    let there = Arc::new(AtomicUsize::new(0));
    let root = scope_core::nursery(async |n| {
        for _ in 0..4 {
            let there = there.clone();
            n.run(async move { meet(&there, 4) });
        }
        Ok(())
    });
    runtime.block_on(root.runtime(handle)).unwrap();
}

/// All but the last: who spawns that keeps its worker, and tokio may hold back for that worker what it has woken last.
#[test]
fn children_that_a_busy_child_has_spawned_are_taken_by_the_other_workers() {
    let (runtime, handle) = threads(4);
    for _ in 0..50 {
        let there = Arc::new(AtomicUsize::new(0));
        let root = scope_core::nursery(async |n| {
            let (spawner, there) = (n.spawner(), there.clone());
            n.spawn(async move {
                for _ in 0..3 {
                    let there = there.clone();
                    spawner.run(async move { meet(&there, 3) })?;
                }
                meet(&there, 3);
                Ok(())
            });
            Ok(())
        });
        runtime.block_on(root.runtime(handle.clone())).unwrap();
    }
}

#[test]
fn a_child_that_blocks_its_thread_holds_up_no_other() {
    let (runtime, handle) = threads(4);
    let root = scope_core::nursery(async |n| {
        let mut blocked = Vec::new();
        for _ in 0..3 {
            let (go, wait) = mpsc::channel();
            let (begun, begins) = oneshot::channel();
            n.run(async move {
                let _ = begun.send(());
                wait.recv_timeout(BOUND).expect("the others have run");
            });
            begins.await?;
            blocked.push(go);
        }
        let left = Arc::new(AtomicUsize::new(1000));
        let (done, all_done) = oneshot::channel();
        let done = Arc::new(std::sync::Mutex::new(Some(done)));
        for _ in 0..1000 {
            let (left, done) = (left.clone(), done.clone());
            n.run(async move {
                yield_now().await;
                if left.fetch_sub(1, Ordering::AcqRel) == 1 {
                    let _ = done.lock().unwrap().take().unwrap().send(());
                }
            });
        }
        all_done.await?;
        blocked.into_iter().for_each(|go| go.send(()).unwrap());
        Ok(())
    });
    runtime.block_on(root.runtime(handle)).unwrap();
}

/// Children that end one after the other may be counted out of their scope together; but a scope whose children have all ended
/// returns, whatever the carrier polls after them.
#[test]
fn a_scope_whose_children_have_ended_returns_while_a_child_of_another_blocks() {
    let (runtime, handle) = threads(1);
    for ended in [1, 2, 3] {
        let (go, begin) = mpsc::channel();
        let (returned, wait) = mpsc::channel();
        // Until all have been spawned the only worker is busy, so that one carrier finds them in this order.
        let first = scope_core::nursery(async |n| {
            n.run(async move { begin.recv_timeout(BOUND).unwrap() });
            Ok(())
        });
        let ends = scope_core::nursery(async |n| {
            for _ in 0..ended {
                n.run(async {});
            }
            Ok(())
        });
        let blocks = scope_core::nursery(async |n| {
            n.run(async move { wait.recv_timeout(BOUND).expect("the one before has returned") });
            go.send(()).unwrap();
            Ok(())
        });
        let ends = async {
            ends.runtime(handle.clone()).await.unwrap();
            returned.send(()).unwrap();
        };
        runtime.block_on(async {
            let (first, (), blocks) = tokio::join!(first.runtime(handle.clone()), ends, blocks.runtime(handle.clone()));
            first.and(blocks).unwrap();
        });
    }
}

/// Each waits for the next: far more than there are workers.
#[test]
fn any_number_of_children_may_block_in_place() {
    const MANY: usize = 40;
    for workers in [1, 4] {
        let (runtime, handle) = threads(workers);
        let root = scope_core::nursery(async |n| {
            let mut after: Option<mpsc::Sender<()>> = None;
            for _ in 0..MANY {
                let (go, wait) = mpsc::channel();
                let before = after.replace(go);
                n.run(async move {
                    block_in_place(|| wait.recv_timeout(BOUND)).expect("its successor has run");
                    yield_now().await;
                    before.map(|before| before.send(()));
                });
            }
            let last = after.expect("there are some");
            n.run(async move {
                yield_now().await;
                last.send(()).unwrap();
            });
            Ok(())
        });
        runtime.block_on(root.runtime(handle)).unwrap();
    }
}

/// What a child has woken, or spawned, is not left behind when its thread is gone for long.
#[test]
fn a_child_that_blocks_in_place_waits_for_one_that_it_has_spawned() {
    for workers in [1, 2] {
        let (runtime, handle) = threads(workers);
        let root = scope_core::nursery(async |n| {
            let spawner = n.spawner();
            n.spawn(async move {
                for _ in 0..100 {
                    let (go, wait) = mpsc::channel();
                    let (wake, woken) = oneshot::channel::<()>();
                    spawner.run(async move {
                        let _ = woken.await;
                        go.send(()).unwrap();
                    })?;
                    yield_now().await;
                    let _ = wake.send(());
                    block_in_place(|| wait.recv_timeout(BOUND)).expect("the other has run");
                }
                Ok(())
            });
            Ok(())
        });
        runtime.block_on(root.runtime(handle)).unwrap();
    }
}

#[test]
fn children_that_are_always_ready_starve_nobody() {
    for workers in [1, 4] {
        let (runtime, handle) = threads(workers);
        let stop = Arc::new(AtomicBool::new(false));
        let root = scope_core::nursery(async |n| {
            for _ in 0..1000 {
                let stop = stop.clone();
                n.run(poll_fn(move |cx| {
                    if stop.load(Ordering::Relaxed) {
                        return Poll::Ready(());
                    }
                    cx.waker().wake_by_ref();
                    Poll::Pending
                }));
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
        runtime.block_on(root.runtime(handle)).unwrap();
    }
}

/// Each child may go on for as long as one of tokio's tasks before it has to wait for the others, whoever was before it in the
/// same turn.
#[test]
fn each_child_has_a_budget_of_its_own_and_no_more() {
    let (runtime, handle) = threads(1);
    let root = scope_core::nursery(async |n| {
        let mut each = Vec::new();
        for _ in 0..3 {
            each.push(n.spawn_with_handle(async move {
                let (tx, mut rx) = tokio::sync::mpsc::unbounded_channel();
                for _ in 0..1000 {
                    tx.send(())?;
                }
                let (mut polls, mut read) = (0, 0);
                poll_fn(|cx| {
                    polls += 1;
                    while read < 1000 {
                        match rx.poll_recv(cx) {
                            Poll::Ready(_) => read += 1,
                            Poll::Pending => return Poll::Pending,
                        }
                    }
                    Poll::Ready(())
                })
                .await;
                Ok(polls)
            }));
        }
        let mut polls = Vec::new();
        for child in each {
            polls.push(child.await?);
        }
        Ok(polls)
    });
    for polls in runtime.block_on(root.runtime(handle)).unwrap() {
        // tokio's budget is 128: a child that had used none of it may have what is left to tokio's other tasks once or twice.
        assert!((7..=10).contains(&polls), "{polls} polls");
    }
}

#[test]
fn children_are_woken_from_other_threads() {
    const MANY: usize = 2000;
    let (runtime, handle) = threads(4);
    let root = scope_core::nursery(async |n| {
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
            thread::spawn(move || senders.into_iter().enumerate().for_each(|(at, tx)| tx.send(at).unwrap()));
        }
        Ok(())
    });
    runtime.block_on(root.runtime(handle)).unwrap();
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
    const MANY: usize = 1000;
    let dropped = Arc::new(AtomicUsize::new(0));
    let (runtime, handle) = threads(4);
    let (tx, rx) = mpsc::channel::<Waker>();
    runtime.block_on(async {
        let left = Arc::new(AtomicUsize::new(MANY));
        let (told, waits) = oneshot::channel();
        let told = Arc::new(std::sync::Mutex::new(Some(told)));
        let (tx, dropped) = (tx, dropped.clone());
        let nursery = scope_core::nursery(async move |n| {
            for _ in 0..MANY {
                let (tx, noted, left, told) = (tx.clone(), Noted(dropped.clone()), left.clone(), told.clone());
                n.spawn(async move {
                    let _noted = noted;
                    poll_fn(|cx| Poll::Ready(tx.send(cx.waker().clone()))).await?;
                    if left.fetch_sub(1, Ordering::AcqRel) == 1 {
                        let _ = told.lock().unwrap().take().unwrap().send(());
                    }
                    pending().await
                });
            }
            pending::<Result<(), Failure>>().await
        });
        tokio::spawn(nursery.runtime(handle.clone()));
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
    assert!(handle.spawn(Box::pin(async {})).is_err());
}

/// The runtime goes down while children are polled, woken and spawned on all workers.
#[test]
fn children_that_are_at_work_end_when_the_runtime_goes_down() {
    for _ in 0..50 {
        let (live, begun) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
        struct Live(Arc<AtomicUsize>);
        impl Drop for Live {
            fn drop(&mut self) {
                self.0.fetch_sub(1, Ordering::AcqRel);
            }
        }
        let (runtime, handle) = threads(4);
        let (counted, started) = (live.clone(), begun.clone());
        let nursery = scope_core::nursery(async move |n| {
            for _ in 0..64 {
                let (spawner, live, started) = (n.spawner(), counted.clone(), started.clone());
                live.fetch_add(1, Ordering::AcqRel);
                let here = Live(live.clone());
                n.run(async move {
                    let _here = here;
                    loop {
                        live.fetch_add(1, Ordering::AcqRel);
                        let (tx, rx) = oneshot::channel();
                        let inner = Live(live.clone());
                        let spawned = spawner.run(async move {
                            let _inner = inner;
                            let _ = tx.send(());
                        });
                        if spawned.is_ok() {
                            let _ = rx.await;
                        }
                        started.store(true, Ordering::Relaxed);
                        yield_now().await;
                    }
                });
            }
            pending::<Result<(), Failure>>().await
        });
        runtime.spawn(nursery.runtime(handle));
        while !begun.load(Ordering::Relaxed) {
            thread::yield_now();
        }
        drop(runtime);
        assert_eq!(live.load(Ordering::Acquire), 0);
    }
}

#[test]
fn a_runtime_that_has_gone_refuses() {
    let (runtime, handle) = threads(2);
    drop(runtime);
    assert!(handle.spawn(Box::pin(async {})).is_err());
}

#[test]
fn nothing_is_left_of_a_handle_that_nobody_has_any_more() {
    let (runtime, _) = threads(2);
    for _ in 0..100 {
        let on = Handle::new(TokioRuntime::new(runtime.handle().clone()));
        let (tx, rx) = oneshot::channel::<()>();
        // Goes on when its handle has gone.
        on.spawn(Box::pin(async { drop(rx.await) })).unwrap();
        let root = scope_core::nursery(async |n| {
            n.run(yield_now());
            Ok(())
        });
        runtime.block_on(root.runtime(on)).unwrap();
        drop(tx);
    }
    let begun = Instant::now();
    while runtime.metrics().num_alive_tasks() > 0 {
        assert!(begun.elapsed() < BOUND, "{} are left", runtime.metrics().num_alive_tasks());
        thread::yield_now();
    }
}
