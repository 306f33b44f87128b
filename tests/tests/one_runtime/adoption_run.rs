//! `run` waits for what was left to the orphan root: only when it has returned can that be seen, so no case that runs
//! inside one can.

use futures_lite::future::pending;
use scope_core::{Failure, OwnedScope, Spawns, nursery, rt};
use scope_tests::{Det, Gate, Journal, Rt, SEEDS, Smol, TokioCt, TokioMt, turns, within_bound};

/// What is begun, and then dropped with nobody around it.
#[derive(Clone, Copy)]
enum Left {
    /// A root that its foreign task drops.
    Root,
    /// A guard that outlives that root.
    Guard,
}

struct OpensOnDrop(Gate);

impl Drop for OpensOnDrop {
    fn drop(&mut self) {
        self.0.open();
    }
}

/// Runs a case that leaves something whose clean-up takes a while, and comes back with what it wrote.
fn what_run_waits_for<R: Rt>(left: Left) -> Journal {
    let journal = Journal::new();
    let j = journal.clone();
    R::run(async move || {
        let (runtime, ready) = (rt::current().expect("on a runtime"), Gate::new());
        let (r, j) = (ready.clone(), j.clone());
        let dropped = Gate::new();
        let opens = OpensOnDrop(dropped.clone());
        let foreign = R::foreign(async move {
            // Dropped after the root is.
            let _opens = opens;
            let root = nursery(async |n| -> Result<(), Failure> {
                let cleaned = j.clone();
                let sweep = async move |_| {
                    turns(10).await;
                    cleaned.add("cleaned up");
                    Ok(())
                };
                match left {
                    Left::Root => n.finalizer("sweep", sweep),
                    Left::Guard => {
                        let guard: OwnedScope = OwnedScope::open("left")?;
                        guard.finalizer("sweep", sweep)?;
                        std::mem::forget(guard);
                    }
                }
                n.spawn_erased(pending());
                r.open();
                pending().await
            });
            drop(root.runtime(runtime).await);
        });
        ready.passed().await;
        foreign.abort();
        // The case ends as soon as the root has been dropped.
        dropped.passed().await;
    });
    journal
}

fn run_waits_on<R: Rt>() {
    within_bound(R::NAME, || {
        for left in [Left::Root, Left::Guard] {
            let journal = what_run_waits_for::<R>(left);
            let lines = journal.lines();
            // On the deterministic one, once for each seed.
            let runs = if R::VIRTUAL { SEEDS as usize } else { 1 };
            assert_eq!((lines.len(), journal.count("cleaned up")), (runs, runs), "{lines:?}");
        }
    });
}

/// Fails if: `run` returns while an orphan is still cleaned up: its runtime would go, and the rest of it with it.
#[test]
fn f05_run_waits_for_orphans_on_tokio_ct() {
    run_waits_on::<TokioCt>();
}

/// The same on four workers.
#[test]
fn f05_run_waits_for_orphans_on_tokio_mt() {
    run_waits_on::<TokioMt>();
}

/// The same on smol.
#[test]
fn f05_run_waits_for_orphans_on_smol() {
    run_waits_on::<Smol>();
}

/// The same on the deterministic runtime.
#[test]
fn f05_run_waits_for_orphans_on_det() {
    run_waits_on::<Det>();
}
