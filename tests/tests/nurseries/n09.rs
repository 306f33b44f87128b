//! n09: `start` waits for a child to report that it is ready.

use std::pin::pin;

use futures_lite::future::{pending, yield_now};
use futures_util::FutureExt;
use scope_core::{Cause, Failure, Spawns, Started, nursery, shield};
use scope_tests::{Boom, Gate, Journal, Rt, panic_text, poll_now, turns, way_to, while_it_waits};

/// Fails if: it returns before the report, or not before the child's end, or with something else.
pub(crate) async fn n09_waits_for_the_report_and_has_its_value<R: Rt>() {
    for same_task in [false, true] {
        let (ready, let_go, journal) = (Gate::new(), Gate::new(), Journal::new());
        let mut whole = pin!(nursery(async |n| {
            let child = {
                let (ready, let_go, journal) = (ready.clone(), let_go.clone(), journal.clone());
                move |started: Started<u32>| async move {
                    ready.passed().await;
                    started.report(7).expect("somebody waits");
                    let_go.passed().await;
                    journal.add("child ended");
                    Ok(())
                }
            };
            let port = if same_task { n.start_local(child).await? } else { n.start_erased(child).await? };
            journal.add("started");
            Ok(port)
        }));
        while_it_waits(whole.as_mut(), "the child has not reported").await;
        journal.assert_is(&[]);
        ready.open();
        while !journal.has("started") {
            assert!(poll_now(whole.as_mut()).await.is_pending());
            yield_now().await;
        }
        while_it_waits(whole.as_mut(), "the child goes on, and is the nursery's").await;
        let_go.open();
        assert_eq!(whole.await.expect("nothing fails"), 7);
        journal.assert_is(&["started", "child ended"]);
    }
}

/// Fails if: a failure before the report is the nursery's too, or instead: it would cancel the siblings.
pub(crate) async fn n09_a_failure_before_the_report_comes_only_from_start<R: Rt>() {
    for same_task in [false, true] {
        let journal = Journal::new();
        let value = nursery(async |n| {
            let note = journal.on_drop("child");
            let child = move |_started: Started<u32>| async move {
                let _note = note;
                turns(2).await;
                Err(Boom("no port").into())
            };
            let error = if same_task {
                n.start_local(child).await.expect_err("it failed")
            } else {
                n.start_erased(child).await.expect_err("it failed")
            };
            // It has ended: there is nothing left to wait for.
            journal.assert_is(&["child"]);
            assert!(error.failed().is_some_and(|failure| failure.is::<Boom>()), "{error:?}");
            assert!(!error.is_panicked() && !error.is_cancelled() && !error.is_unreported(), "{error:?}");
            assert!(error.spawn_error().is_none());
            assert!(error.to_string().contains("no port") || std::error::Error::source(&error).is_some(), "{error}");
            assert!(matches!(error.into_cause(), Ok(Cause::Failed(failure)) if failure.is::<Boom>()));
            yield_now().await;
            assert!(!n.is_cancelled());
            Ok(7)
        })
        .await
        .expect("who has the error decides");
        assert_eq!(value, 7);
    }
}

/// Fails if: a panic before the report is resumed at the nursery's end, or lost.
pub(crate) async fn n09_a_panic_before_the_report_comes_only_from_start<R: Rt>() {
    for same_task in [false, true] {
        nursery(async |n| {
            let child = |_started: Started<u32>| async { panic!("while starting") };
            let error = if same_task {
                n.start_local(child).await.expect_err("it panicked")
            } else {
                n.start_erased(child).await.expect_err("it panicked")
            };
            assert!(error.is_panicked() && error.failed().is_none(), "{error:?}");
            assert!(format!("{error} {error:?}").contains("while starting"), "{error}");
            yield_now().await;
            assert!(!n.is_cancelled());
            Ok(())
        })
        .await
        .expect("who has the error decides");
    }
}

