use std::future::pending;
use std::time::Duration;

use scope_test::Config;

#[test]
fn a_deadlock_is_reported_with_the_seed_and_the_parked_tasks() {
    let report = Config::new(41).try_block_on(async |rt| {
        let one = rt.spawn(pending()).unwrap();
        rt.name(one, "waits for nothing");
        rt.spawn(async {}).unwrap();
        rt.sleep(Duration::from_secs(5)).await;
        pending::<()>().await;
    });
    let error = report.into_result().unwrap_err();
    assert!(error.is_deadlock());
    assert_eq!(error.tasks().map(|task| task.get()).collect::<Vec<_>>(), [0, 1]);
    let text = error.to_string();
    assert!(text.starts_with("deadlock: "), "{text}");
    assert!(text.contains("seed 41, after 4 steps, at virtual time +5s"), "{text}");
    assert!(text.contains("root (parked), polled twice") || text.contains("root (parked), polled 2 times"), "{text}");
    assert!(
        text.contains("task 1 \"waits for nothing\" (parked), spawned by root in step 1 at scope-test/tests/"),
        "{text}"
    );
    assert!(text.contains("deadlock.rs:9:22, polled once"), "{text}");
    assert!(!text.contains("task 2 ("), "the task that ended is not parked: {text}");
    assert!(text.contains("SCOPE_TEST_SEED=41 cargo test deadlock::a_deadlock_is_reported"), "{text}");
    assert!(text.contains("TestRuntime::outside"), "{text}");
}

#[test]
fn block_on_panics_with_the_report() {
    let text = crate::panic_text(|| scope_test::block_on(6, async |_| pending::<()>().await));
    assert!(text.starts_with("deadlock: "), "{text}");
    assert!(text.contains("SCOPE_TEST_SEED=6 "), "{text}");
}

#[test]
fn a_long_list_of_parked_tasks_is_cut() {
    let report = Config::new(0).try_block_on(async |rt| {
        for _ in 0..1000 {
            rt.spawn(pending()).unwrap();
        }
        pending::<()>().await;
    });
    let error = report.into_result().unwrap_err();
    assert_eq!(error.tasks().count(), 1001);
    assert!(error.to_string().contains("and 961 more tasks"), "{error}");
    assert!(error.to_string().lines().count() < 70);
}
