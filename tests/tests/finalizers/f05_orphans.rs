//! f05: with no ancestor the orphan root of the runtime takes it; with no runtime left it is dropped and reported.

use std::time::Duration;

use futures_lite::future::{block_on, pending};
use scope_core::rt::{self, Handle};
use scope_core::{Failure, ScopeRef, nursery};
use scope_tests::{Doomed, Gate, Journal, Rt, poll_now, turns};

use crate::adoption::{Told, filled};

const LEFT: &[&str] = &["scope: body dropped", "scope: child ended", "scope: cleaned up"];

/// Starts a root of its own in a foreign task, fills it, and has the runtime drop it there.
async fn abort_a_root<R: Rt>(runtime: Handle, journal: &Journal, go: &Gate) -> (ScopeRef, Told) {
    let (send, got) = async_channel::bounded(1);
    let (ready, j, go) = (Gate::new(), journal.clone(), go.clone());
    let r = ready.clone();
    let foreign = R::foreign(async move {
        let root = nursery(async |n| {
            let scope = n.spawner().scope().clone();
            let told = Told::of(&scope);
            assert!(send.send((scope, told)).await.is_ok());
            filled::<R>(n, "scope", &j, &go, &r).await
        })
        .named("root");
        drop(root.runtime(runtime).await);
    });
    ready.passed().await;
    foreign.abort();
    let (scope, told) = got.recv().await.expect("it was sent");
    while told.heirs().is_empty() && told.lost().is_empty() {
        turns(1).await;
    }
    (scope, told)
}

/// Fails if: a root's clean-up is lost with its future, or nobody can see it or wait for it.
pub(crate) async fn f05_without_an_ancestor_the_orphan_root_takes_it<R: Rt>() {
    let (journal, go) = (Journal::new(), Gate::new());
    let runtime = rt::current().expect("on a runtime");
    let (scope, told) = abort_a_root::<R>(runtime.clone(), &journal, &go).await;
    assert_eq!(told.heirs(), [None]);
    assert_eq!(runtime.orphaned(), std::slice::from_ref(&scope));

    // What `settle` does not see the end of it names, and goes on.
    let begun = R::now();
    let unsettled = runtime.settle(Duration::from_millis(20)).await.expect_err("it waits for the gate");
    R::assert_elapsed(begun, Duration::from_millis(20));
    assert_eq!(unsettled.scopes(), [scope]);
    for part in ["root", "f05_orphans.rs", "20ms"] {
        assert!(unsettled.to_string().contains(part), "{part}: {unsettled}");
    }

    let mut settled = Box::pin(runtime.settled());
    scope_tests::while_it_waits(settled.as_mut(), "there is an orphan").await;
    go.open();
    settled.await;
    journal.assert_is(LEFT);
    assert!(runtime.orphaned().is_empty());
    runtime.settle(Duration::ZERO).await.expect("nothing is left");
    assert_eq!((told.ends(), told.lost().len()), (1, 0));
}

/// Fails if: the end of one orphan is taken for the end of all.
pub(crate) async fn f05_the_orphan_root_waits_for_each<R: Rt>() {
    let runtime = rt::current().expect("on a runtime");
    let gates = [Gate::new(), Gate::new(), Gate::new()];
    let journal = Journal::new();
    for go in &gates {
        let _ = abort_a_root::<R>(runtime.clone(), &journal, go).await;
    }
    let mut settled = Box::pin(runtime.settled());
    for (open, go) in gates.iter().enumerate() {
        scope_tests::while_it_waits(settled.as_mut(), "there are orphans").await;
        assert_eq!(runtime.orphaned().len(), 3 - open);
        go.open();
        while runtime.orphaned().len() == 3 - open {
            turns(1).await;
        }
    }
    settled.await;
    assert_eq!(journal.count("scope: cleaned up"), 3);
}

/// Fails if: what fails in an orphan, and has nobody to go to, is lost in silence.
pub(crate) async fn f05_an_orphans_error_is_told<R: Rt>() {
    let runtime = rt::current().expect("on a runtime");
    let (send, got) = async_channel::bounded(1);
    let r = runtime.clone();
    let foreign = R::foreign(async move {
        let root = nursery(async |n| -> Result<(), Failure> {
            n.finalizer("broken", async |_| Err(scope_tests::Boom("clean-up").into()));
            assert!(send.send(Told::of(n.spawner().scope())).await.is_ok());
            pending().await
        });
        drop(root.named("root").runtime(r).await);
    });
    let told = got.recv().await.expect("it was sent");
    foreign.abort();
    while told.ends() == 0 {
        turns(1).await;
    }
    let lost = told.lost();
    assert_eq!(lost.len(), 1, "{lost:?}");
    for part in ["root", "broken", "clean-up"] {
        assert!(lost[0].contains(part), "{part}: {lost:?}");
    }
    runtime.settled().await;
}

