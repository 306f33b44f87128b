//! f04: acquiring is atomic: the resource is registered or released, whatever is cancelled in between.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_lite::future::pending;
use scope_core::{Acquire, Cause, Exit, Failure, OwnedScope, Spawns, nursery};
use scope_tests::{Boom, Gate, Journal, Rt, poll_now, turns, way_to, while_it_waits};

/// A resource that knows how many of its kind are out.
struct Lease(Arc<AtomicUsize>);

impl Lease {
    fn take(out: &Arc<AtomicUsize>) -> Self {
        out.fetch_add(1, Ordering::SeqCst);
        Lease(out.clone())
    }

    fn give_back(&self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Acquires one after some turns, and gives it back after some more; both say so.
fn lease(
    spawns: &impl Spawns<Error = Failure>,
    out: &Arc<AtomicUsize>,
    journal: &Journal,
    length: usize,
) -> Acquire<Lease> {
    let (o, j, back) = (out.clone(), journal.clone(), journal.clone());
    let acquiring = async move {
        turns(length).await;
        j.add("acquired");
        Ok(Lease::take(&o))
    };
    spawns.acquire("lease", acquiring, async move |lease: Arc<Lease>, exit: Exit| {
        turns(1).await;
        lease.give_back();
        back.add(match exit {
            Exit::Ok => "released: ok",
            Exit::Failed(_) => "released: failed",
            Exit::Cancelled(_) => "released: cancelled",
            _ => "released: panicked",
        });
        Ok(())
    })
}

/// Fails if: what was acquired cannot be used, is released while it is in use, or not at all, or out of order.
pub(crate) async fn f04_acquired_and_released_with_the_scope<R: Rt>() {
    let (out, journal) = (Arc::new(AtomicUsize::new(0)), Journal::new());
    nursery(async |n| {
        let first = journal.clone();
        n.finalizer("added before", async move |_| {
            first.add("added before");
            Ok(())
        });
        let held = lease(n, &out, &journal, 3).await?;
        assert_eq!(held.0.load(Ordering::SeqCst), 1);
        let last = journal.clone();
        n.finalizer("added after", async move |_| {
            last.add("added after");
            Ok(())
        });
        Ok(())
    })
    .await
    .expect("nothing fails");
    journal.assert_is(&["acquired", "added after", "released: ok", "added before"]);
    assert_eq!(out.load(Ordering::SeqCst), 0);
}

/// Fails if: a waiter that is dropped, at whatever point, takes the acquiring with it, or what it got is leaked.
pub(crate) async fn f04_the_waiter_is_dropped_at_any_point<R: Rt>() {
    for polls in 0..12 {
        let (out, journal) = (Arc::new(AtomicUsize::new(0)), Journal::new());
        nursery(async |n| {
            {
                let mut waiting = Box::pin(lease(n, &out, &journal, 5));
                for _ in 0..polls {
                    if poll_now(waiting.as_mut()).await.is_ready() {
                        break;
                    }
                    turns(1).await;
                }
            }
            Ok(())
        })
        .await
        .expect("nothing fails");
        journal.assert_is(&["acquired", "released: ok"]);
        assert_eq!(out.load(Ordering::SeqCst), 0, "after {polls} polls");
    }
}

/// Fails if: a cancellation of the scope, at whatever point, cuts the acquiring in the middle, or leaks what it got.
pub(crate) async fn f04_the_scope_is_cancelled_at_any_point<R: Rt>() {
    for length in 0..10 {
        let (out, journal) = (Arc::new(AtomicUsize::new(0)), Journal::new());
        let error = nursery(async |n| -> Result<(), Failure> {
            let canceller = n.canceller();
            n.spawn_erased(async move {
                turns(length).await;
                canceller.cancel("enough");
                Ok(())
            });
            let held = lease(n, &out, &journal, 5).await?;
            assert_eq!(held.0.load(Ordering::SeqCst), 1);
            pending().await
        })
        .await
        .expect_err("cancelled");
        assert!(error.is_cancelled(), "{error:?}");
        journal.assert_is(&["acquired", "released: cancelled"]);
        assert_eq!(out.load(Ordering::SeqCst), 0);
    }
}

/// Fails if: the scope around is cancelled, and that reaches in.
pub(crate) async fn f04_the_scope_around_is_cancelled<R: Rt>() {
    let (out, journal) = (Arc::new(AtomicUsize::new(0)), Journal::new());
    let begun = Gate::new();
    nursery(async |outer| -> Result<(), Failure> {
        nursery(async |n| -> Result<(), Failure> {
            let (b, o) = (begun.clone(), out.clone());
            let acquiring = async move {
                b.open();
                turns(10).await;
                Ok(Lease::take(&o))
            };
            let j = journal.clone();
            let waiting = n.acquire("lease", acquiring, async move |lease: Arc<Lease>, _| {
                lease.give_back();
                j.add("released");
                Ok(())
            });
            begun.passed().await;
            outer.cancel("enough");
            waiting.await?;
            pending().await
        })
        .await?;
        Ok(())
    })
    .await
    .expect_err("cancelled");
    journal.assert_is(&["released"]);
    assert_eq!(out.load(Ordering::SeqCst), 0);
}

/// Fails if: the future of the scope is dropped, and with it the acquiring, or what it gets; or nobody waits for that.
pub(crate) async fn f04_the_scopes_future_is_dropped_at_any_point<R: Rt>() {
    for polls in 1..10 {
        let (out, journal) = (Arc::new(AtomicUsize::new(0)), Journal::new());
        nursery(async |_| {
            let mut half = Box::pin(nursery(async |n| -> Result<(), Failure> {
                let _held = lease(n, &out, &journal, 5).await?;
                pending().await
            }));
            for _ in 0..polls {
                assert!(poll_now(half.as_mut()).await.is_pending());
                turns(1).await;
            }
            drop(half);
            Ok(())
        })
        .await
        .expect("nothing fails");
        journal.assert_is(&["acquired", "released: cancelled"]);
        assert_eq!(out.load(Ordering::SeqCst), 0, "after {polls} polls");
    }
}

/// Fails if: the scope ends in the middle of an acquiring that nobody waits for any more.
pub(crate) async fn f04_the_scope_waits_for_an_acquiring<R: Rt>() {
    let (go, journal) = (Gate::new(), Journal::new());
    let mut scope = Box::pin(nursery(async |n| {
        let (g, j) = (go.clone(), journal.clone());
        let acquiring = async move {
            g.passed().await;
            Ok(7)
        };
        drop(n.acquire("number", acquiring, async move |number: Arc<i32>, _| {
            j.add(format!("released {number}"));
            Ok(())
        }));
        Ok(())
    }));
    while_it_waits(scope.as_mut(), "the acquiring has not ended").await;
    go.open();
    scope.await.expect("nothing fails");
    journal.assert_is(&["released 7"]);
}

/// Fails if: one that could not be acquired is released, or its error does not come to the waiter, and only there.
pub(crate) async fn f04_what_could_not_be_acquired_is_not_released<R: Rt>() {
    let journal = Journal::new();
    nursery(async |n| {
        let release = async |_: Arc<()>, _: Exit| -> Result<(), Failure> { panic!("there is nothing to release") };
        let failing = async { Err::<(), Failure>(Boom("no more of them").into()) };
        let error = n.acquire("broken", failing, release).await.expect_err("it fails");
        assert!(error.failed().is_some_and(|failure| failure.is::<Boom>()), "{error}");
        for part in ["broken", "no more of them", "f04.rs"] {
            assert!(error.to_string().contains(part), "{part}: {error}");
        }
        let panicking = async { panic!("while acquiring") };
        let error = n.acquire::<(), _, _, _>("panicking", panicking, release).await.expect_err("it panics");
        assert!(error.is_panicked() && error.failed().is_none(), "{error}");
        assert!(error.to_string().contains("while acquiring"), "{error}");
        assert!(!n.is_cancelled(), "that is the waiter's to decide");
        journal.add("went on");
        Ok(())
    })
    .await
    .expect("the waiter has handled it");
    journal.assert_is(&["went on"]);
}

/// Fails if: an error that no waiter takes is lost, or cancels those who have nothing to do with it.
pub(crate) async fn f04_an_error_that_nobody_waits_for_is_the_scopes<R: Rt>() {
    let mut went_on = false;
    let error = nursery(async |n| {
        let (go, g) = (Gate::new(), Gate::new());
        let (open, told) = (go.clone(), g.clone());
        let failing = async move {
            open.passed().await;
            told.open();
            Err::<(), Failure>(Boom("too late").into())
        };
        drop(n.acquire("broken", failing, async |_, _| Ok(())));
        go.open();
        g.passed().await;
        turns(10).await;
        went_on = !n.is_cancelled();
        Ok(())
    })
    .named("scope")
    .await
    .expect_err("it failed, and nobody else has the error");
    assert!(went_on);
    assert_eq!(error.leaves().len(), 1, "{error:?}");
    assert!(format!("{error:?}").contains("too late"), "{error:?}");
    assert_eq!(way_to(&error.leaves()[0]), ["scope", "broken"]);
}

/// Fails if: an error is lost that was there already when the waiter was dropped.
pub(crate) async fn f04_an_error_that_nobody_has_seen_is_the_scopes<R: Rt>() {
    let mut went_on = false;
    let error = nursery(async |n| {
        let tried = Gate::new();
        let told = tried.clone();
        let failing = async move {
            told.open();
            Err::<(), Failure>(Boom("unseen").into())
        };
        let waiter = n.acquire("broken", failing, async |_, _| Ok(()));
        tried.passed().await;
        while n.canceller().why_open().running() > 0 {
            turns(1).await;
        }
        drop(waiter);
        turns(10).await;
        went_on = !n.is_cancelled();
        Ok(())
    })
    .named("scope")
    .await
    .expect_err("it failed, and nobody else has the error");
    assert!(went_on);
    assert_eq!(error.leaves().len(), 1, "{error:?}");
    assert_eq!(way_to(&error.leaves()[0]), ["scope", "broken"]);
}

/// Fails if: a release that fails is lost.
pub(crate) async fn f04_a_release_that_fails_is_a_failed_clean_up<R: Rt>() {
    let error = nursery(async |n| {
        n.acquire("lease", async { Ok(()) }, async |_, _| Err(Boom("release").into())).await?;
        Ok(())
    })
    .named("scope")
    .await
    .expect_err("its clean-up failed");
    assert!(matches!(error.cause(), Cause::CleanUp(failure) if failure.is::<Boom>()), "{error:?}");
    assert_eq!(way_to(&error.leaves()[0]), ["scope", "lease"]);
}

/// Fails if: a scope that has closed takes it on: nobody would release it.
pub(crate) async fn f04_into_a_closed_scope_nothing_is_acquired<R: Rt>() {
    let journal = Journal::new();
    let spawner = nursery(async |n| Ok(n.spawner())).await.expect("nothing fails");
    let (acquired, note) = (journal.clone(), journal.on_drop("dropped"));
    let acquiring = async move {
        let _note = note;
        acquired.add("acquired");
        Ok(())
    };
    let error = spawner.acquire("late", acquiring, async |_, _| Ok(())).await.expect_err("it has closed");
    assert!(error.spawn_error().is_some_and(|error| error.is_closed()), "{error}");
    journal.assert_is(&["dropped"]);
}

/// Fails if: only a nursery can hold one: an owned scope, and one that its home leaves open.
pub(crate) async fn f04_in_an_owned_scope<R: Rt>() {
    let (out, journal) = (Arc::new(AtomicUsize::new(0)), Journal::new());
    nursery(async |_| {
        let owned: OwnedScope = OwnedScope::open("closed")?;
        let held = lease(&owned, &out, &journal, 2).await?;
        assert_eq!(held.0.load(Ordering::SeqCst), 1);
        owned.close().await?;
        journal.assert_is(&["acquired", "released: ok"]);
        assert_eq!(out.load(Ordering::SeqCst), 0);
        let owned: OwnedScope = OwnedScope::open("dropped")?;
        drop(lease(&owned, &out, &journal, 5));
        drop(owned);
        Ok(())
    })
    .await
    .expect("nothing fails");
    journal.assert_is(&["acquired", "released: ok", "acquired", "released: cancelled"]);
    assert_eq!(out.load(Ordering::SeqCst), 0);
}
