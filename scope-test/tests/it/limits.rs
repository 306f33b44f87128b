use std::time::Duration;

use scope_test::{Config, yield_now};

#[test]
fn a_task_that_wakes_itself_for_ever_meets_the_step_limit() {
    let error = Config::new(12)
        .step_limit(1000)
        .try_block_on(async |rt| {
            rt.spawn(async {
                loop {
                    yield_now().await;
                }
            })
            .unwrap();
            std::future::pending::<()>().await;
        })
        .into_result()
        .unwrap_err();
    assert!(error.is_step_limit());
    assert_eq!(error.seed(), 12);
    assert!(error.to_string().contains("more than 1000 steps"), "{error}");
    assert!(error.to_string().contains("SCOPE_TEST_SEED=12"), "{error}");
    assert!(error.to_string().contains("task 1 (ready)"), "{error}");
}

#[test]
fn a_run_of_exactly_as_many_steps_as_allowed_is_good() {
    let run = |limit| Config::new(0).step_limit(limit).try_block_on(async |_| yield_now().await);
    assert!(run(2).result().is_ok());
    assert!(run(1).result().unwrap_err().is_step_limit());
}

#[test]
fn an_outside_thread_that_never_comes_back_meets_the_hang_limit() {
    for leave in [false, true] {
        let mut kept = None;
        let error = Config::new(3)
            .hang_limit(Duration::from_millis(20))
            .try_block_on(async |rt| {
                kept = Some(rt.outside());
                if !leave {
                    std::future::pending::<()>().await;
                }
            })
            .into_result()
            .unwrap_err();
        assert!(error.is_stalled());
        assert!(error.to_string().contains("1 outside thread(s)"), "{error}");
        drop(kept);
    }
}

#[test]
fn ten_thousand_tasks_are_run_and_dropped_in_good_time() {
    let report = Config::new(0).trace_limit(10).try_block_on(async |rt| {
        for _ in 0..10_000 {
            rt.spawn(yield_now()).unwrap();
        }
        rt.sleep(Duration::from_secs(1)).await;
        assert_eq!(rt.alive(), 1);
        for _ in 0..100_000 {
            rt.spawn(std::future::pending()).unwrap();
        }
    });
    assert_eq!(report.result().unwrap_err().tasks().count(), 100_000);
    assert_eq!(report.trace().to_string().lines().count(), 11);
}

#[test]
fn a_test_over_no_seeds_is_refused() {
    let text = crate::panic_text(|| {
        scope_test::for_each_seed([], async |_| ());
    });
    assert!(text.contains("tests nothing"), "{text}");
}
