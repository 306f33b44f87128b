//! c07: a shield masks ancestors only. It covers a lexical region; while one is open anywhere in a body, that body's delivery
//! waits. It masks cancellation, not a drop.

use std::cell::Cell;
use std::pin::pin;
use std::time::Duration;

use futures_lite::future::{or, pending, yield_now};
use scope_core::{CancelScope, Failure, checkpoint, fail_after, is_cancelled, nursery, shield, sleep};
use scope_tests::{Gate, Journal, Rt, poll_now, turns};

const SHORT: Duration = Duration::from_millis(10);

/// Waits in every way there is: at what is foreign, and at our own checkpoints.
async fn waits_in_many_ways() -> Result<(), Failure> {
    yield_now().await;
    checkpoint().await;
    sleep(Duration::ZERO).await?;
    sleep(Duration::from_millis(1)).await?;
    nursery(async |n| {
        n.spawn_local(async {
            checkpoint().await;
            Ok(())
        });
        let handle = n.spawn_local_with_handle(async { Ok(7) });
        assert_eq!(handle.await?, 7);
        yield_now().await;
        Ok(())
    })
    .await?;
    fail_after(Duration::from_secs(3600), turns(2)).await?;
    turns(2).await;
    Ok(())
}

/// Fails if: what is awaited in a shield is cut, or what comes after it is not.
pub(crate) async fn c07_a_shield_masks_what_is_cancelled_further_out<R: Rt>() {
    for when in ["before", "in it", "two levels out"] {
        let journal = Journal::new();
        let outcome = nursery(async |outer| {
            let inner = nursery(async |n| -> Result<(), Failure> {
                if when == "before" {
                    n.cancel("before");
                }
                let value = shield(async {
                    match when {
                        "in it" => n.cancel("in it"),
                        "before" => {}
                        _ => outer.cancel("two levels out"),
                    }
                    assert!(!is_cancelled(), "not as the code in a shield sees it");
                    waits_in_many_ways().await?;
                    assert!(!is_cancelled());
                    Ok::<_, Failure>(7)
                })
                .await?;
                journal.add(format!("past the shield with {value}"));
                assert!(is_cancelled() && n.is_cancelled());
                yield_now().await;
                journal.add("past the next await point");
                Ok(())
            })
            .await;
            assert!(inner.expect_err("cancelled").is_cancelled());
            journal.add("past its scope");
            Ok(())
        })
        .await;
        if when == "two levels out" {
            assert!(outcome.expect_err("cancelled").is_cancelled());
            journal.assert_is(&["past the shield with 7"]);
        } else {
            outcome.expect("it was the inner one that was cancelled");
            journal.assert_is(&["past the shield with 7", "past its scope"]);
        }
    }
}

/// Fails if: a shielded scope does not hear of its own cancellation: here nothing else could end it.
pub(crate) async fn c07_not_the_shielded_scopes_own_cancellation<R: Rt>() {
    let journal = Journal::new();
    let error = nursery(async |n| -> Result<(), Failure> {
        n.cancel("outer");
        let inner = CancelScope::new()
            .named("shielded")
            .shield()
            .run_with(async |c| {
                let _note = journal.on_drop("destructor");
                yield_now().await;
                journal.add("masked");
                c.cancel("its own");
                assert!(is_cancelled());
                pending::<()>().await;
            })
            .await;
        let error = inner.expect_err("it was cancelled");
        let reason = error.reason().expect("it has one");
        assert_eq!((reason.text(), reason.scope().name()), ("its own", Some("shielded")));
        journal.add("out of it");
        yield_now().await;
        journal.add("went on");
        Ok(())
    })
    .await
    .expect_err("cancelled");
    assert_eq!(error.reason().expect("it has one").text(), "outer");
    journal.assert_is(&["masked", "destructor", "out of it"]);
}

/// Fails if: a shielded scope does not keep to its own deadline.
pub(crate) async fn c07_nor_its_deadline<R: Rt>() {
    let begun = R::now();
    let error = nursery(async |n| -> Result<(), Failure> {
        n.cancel("outer");
        let inner = CancelScope::new().shield().timeout(SHORT).run(pending::<()>()).await;
        assert!(inner.expect_err("it ran out of time").is_timed_out());
        R::assert_elapsed(begun, SHORT);
        pending().await
    })
    .await
    .expect_err("cancelled");
    assert!(error.is_cancelled(), "{error:?}");
    R::assert_elapsed(begun, SHORT);
}

