use std::future::pending;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use scope_test::{Config, TestRuntime, yield_now};

/// Notes when it is dropped, and where.
struct Note(Arc<Mutex<Vec<u32>>>, u32);

impl Drop for Note {
    fn drop(&mut self) {
        assert!(TestRuntime::try_current().is_some(), "dropped within the run");
        self.0.lock().unwrap().push(self.1);
    }
}

fn leak_five(seed: u64) -> (String, Vec<u32>) {
    let dropped = Arc::new(Mutex::new(Vec::new()));
    let error = Config::new(seed)
        .try_block_on(async |rt| {
            for n in 0..5 {
                let note = Note(dropped.clone(), n);
                rt.spawn(async move {
                    let _note = note;
                    pending::<()>().await;
                })
                .unwrap();
            }
            rt.sleep(Duration::from_secs(1)).await;
        })
        .into_result()
        .unwrap_err();
    assert!(error.is_leak());
    let order = std::mem::take(&mut *dropped.lock().unwrap());
    (error.to_string(), order)
}

#[test]
fn tasks_left_are_named_and_dropped_inside_the_run_in_a_seeded_order() {
    let mut orders = std::collections::HashSet::new();
    for seed in 0..32 {
        let (text, order) = leak_five(seed);
        assert!(text.starts_with("leak: "), "{text}");
        for n in 1..=5 {
            assert!(text.contains(&format!("task {n} (parked), spawned by root in step 1")), "{text}");
        }
        assert_eq!((text, order.clone()), leak_five(seed));
        let mut sorted = order.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, [0, 1, 2, 3, 4]);
        orders.insert(order);
    }
    assert!(orders.len() > 10);
}

#[test]
fn a_task_never_polled_is_a_leak_too() {
    let mut found = 0;
    for seed in 0..16 {
        let report = Config::new(seed).try_block_on(async |rt| rt.spawn(async {}).map(drop));
        if let Err(error) = report.result() {
            assert!(error.is_leak());
            let text = error.to_string();
            assert!(
                text.contains("task 1 (ready), spawned by root in step 1 at scope-test/tests/it/end_of_run.rs:"),
                "{text}"
            );
            assert!(text.contains(", never polled"), "{text}");
            found += 1;
        }
    }
    assert_eq!(found, 16, "the root ends in its first step");
}

#[test]
fn a_timer_left_armed_is_a_leak() {
    let error = Config::new(0)
        .try_block_on(async |rt| {
            let mut sleep = rt.sleep(Duration::from_secs(60));
            assert!(scope_test::poll_once(&mut sleep).await.is_pending());
            // As the root's value it outlives every task.
            (sleep,)
        })
        .into_result()
        .unwrap_err();
    assert!(error.is_leak());
    assert!(error.to_string().contains("timer 0, due at +60s, set by root"), "{error}");
}

#[test]
fn a_run_that_has_ended_refuses_and_drops_the_task_unpolled() {
    let dropped = Arc::new(AtomicUsize::new(0));
    struct Count(Arc<AtomicUsize>);
    impl Drop for Count {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
    let rt = scope_test::block_on(0, async |rt| rt);
    let count = Count(dropped.clone());
    assert!(
        rt.spawn(async move {
            let _count = count;
            unreachable!("it must not be polled");
        })
        .is_err()
    );
    let count = Count(dropped.clone());
    assert!(rt.spawn_blocking(move || drop(count)).is_err());
    assert_eq!(dropped.load(Ordering::Relaxed), 2);
    assert_eq!(rt.alive(), 0);
}

#[test]
fn a_destructor_that_spawns_at_the_end_is_refused() {
    struct Spawns(TestRuntime, Arc<Mutex<Vec<bool>>>);
    impl Drop for Spawns {
        fn drop(&mut self) {
            let refused = self.0.spawn(async {}).is_err();
            self.1.lock().unwrap().push(refused);
        }
    }
    let seen = Arc::new(Mutex::new(Vec::new()));
    let report = Config::new(0).try_block_on(async |rt| {
        let spawns = Spawns(rt.clone(), seen.clone());
        rt.spawn(async move {
            let _spawns = spawns;
            pending::<()>().await;
        })
        .unwrap();
        rt.sleep(Duration::from_secs(1)).await;
    });
    assert!(report.result().unwrap_err().is_leak());
    assert_eq!(*seen.lock().unwrap(), [true]);
}

#[test]
fn a_panic_of_the_root_comes_out_after_everything_was_dropped() {
    let dropped = Arc::new(Mutex::new(Vec::new()));
    let text = crate::panic_text(|| {
        scope_test::block_on(0, async |rt| {
            let note = Note(dropped.clone(), 7);
            rt.spawn(async move {
                let _note = note;
                pending::<()>().await;
            })
            .unwrap();
            yield_now().await;
            panic!("the root's own");
        });
    });
    assert_eq!(text, "the root's own");
    assert_eq!(*dropped.lock().unwrap(), [7]);
}

#[test]
fn a_panic_of_a_task_ends_the_run_with_it() {
    let text = crate::panic_text(|| {
        scope_test::block_on(0, async |rt| {
            rt.spawn(async { panic!("the task's own") }).unwrap();
            pending::<()>().await;
        });
    });
    assert_eq!(text, "the task's own");
    assert!(TestRuntime::try_current().is_none());
}

#[test]
fn a_panic_of_a_destructor_does_not_keep_the_others_from_being_dropped() {
    struct Panics;
    impl Drop for Panics {
        fn drop(&mut self) {
            panic!("the destructor's own");
        }
    }
    for seed in 0..8 {
        let dropped = Arc::new(Mutex::new(Vec::new()));
        let text = crate::panic_text(|| {
            scope_test::block_on(seed, async |rt| {
                for n in 0..3 {
                    let note = Note(dropped.clone(), n);
                    rt.spawn(async move {
                        let _note = note;
                        let _panics = (n == 1).then_some(Panics);
                        pending::<()>().await;
                    })
                    .unwrap();
                }
                rt.sleep(Duration::from_secs(1)).await;
            });
        });
        assert_eq!(text, "the destructor's own");
        assert_eq!(dropped.lock().unwrap().len(), 3);
    }
}

#[test]
fn runs_nest_and_each_is_current_in_its_own() {
    scope_test::block_on(1, async |outer| {
        let seed = scope_test::block_on(2, async |inner| {
            assert!(!inner.handle().same(&outer.handle()));
            TestRuntime::current().seed()
        });
        assert_eq!(seed, 2);
        assert_eq!(TestRuntime::current().seed(), 1);
        assert!(TestRuntime::current().handle().same(&outer.handle()));
    });
    assert!(TestRuntime::try_current().is_none());
}
