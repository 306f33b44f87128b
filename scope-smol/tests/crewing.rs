//! Children that a few tasks of the executor's poll: who gets to them, what is beside them, and what is left of them. The
//! contract's own tests run there too.

use std::future::{pending, poll_fn};
use std::num::NonZero;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::task::{Poll, Waker};
use std::thread;
use std::time::{Duration, Instant};

use async_executor::Executor;
use async_io::{Async, Timer};
use futures_lite::future::{block_on, yield_now};
use scope_core::Failure;
use scope_core::rt::Handle;
use scope_smol::{SmolRuntime, SpawnExt};

/// What takes longer hangs.
const BOUND: Duration = Duration::from_secs(20);

/// So many have tasks of their own on an executor of somebody else's.
const FEW: usize = 32;

/// More than that.
const CROWD: usize = 100;

fn in_time<T: Send + 'static>(case: impl FnOnce() -> T + Send + 'static) -> T {
    let (done, is_done) = mpsc::channel();
    thread::spawn(move || drop(done.send(case())));
    is_done.recv_timeout(BOUND).expect("it hangs, or has panicked")
}

/// An executor that so many threads run while this is there.
struct Threads {
    executor: Arc<Executor<'static>>,
    stop: Option<async_channel::Sender<()>>,
    threads: Vec<thread::JoinHandle<()>>,
}

impl Threads {
    fn start(count: usize) -> Self {
        let executor = Arc::new(Executor::new());
        let (stop, stopped) = async_channel::bounded::<()>(1);
        let run = |_| {
            let (executor, stopped) = (executor.clone(), stopped.clone());
            thread::spawn(move || assert!(block_on(executor.run(stopped.recv())).is_err()))
        };
        let threads = (0..count).map(run).collect();
        Threads { executor, stop: Some(stop), threads }
    }

    /// Ends it with what it has.
    fn stop(mut self) -> Arc<Executor<'static>> {
        self.stop = None;
        for thread in self.threads.drain(..) {
            thread.join().unwrap();
        }
        self.executor
    }
}

