//! n07: a handle cancels one child; dropped, it gives up the result only.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;

use futures_lite::future::{pending, yield_now};
use scope_core::{Failure, Lost, Nursery, Spawns, TaskHandle, is_cancelled, nursery, shield};
use scope_tests::{Boom, Gate, Journal, Rt, poll_now, turns, while_it_waits};

/// A child of either kind.
fn spawn<'s, F, T>(n: &'s Nursery<'s, '_>, same_task: bool, child: F) -> TaskHandle<T>
where
    F: Future<Output = Result<T, Failure>> + Send + 'static,
    T: Send + 'static,
{
    if same_task { n.spawn_local_with_handle(child) } else { n.spawn_erased_with_handle(child) }
}

/// Waits for nothing that ever comes; says when it is there, and when it is dropped.
fn parked(
    journal: &Journal,
    line: &'static str,
) -> (Gate, impl Future<Output = Result<u32, Failure>> + Send + 'static) {
    let (gate, note) = (Gate::new(), journal.on_drop(line));
    let here = gate.clone();
    (gate, async move {
        let _note = note;
        here.open();
        pending().await
    })
}

/// Fails if: the cancellation goes to the scope, or to a sibling, or the handle says something else, or says it before
/// the child's destructors have run.
pub(crate) async fn n07_cancel_ends_that_child_and_nobody_else<R: Rt>() {
    for same_task in [false, true] {
        let (journal, let_go) = (Journal::new(), Gate::new());
        let value = nursery(async |n| {
            let siblings = [false, true].map(|same_task| {
                let gate = let_go.clone();
                spawn(n, same_task, async move {
                    gate.passed().await;
                    assert!(!is_cancelled(), "a sibling of it was");
                    yield_now().await;
                    Ok(1)
                })
            });
            let (there, child) = parked(&journal, "child");
            let handle = spawn(n, same_task, child);
            there.passed().await;
            assert!(handle.cancel("this one"));
            assert_eq!(handle.await.expect_err("it has no value"), Lost::Cancelled);
            journal.assert_is(&["child"]);
            assert!(!n.is_cancelled() && n.reason().is_none());
            // An await point of the body's: it is not cut either.
            yield_now().await;
            let_go.open();
            let mut sum = 0;
            for sibling in siblings {
                sum += sibling.await?;
            }
            Ok(sum)
        })
        .await
        .expect("a cancelled child is no failure");
        assert_eq!(value, 2);
    }
}

/// Fails if: a second cancel, or one that comes too late, says that it did something, or changes anything.
pub(crate) async fn n07_cancel_says_whether_it_was_the_one<R: Rt>() {
    for same_task in [false, true] {
        let journal = Journal::new();
        nursery(async |n| {
            let (there, child) = parked(&journal, "child");
            let mut handle = spawn(n, same_task, child);
            there.passed().await;
            assert!(handle.cancel("first"));
            assert!(!handle.cancel("second"));
            assert_eq!((&mut handle).await.expect_err("it has no value"), Lost::Cancelled);
            assert!(!handle.cancel("after its end"));

            let done = spawn(n, same_task, async { Ok(7) });
            while !done.is_finished() {
                yield_now().await;
            }
            assert!(!done.cancel("too late"));
            assert_eq!(done.await.expect("it had its value"), 7);
            Ok(())
        })
        .await
        .expect("nothing fails");
    }
}

/// Fails if: a child that is cancelled before its first poll is not started, or goes past its first await point, or one
/// that never waits loses its value.
pub(crate) async fn n07_cancelled_before_its_first_poll_it_starts<R: Rt>() {
    for same_task in [false, true] {
        let journal = Journal::new();
        nursery(async |n| {
            let j = journal.clone();
            let waits = spawn(n, same_task, async move {
                let _note = j.on_drop("destructor");
                j.add("started");
                yield_now().await;
                j.add("past its first await point");
                Ok(())
            });
            let never_waits = spawn(n, same_task, async { Ok(7) });
            // It may be running already where there are threads: then it ends at the same place.
            waits.cancel("at once");
            never_waits.cancel("at once");
            let waited = waits.await;
            assert!(waited == Err(Lost::Cancelled) || R::THREADS, "{waited:?}");
            assert_eq!(never_waits.await.expect("a completed value wins"), 7);
            Ok(())
        })
        .await
        .expect("nothing fails");
        if !R::THREADS {
            journal.assert_is(&["started", "destructor"]);
        }
    }
}