/// Runs `f` where no task is, and no runtime.
fn on_a_bare_thread<T: Send + 'static>(f: impl FnOnce() -> T + Send + 'static) -> T {
    std::thread::spawn(f).join().expect("no panic")
}

/// Opens a root with one finalizer, which holds something, drops it after `before_the_drop`, and returns what was told of
/// it.
fn drop_a_root(runtime: Option<Handle>, journal: &Journal, before_the_drop: impl FnOnce()) -> Told {
    let mut told = None;
    let (cleaned, note) = (journal.clone(), journal.on_drop("what the finalizer held"));
    let root = nursery(async |n| -> Result<(), Failure> {
        n.finalizer("sweep", async move |_| {
            cleaned.add("cleaned up");
            drop(note);
            Ok(())
        });
        told = Some(Told::of(n.spawner().scope()));
        pending().await
    });
    let root = root.named("root");
    let mut root = Box::pin(if let Some(runtime) = runtime { root.runtime(runtime) } else { root });
    assert!(block_on(poll_now(root.as_mut())).is_pending());
    before_the_drop();
    drop(root);
    told.expect("it began")
}

#[track_caller]
fn assert_lost(told: &Told, parts: &[&str]) {
    let lost = told.lost();
    assert_eq!(lost.len(), 1, "{lost:?}");
    for part in parts {
        assert!(lost[0].contains(part), "{part}: {lost:?}");
    }
    assert_eq!(told.ends(), 1);
}

/// Fails if: what nobody can clean up any more is kept for ever, or thrown away in silence.
pub(crate) async fn f05_with_no_runtime_left_it_is_dropped_and_reported<R: Rt>() {
    let doomed = Doomed::new(rt::current().expect("on a runtime"));
    let runtime = doomed.handle();
    let r = runtime.clone();
    let (journal, told) = on_a_bare_thread(move || {
        let journal = Journal::new();
        let told = drop_a_root(Some(r), &journal, || doomed.end());
        (journal, told)
    });
    journal.assert_is(&["what the finalizer held"]);
    assert_lost(&told, &["doomed", "shut down", "sweep"]);
    assert!(runtime.orphaned().is_empty(), "nobody is to wait for it");
}

/// The same where there never was a runtime.
pub(crate) async fn f05_with_no_runtime_at_all_it_is_dropped_and_reported<R: Rt>() {
    let (journal, told) = on_a_bare_thread(|| {
        let journal = Journal::new();
        let told = drop_a_root(None, &journal, || ());
        (journal, told)
    });
    journal.assert_is(&["what the finalizer held"]);
    assert_lost(&told, &["no runtime", "sweep"]);
}

/// Fails if: a runtime that ends in the middle of an orphan's clean-up leaves somebody waiting for it for ever.
pub(crate) async fn f05_a_runtime_that_ends_during_the_clean_up<R: Rt>() {
    let doomed = Doomed::new(rt::current().expect("on a runtime"));
    let runtime = doomed.handle();
    let r = runtime.clone();
    let journal = Journal::new();
    let (begun, j) = (Gate::new(), journal.clone());
    let here = begun.clone();
    let told = on_a_bare_thread(move || {
        let mut told = None;
        let mut root = Box::pin(
            nursery(async |n| -> Result<(), Failure> {
                n.finalizer("stuck", async move |_| {
                    let _note = j.on_drop("what it held");
                    here.open();
                    pending().await
                });
                told = Some(Told::of(n.spawner().scope()));
                pending().await
            })
            .named("root")
            .cleanup_budget(Duration::from_secs(3600))
            .runtime(r),
        );
        assert!(block_on(poll_now(root.as_mut())).is_pending());
        drop(root);
        told.expect("it began")
    });
    begun.passed().await;
    assert_eq!(runtime.orphaned().len(), 1);
    doomed.end();
    runtime.settled().await;
    while told.ends() == 0 {
        turns(1).await;
    }
    journal.assert_is(&["what it held"]);
    assert_lost(&told, &["doomed", "stuck"]);
}
