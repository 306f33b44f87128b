//! Tasks and blocking work: run, refused, from anywhere.

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use scope_core::rt::{Handle, Refused, Runtime};
use scope_tokio::TokioRuntime;
use tokio::runtime::Builder;

const HANG: Duration = Duration::from_secs(20);

fn runtimes() -> Vec<tokio::runtime::Runtime> {
    vec![
        Builder::new_current_thread().enable_all().build().unwrap(),
        Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap(),
        Builder::new_multi_thread().worker_threads(3).enable_all().build().unwrap(),
    ]
}

fn adapter(rt: &tokio::runtime::Runtime) -> TokioRuntime {
    TokioRuntime::new(rt.handle().clone())
}

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
    for rt in runtimes() {
        let on = Handle::new(adapter(&rt));
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
        let collected = rt.block_on(async move {
            spawn_all(tx);
            tokio::task::spawn_blocking(move || {
                let mut all: Vec<u8> = (0..6).map(|_| rx.recv_timeout(HANG).unwrap()).collect();
                all.sort_unstable();
                all
            })
            .await
            .unwrap()
        });
        assert_eq!(collected, [1, 1, 1, 2, 2, 2]);
    }
}

#[test]
fn after_shutdown_work_is_refused_and_dropped_unstarted() {
    for rt in runtimes() {
        let on = adapter(&rt);
        drop(rt);
        let seen = Seen::default();
        assert_eq!(on.spawn(Box::pin(seen.task())).map_err(|e| e.to_string()), Err(refusal()));
        assert_eq!(seen.counts(), (0, 1));
        assert!(on.launch(seen.task()).is_err());
        assert_eq!(seen.counts(), (0, 2));
        let guard = CountDrop(seen.dropped.clone());
        let called = seen.polled.clone();
        let work = move || {
            called.fetch_add(1, Ordering::SeqCst);
            drop(guard);
        };
        assert!(on.spawn_blocking(Box::new(work)).is_err());
        assert_eq!(seen.counts(), (0, 3));
    }
}

fn refusal() -> String {
    "the runtime has shut down and takes no more tasks".into()
}

#[test]
fn refused_from_within_another_runtime_too() {
    let [dead, alive] = [0, 1].map(|_| Builder::new_current_thread().enable_all().build().unwrap());
    let on = adapter(&dead);
    drop(dead);
    alive.block_on(async {
        let seen = Seen::default();
        assert!(on.launch(seen.task()).is_err());
        assert_eq!(seen.counts(), (0, 1));
    });
}

#[test]
fn a_task_that_ends_during_the_call_was_not_refused() {
    let rt = Builder::new_multi_thread().worker_threads(3).build().unwrap();
    let on = adapter(&rt);
    let seen = Seen::default();
    for _ in 0..5_000 {
        on.launch(seen.task()).unwrap();
    }
    drop(rt);
    let (polled, dropped) = seen.counts();
    assert_eq!(dropped, 5_000);
    assert!(polled <= dropped);
}

#[test]
fn every_task_is_run_or_refused_or_dropped_while_the_runtime_shuts_down() {
    for round in 0..20 {
        let rt = Builder::new_multi_thread().worker_threads(2).build().unwrap();
        let on = adapter(&rt);
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
                        let _ = started.send(());
                    }
                }
            })
        };
        let _ = go.recv_timeout(Duration::from_millis(1));
        drop(rt);
        let spawned = spawner.join().unwrap();
        let (polled, dropped) = seen.counts();
        assert_eq!(dropped, spawned);
        assert!(polled < spawned, "the last one was refused");
    }
}

#[test]
fn a_refused_task_whose_destructor_spawns_is_still_reported() {
    struct SpawnsOnDrop(TokioRuntime, Arc<AtomicUsize>);
    impl Drop for SpawnsOnDrop {
        fn drop(&mut self) {
            let inner: Result<(), Refused> = self.0.launch(async {});
            if inner.is_err() {
                self.1.fetch_add(1, Ordering::SeqCst);
            }
        }
    }
    let rt = Builder::new_current_thread().build().unwrap();
    let on = adapter(&rt);
    drop(rt);
    let refused = Arc::new(AtomicUsize::new(0));
    let spawns = SpawnsOnDrop(on.clone(), refused.clone());
    assert!(on.launch(async move { drop(spawns) }).is_err());
    assert_eq!(refused.load(Ordering::SeqCst), 1);
}

