//! f01: finalizers run exactly once, last in first out, shielded, and within the clean-up budget.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures_lite::future::{block_on, pending, yield_now};
use futures_util::FutureExt;
use scope_core::{Cause, Exit, Failure, Nursery, Spawns, checkpoint, nursery, sleep};
use scope_tests::{Boom, Gate, Journal, Rt, panic_text, poll_now, way_to};

const BUDGET: Duration = Duration::from_millis(40);

/// Three finalizers that say so, in the order they were added; each has await points of both kinds.
fn add_three(n: &Nursery<'_, '_>, journal: &Journal) {
    for name in ["first", "second", "third"] {
        let journal = journal.clone();
        n.finalizer(name, async move |_exit: Exit| {
            yield_now().await;
            checkpoint().await;
            journal.add(name);
            Ok(())
        });
    }
}

const LAST_IN_FIRST_OUT: &[&str] = &["third", "second", "first"];

/// Fails if: a way to end misses the finalizers, runs them twice, or in the order they were added.
pub(crate) async fn f01_exactly_once_last_in_first_out_however_it_ends<R: Rt>() {
    let journal = Journal::new();
    nursery(async |n| {
        add_three(n, &journal);
        Ok(())
    })
    .await
    .expect("nothing fails");
    journal.assert_is(LAST_IN_FIRST_OUT);

    let journal = Journal::new();
    nursery(async |n| -> Result<(), Failure> {
        add_three(n, &journal);
        Err(Boom("body").into())
    })
    .await
    .expect_err("the body fails");
    journal.assert_is(LAST_IN_FIRST_OUT);

    let journal = Journal::new();
    nursery(async |n| -> Result<(), Failure> {
        add_three(n, &journal);
        n.cancel("enough");
        pending().await
    })
    .await
    .expect_err("cancelled");
    journal.assert_is(LAST_IN_FIRST_OUT);

    let journal = Journal::new();
    let panic = AssertUnwindSafe(nursery(async |n| -> Result<(), Failure> {
        add_three(n, &journal);
        panic!("in the body")
    }))
    .catch_unwind()
    .await
    .expect_err("it panics");
    assert_eq!(panic_text(&*panic), "in the body");
    journal.assert_is(LAST_IN_FIRST_OUT);

    let journal = Journal::new();
    nursery(async |n| -> Result<(), Failure> {
        add_three(n, &journal);
        R::spawn(n, async { Err(Boom("child").into()) });
        pending().await
    })
    .await
    .expect_err("a child fails");
    journal.assert_is(LAST_IN_FIRST_OUT);
}

/// Fails if: a scope that is dropped half-way takes its finalizers with it, or the scope around does not wait for them.
pub(crate) async fn f01_exactly_once_where_the_scope_is_dropped_half_way<R: Rt>() {
    let journal = Journal::new();
    nursery(async |_| {
        let mut half = Box::pin(nursery(async |n| -> Result<(), Failure> {
            add_three(n, &journal);
            pending().await
        }));
        assert!(poll_now(half.as_mut()).await.is_pending());
        drop(half);
        Ok(())
    })
    .await
    .expect("nothing fails");
    journal.assert_is(LAST_IN_FIRST_OUT);

    // In the middle of its clean-up: the one that runs is not begun again.
    let journal = Journal::new();
    let (begun, go) = (Gate::new(), Gate::new());
    nursery(async |_| {
        let mut half = Box::pin(nursery(async |n| {
            add_three(n, &journal);
            let (b, g, j) = (begun.clone(), go.clone(), journal.clone());
            n.finalizer("last added", async move |_| {
                j.add("last added, begun");
                b.open();
                g.passed().await;
                j.add("last added");
                Ok(())
            });
            Ok(())
        }));
        while !begun.is_open() {
            assert!(poll_now(half.as_mut()).await.is_pending());
            yield_now().await;
        }
        drop(half);
        go.open();
        Ok(())
    })
    .await
    .expect("nothing fails");
    journal.assert_is(&["last added, begun", "last added", "third", "second", "first"]);
}

