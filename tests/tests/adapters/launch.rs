//! Tasks and blocking work: run, refused, from anywhere.

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::Instant;

use scope_core::rt::{Handle, Refused};

use super::{Mortal, Setting, launch, touch_locals};
use crate::in_time;

/// Handles on runtimes that have ended.
fn dead() -> Vec<Handle> {
    let end = |mortal: Mortal| {
        let on = mortal.handle();
        mortal.end();
        on
    };
    Mortal::all().map(end).collect()
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

    fn work(&self) -> Box<dyn FnOnce() + Send> {
        let (called, guard) = (self.polled.clone(), CountDrop(self.dropped.clone()));
        Box::new(move || {
            let _guard = guard;
            called.fetch_add(1, Ordering::SeqCst);
        })
    }

    fn counts(&self) -> (usize, usize) {
        (self.polled.load(Ordering::SeqCst), self.dropped.load(Ordering::SeqCst))
    }
}

#[test]
fn tasks_and_blocking_work_run_wherever_they_come_from() {
    Setting::each(|setting| {
        let mut all = setting.block_on(async |on| {
            let (tx, rx) = async_channel::bounded(6);
            let spawn_all = {
                let on = on.clone();
                move |tx: async_channel::Sender<u8>| {
                    let other = tx.clone();
                    on.spawn(Box::pin(async move { other.try_send(1).unwrap() })).unwrap();
                    on.spawn_blocking(Box::new(move || tx.try_send(2).unwrap())).unwrap();
                }
            };
            spawn_all(tx.clone());
            let (spawn_there, sender) = (spawn_all.clone(), tx.clone());
            thread::spawn(move || spawn_there(sender)).join().unwrap();
            on.spawn(Box::pin(async move { spawn_all(tx) })).unwrap();
            let mut all = Vec::new();
            while let Ok(number) = rx.recv().await {
                all.push(number);
            }
            all
        });
        all.sort_unstable();
        assert_eq!(all, [1, 1, 1, 2, 2, 2]);
    });
}

#[test]
fn after_its_end_work_is_refused_and_dropped_unstarted() {
    for on in dead() {
        let seen = Seen::default();
        let refusal = "the runtime has shut down and takes no more tasks".to_owned();
        assert_eq!(on.spawn(Box::pin(seen.task())).map_err(|e| e.to_string()), Err(refusal));
        assert_eq!(seen.counts(), (0, 1));
        assert!(launch(&on, seen.task()).is_err());
        assert_eq!(seen.counts(), (0, 2));
        assert!(on.spawn_blocking(seen.work()).is_err());
        assert_eq!(seen.counts(), (0, 3));
    }
}

#[test]
fn refused_from_within_another_runtime_too() {
    Setting::each(|setting| {
        for on in dead() {
            setting.block_on(async |_| {
                let seen = Seen::default();
                assert!(launch(&on, seen.task()).is_err());
                assert_eq!(seen.counts(), (0, 1));
            });
        }
    });
}

#[test]
fn a_refusal_is_not_the_next_tasks() {
    Setting::each(|setting| {
        for nowhere in dead() {
            setting.block_on(async |on| {
                assert!(launch(&nowhere, async {}).is_err());
                launch(&on, async {}).unwrap();
            });
        }
    });
}

#[test]
fn a_task_that_ends_during_the_call_was_not_refused() {
    in_time(|| {
        for mortal in Mortal::all() {
            let on = mortal.handle();
            let seen = Seen::default();
            for _ in 0..5_000 {
                launch(&on, seen.task()).unwrap();
            }
            mortal.end();
            let (polled, dropped) = seen.counts();
            assert_eq!(dropped, 5_000);
            assert!(polled <= dropped);
        }
    });
}