/// Fails if: what the cancelled child had opened is left behind, or the handle answers before that is over.
pub(crate) async fn n07_the_childs_own_scopes_end_first<R: Rt>() {
    for same_task in [false, true] {
        let (journal, sweep) = (Journal::new(), Gate::new());
        nursery(async |n| {
            let (j, gate, ready) = (journal.clone(), sweep.clone(), Gate::new());
            let here = ready.clone();
            let mut handle = spawn(n, same_task, async move {
                nursery(async |inner| -> Result<(), Failure> {
                    let j = j.clone();
                    let note = j.on_drop("grandchild");
                    let (in_it, opens) = (Gate::new(), Gate::new());
                    let there = opens.clone();
                    inner.finalizer("sweep", async move |_| {
                        in_it.open();
                        gate.passed().await;
                        turns(2).await;
                        j.add("swept");
                        Ok(())
                    });
                    inner.spawn_erased(async move {
                        let _note = note;
                        there.open();
                        pending().await
                    });
                    opens.passed().await;
                    here.open();
                    pending().await
                })
                .await?;
                Ok(())
            });
            ready.passed().await;
            assert!(handle.cancel("enough"));
            let mut answer = pin!(&mut handle);
            while !journal.has("grandchild") {
                yield_now().await;
            }
            while_it_waits(answer.as_mut(), "a finalizer in the child waits").await;
            journal.assert_is(&["grandchild"]);
            sweep.open();
            assert_eq!(answer.await.expect_err("it has no value"), Lost::Cancelled);
            journal.assert_is(&["grandchild", "swept"]);
            assert!(!n.is_cancelled());
            Ok(())
        })
        .await
        .expect("nothing fails");
    }
}

/// Fails if: a shield in the child does not mask the cancellation that came by its handle, or keeps it for good.
pub(crate) async fn n07_waits_for_a_shield<R: Rt>() {
    for same_task in [false, true] {
        let (journal, let_go) = (Journal::new(), Gate::new());
        nursery(async |n| {
            let (j, gate, ready) = (journal.clone(), let_go.clone(), Gate::new());
            let here = ready.clone();
            let mut handle = spawn(n, same_task, async move {
                let _note = j.on_drop("destructor");
                shield(async {
                    here.open();
                    gate.passed().await;
                    turns(2).await;
                    j.add("shielded work done");
                })
                .await;
                yield_now().await;
                j.add("past the shield");
                Ok(())
            });
            ready.passed().await;
            assert!(handle.cancel("enough"));
            let mut answer = pin!(&mut handle);
            while_it_waits(answer.as_mut(), "the child is in a shield").await;
            journal.assert_is(&[]);
            let_go.open();
            assert_eq!(answer.await.expect_err("it has no value"), Lost::Cancelled);
            journal.assert_is(&["shielded work done", "destructor"]);
            Ok(())
        })
        .await
        .expect("nothing fails");
    }
}

/// Fails if: cancelling needs the owner, or a task, or the runtime's thread.
pub(crate) async fn n07_cancel_from_any_thread_and_from_the_child_itself<R: Rt>() {
    for same_task in [false, true] {
        let journal = Journal::new();
        nursery(async |n| {
            let (there, child) = parked(&journal, "by a thread");
            let handle = spawn(n, same_task, child);
            there.passed().await;
            let handle = std::thread::spawn(move || {
                assert!(handle.cancel("from a thread"));
                handle
            })
            .join()
            .expect("it does not panic");
            assert_eq!(handle.await.expect_err("it has no value"), Lost::Cancelled);

            let (sent, got) = async_channel::bounded::<TaskHandle<()>>(1);
            let (j, told) = (journal.clone(), Gate::new());
            let here = told.clone();
            let handle = spawn(n, same_task, async move {
                let _note = j.on_drop("by itself");
                let mine = got.recv().await?;
                assert!(mine.cancel("oneself"));
                assert!(is_cancelled());
                here.open();
                drop(mine);
                yield_now().await;
                j.add("went on");
                Ok(())
            });
            sent.send(handle).await?;
            told.passed().await;
            Ok(())
        })
        .await
        .expect("nothing fails");
        journal.assert_is(&["by a thread", "by itself"]);
    }
}