/// Fails if: a finalizer runs while a child still uses what it cleans up, or before the body is gone.
pub(crate) async fn f01_after_the_body_and_every_child<R: Rt>() {
    let journal = Journal::new();
    nursery(async |n| -> Result<(), Failure> {
        let j = journal.clone();
        n.finalizer("sweep", async move |_| {
            j.add("finalizer");
            Ok(())
        });
        let _note = journal.on_drop("body");
        let parked = Gate::new();
        let (note, here) = (journal.on_drop("child"), parked.clone());
        R::spawn(n, async move {
            let _note = note;
            here.open();
            pending().await
        });
        let note = journal.on_drop("child");
        n.spawn_local(async move {
            let _note = note;
            pending().await
        });
        parked.passed().await;
        n.cancel("enough");
        pending().await
    })
    .await
    .expect_err("cancelled");
    let lines = journal.lines();
    assert_eq!(lines.len(), 4, "{lines:?}");
    assert_eq!(lines[3], "finalizer");
}

/// Fails if: a cancelled scope's finalizers meet that cancellation, or that of a scope around it, at their await points.
pub(crate) async fn f01_shielded_from_every_cancellation<R: Rt>() {
    let journal = Journal::new();
    nursery(async |outer| -> Result<(), Failure> {
        nursery(async |inner| -> Result<(), Failure> {
            let (j, canceller) = (journal.clone(), outer.canceller());
            inner.finalizer("long", async move |_| {
                canceller.cancel("again, in the middle of clean-up");
                yield_now().await;
                checkpoint().await;
                sleep(Duration::from_millis(1)).await?;
                // Work of its own, in scopes of its own.
                let j = j.clone();
                nursery(async |n| {
                    n.spawn_erased(async move {
                        yield_now().await;
                        j.add("cleaned up");
                        Ok(())
                    });
                    checkpoint().await;
                    Ok(())
                })
                .await?;
                Ok(())
            });
            inner.cancel("enough");
            outer.cancel("that too");
            pending().await
        })
        .await?;
        Ok(())
    })
    .await
    .expect_err("cancelled");
    journal.assert_is(&["cleaned up"]);
}

/// Fails if: one that hangs is waited for, is not dropped, is not named, or takes the rest down with it.
pub(crate) async fn f01_one_that_overruns_is_dropped_and_named_and_the_rest_still_run<R: Rt>() {
    // The rest get a quarter of it, real time on a real runtime: enough for a turn or two on a busy machine.
    const AMPLE: Duration = Duration::from_secs(4);
    let journal = Journal::new();
    let begun = R::now();
    let error = nursery(async |n| {
        for name in ["first", "stuck", "last"] {
            let journal = journal.clone();
            n.finalizer(name, async move |_| {
                yield_now().await;
                if name == "stuck" {
                    let _note = journal.on_drop("stuck: dropped");
                    pending::<()>().await;
                }
                journal.add(name);
                Ok(())
            });
        }
        Ok(())
    })
    .named("scope")
    .cleanup_budget(AMPLE)
    .await
    .expect_err("a finalizer overran");
    if R::VIRTUAL {
        assert!(R::now() - begun <= AMPLE, "the budget is one for all");
    }
    journal.assert_is(&["last", "stuck: dropped", "first"]);
    assert_eq!(error.leaves().len(), 1, "{error:?}");
    let leaf = &error.leaves()[0];
    assert!(matches!(leaf.cause(), Cause::Overran { .. }), "{error:?}");
    assert_eq!(way_to(leaf), ["scope", "stuck"]);
    assert!(error.to_string().contains("stuck"), "{error}");
}

/// Fails if: each finalizer has the whole budget to itself.
pub(crate) async fn f01_the_budget_is_one_for_all<R: Rt>() {
    let begun = R::now();
    let error = nursery(async |n| {
        for name in ["a", "b", "c", "d"] {
            n.finalizer(name, async move |_| pending().await);
        }
        Ok(())
    })
    .cleanup_budget(BUDGET)
    .await
    .expect_err("all of them overrun");
    R::assert_elapsed(begun, BUDGET);
    let mut names: Vec<_> = error.leaves().iter().filter_map(|leaf| leaf.path().names().pop()).collect();
    names.sort();
    assert_eq!(names, ["a", "b", "c", "d"], "each is named: {error:?}");
}

