//! Tasks and blocking work: run, refused, from anywhere.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use async_executor::Executor;
use futures_lite::future::block_on;
use scope_core::rt::{Handle, Runtime};
use scope_smol::SmolRuntime;

const HANG: Duration = Duration::from_secs(20);

#[derive(Clone, Default)]
struct Seen {
    polled: Arc<AtomicUsize>,
    dropped: Arc<AtomicUsize>,
}

struct CountDrop(Arc<AtomicUsize>);
impl Drop for CountDrop {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

impl Seen {
    fn task(&self) -> impl Future<Output = ()> + Send + 'static {
        let (polled, guard) = (self.polled.clone(), CountDrop(self.dropped.clone()));
        async move {
            let _guard = guard;
            polled.fetch_add(1, Ordering::SeqCst);
        }
    }

    fn counts(&self) -> (usize, usize) {
        (self.polled.load(Ordering::SeqCst), self.dropped.load(Ordering::SeqCst))
    }
}

#[test]
fn tasks_and_blocking_work_run_wherever_they_come_from() {
    let on = Handle::new(SmolRuntime::global().unwrap());
    let (tx, rx) = mpsc::channel();
    let spawn_all = {
        let on = on.clone();
        move |tx: mpsc::Sender<u8>| {
            let other = tx.clone();
            on.spawn(Box::pin(async move { other.send(1).unwrap() })).unwrap();
            on.spawn_blocking(Box::new(move || tx.send(2).unwrap())).unwrap();
        }
    };
    spawn_all(tx.clone());
    let (spawn_there, sender) = (spawn_all.clone(), tx.clone());
    std::thread::spawn(move || spawn_there(sender)).join().unwrap();
    on.spawn(Box::pin(async move { spawn_all(tx) })).unwrap();
    let mut all: Vec<u8> = (0..6).map(|_| rx.recv_timeout(HANG).unwrap()).collect();
    all.sort_unstable();
    assert_eq!(all, [1, 1, 1, 2, 2, 2]);
}

#[test]
fn runs_on_the_executor_it_was_given() {
    let executor = Arc::new(Executor::new());
    let on = SmolRuntime::on(&executor);
    let seen = Seen::default();
    on.launch(seen.task()).unwrap();
    on.spawn(Box::pin(seen.task())).unwrap();
    assert_eq!(seen.counts(), (0, 0), "nobody runs it yet");
    block_on(executor.tick());
    block_on(executor.tick());
    assert_eq!(seen.counts(), (2, 2));
    assert!(executor.is_empty());
}

#[test]
fn after_the_executor_has_gone_work_is_refused_and_dropped_unstarted() {
    let executor = Arc::new(Executor::new());
    let on = SmolRuntime::on(&executor);
    let seen = Seen::default();
    on.launch(seen.task()).unwrap();
    drop(executor);
    assert_eq!(seen.counts(), (0, 1), "the handle does not keep it alive");
    assert!(on.launch(seen.task()).is_err());
    assert!(on.spawn(Box::pin(seen.task())).is_err());
    assert_eq!(seen.counts(), (0, 3));
    let (guard, called) = (CountDrop(seen.dropped.clone()), seen.polled.clone());
    let work = move || {
        called.fetch_add(1, Ordering::SeqCst);
        drop(guard);
    };
    assert!(on.spawn_blocking(Box::new(work)).is_err());
    assert_eq!(seen.counts(), (0, 4));
}

#[test]
fn a_destructor_that_spawns_while_the_executor_ends_is_refused() {
    struct SpawnsOnDrop(SmolRuntime, Arc<AtomicUsize>);
    impl Drop for SpawnsOnDrop {
        fn drop(&mut self) {
            if self.0.launch(async {}).is_err() {
                self.1.fetch_add(1, Ordering::SeqCst);
            }
        }
    }
    let executor = Arc::new(Executor::new());
    let on = SmolRuntime::on(&executor);
    let refused = Arc::new(AtomicUsize::new(0));
    let spawns = SpawnsOnDrop(on.clone(), refused.clone());
    on.launch(async move { drop(spawns) }).unwrap();
    drop(executor);
    assert_eq!(refused.load(Ordering::SeqCst), 1);
}

#[test]
fn every_task_is_run_or_refused_or_dropped_while_the_executor_ends() {
    for round in 1..20 {
        let executor = Arc::new(Executor::new());
        let on = SmolRuntime::on(&executor);
        let seen = Seen::default();
        let (started, go) = mpsc::channel();
        let spawner = {
            let seen = seen.clone();
            std::thread::spawn(move || {
                let mut spawned = 0;
                loop {
                    spawned += 1;
                    if on.launch(seen.task()).is_err() {
                        return spawned;
                    }
                    if spawned == 10 * round {
                        started.send(()).unwrap();
                    }
                }
            })
        };
        go.recv_timeout(HANG).unwrap();
        executor.try_tick();
        drop(executor);
        let spawned = spawner.join().unwrap();
        let (polled, dropped) = seen.counts();
        assert_eq!((polled, dropped), (1, spawned));
    }
}

#[test]
fn a_panic_in_a_task_costs_no_thread() {
    let on = SmolRuntime::global().unwrap();
    let (tx, rx) = mpsc::channel();
    for _ in 0..64 {
        let tx = tx.clone();
        on.launch(async move {
            let _sent_when_unwound = SendOnDrop(tx);
            panic!("expected by this test");
        })
        .unwrap();
    }
    for _ in 0..64 {
        rx.recv_timeout(HANG).unwrap();
    }
    on.launch(async move { tx.send(()).unwrap() }).unwrap();
    rx.recv_timeout(HANG).unwrap();

    struct SendOnDrop(mpsc::Sender<()>);
    impl Drop for SendOnDrop {
        fn drop(&mut self) {
            self.0.send(()).unwrap();
        }
    }
}

#[test]
fn a_thread_of_the_executor_may_not_block_and_others_may() {
    let on = SmolRuntime::global().unwrap();
    assert!(on.can_block());
    assert!(async_io::block_on(async { on.can_block() }), "nobody but this future needs this thread");
    let (tx, rx) = mpsc::channel();
    let (task, there) = (on.clone(), tx.clone());
    on.launch(async move { there.send(task.can_block()).unwrap() }).unwrap();
    assert!(!rx.recv_timeout(HANG).unwrap());
    let work = on.clone();
    on.spawn_blocking(Box::new(move || tx.send(work.can_block()).unwrap())).unwrap();
    assert!(rx.recv_timeout(HANG).unwrap());
}

#[test]
fn the_adapter_is_found_again() {
    let executor = Arc::new(Executor::new());
    let on = Handle::new(SmolRuntime::on(&executor));
    assert_eq!(on.name(), "smol");
    let found = on.downcast_ref::<SmolRuntime>().unwrap();
    assert!(found.same_executor(&SmolRuntime::on(&executor)));
    assert!(!found.same_executor(&SmolRuntime::on(&Arc::new(Executor::new()))));
    assert!(!found.same_executor(&SmolRuntime::global().unwrap()));
}
