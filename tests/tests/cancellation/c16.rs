//! c16: the runtime's own abort is never swallowed by a scope's cancellation in the same tick: nothing runs beyond the poll in
//! progress, then f05. Here the abort is that of `Abortable`, which every runtime has; the runtimes' own are in
//! `one_runtime`.

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;

use futures_lite::future::{pending, poll_fn, yield_now};
use futures_util::future::{AbortHandle, Aborted, abortable};
use scope_core::{Cause, Failure, Spawns, nursery, rt};
use scope_tests::{Doomed, Gate, Journal, Rt, turns};

/// Counts its polls, and never ends.
async fn counted(polls: Arc<AtomicUsize>, parked: Gate) {
    poll_fn(|_| {
        polls.fetch_add(1, Ordering::SeqCst);
        parked.open();
        Poll::<()>::Pending
    })
    .await;
}

/// Fails if: the cancellation, told first or last, has the body polled again by an aborted task, or keeps the task alive.
pub(crate) async fn c16_a_task_that_is_aborted_and_cancelled_in_the_same_tick<R: Rt>() {
    for cancel_first in [false, true] {
        let (journal, polls, parked) = (Journal::new(), Arc::new(AtomicUsize::new(0)), Gate::new());
        let (told, cancellers) = async_channel::bounded(1);
        let runtime = rt::current().expect("on a runtime");
        let task = R::foreign({
            let (journal, polls, parked, runtime) = (journal.clone(), polls.clone(), parked.clone(), runtime.clone());
            async move {
                let _task = journal.on_drop("task");
                let ended = nursery(async |n| -> Result<(), Failure> {
                    let _body = journal.on_drop("body");
                    let (note, j, here) = (journal.on_drop("child"), journal.clone(), Gate::new());
                    n.finalizer("clean up", async move |_| {
                        yield_now().await;
                        j.add("finalizer");
                        Ok(())
                    });
                    let there = here.clone();
                    n.spawn_erased(async move {
                        let _note = note;
                        there.open();
                        pending().await
                    });
                    here.passed().await;
                    told.try_send(n.canceller())?;
                    counted(polls, parked).await;
                    journal.add("body went on");
                    Ok(())
                })
                .runtime(runtime)
                .await;
                journal.add(format!("task went on with {ended:?}"));
            }
        });
        parked.passed().await;
        let canceller = cancellers.recv().await.expect("sent before");
        if cancel_first {
            canceller.cancel("in the same tick");
            task.abort();
        } else {
            task.abort();
            canceller.cancel("in the same tick");
        }
        // Clean-up goes on in the orphan root.
        while !journal.has("task") {
            turns(1).await;
        }
        runtime.settled().await;
        let mut lines = journal.lines();
        lines.sort();
        let polls = polls.load(Ordering::SeqCst);
        if cancel_first && R::THREADS {
            // The poll of the cancellation may come in between, or the first one still be in progress: then the scope may
            // even have ended before the abort.
            assert!(polls <= 2, "{polls}");
            lines.retain(|line| !line.starts_with("task went on with Err("));
        } else {
            assert_eq!(polls, 1);
        }
        assert_eq!(lines, ["body", "child", "finalizer", "task"]);
    }
}

/// Fails if: the poll that did both is followed by another one, or what it was in the middle of is cut off.
pub(crate) async fn c16_a_task_that_does_both_to_itself<R: Rt>() {
    for cancel_first in [false, true] {
        let journal = Journal::new();
        let runtime = rt::current().expect("on a runtime");
        let (told, handles) = async_channel::bounded::<AbortHandle>(1);
        let (task, abort) = abortable({
            let (journal, runtime) = (journal.clone(), runtime.clone());
            async move {
                let ended = nursery(async |n| -> Result<(), Failure> {
                    let abort = handles.recv().await?;
                    let j = journal.clone();
                    n.finalizer("clean up", async move |_| {
                        yield_now().await;
                        j.add("finalizer");
                        Ok(())
                    });
                    let _body = journal.on_drop("body");
                    if cancel_first {
                        n.cancel("in the same poll");
                        abort.abort();
                    } else {
                        abort.abort();
                        n.cancel("in the same poll");
                    }
                    journal.add("the rest of the poll");
                    yield_now().await;
                    journal.add("body went on");
                    Ok(())
                })
                .runtime(runtime)
                .await;
                journal.add(format!("task went on with {ended:?}"));
            }
        });
        told.try_send(abort).expect("there is room");
        let (done, ended) = async_channel::bounded(1);
        let _foreign = R::foreign(async move {
            let _ = done.send(task.await).await;
        });
        assert_eq!(ended.recv().await, Ok(Err(Aborted)), "the abort is not swallowed");
        runtime.settled().await;
        journal.assert_is(&["the rest of the poll", "body", "finalizer"]);
    }
}