/// Fails if: a started child's failure is not the nursery's any more, or its path is lost.
pub(crate) async fn n09_a_failure_after_the_report_is_the_nurserys<R: Rt>() {
    for same_task in [false, true] {
        let error = nursery(async |n| -> Result<(), Failure> {
            let child = |started: Started<u32>| async {
                started.report(7).expect("somebody waits");
                turns(2).await;
                Err(Boom("later").into())
            };
            let value = if same_task { n.start_local(child).await? } else { n.start_erased(child).await? };
            assert_eq!(value, 7);
            pending().await
        })
        .named("scope")
        .await
        .expect_err("a child failed");
        assert_eq!(error.leaves().len(), 1, "{error:?}");
        assert!(matches!(error.cause(), Cause::Failed(failure) if failure.is::<Boom>()), "{error:?}");
        assert_eq!(way_to(&error.leaves()[0])[0], "scope");
    }
    let panic = std::panic::AssertUnwindSafe(nursery(async |n| -> Result<(), Failure> {
        n.start_erased(|started: Started<()>| async {
            started.report(()).expect("somebody waits");
            turns(2).await;
            panic!("later")
        })
        .await?;
        pending().await
    }))
    .catch_unwind()
    .await
    .expect_err("it panics");
    assert_eq!(panic_text(&*panic), "later");
}

/// Fails if: a child whose starter is gone goes on, or is not joined; or its cancellation is anybody else's.
pub(crate) async fn n09_dropping_start_cancels_the_half_started_child<R: Rt>() {
    for same_task in [false, true] {
        let (journal, sweep) = (Journal::new(), Gate::new());
        let mut whole = pin!(nursery(async |n| {
            let there = Gate::new();
            {
                let (here, j, gate, note) = (there.clone(), journal.clone(), sweep.clone(), journal.on_drop("child"));
                let child = move |_started: Started<u32>| async move {
                    let _note = note;
                    nursery(async |inner| -> Result<(), Failure> {
                        inner.finalizer("sweep", async move |_| {
                            gate.passed().await;
                            j.add("swept");
                            Ok(())
                        });
                        here.open();
                        pending().await
                    })
                    .await?;
                    Ok(())
                };
                if same_task {
                    let mut start = pin!(n.start_local(child));
                    while !there.is_open() {
                        assert!(poll_now(start.as_mut()).await.is_pending());
                        yield_now().await;
                    }
                } else {
                    let mut start = pin!(n.start_erased(child));
                    while !there.is_open() {
                        assert!(poll_now(start.as_mut()).await.is_pending());
                        yield_now().await;
                    }
                }
            }
            // An await point: the body is not cut, nor are siblings.
            yield_now().await;
            assert!(!n.is_cancelled());
            journal.add("body done");
            Ok(7)
        }));
        while !journal.has("body done") {
            assert!(poll_now(whole.as_mut()).await.is_pending());
            yield_now().await;
        }
        while_it_waits(whole.as_mut(), "the half-started child cleans up").await;
        assert!(!journal.has("swept"));
        sweep.open();
        assert_eq!(whole.await.expect("nothing fails"), 7);
        assert!(journal.has("child") && journal.has("swept"), "{journal:?}");
    }
}