/// Fails if: a shield masks what is cancelled further in.
pub(crate) async fn c07_nor_those_further_in<R: Rt>() {
    let begun = R::now();
    let value = nursery(async |outer| {
        let value = shield(async {
            let inner = nursery(async |inner| -> Result<(), Failure> {
                inner.cancel("further in");
                pending().await
            })
            .await;
            assert!(inner.expect_err("cancelled").is_cancelled());
            assert!(fail_after(SHORT, pending::<()>()).await.expect_err("out of time").is_timed_out());
            // Also when it is cancelled from further out meanwhile.
            let inner = nursery(async |inner| -> Result<(), Failure> {
                outer.cancel("from further out");
                assert!(!inner.is_cancelled());
                yield_now().await;
                inner.cancel("further in");
                pending().await
            })
            .await;
            assert_eq!(inner.expect_err("cancelled").reason().expect("it has one").text(), "further in");
            7
        })
        .await;
        Ok(value)
    })
    .await;
    assert_eq!(value.expect("there was no await point after the shield"), 7);
    R::assert_elapsed(begun, SHORT);
}

/// Fails if: a shield around the place where a child is spawned, or around the wait for it, keeps the child from being
/// told: it is a child of the nursery, not of the region.
pub(crate) async fn c07_it_does_not_cover_the_nurserys_children<R: Rt>() {
    let journal = Journal::new();
    let gone = [Gate::new(), Gate::new(), Gate::new()];
    struct Opens(Gate);
    impl Drop for Opens {
        fn drop(&mut self) {
            self.0.open();
        }
    }
    let error = nursery(async |n| -> Result<(), Failure> {
        let before = Opens(gone[0].clone());
        R::spawn(n, async move {
            let _before = before;
            pending().await
        });
        shield(async {
            let in_it = Opens(gone[1].clone());
            R::spawn(n, async move {
                let _in_it = in_it;
                pending().await
            });
            let same_task = Opens(gone[2].clone());
            n.spawn_local(async move {
                let _same_task = same_task;
                pending().await
            });
            turns(2).await;
            n.cancel("while the body is shielded");
            for gone in &gone {
                gone.passed().await;
            }
            journal.add("all children ended while the shield was open");
        })
        .await;
        pending().await
    })
    .await
    .expect_err("cancelled");
    assert!(error.is_cancelled(), "{error:?}");
    journal.assert_is(&["all children ended while the shield was open"]);
}

/// Fails if: the children of a nursery in a shield are told of what the shield masks.
pub(crate) async fn c07_it_covers_nurseries_in_it_with_their_children<R: Rt>() {
    let journal = Journal::new();
    let error = nursery(async |n| -> Result<(), Failure> {
        shield(async {
            nursery(async |inner| {
                let (j, gate) = (journal.clone(), Gate::new());
                let here = gate.clone();
                R::spawn(inner, async move {
                    here.passed().await;
                    waits_in_many_ways().await?;
                    assert!(!is_cancelled());
                    j.add("parallel");
                    Ok(())
                });
                let (journal, here) = (&journal, gate.clone());
                inner.spawn_local(async move {
                    here.passed().await;
                    waits_in_many_ways().await?;
                    journal.add("same-task");
                    Ok(())
                });
                n.cancel("outer");
                gate.open();
                Ok(())
            })
            .await
        })
        .await?;
        journal.add("shield");
        pending().await
    })
    .await
    .expect_err("cancelled");
    assert!(error.is_cancelled(), "{error:?}");
    let mut lines = journal.lines();
    assert_eq!(lines.pop().as_deref(), Some("shield"));
    lines.sort();
    assert_eq!(lines, ["parallel", "same-task"]);
}

/// Fails if: a body is dropped while a shield is open in one branch of a `join!`; if a checkpoint of ours in the other
/// branch gets past the cancellation; or if a foreign future there is held up.
pub(crate) async fn c07_beside_a_shield<R: Rt>() {
    let journal = Journal::new();
    let go = Gate::new();
    let error = nursery(async |n| -> Result<(), Failure> {
        let _note = journal.on_drop("body");
        futures_util::join!(
            shield(async {
                n.cancel("with a shield open");
                go.passed().await;
                checkpoint().await;
                journal.add("shielded");
            }),
            async {
                turns(3).await;
                journal.add("foreign");
                go.open();
                checkpoint().await;
                journal.add("a checkpoint of ours gave in");
            },
        );
        journal.add("past the join");
        Ok(())
    })
    .await
    .expect_err("cancelled");
    assert!(error.is_cancelled(), "{error:?}");
    journal.assert_is(&["foreign", "shielded", "body"]);
}

