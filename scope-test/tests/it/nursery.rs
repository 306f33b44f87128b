use std::collections::HashSet;
use std::future::pending;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use scope_core::{Spawns, rt};
use scope_test::{Config, TestRuntime, poll_once, yield_now};

const HOUR: Duration = Duration::from_secs(3600);

#[test]
fn children_run_on_the_run_in_progress_and_in_its_time() {
    scope_test::explore(64, async |n| {
        let rt = TestRuntime::current();
        assert!(n.runtime()?.same(&rt.handle()));
        n.spawn_erased(async {
            scope_core::sleep(HOUR).await?;
            // A parallel child has the same runtime, and a task of its own.
            assert!(TestRuntime::of(&rt::current()?).is_some());
            assert_ne!(TestRuntime::current().current_task(), Some(scope_test::TaskNumber::ROOT));
            Ok(())
        });
        scope_core::nursery(async |inner| {
            inner.spawn_erased(async { Ok(scope_core::sleep(HOUR).await?) });
            Ok(())
        })
        .await?;
        assert_eq!(rt.elapsed(), HOUR);
        Ok(())
    });
}

#[test]
fn the_value_of_the_body_comes_out_of_the_run() {
    let text = String::from("borrowed");
    let length = scope_test::run(3, async |n| {
        let mut length = 0;
        scope_core::nursery(async |inner| {
            inner.spawn_local(async {
                length = text.len();
                Ok(())
            });
            Ok(())
        })
        .await?;
        n.spawn_erased(async { Ok(()) });
        Ok(length)
    });
    assert_eq!(length.unwrap(), 8);
}

#[test]
fn a_nursery_that_fails_fails_the_exploration_and_names_the_seed() {
    let ran = Arc::new(Mutex::new(Vec::new()));
    let text = crate::panic_text(|| {
        scope_test::explore(64, async |n| {
            let rt = TestRuntime::current();
            let (first, slot) = (Arc::new(Mutex::new(None)), ran.clone());
            for name in ["a", "b"] {
                let first = first.clone();
                n.spawn_erased(async move {
                    first.lock().unwrap().get_or_insert(name);
                    Ok(())
                });
            }
            rt.sleep(HOUR).await;
            slot.lock().unwrap().push(rt.seed());
            if *first.lock().unwrap() == Some("b") {
                return Err(std::io::Error::other("b came first").into());
            }
            Ok(())
        });
    });
    assert!(text.contains("b came first"), "{text}");
    // It ended with the first seed that failed.
    let seeds = ran.lock().unwrap().clone();
    assert_eq!(seeds, (0..seeds.len() as u64).collect::<Vec<_>>());
    assert!(text.starts_with(&format!("with seed {}, ", seeds.last().unwrap())), "{text}");
}

#[test]
fn same_seed_same_trace_with_nurseries_too() {
    let run = |seed| {
        Config::new(seed).try_block_on(async |_| {
            scope_test::nursery(async |n| {
                for child in 0..5u32 {
                    let spawner = n.spawner();
                    n.spawn_erased(async move {
                        scope_core::sleep(HOUR * (child % 2)).await?;
                        spawner.spawn_erased(async { Ok(scope_core::sleep(HOUR).await?) })?;
                        scope_core::checkpoint().await;
                        Ok(())
                    });
                }
                n.finalizer("last", |_| async { Ok(scope_core::sleep(Duration::from_secs(1)).await?) });
                Ok(())
            })
            .await
            .unwrap();
        })
    };
    let mut interleavings = HashSet::new();
    for seed in 0..64 {
        let (first, second) = (run(seed), run(seed));
        assert!(first.result().is_ok(), "{:?}", first.result());
        assert_eq!(first.trace().to_string(), second.trace().to_string());
        assert_eq!(first.elapsed(), HOUR * 2 + Duration::from_secs(1));
        interleavings.insert(first.trace().fingerprint());
    }
    assert!(interleavings.len() > 50, "{}", interleavings.len());
}

#[test]
fn a_nursery_dropped_mid_way_has_been_cleaned_up_before_the_run_ends() {
    for seed in 0..64 {
        let ended = Arc::new(Mutex::new(false));
        let report = Config::new(seed).try_block_on(async |rt| {
            let done = ended.clone();
            let mut nursery = Box::pin(scope_test::nursery(async |n| {
                n.spawn_erased(async { pending().await });
                n.finalizer("slow", move |_| async move {
                    scope_core::sleep(Duration::from_secs(2)).await?;
                    *done.lock().unwrap() = true;
                    Ok(())
                });
                pending::<Result<(), _>>().await
            }));
            assert!(poll_once(&mut nursery).await.is_pending());
            for _ in 0..rt.random_below(4) {
                yield_now().await;
            }
            drop(nursery);
        });
        assert!(report.result().is_ok(), "{:?}", report.result());
        assert!(*ended.lock().unwrap());
        assert_eq!(report.elapsed(), Duration::from_secs(2));
    }
}

#[test]
fn a_deadlock_shows_the_live_scopes_by_name() {
    let report = Config::new(0).try_block_on(async |_| {
        let nursery = scope_test::nursery(async |n| {
            n.task("waits for ever").spawn_erased(async { pending().await });
            Ok(())
        });
        nursery.named("the stuck one").await.unwrap();
    });
    let error = report.into_result().unwrap_err();
    assert!(error.is_deadlock());
    let text = error.to_string();
    assert!(text.contains("the stuck one"), "{text}");
    assert!(text.contains("waits for ever"), "{text}");
}

#[test]
fn waiting_for_a_child_costs_no_polls() {
    scope_test::for_each_seed(0..64, async |rt| {
        scope_test::nursery(async |n| {
            n.spawn_erased(async {
                for _ in 0..100 {
                    scope_core::sleep(HOUR).await?;
                }
                Ok(())
            });
            Ok(())
        })
        .await
        .unwrap();
        assert!(rt.polls(scope_test::TaskNumber::ROOT) <= 4);
        assert!(rt.steps() <= 110);
    });
}