/// Fails if: a child in shielded initialisation is cut there when its starter is dropped, or not cut after it, or the
/// nursery does not wait; or its report, which nobody hears, is taken for heard, or loses what it carries.
pub(crate) async fn n09_start_dropped_during_shielded_initialisation<R: Rt>() {
    for same_task in [false, true] {
        for reports in [false, true] {
            let (journal, let_go) = (Journal::new(), Gate::new());
            let mut whole = pin!(nursery(async |n| {
                let there = Gate::new();
                {
                    let (here, j, gate) = (there.clone(), journal.clone(), let_go.clone());
                    let child = move |started: Started<u32>| async move {
                        let _note = j.on_drop("child");
                        shield(async {
                            here.open();
                            gate.passed().await;
                            turns(2).await;
                            j.add("initialised");
                        })
                        .await;
                        if reports {
                            // No await point since the shield: it has not been cut yet.
                            assert_eq!(started.report(7), Err(7), "nobody waits any more");
                            j.add("not heard");
                        }
                        yield_now().await;
                        j.add("went on");
                        Ok(())
                    };
                    if same_task {
                        let mut start = pin!(n.start_local(child));
                        while !there.is_open() {
                            assert!(poll_now(start.as_mut()).await.is_pending());
                            yield_now().await;
                        }
                    } else {
                        let mut start = pin!(n.start_erased(child));
                        while !there.is_open() {
                            assert!(poll_now(start.as_mut()).await.is_pending());
                            yield_now().await;
                        }
                    }
                }
                journal.add("start dropped");
                Ok(())
            }));
            while !journal.has("start dropped") {
                assert!(poll_now(whole.as_mut()).await.is_pending());
                yield_now().await;
            }
            while_it_waits(whole.as_mut(), "the child initialises, shielded").await;
            let_go.open();
            whole.await.expect("nothing fails");
            let lines = journal.lines();
            assert_eq!(lines[..2], ["start dropped", "initialised"]);
            assert_eq!(journal.count("child"), 1);
            assert_eq!(journal.count("went on"), 0, "{lines:?}");
        }
    }
}

/// Fails if: a child that ends well without a report leaves its starter waiting, or passes for started.
pub(crate) async fn n09_a_child_that_ends_without_reporting_is_an_error<R: Rt>() {
    for same_task in [false, true] {
        nursery(async |n| {
            let child = |_started: Started<u32>| async {
                turns(2).await;
                Ok(())
            };
            let error = if same_task {
                n.start_local(child).await.expect_err("it said nothing")
            } else {
                n.start_erased(child).await.expect_err("it said nothing")
            };
            assert!(error.is_unreported(), "{error:?}");
            assert!(error.failed().is_none() && !error.is_panicked() && !error.is_cancelled(), "{error:?}");
            assert!(error.into_cause().is_err());
            assert!(!n.is_cancelled());
            Ok(())
        })
        .await
        .expect("who has the error decides");
    }
}

/// Fails if: a report can be made twice, or from a copy. (That it does not compile is under test in `compile-fail`.)
pub(crate) async fn n09_reporting_takes_the_means_to_report<R: Rt>() {
    static_assertions::assert_not_impl_any!(Started<u32>: Clone, Copy);
    // By value, or this is no such function.
    let _once: fn(Started<u32>, u32) -> Result<(), u32> = Started::report;
    let value = nursery(async |n| {
        // And from anywhere: a grandchild may have it.
        Ok(n.start_erased(|started: Started<u32>| async move {
            nursery(async |inner| {
                inner.spawn_erased(async move {
                    started.report(7).expect("somebody waits");
                    Ok(())
                });
                Ok(())
            })
            .await?;
            Ok(())
        })
        .await?)
    })
    .await
    .expect("nothing fails");
    assert_eq!(value, 7);
}

/// Fails if: a cancelled scope leaves a starter behind, or turns its own cancellation into an error of `start`'s.
pub(crate) async fn n09_a_cancellation_of_the_scope_goes_through_start<R: Rt>() {
    for same_task in [false, true] {
        let journal = Journal::new();
        let error = nursery(async |n| -> Result<(), Failure> {
            let (note, canceller) = (journal.on_drop("child"), n.canceller());
            let child = move |_started: Started<u32>| async move {
                let _note = note;
                turns(2).await;
                canceller.cancel("while starting");
                pending().await
            };
            let _ = if same_task { n.start_local(child).await } else { n.start_erased(child).await };
            yield_now().await;
            journal.add("the body went on");
            Ok(())
        })
        .await
        .expect_err("cancelled");
        assert!(error.is_cancelled(), "{error:?}");
        journal.assert_is(&["child"]);
    }
}

