//! Owned scopes and real threads: a guard that is dropped at the moment at which its home ends; a close at home while others try
//! elsewhere.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Barrier, Mutex, PoisonError};
use std::thread;

use futures_lite::future::{block_on, pending};
use scope_core::event::{self, EventKind};
use scope_core::{Failure, OwnedScope, ScopeId, Spawns, nursery};
use scope_tests::{Journal, Rt, Smol, TokioCt, TokioMt};

/// Counts the broken rules and the ends told of each of some scopes.
struct Counts {
    of: Arc<Mutex<Vec<ScopeId>>>,
    violations: Arc<AtomicUsize>,
    ends: Arc<AtomicUsize>,
    _guard: event::ObserverGuard,
}

impl Counts {
    fn new() -> Self {
        let of = Arc::new(Mutex::new(Vec::new()));
        let (violations, ends) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let (scopes, v, e) = (of.clone(), violations.clone(), ends.clone());
        let guard = event::observe(move |event| {
            let count = match event.kind() {
                EventKind::Violated(_) => &v,
                EventKind::Closed => &e,
                _ => return,
            };
            if scopes.lock().unwrap_or_else(PoisonError::into_inner).contains(&event.scope().id()) {
                count.fetch_add(1, Ordering::SeqCst);
            }
        });
        Counts { of, violations, ends, _guard: guard }
    }
}

/// A guard is dropped on a bare thread while the task that opened it ends on one of the runtime's.
fn races<R: Rt>() {
    R::check("o02_a_drop_that_meets_the_end_of_its_home", async || {
        const ROUNDS: usize = 300;
        let counts = Counts::new();
        for _ in 0..ROUNDS {
            let journal = Journal::new();
            let (start, thread) = (Arc::new(Barrier::new(2)), Arc::new(Mutex::new(None)));
            nursery(async |n| {
                let (s, t, j, of) = (start.clone(), thread.clone(), journal.clone(), counts.of.clone());
                n.task("opener").spawn_erased(async move {
                    let owned: OwnedScope = OwnedScope::open("raced for")?;
                    of.lock().unwrap_or_else(PoisonError::into_inner).push(owned.scope().id());
                    let note = j.on_drop("child ended");
                    owned.spawn_erased(async move {
                        let _note = note;
                        pending().await
                    })?;
                    let cleaned = j.clone();
                    owned.finalizer("sweep", async move |_| {
                        cleaned.add("cleaned up");
                        Ok(())
                    })?;
                    let there = s.clone();
                    let dropper = thread::spawn(move || {
                        there.wait();
                        drop(owned);
                    });
                    *t.lock().unwrap_or_else(PoisonError::into_inner) = Some(dropper);
                    s.wait();
                    Ok(())
                });
                Ok(())
            })
            .await
            .expect("a broken rule is no failure");
            // Whichever came first, the nursery that home was in has waited for it.
            journal.assert_is(&["child ended", "cleaned up"]);
            let dropper = thread.lock().unwrap_or_else(PoisonError::into_inner).take().expect("it was started");
            dropper.join().expect("a drop never panics");
        }
        assert_eq!(counts.violations.load(Ordering::SeqCst), ROUNDS, "one for each");
        assert_eq!(counts.ends.load(Ordering::SeqCst), ROUNDS, "each ends once");
    });
}

/// Fails if: the two who may end a scope both do, or neither, or the nursery returns in between.
#[test]
fn o02_a_drop_that_meets_the_end_of_its_home_on_tokio_ct() {
    races::<TokioCt>();
}

/// The same on four workers.
#[test]
fn o02_a_drop_that_meets_the_end_of_its_home_on_tokio_mt() {
    races::<TokioMt>();
}

/// The same on smol.
#[test]
fn o02_a_drop_that_meets_the_end_of_its_home_on_smol() {
    races::<Smol>();
}

/// Fails if: who closes it at home is told that it has been closed already, since somebody else tries where it may not be.
fn closes_beside<R: Rt>() {
    R::check("o03_a_close_at_home_beside_others_in_the_wrong_task", async || {
        const ROUNDS: usize = 1000;
        for _ in 0..ROUNDS {
            nursery(async |_| {
                let shared = OwnedScope::<Failure>::open("shared")?.shared();
                let (strangers, start) = (shared.clone(), Arc::new(Barrier::new(2)));
                let begun = start.clone();
                let stranger = thread::spawn(move || {
                    begun.wait();
                    while !block_on(strangers.close()).expect_err("it has no home here").is_closed_already() {}
                });
                start.wait();
                let closed = shared.close().await;
                drop(shared);
                closed?;
                stranger.join().expect("it is refused");
                Ok(())
            })
            .await
            .expect("it is closed at home");
        }
    });
}

#[test]
fn o03_a_close_at_home_beside_others_in_the_wrong_task_on_tokio_ct() {
    closes_beside::<TokioCt>();
}

#[test]
fn o03_a_close_at_home_beside_others_in_the_wrong_task_on_tokio_mt() {
    closes_beside::<TokioMt>();
}

#[test]
fn o03_a_close_at_home_beside_others_in_the_wrong_task_on_smol() {
    closes_beside::<Smol>();
}