/// Fails if: a shield in a child holds up more than that child's own delivery.
pub(crate) async fn c07_a_shield_in_a_child_is_the_childs<R: Rt>() {
    for same_task in [false, true] {
        let journal = Journal::new();
        let (parked, go) = (Gate::new(), Gate::new());
        let error = nursery(async |n| -> Result<(), Failure> {
            let note = journal.on_drop("sibling");
            R::spawn(n, async move {
                let _note = note;
                pending().await
            });
            let (j, parked_, go_) = (journal.clone(), parked.clone(), go.clone());
            let shielded = async move {
                let _note = j.on_drop("child");
                shield(async {
                    parked_.open();
                    go_.passed().await;
                    j.add("shielded");
                })
                .await;
                yield_now().await;
                j.add("went on");
                Ok(())
            };
            if same_task {
                n.spawn_local(shielded);
            } else {
                R::spawn(n, shielded);
            }
            parked.passed().await;
            let (j, go) = (journal.clone(), go.clone());
            struct OpensWhen(Journal, Gate);
            impl Drop for OpensWhen {
                fn drop(&mut self) {
                    self.0.add("body");
                    self.1.open();
                }
            }
            let _opens = OpensWhen(j, go);
            n.cancel("now");
            pending().await
        })
        .await
        .expect_err("cancelled");
        assert!(error.is_cancelled(), "{error:?}");
        let mut lines = journal.lines();
        let sibling = lines.iter().position(|line| line == "sibling").expect("it ended");
        lines.remove(sibling);
        assert_eq!(lines, ["body", "shielded", "child"], "{same_task}");
    }
}

/// Fails if: a shield keeps a foreign combinator from dropping what is in it.
pub(crate) async fn c07_it_does_not_mask_a_drop<R: Rt>() {
    let journal = Journal::new();
    nursery(async |n| {
        or(
            shield(async {
                let _note = journal.on_drop("dropped");
                pending::<()>().await;
            }),
            yield_now(),
        )
        .await;
        journal.assert_is(&["dropped"]);
        // The delivery does not wait for a shield that is gone.
        n.cancel("now");
        yield_now().await;
        journal.add("went on");
        Ok(())
    })
    .await
    .expect_err("cancelled");
    journal.assert_is(&["dropped"]);

    // f05 for what is in it: adopted, and waited for.
    nursery(async |_| {
        {
            let (parked, j) = (Gate::new(), journal.clone());
            let here = parked.clone();
            let mut shielded = pin!(shield(nursery(async |inner| -> Result<(), Failure> {
                inner.finalizer("clean up", async move |_| {
                    turns(2).await;
                    j.add("finalizer");
                    Ok(())
                });
                here.open();
                pending().await
            })));
            assert!(poll_now(shielded.as_mut()).await.is_pending());
            assert!(parked.is_open());
        }
        Ok(())
    })
    .await
    .expect("nothing fails");
    journal.assert_is(&["dropped", "finalizer"]);
}

/// Fails if: leaving an inner shield delivers what the outer one masks.
pub(crate) async fn c07_a_shield_in_a_shield<R: Rt>() {
    let journal = Journal::new();
    nursery(async |n| -> Result<(), Failure> {
        shield(async {
            shield(async {
                n.cancel("in the inner one");
                yield_now().await;
            })
            .await;
            yield_now().await;
            checkpoint().await;
            journal.add("still shielded");
        })
        .await;
        yield_now().await;
        journal.add("went on");
        Ok(())
    })
    .await
    .expect_err("cancelled");
    journal.assert_is(&["still shielded"]);
}

/// Fails if: two shields open at once in one body count as one: the delivery waits for the last of them.
pub(crate) async fn c07_two_shields_beside_each_other<R: Rt>() {
    let journal = Journal::new();
    let (first, second) = (Gate::new(), Gate::new());
    let turn = Cell::new(0);
    nursery(async |n| -> Result<(), Failure> {
        futures_util::join!(
            shield(async {
                first.passed().await;
                journal.add("first");
            }),
            shield(async {
                second.passed().await;
                yield_now().await;
                journal.add("second");
            }),
            async {
                n.cancel("two shields are open");
                loop {
                    turns(1).await;
                    turn.set(turn.get() + 1);
                    match turn.get() {
                        5 => first.open(),
                        10 => second.open(),
                        _ => {}
                    }
                }
            },
        );
        journal.add("past the join");
        Ok(())
    })
    .await
    .expect_err("cancelled");
    journal.assert_is(&["first", "second"]);
    assert!(turn.get() >= 10);
}

/// Fails if: a shield that was made and not awaited, or not polled to its end, holds up a delivery for ever.
pub(crate) async fn c07_only_an_open_shield_counts<R: Rt>() {
    let journal = Journal::new();
    nursery(async |n| -> Result<(), Failure> {
        let mut never_polled = Box::pin(shield(pending::<()>()));
        n.cancel("now");
        yield_now().await;
        journal.add("went on");
        never_polled.as_mut().await;
        Ok(())
    })
    .await
    .expect_err("cancelled");
    journal.assert_is(&[]);

    nursery(async |n| -> Result<(), Failure> {
        let panicked = futures_util::FutureExt::catch_unwind(std::panic::AssertUnwindSafe(shield(async {
            yield_now().await;
            panic!("in the shield");
        })))
        .await;
        assert!(panicked.is_err());
        n.cancel("now");
        yield_now().await;
        journal.add("went on");
        Ok(())
    })
    .await
    .expect_err("cancelled");
    journal.assert_is(&[]);
}