/// Fails if: of a scope that is aborted in the tick of its cancellation something is left when the scope around returns.
pub(crate) async fn c16_the_scope_around_waits_for_what_is_left<R: Rt>() {
    for (cancel_outer, cancel_first) in [(false, false), (false, true), (true, false), (true, true)] {
        let journal = Journal::new();
        let cancel = RefCell::new(None);
        let outcome = nursery(async |outer| {
            let (inner, abort) = abortable(nursery(async |inner| -> Result<(), Failure> {
                let _body = journal.on_drop("body");
                let (note, here, there) = (journal.on_drop("child"), Gate::new(), Gate::new());
                let k = journal.clone();
                inner.finalizer("clean up", async move |_| {
                    turns(3).await;
                    k.add("finalizer");
                    Ok(())
                });
                let parked = here.clone();
                R::spawn(inner, async move {
                    let _note = note;
                    parked.open();
                    there.passed().await;
                    Ok(())
                });
                here.passed().await;
                *cancel.borrow_mut() = Some(if cancel_outer { outer.canceller() } else { inner.canceller() });
                yield_now().await;
                journal.add("body went on");
                pending().await
            }));
            let mut inner = Box::pin(inner);
            while cancel.borrow().is_none() {
                assert!(scope_tests::poll_now(inner.as_mut()).await.is_pending());
                if cancel.borrow().is_none() {
                    turns(1).await;
                }
            }
            let canceller = cancel.borrow_mut().take().expect("it is there");
            if cancel_first {
                canceller.cancel("in the same tick");
                abort.abort();
            } else {
                abort.abort();
                canceller.cancel("in the same tick");
            }
            // No await point up to here, so the outer body still runs.
            assert!(matches!(inner.await, Err(Aborted)), "the abort is not swallowed");
            journal.add("aborted");
            Ok(())
        })
        .await;
        outcome.expect("the value was there before the next await point");
        let mut lines = journal.lines();
        // Dropped at its own place: when the aborted future goes, before the outer nursery returns.
        lines.sort();
        assert_eq!(lines, ["aborted", "body", "child", "finalizer"], "{cancel_outer} {cancel_first}");
    }
}

/// Fails if: a finalizer that had begun is begun again, or given up, because the scope was aborted meanwhile.
pub(crate) async fn c16_aborted_while_it_cleans_up<R: Rt>() {
    let journal = Journal::new();
    let (begun, go_on) = (Gate::new(), Gate::new());
    nursery(async |_| {
        let (inner, abort) = abortable(nursery(async |inner| -> Result<(), Failure> {
            for name in ["second", "first"] {
                let (j, begun, go_on) = (journal.clone(), begun.clone(), go_on.clone());
                inner.finalizer(name, async move |_| {
                    j.add(format!("{name} begins"));
                    begun.open();
                    go_on.passed().await;
                    j.add(format!("{name} ends"));
                    Ok(())
                });
            }
            inner.cancel("then aborted");
            pending().await
        }));
        let mut inner = Box::pin(inner);
        while !begun.is_open() {
            assert!(scope_tests::poll_now(inner.as_mut()).await.is_pending());
        }
        abort.abort();
        assert!(matches!(inner.as_mut().await, Err(Aborted)));
        drop(inner);
        go_on.open();
        Ok(())
    })
    .await
    .expect("nothing fails out here");
    journal.assert_is(&["first begins", "first ends", "second begins", "second ends"]);
}

/// Fails if: a cancellation in the same tick hides that the runtime took a child away, or has the child polled again.
pub(crate) async fn c16_a_child_that_its_runtime_takes_away<R: Rt>() {
    let doomed = Doomed::new(rt::current().expect("on a runtime"));
    let (journal, polls, parked) = (Journal::new(), Arc::new(AtomicUsize::new(0)), Gate::new());
    let error = nursery(async |n| -> Result<(), Failure> {
        let (note, polls, here) = (journal.on_drop("child"), polls.clone(), parked.clone());
        n.task("lost").spawn_erased(async move {
            let _note = note;
            counted(polls, here).await;
            Ok(())
        });
        parked.passed().await;
        doomed.end();
        n.cancel("in the same tick");
        pending().await
    })
    .runtime(doomed.handle())
    .await
    .expect_err("cancelled, and a child is missing");
    assert_eq!(polls.load(Ordering::SeqCst), 1);
    journal.assert_is(&["child"]);
    // With threads the poll in which it parked may still be in progress: then the cancellation ends it there, before the
    // runtime does.
    if !R::THREADS {
        assert!(matches!(error.cause(), Cause::Aborted), "{error:?}");
        assert_eq!(error.leaves().len(), 1, "{error:?}");
        assert_eq!(error.reason().expect("it was cancelled too").text(), "in the same tick");
    }
}
