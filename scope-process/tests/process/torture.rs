//! Every server, every way to be rid of it, every runtime: nothing is left.

use std::panic::{AssertUnwindSafe, catch_unwind};

use scope_core::rt::Handle;
use scope_process::{Budgets, Process};

use crate::alone::alone;
use crate::oracle::{self, Suspect};
use crate::runtimes::{on_each, within};
use crate::servers::{self, SHORT, sh};

/// When nothing may be left any more.
#[derive(Clone, Copy)]
enum When {
    AtOnce,
    /// After a drop.
    Soon,
}

/// Starts each server, has `end` end it, and looks.
fn each_server(test: &str, when: When, end: impl AsyncFn(Process, &Handle)) {
    alone(test, || {
        on_each(async |rt| {
            // The first of everything opens what the runtime keeps.
            cell(&rt, "warm-up", servers::POLITE, when, &async |mut process: Process, _: &Handle| {
                process.close().await;
            })
            .await;
            let before = oracle::descriptors();
            for (name, script) in servers::ALL {
                cell(&rt, name, script, when, &end).await;
                // A worker that was looking around for a `close` since dropped may still hold some.
                let closed = async {
                    while oracle::descriptors() != before {
                        futures_lite::future::yield_now().await;
                    }
                };
                within(&rt, "as few descriptors as before", closed).await;
                match when {
                    When::AtOnce => assert_eq!(oracle::children(), [], "children, after {name}"),
                    When::Soon => oracle::soon("no children", || oracle::children().is_empty()),
                }
            }
        });
    });
}

async fn cell(rt: &Handle, name: &str, script: &str, when: When, end: &impl AsyncFn(Process, &Handle)) {
    eprintln!("{}: {name}", rt.name());
    let short = Budgets::default().with_after_eof(SHORT).with_after_term(SHORT);
    let mut process = sh(script).name(name).budgets(short).spawn(rt).unwrap();
    let mut suspect = Suspect::new(&mut process);
    suspect.says("ready").await;
    end(process, rt).await;
    match when {
        When::AtOnce => suspect.assert_gone(),
        When::Soon => suspect.assert_gone_soon(),
    }
}

#[test]
fn nothing_is_left_after_close() {
    each_server("torture::nothing_is_left_after_close", When::AtOnce, async |mut process, _| {
        let report = process.close().await;
        eprintln!("{report:#}");
        assert!(report.is_complete(), "{report:#}");
    });
}

#[test]
fn nothing_is_left_after_close_without_time() {
    each_server("torture::nothing_is_left_after_close_without_time", When::AtOnce, async |mut process, _| {
        let report = process.close_with(Budgets::NONE).await;
        assert!(report.is_complete(), "{report:#}");
    });
}

#[test]
fn nothing_is_left_after_drop_inside_the_runtime() {
    each_server("torture::nothing_is_left_after_drop_inside_the_runtime", When::Soon, async |process, _| drop(process));
}

#[test]
fn nothing_is_left_after_drop_on_a_thread_without_a_runtime() {
    each_server("torture::nothing_is_left_after_drop_on_a_thread_without_a_runtime", When::Soon, async |process, _| {
        std::thread::spawn(move || drop(process)).join().unwrap();
    });
}

#[test]
fn nothing_is_left_after_a_panic() {
    each_server("torture::nothing_is_left_after_a_panic", When::Soon, async |process, _| {
        let owner = AssertUnwindSafe(|| {
            let _process = process;
            std::panic::resume_unwind(Box::new("the owner panics"));
        });
        assert!(catch_unwind(owner).is_err());
    });
}

#[test]
fn nothing_is_left_after_a_close_that_was_dropped_anywhere() {
    each_server(
        "torture::nothing_is_left_after_a_close_that_was_dropped_anywhere",
        When::Soon,
        async |mut process, rt| {
            // Polled once, and then for longer and longer: some are dropped in each of the steps.
            for time in [0, 1, 10, 20, 40] {
                let close = process.close();
                let time = rt.sleep(std::time::Duration::from_millis(time));
                futures_lite::future::or(async { drop(close.await) }, time).await;
            }
            drop(process);
        },
    );
}

#[test]
fn nothing_is_left_after_the_runtime_has_shut_down() {
    alone("torture::nothing_is_left_after_the_runtime_has_shut_down", || {
        for (name, script) in servers::ALL {
            let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
            let rt = Handle::new(scope_tokio::TokioRuntime::new(runtime.handle().clone()));
            let (mut process, suspect) = runtime.block_on(async {
                let budgets = Budgets::default().with_after_term(SHORT);
                let mut process = sh(script).name(name).budgets(budgets).spawn(&rt).unwrap();
                let mut suspect = Suspect::new(&mut process);
                suspect.says("ready").await;
                (process, suspect)
            });
            drop(runtime);
            // Nobody watches it any more: there is nothing to wait with, but it is ended.
            let report = futures_lite::future::block_on(process.close());
            assert!(report.is_complete(), "{report:#}");
            suspect.assert_gone();
            assert_eq!(oracle::children(), [], "{name}");
        }
    });
}
