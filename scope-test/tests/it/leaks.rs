//! What is left at the end fails the run, by name.

use std::future::pending;
use std::mem;
use std::panic::Location;
use std::sync::mpsc;
use std::time::Duration;

use scope_core::Spawns;
use scope_test::{Config, RunError, TestRuntime, poll_once, yield_now};

const HOUR: Duration = Duration::from_secs(3600);

/// The error of a run that leaves what `root` returns.
fn leak<T>(seed: u64, root: impl AsyncFnOnce(TestRuntime) -> T) -> RunError {
    let error = Config::new(seed).try_block_on(root).into_result().err().expect("something is left");
    assert!(error.is_leak(), "{error}");
    error
}

#[track_caller]
fn assert_line(text: &str, parts: &[&str]) {
    let found = text.lines().any(|line| parts.iter().all(|part| line.contains(part)));
    assert!(found, "no line has {parts:?}:\n{text}");
}

/// The place of the call, in lines after it.
#[track_caller]
fn place(lines: u32) -> String {
    let here = Location::caller();
    format!("{}:{}:", here.file(), here.line() + lines)
}

#[test]
fn a_child_its_scope_its_finalizer_and_its_timer_are_named_with_their_places() {
    for seed in 0..32 {
        let mut places = [const { String::new() }; 3];
        let error = leak(seed, async |_| {
            places[0] = place(1);
            let mut nursery = Box::pin(scope_test::nursery(async |n| {
                n.finalizer("give back", |_| async { Ok(()) });
                places[1] = place(1);
                n.task("fetch").spawn_erased(async { Ok(scope_core::sleep(HOUR).await?) });
                places[2] = place(1);
                n.task("watch").spawn_local(async { Ok(scope_core::sleep(2 * HOUR).await?) });
                Ok(())
            }));
            // As the value of the root it is left to the very end.
            for _ in 0..10 {
                assert!(poll_once(&mut nursery).await.is_pending());
                yield_now().await;
            }
            (nursery,)
        });
        let text = error.to_string();
        let [nursery, fetch, watch] = places.each_ref().map(String::as_str);
        assert_line(&text, &["task 1 \"fetch\" (parked), spawned by root in step 1 at ", fetch]);
        assert_line(&text, &["timer ", "due at +3600s, set by task 1 \"fetch\", in fetch (spawned at ", fetch]);
        assert_line(&text, &["timer ", "due at +7200s, set by root, in watch (spawned at ", watch]);
        assert_line(&text, &["nursery scope ", nursery]);
        assert_line(&text, &["finalizer give back"]);
    }
}

#[test]
fn a_scope_that_was_forgotten_is_a_leak_though_no_task_is_left() {
    let error = leak(0, async |_| {
        let mut nursery = Box::pin(
            scope_test::nursery(async |n| {
                n.finalizer("never run", |_| async { Ok(()) });
                pending::<Result<(), _>>().await
            })
            .named("forgotten"),
        );
        assert!(poll_once(&mut nursery).await.is_pending());
        mem::forget(nursery);
    });
    assert_eq!(error.tasks().count(), 0);
    let text = error.to_string();
    assert_line(&text, &["nursery forgotten", "leaks.rs:"]);
    assert_line(&text, &["finalizer never run"]);
}

#[test]
fn an_owned_scope_whose_guard_is_carried_out_of_the_run_is_ended_and_no_leak() {
    // The task that opened it has ended, and has ended it.
    let report = Config::new(0).try_block_on(async |_| {
        let mut guard = None;
        scope_test::nursery(async |_| {
            guard = Some(scope_core::OwnedScope::<scope_core::Failure>::open("carried out")?);
            Ok(())
        })
        .await
        .unwrap();
        guard
    });
    assert!(report.result().is_ok(), "{}", report.result().unwrap_err());
}

#[test]
fn a_run_that_leaves_nothing_is_not_blamed_for_the_scopes_of_another_one() {
    let (tell, told) = mpsc::channel();
    let (end, ended) = mpsc::channel::<()>();
    let other = std::thread::spawn(move || {
        scope_test::run(0, async |n| {
            n.task("elsewhere").spawn_erased(async move {
                tell.send(())?;
                // Within a step, so that the scope is alive for as long as the run beside it takes.
                Ok(ended.recv()?)
            });
            Ok(())
        })
    });
    told.recv().unwrap();
    assert!(scope_core::tree::dump().contains("nursery"), "the other one's scope is there");
    scope_test::explore(64, async |n| {
        n.spawn_erased(async { Ok(scope_core::sleep(HOUR).await?) });
        Ok(())
    });
    let report = Config::new(0).try_block_on(async |_| {
        let stuck = scope_test::nursery(async |n| {
            n.task("own").spawn_erased(pending());
            Ok(())
        });
        stuck.named("stuck").await
    });
    let error = report.into_result().unwrap_err();
    end.send(()).unwrap();
    other.join().unwrap().unwrap();
    let text = error.to_string();
    assert_line(&text, &["nursery stuck", "1 running"]);
    assert_line(&text, &["own (spawned at ", "waiting for"]);
    assert!(!text.contains("elsewhere"), "{text}");
}