/// Polls everything, and sees that nothing is left.
fn assert_ends(executor: &Executor<'_>) {
    while executor.try_tick() {}
    assert!(executor.is_empty(), "{executor:?}");
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

const FOUR: NonZero<usize> = NonZero::new(4).unwrap();

#[test]
fn children_run_on_all_threads_beside_each_other() {
    in_time(|| {
        scope_smol::run_with_threads(FOUR, async |n| {
            let there = Arc::new(AtomicUsize::new(0));
            for _ in 0..3 {
                let there = there.clone();
                n.run(async move { meet(&there, 4) });
            }
            // The one that spawns them keeps its thread, too.
            meet(&there, 4);
            Ok(())
        })
        .unwrap()
    });
}

#[test]
fn children_that_a_busy_child_has_spawned_are_taken_by_the_other_threads() {
    for _ in 0..50 {
        in_time(|| {
            scope_smol::run_with_threads(FOUR, async |n| {
                let there = Arc::new(AtomicUsize::new(0));
                let spawner = n.spawner();
                n.spawn(async move {
                    for _ in 0..3 {
                        let there = there.clone();
                        spawner.run(async move { meet(&there, 4) })?;
                    }
                    meet(&there, 4);
                    Ok(())
                });
                Ok(())
            })
            .unwrap()
        });
    }
}

#[test]
fn a_child_that_blocks_its_thread_holds_up_no_other() {
    let case = async |n: &scope_core::Nursery<'_, '_>| {
        let mut blocked = Vec::new();
        for _ in 0..3 {
            let (go, wait) = mpsc::channel();
            let (begun, begins) = async_channel::bounded(1);
            n.run(async move {
                begun.send(()).await.unwrap();
                wait.recv_timeout(BOUND).expect("the others have run");
            });
            begins.recv().await?;
            blocked.push(go);
        }
        let left = Arc::new(AtomicUsize::new(1000));
        let (done, all_done) = async_channel::bounded(1);
        for _ in 0..1000 {
            let (left, done) = (left.clone(), done.clone());
            n.run(async move {
                yield_now().await;
                if left.fetch_sub(1, Ordering::AcqRel) == 1 {
                    done.send(()).await.unwrap();
                }
            });
        }
        all_done.recv().await?;
        blocked.into_iter().for_each(|go| go.send(()).unwrap());
        Ok(())
    };
    in_time(move || {
        scope_smol::run_with_threads(FOUR, async |n| {
            let on = n.runtime()?;
            let (done, is_done) = async_channel::bounded(1);
            // Its body is on none of the threads that children may block.
            thread::spawn(move || done.send_blocking(block_on(scope_core::nursery(case).runtime(on))));
            is_done.recv().await??;
            Ok(())
        })
        .unwrap();
    });
}

/// What others give the executor has its turn beside them, and so have the reactor and the root.
#[test]
fn children_that_are_always_ready_starve_nobody() {
    for threads in [0, 3] {
        in_time(move || {
            let threads = Threads::start(threads);
            let executor = &threads.executor;
            let stop = Arc::new(AtomicBool::new(false));
            let root = scope_smol::nursery_on(executor, async |n| {
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
                Timer::after(Duration::from_millis(5)).await;
                let (near, far) = UnixStream::pair()?;
                let (near, far) = (Async::new(near)?, Async::new(far)?);
                let echo = executor.spawn(async move {
                    far.readable().await?;
                    Timer::after(Duration::from_millis(5)).await;
                    std::io::Write::write(&mut far.get_ref(), b"!")
                });
                let stop = stop.clone();
                n.spawn(async move {
                    std::io::Write::write(&mut near.get_ref(), b"?")?;
                    near.readable().await?;
                    stop.store(true, Ordering::Relaxed);
                    Ok(())
                });
                assert_eq!(echo.await?, 1);
                Ok(())
            });
            async_io::block_on(executor.run(root)).unwrap();
            assert_ends(&threads.stop());
        });
    }
}

#[test]
fn children_are_woken_from_other_threads() {
    const MANY: usize = 2000;
    for ours in [true, false] {
        in_time(move || {
            let case = async |n: &scope_core::Nursery<'_, '_>| {
                for _ in 0..4 {
                    let mut senders = Vec::new();
                    for number in 0..MANY {
                        let (tx, rx) = async_channel::bounded(1);
                        senders.push(tx);
                        n.spawn(async move {
                            assert_eq!(rx.recv().await?, number);
                            Ok(())
                        });
                    }
                    thread::spawn(move || {
                        senders.into_iter().enumerate().for_each(|(at, tx)| tx.send_blocking(at).unwrap());
                    });
                }
                Ok(())
            };
            if ours {
                scope_smol::run_with_threads(FOUR, case).unwrap();
            } else {
                let threads = Threads::start(3);
                block_on(threads.executor.run(scope_smol::nursery_on(&threads.executor, case))).unwrap();
                assert_ends(&threads.stop());
            }
        });
    }
}

/// Says that it was dropped.
struct Noted(Arc<AtomicUsize>);

impl Drop for Noted {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn children_that_wait_go_with_the_executor_whoever_has_their_wakers() {
    let dropped = Arc::new(AtomicUsize::new(0));
    let threads = Threads::start(3);
    let handle = Handle::new(SmolRuntime::on(&threads.executor));
    let (tx, rx) = mpsc::channel::<Waker>();
    let (counted, runtime) = (dropped.clone(), handle.clone());
    let nursery = scope_core::nursery(async move |n| {
        for _ in 0..CROWD {
            let (tx, noted) = (tx.clone(), Noted(counted.clone()));
            n.spawn(async move {
                let _noted = noted;
                poll_fn(|cx| Poll::Ready(tx.send(cx.waker().clone()))).await?;
                pending().await
            });
        }
        drop(tx);
        pending::<Result<(), Failure>>().await
    });
    threads.executor.spawn(nursery.runtime(runtime)).detach();
    let wakers: Vec<Waker> = (0..CROWD).map(|_| rx.recv_timeout(BOUND).unwrap()).collect();
    assert_eq!(dropped.load(Ordering::Relaxed), 0);
    drop(threads.stop());
    assert_eq!(dropped.load(Ordering::Relaxed), CROWD);
    // They wake nobody, and hurt nobody.
    wakers.iter().for_each(Waker::wake_by_ref);
    wakers.into_iter().for_each(Waker::wake);
    assert!(handle.spawn(Box::pin(async {})).is_err());
}

/// The executor goes down when children have been polled, woken and spawned on all threads.
#[test]
fn children_that_are_at_work_end_when_the_executor_goes_down() {
    struct Live(Arc<AtomicUsize>);
    impl Live {
        fn new(live: &Arc<AtomicUsize>) -> Self {
            live.fetch_add(1, Ordering::AcqRel);
            Live(live.clone())
        }
    }
    impl Drop for Live {
        fn drop(&mut self) {
            self.0.fetch_sub(1, Ordering::AcqRel);
        }
    }
    for _ in 0..50 {
        let (live, begun) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
        let threads = Threads::start(3);
        let (counted, started) = (live.clone(), begun.clone());
        let nursery = scope_smol::nursery_on(&threads.executor, async move |n| {
            for _ in 0..CROWD {
                let (spawner, live, started) = (n.spawner(), counted.clone(), started.clone());
                let here = Live::new(&live);
                n.run(async move {
                    let _here = here;
                    loop {
                        let (tx, rx) = async_channel::bounded::<()>(1);
                        let inner = Live::new(&live);
                        let spawned = spawner.run(async move {
                            let _inner = inner;
                            let _ = tx.try_send(());
                        });
                        if spawned.is_ok() {
                            let _ = rx.recv().await;
                        }
                        started.store(true, Ordering::Relaxed);
                        yield_now().await;
                    }
                });
            }
            pending::<Result<(), Failure>>().await
        });
        threads.executor.spawn(nursery).detach();
        while !begun.load(Ordering::Relaxed) {
            thread::yield_now();
        }
        drop(threads.stop());
        assert_eq!(live.load(Ordering::Acquire), 0);
    }
}

#[test]
fn a_crowd_that_nobody_has_polled_goes_with_the_executor() {
    let executor = Arc::new(Executor::new());
    let on = SmolRuntime::on(&executor);
    let dropped = Arc::new(AtomicUsize::new(0));
    for _ in 0..CROWD {
        let noted = Noted(dropped.clone());
        on.launch(async move { drop(noted) }).unwrap();
    }
    drop(executor);
    assert_eq!(dropped.load(Ordering::Relaxed), CROWD);
    assert!(on.launch(async {}).is_err());
}

/// A crowd takes few tasks, and leaves none; the next one has others.
#[test]
fn what_polls_a_crowd_ends_with_it() {
    let executor = Arc::new(Executor::new());
    let on = SmolRuntime::on(&executor);
    let polls = Arc::new(AtomicUsize::new(0));
    for round in 1..=3 {
        for _ in 0..1000 {
            let polls = polls.clone();
            on.launch(async move {
                yield_now().await;
                polls.fetch_add(1, Ordering::Relaxed);
            })
            .unwrap();
        }
        let mut ticks = 0;
        while executor.try_tick() {
            ticks += 1;
        }
        assert_eq!(polls.load(Ordering::Relaxed), round * 1000);
        assert!(ticks < 500, "{ticks}");
        assert!(executor.is_empty(), "{executor:?}");
        // One by one: nothing is called for these.
        on.launch(async {}).unwrap();
        assert!(executor.try_tick());
        assert!(executor.is_empty());
    }
}

/// As somebody does who waits for his own tasks in the same executor.
#[test]
fn an_executor_is_empty_when_its_nurseries_have_ended() {
    for threads in [0, 3] {
        in_time(move || {
            let threads = Threads::start(threads);
            let executor = &threads.executor;
            for _ in 0..50 {
                let root = scope_smol::nursery_on(executor, async |n| {
                    for _ in 0..CROWD {
                        n.run(yield_now());
                    }
                    Ok(())
                });
                block_on(executor.run(root)).unwrap();
                // With threads, they may be about to end.
                while !executor.is_empty() {
                    if !executor.try_tick() {
                        thread::yield_now();
                    }
                }
            }
            drop(threads.stop());
        });
    }
}

/// One that lasts keeps what polls it, and no more than that.
#[test]
fn a_child_that_outlasts_its_crowd_is_woken() {
    let executor = Arc::new(Executor::new());
    let on = SmolRuntime::on(&executor);
    let (tx, rx) = async_channel::bounded::<()>(1);
    let ended = Arc::new(AtomicBool::new(false));
    for at in 0..CROWD {
        let (rx, ended) = (rx.clone(), ended.clone());
        on.launch(async move {
            if at == CROWD - 1 {
                assert!(rx.recv().await.is_ok());
                ended.store(true, Ordering::Relaxed);
            }
        })
        .unwrap();
    }
    while executor.try_tick() {}
    assert!(!executor.is_empty() && !ended.load(Ordering::Relaxed));
    // From a thread that is none of the executor's.
    thread::spawn(move || tx.try_send(()).unwrap()).join().unwrap();
    assert_ends(&executor);
    assert!(ended.load(Ordering::Relaxed));
}

/// Whoever spawns wakes a child so, under a lock of the executor's, and there is none to poll it.
#[test]
fn a_child_that_runs_the_executor_is_woken_by_who_spawns() {
    in_time(|| {
        let executor = Arc::new(Executor::new());
        let on = SmolRuntime::on(&executor);
        let [(run, runs), (block, blocks), (end, ends)] = [(); 3].map(|()| async_channel::bounded::<()>(1));
        let (blocked, is_blocked) = mpsc::channel();
        let (go_on, goes_on) = mpsc::channel();
        // The others are carried.
        (0..FEW).for_each(|_| on.launch(async {}).unwrap());
        let same = executor.clone();
        on.launch(async move {
            runs.recv().await.unwrap();
            assert!(same.run(ends.recv()).await.is_err());
        })
        .unwrap();
        let same = executor.clone();
        on.launch(async move {
            blocks.recv().await.unwrap();
            blocked.send(()).unwrap();
            goes_on.recv_timeout(BOUND).unwrap();
            same.spawn(async {}).detach();
        })
        .unwrap();
        while executor.try_tick() {}
        block.try_send(()).unwrap();
        let same = executor.clone();
        let other = thread::spawn(move || while same.try_tick() {});
        is_blocked.recv_timeout(BOUND).unwrap();
        run.try_send(()).unwrap();
        while executor.try_tick() {}
        go_on.send(()).unwrap();
        other.join().unwrap();
        drop(end);
        assert_ends(&executor);
    });
}

#[test]
fn children_may_run_the_executor_that_they_are_on() {
    for threads in [0, 3] {
        in_time(move || {
            let threads = Threads::start(threads);
            let executor = &threads.executor;
            let root = scope_smol::nursery_on(executor, async |n| {
                for _ in 0..CROWD {
                    let executor = executor.clone();
                    n.run(async move {
                        let inner = async {
                            for _ in 0..10 {
                                executor.spawn(yield_now()).await;
                                yield_now().await;
                            }
                        };
                        executor.run(inner).await;
                    });
                }
                Ok(())
            });
            block_on(executor.run(root)).unwrap();
            assert_ends(&threads.stop());
        });
    }
}

#[test]
fn nothing_is_left_of_a_handle_that_nobody_has_any_more() {
    let executor = Arc::new(Executor::new());
    for own in [false, true] {
        let on = SmolRuntime::on(&executor);
        let on = Handle::new(if own { on.with_own_tasks() } else { on });
        let (tx, rx) = async_channel::bounded::<()>(1);
        let ended = Arc::new(AtomicUsize::new(0));
        for _ in 0..CROWD {
            let (rx, noted) = (rx.clone(), Noted(ended.clone()));
            // Go on when their handle has gone.
            let waits = async move {
                let _noted = noted;
                let _ = rx.recv().await;
            };
            on.spawn(Box::pin(waits)).unwrap();
        }
        while executor.try_tick() {}
        drop(on);
        while executor.try_tick() {}
        assert_eq!(ended.load(Ordering::Relaxed), 0);
        drop(tx);
        assert_ends(&executor);
        assert_eq!(ended.load(Ordering::Relaxed), CROWD);
    }
}

#[test]
fn children_that_are_told_to_are_tasks_of_the_executor() {
    let executor = Arc::new(Executor::new());
    let on = SmolRuntime::on(&executor).with_own_tasks();
    let polled = Arc::new(Mutex::new(0));
    for _ in 0..CROWD {
        let polled = polled.clone();
        on.launch(async move { *polled.lock().unwrap() += 1 }).unwrap();
    }
    for ticks in 1..=CROWD {
        assert!(executor.try_tick());
        assert_eq!(*polled.lock().unwrap(), ticks);
    }
    assert!(executor.is_empty());
    drop(executor);
    assert!(on.launch(async {}).is_err());
}