#[test]
fn a_task_that_drops_a_refused_one_is_not_refused_itself() {
    let rt = Builder::new_current_thread().build().unwrap();
    let dead = Builder::new_current_thread().build().unwrap();
    let (on, nowhere) = (adapter(&rt), adapter(&dead));
    drop(dead);
    assert!(nowhere.launch(async {}).is_err());
    on.launch(async {}).unwrap();
}

#[test]
fn nothing_panics_in_the_destructors_of_a_threads_locals() {
    struct Late(RefCell<Option<(TokioRuntime, mpsc::Sender<bool>)>>);
    impl Drop for Late {
        fn drop(&mut self) {
            let Some((on, done)) = self.0.take() else {
                return;
            };
            let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                let _ = on.launch(async {});
                let _ = on.spawn_blocking(Box::new(|| ()));
                let _ = on.now();
                let _ = on.can_block();
                drop(on.timer(Instant::now()));
                #[cfg(unix)]
                drop(on.watch(std::os::unix::net::UnixStream::pair().unwrap().0.into()));
            }));
            done.send(outcome.is_ok()).unwrap();
        }
    }
    thread_local!(static LATE: Late = const { Late(RefCell::new(None)) });
    for shut_down in [false, true] {
        let rt = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let on = adapter(&rt);
        let rt = if shut_down {
            drop(rt);
            None
        } else {
            Some(rt)
        };
        for late_first in [false, true] {
            let on = on.clone();
            let (tx, rx) = mpsc::channel();
            std::thread::spawn(move || {
                // Locals are destroyed in an order of the platform's choosing: both are tried.
                if !late_first {
                    drop(on.handle().enter());
                }
                LATE.with(|late| late.0.replace(Some((on.clone(), tx))));
                drop(on.handle().enter());
            })
            .join()
            .unwrap();
            assert!(rx.recv_timeout(HANG).unwrap(), "shut down: {shut_down}, local first: {late_first}");
        }
        drop(rt);
    }
}

#[test]
fn a_worker_may_not_block_and_other_threads_may() {
    for rt in runtimes() {
        let on = adapter(&rt);
        assert!(on.can_block(), "a thread outside");
        let multi = rt.handle().runtime_flavor() == tokio::runtime::RuntimeFlavor::MultiThread;
        let in_root = rt.block_on(async { on.can_block() });
        assert_eq!(in_root, multi, "a current-thread runtime runs in block_on, the other does not");
        let task = on.clone();
        assert!(!rt.block_on(async { tokio::spawn(async move { task.can_block() }).await.unwrap() }));
        let blocking = on.clone();
        assert!(rt.block_on(async { tokio::task::spawn_blocking(move || blocking.can_block()).await.unwrap() }));
        let (ours, (tx, rx)) = (on.clone(), mpsc::channel());
        on.spawn_blocking(Box::new(move || tx.send(ours.can_block()).unwrap())).unwrap();
        assert!(rx.recv_timeout(HANG).unwrap());
        let other = Builder::new_current_thread().build().unwrap();
        assert!(other.block_on(async { on.can_block() }), "another runtime's thread does not stop this one");
    }
}

#[test]
fn the_adapter_is_found_again() {
    let rt = Builder::new_current_thread().build().unwrap();
    let on = Handle::new(adapter(&rt));
    assert_eq!(on.name(), "tokio");
    let found = on.downcast_ref::<TokioRuntime>().unwrap();
    assert_eq!(found.handle().id(), rt.handle().id());
    assert!(TokioRuntime::current().is_err());
    let _guard = rt.enter();
    assert_eq!(TokioRuntime::current().unwrap().handle().id(), rt.handle().id());
}

#[test]
fn a_worker_may_block_in_place() {
    let rt = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let on = Handle::new(adapter(&rt));
    let outcome = rt.block_on(async {
        tokio::spawn(async move {
            let inside = tokio::task::block_in_place(|| {
                assert!(on.can_block());
                // It is true what it says: a task of the runtime's only worker, woken from here, runs.
                let (tx, rx) = mpsc::channel();
                on.spawn(Box::pin(async move { tx.send(()).unwrap() })).unwrap();
                rx.recv_timeout(HANG)
            });
            (inside, on.can_block())
        })
        .await
        .unwrap()
    });
    assert_eq!(outcome, (Ok(()), false));
}