/// Fails if: a finalizer's own share is not looked at, or its overrun takes more than that from the rest.
pub(crate) async fn f01_a_share_bounds_one_finalizer<R: Rt>() {
    let journal = Journal::new();
    let begun = R::now();
    let error = nursery(async |n| {
        let j = journal.clone();
        n.finalizer("after", async move |_| {
            sleep(BUDGET / 4).await?;
            j.add("after");
            Ok(())
        });
        n.finalizer_within(BUDGET / 4, "stuck", async |_| pending().await);
        Ok(())
    })
    // Much more than is needed, for machines that are slow; less than one that hangs would take of it without a share.
    .cleanup_budget(BUDGET * 100)
    .await
    .expect_err("one overran its share");
    R::assert_elapsed(begun, BUDGET / 2);
    journal.assert_is(&["after"]);
    assert_eq!(error.leaves().len(), 1, "{error:?}");
    assert!(matches!(error.cause(), Cause::Overran { budget } if *budget == BUDGET / 4), "{error:?}");
}

/// Fails if: the budget starts before clean-up does, or cuts one that keeps to it.
pub(crate) async fn f01_one_within_the_budget_takes_the_time_it_needs<R: Rt>() {
    let journal = Journal::new();
    nursery(async |n| {
        let j = journal.clone();
        n.finalizer("flush", async move |_| {
            sleep(BUDGET / 4).await?;
            j.add("flushed");
            Ok(())
        });
        // Longer than the budget, but this is not clean-up.
        sleep(BUDGET * 2).await?;
        Ok(())
    })
    .cleanup_budget(BUDGET * 20)
    .await
    .expect("it is in time");
    journal.assert_is(&["flushed"]);
}

/// Fails if: the default is something else than five seconds. Real ones on a real runtime.
pub(crate) async fn f01_the_default_budget_is_five_seconds<R: Rt>() {
    let begun = R::now();
    nursery(async |n| {
        n.finalizer("stuck", async |_| pending().await);
        Ok(())
    })
    .await
    .expect_err("it overran");
    R::assert_elapsed(begun, Duration::from_secs(5));
}

/// Fails if: a finalizer is dropped without having been polled, where there is no time at all.
pub(crate) async fn f01_with_no_budget_each_still_gets_to_its_first_await_point<R: Rt>() {
    let journal = Journal::new();
    nursery(async |n| {
        for name in ["first", "second"] {
            let journal = journal.clone();
            n.finalizer(name, async move |_| {
                journal.add(name);
                Ok(())
            });
        }
        Ok(())
    })
    .cleanup_budget(Duration::ZERO)
    .await
    .expect("they need no time");
    journal.assert_is(&["second", "first"]);
}

/// Fails if: finalizers need a runtime: without one there is no clock, and no budget.
pub(crate) async fn f01_without_a_runtime_they_run_all_the_same<R: Rt>() {
    let journal = std::thread::spawn(|| {
        let journal = Journal::new();
        block_on(nursery(async |n| {
            for name in ["first", "second"] {
                let journal = journal.clone();
                n.finalizer(name, async move |_| {
                    yield_now().await;
                    journal.add(name);
                    Ok(())
                });
            }
            n.cancel("enough");
            Ok(())
        }))
        .expect("the body had its value");
        journal
    });
    journal.join().expect("no panic").assert_is(&["second", "first"]);
}

/// Fails if: a panic in clean-up keeps the rest from running, or is lost.
pub(crate) async fn f01_one_that_panics_does_not_keep_the_rest_from_running<R: Rt>() {
    let journal = Journal::new();
    let ended = AssertUnwindSafe(nursery(async |n| {
        for name in ["first", "broken", "last"] {
            let journal = journal.clone();
            n.finalizer(name, async move |_| {
                yield_now().await;
                assert!(name != "broken", "clean-up broke");
                journal.add(name);
                Ok(())
            });
        }
        Ok(())
    }))
    .catch_unwind()
    .await;
    journal.assert_is(&["last", "first"]);
    match ended {
        Ok(Ok(())) => panic!("the panic is lost"),
        Ok(Err(error)) => assert!(format!("{error:?}").contains("clean-up broke"), "{error:?}"),
        Err(panic) => assert_eq!(panic_text(&*panic), "clean-up broke"),
    }
}