#[test]
fn every_task_is_run_or_refused_or_dropped_while_it_ends() {
    in_time(|| {
        for (round, mortal) in (0..20).flat_map(|round| Mortal::all().map(move |mortal| (round, mortal))) {
            let on = mortal.handle();
            let seen = Seen::default();
            let (started, go) = mpsc::channel();
            let spawner = {
                let seen = seen.clone();
                thread::spawn(move || {
                    let mut spawned = 0;
                    loop {
                        if spawned == 10 * round {
                            started.send(()).unwrap();
                        }
                        spawned += 1;
                        if launch(&on, seen.task()).is_err() {
                            return spawned;
                        }
                    }
                })
            };
            go.recv().unwrap();
            mortal.end();
            let spawned = spawner.join().unwrap();
            let (polled, dropped) = seen.counts();
            assert_eq!(dropped, spawned);
            assert!(polled < spawned, "the last one was refused");
        }
    });
}

#[test]
fn a_refused_task_whose_destructor_spawns_is_still_reported() {
    struct SpawnsOnDrop(Handle, Arc<AtomicUsize>);
    impl Drop for SpawnsOnDrop {
        fn drop(&mut self) {
            let inner: Result<(), Refused> = launch(&self.0, async {});
            if inner.is_err() {
                self.1.fetch_add(1, Ordering::SeqCst);
            }
        }
    }
    for on in dead() {
        let refused = Arc::new(AtomicUsize::new(0));
        let spawns = SpawnsOnDrop(on.clone(), refused.clone());
        assert!(launch(&on, async move { drop(spawns) }).is_err());
        assert_eq!(refused.load(Ordering::SeqCst), 1);
    }
}

#[test]
fn a_panic_in_a_task_costs_no_thread() {
    struct SendOnDrop(async_channel::Sender<()>);
    impl Drop for SendOnDrop {
        fn drop(&mut self) {
            self.0.try_send(()).unwrap();
        }
    }
    Setting::each(|setting| {
        setting.block_on(async |on| {
            let (tx, rx) = async_channel::bounded(64);
            for _ in 0..64 {
                let sent_when_unwound = SendOnDrop(tx.clone());
                let panics = async move {
                    let _sent = sent_when_unwound;
                    panic!("expected by this test");
                };
                launch(&on, panics).unwrap();
            }
            for _ in 0..64 {
                rx.recv().await.unwrap();
            }
            launch(&on, async move { tx.try_send(()).unwrap() }).unwrap();
            rx.recv().await.unwrap();
        });
    });
}

#[test]
fn a_task_may_not_block_and_other_threads_may() {
    Setting::each(|setting| {
        setting.block_on(async |on| {
            let foreign = on.clone();
            assert!(thread::spawn(move || foreign.can_block()).join().unwrap(), "a thread outside");
            let (tx, rx) = async_channel::bounded(1);
            let (task, there) = (on.clone(), tx.clone());
            launch(&on, async move { there.try_send(task.can_block()).unwrap() }).unwrap();
            assert!(!rx.recv().await.unwrap());
            let work = on.clone();
            on.spawn_blocking(Box::new(move || tx.try_send(work.can_block()).unwrap())).unwrap();
            assert!(rx.recv().await.unwrap());
        });
    });
}

#[test]
fn nothing_panics_in_the_destructors_of_a_threads_locals() {
    struct Late(RefCell<Option<(Handle, mpsc::Sender<bool>)>>);
    impl Drop for Late {
        fn drop(&mut self) {
            let Some((on, done)) = self.0.take() else {
                return;
            };
            let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                let _ = launch(&on, async {});
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

    fn end_a_thread(on: &Handle, late_first: bool) {
        let on = on.clone();
        let (tx, rx) = mpsc::channel();
        thread::spawn(move || {
            // Locals are destroyed in an order of the platform's choosing: both are tried.
            if !late_first {
                touch_locals(&on);
            }
            LATE.with(|late| late.0.replace(Some((on.clone(), tx))));
            touch_locals(&on);
        })
        .join()
        .unwrap();
        assert!(rx.recv().unwrap(), "local first: {late_first}");
    }
    in_time(|| {
        for mortal in Mortal::all() {
            let on = mortal.handle();
            for late_first in [false, true] {
                end_a_thread(&on, late_first);
            }
            mortal.end();
            for late_first in [false, true] {
                end_a_thread(&on, late_first);
            }
        }
    });
}