/// Fails if: checkpoints in a cancelled child go on, or the children of a nursery in it, or its own code cannot tell.
pub(crate) async fn n07_all_that_runs_in_the_child_is_told<R: Rt>() {
    for same_task in [false, true] {
        let journal = Journal::new();
        nursery(async |n| {
            let (j, ready) = (journal.clone(), Gate::new());
            let here = ready.clone();
            let handle = spawn(n, same_task, async move {
                nursery(async |inner| {
                    let j = j.clone();
                    let canceller = inner.canceller();
                    let mut told = pin!(canceller.cancelled());
                    assert!(poll_now(told.as_mut()).await.is_pending());
                    here.open();
                    // Its own clean-up asks; the scope further in was cancelled from above.
                    inner.finalizer("asks", async move |exit| {
                        j.add(format!("{exit:?}").split(['(', ' ']).next().unwrap_or_default());
                        Ok(())
                    });
                    pending().await
                })
                .await?;
                Ok(())
            });
            ready.passed().await;
            handle.cancel("enough");
            assert_eq!(handle.await.expect_err("it has no value"), Lost::Cancelled);
            Ok(())
        })
        .await
        .expect("nothing fails");
        journal.assert_is(&["Cancelled"]);
    }
}

/// Fails if: a failure in a child that was cancelled by its handle is lost: only the cancellation is.
pub(crate) async fn n07_a_cancelled_childs_failure_is_still_the_nurserys<R: Rt>() {
    let error = nursery(async |n| -> Result<(), Failure> {
        let ready = Gate::new();
        let here = ready.clone();
        let handle: TaskHandle<()> = n.spawn_erased_with_handle(async move {
            // Its clean-up fails while it is cancelled.
            nursery(async |inner| -> Result<(), Failure> {
                inner.finalizer("sweep", async |_| Err(Boom("clean-up").into()));
                here.open();
                pending().await
            })
            .await?;
            Ok(())
        });
        ready.passed().await;
        handle.cancel("enough");
        assert_eq!(handle.await.expect_err("it has no value"), Lost::Cancelled);
        Ok(())
    })
    .named("scope")
    .await
    .expect_err("the clean-up failed");
    assert!(!error.is_cancelled(), "{error:?}");
    assert_eq!(error.all_leaves().len(), 1, "{error:?}");
}

/// Fails if: dropping a handle cancels its child, as it does in some libraries; or keeps its value alive.
pub(crate) async fn n07_dropping_a_handle_gives_up_the_result_only<R: Rt>() {
    for same_task in [false, true] {
        let (journal, let_go) = (Journal::new(), Gate::new());
        let mut whole = pin!(nursery(async |n| {
            let (gate, j, value) = (let_go.clone(), journal.clone(), journal.on_drop("value"));
            drop(spawn(n, same_task, async move {
                gate.passed().await;
                assert!(!is_cancelled());
                turns(2).await;
                j.add("went on");
                Ok(value)
            }));
            Ok(())
        }));
        while_it_waits(whole.as_mut(), "the child goes on without its handle").await;
        let_go.open();
        whole.await.expect("nothing fails");
        journal.assert_is(&["went on", "value"]);
    }
}

/// Fails if: a handle that is dropped after its `cancel` takes that back.
pub(crate) async fn n07_cancel_stands_though_the_handle_is_dropped<R: Rt>() {
    for same_task in [false, true] {
        let journal = Journal::new();
        nursery(async |n| {
            let (there, child) = parked(&journal, "child");
            let handle = spawn(n, same_task, child);
            there.passed().await;
            handle.cancel("enough");
            drop(handle);
            // The nursery joins it: were it not cancelled, that would take for ever.
            Ok(())
        })
        .await
        .expect("nothing fails");
        journal.assert_is(&["child"]);
    }
}

/// Fails if: waiting for a child that was cancelled by its handle costs polls: of it, or of who waits.
pub(crate) async fn n07_waiting_for_a_cancelled_childs_end_causes_no_polls<R: Rt>() {
    let let_go = Gate::new();
    nursery(async |n| {
        let (gate, ready) = (let_go.clone(), Gate::new());
        let here = ready.clone();
        let handle = n.spawn_local_with_handle(async move {
            shield(async {
                here.open();
                gate.passed().await;
            })
            .await;
            pending::<Result<(), Failure>>().await
        });
        ready.passed().await;
        handle.cancel("enough");
        let mut polls = 0;
        let mut answer = pin!(handle);
        let mut counted = pin!(poll_fn(|cx| {
            polls += 1;
            if polls == 1 {
                // Somebody else opens the door, much later.
                let gate = let_go.clone();
                n.run_local(async move {
                    turns(50).await;
                    gate.open();
                });
            }
            match answer.as_mut().poll(cx) {
                Poll::Ready(answer) => Poll::Ready(answer),
                Poll::Pending => Poll::Pending,
            }
        }));
        assert_eq!(counted.as_mut().await.expect_err("it has no value"), Lost::Cancelled);
        assert!(polls <= 5, "{polls} polls of who waits");
        Ok(())
    })
    .await
    .expect("nothing fails");
}