/// Fails if: starting in a scope that takes no more children waits for one that never comes.
pub(crate) async fn n09_into_a_closed_scope_is_an_error<R: Rt>() {
    let spawner = nursery(async |n| Ok(n.spawner())).named("gone").await.expect("nothing fails");
    let journal = Journal::new();
    let (note, j) = (journal.on_drop("dropped"), journal.clone());
    let error = spawner
        .start_erased(move |_started: Started<u32>| async move {
            let _note = note;
            j.add("polled");
            Ok(())
        })
        .await
        .expect_err("it has closed");
    assert!(error.spawn_error().is_some_and(|error| error.is_closed()), "{error:?}");
    assert!(error.to_string().contains("gone"), "{error}");
    journal.assert_is(&["dropped"]);
}

/// Fails if: a child started from another scope belongs there: cancelled with it once it has started, or joined by it.
pub(crate) async fn n09_a_started_child_belongs_to_the_scope_it_was_started_in<R: Rt>() {
    let let_go = Gate::new();
    let journal = Journal::new();
    nursery(async |n| {
        let (spawner, gate, j) = (n.spawner(), let_go.clone(), journal.clone());
        let error = nursery(async |elsewhere| -> Result<(), Failure> {
            let value = spawner
                .start_erased(move |started: Started<u32>| async move {
                    started.report(7).expect("somebody waits");
                    gate.passed().await;
                    j.add("went on");
                    Ok(())
                })
                .await?;
            assert_eq!(value, 7);
            elsewhere.cancel("the starter's scope");
            pending().await
        })
        .await
        .expect_err("cancelled");
        assert!(error.is_cancelled(), "{error:?}");
        journal.assert_is(&[]);
        let_go.open();
        Ok(())
    })
    .await
    .expect("nothing fails");
    journal.assert_is(&["went on"]);
}

/// Fails if: the scope that the child is in is cancelled, and its starter elsewhere waits for ever.
pub(crate) async fn n09_the_starter_elsewhere_is_told_of_a_cancelled_child<R: Rt>() {
    nursery(async |elsewhere| {
        let (sent, got) = async_channel::bounded::<scope_core::Spawner>(1);
        let there = Gate::new();
        let here = there.clone();
        let told = elsewhere.spawn_erased_with_handle(async move {
            let spawner = got.recv().await?;
            let error = spawner
                .start_erased(move |_started: Started<u32>| async move {
                    here.open();
                    pending().await
                })
                .await
                .expect_err("it was cancelled");
            Ok((error.is_cancelled(), error.to_string()))
        });
        let error = nursery(async |n| -> Result<(), Failure> {
            sent.send(n.spawner()).await?;
            there.passed().await;
            n.cancel("enough");
            pending().await
        })
        .named("scope")
        .await
        .expect_err("cancelled");
        assert!(error.is_cancelled(), "{error:?}");
        let (cancelled, text) = told.await?;
        assert!(cancelled && text.contains("scope"), "{text}");
        Ok(())
    })
    .await
    .expect("nothing fails");
}

/// Fails if: what goes wrong in a half-started child that nobody waits for is lost, or cancels others.
pub(crate) async fn n09_a_given_up_childs_clean_up_error_is_not_lost<R: Rt>() {
    for same_task in [false, true] {
        let (journal, there) = (Journal::new(), Gate::new());
        let error = nursery(async |n| {
            let here = there.clone();
            let child = move |_started: Started<u32>| async move {
                nursery(async |inner| -> Result<(), Failure> {
                    inner.finalizer("sweep", async |_| Err(Boom("clean-up").into()));
                    here.open();
                    pending().await
                })
                .await?;
                Ok(())
            };
            let mut start = Box::pin(if same_task { n.start_local(child) } else { n.start_erased(child) });
            while !there.is_open() {
                assert!(poll_now(start.as_mut()).await.is_pending());
                yield_now().await;
            }
            drop(start);
            turns(20).await;
            assert!(!n.is_cancelled());
            journal.add("the body went on");
            Ok(())
        })
        .await
        .expect_err("a clean-up failed");
        assert_eq!(error.all_leaves().len(), 1, "{error:?}");
        assert!(format!("{error:?}").contains("clean-up"), "{error:?}");
        journal.assert_is(&["the body went on"]);
        there.open();
    }
}
