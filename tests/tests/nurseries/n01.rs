//! n01: the nursery does not return before every child has ended, and nothing of them is left.

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

use futures_lite::future::{pending, yield_now};
use scope_core::{Cause, Failure, ScopeError, Spawns, nursery};
use scope_tests::{Doomed, Gate, Journal, Note, Rt, turns, way_to, while_it_waits};

/// Ready at once, or at its second poll, and keeps what it was given until it is dropped.
struct Keeps {
    pending: bool,
    _kept: Note,
}

impl Future for Keeps {
    type Output = Result<(), Failure>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if std::mem::replace(&mut self.pending, false) {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(Ok(()))
    }
}

/// Fails if: the join counts bodies, or children that were started, or the first poll after the body ended returns.
pub(crate) async fn n01_waits_for_every_child<R: Rt>() {
    let gates = [Gate::new(), Gate::new(), Gate::new()];
    let mut waiting = pin!(nursery(async |n| {
        let gate = gates[0].clone();
        R::spawn(n, async move {
            gate.passed().await;
            Ok(())
        });
        let gate = gates[1].clone();
        n.spawn_erased(async move {
            gate.passed().await;
            Ok(())
        });
        n.spawn_local(async {
            gates[2].passed().await;
            Ok(())
        });
        Ok("body")
    }));
    for gate in &gates {
        while_it_waits(waiting.as_mut(), "a child waits at a closed gate").await;
        gate.open();
    }
    assert_eq!(waiting.await.expect("nothing fails"), "body");
}

/// Fails if: the count-down precedes the drop of the child's future.
pub(crate) async fn n01_future_destroyed_before_return<R: Rt>() {
    let journal = Journal::new();
    nursery(async |n| {
        for pending in [false, true] {
            R::spawn(n, Keeps { pending, _kept: journal.on_drop("future") });
            n.spawn_erased(Keeps { pending, _kept: journal.on_drop("future") });
            n.spawn_local(Keeps { pending, _kept: journal.on_drop("future") });
            n.spawner().spawn_erased(Keeps { pending, _kept: journal.on_drop("future") })?;
            drop(n.spawn_erased_with_handle(Keeps { pending, _kept: journal.on_drop("future") }));
            drop(n.spawn_local_with_handle(Keeps { pending, _kept: journal.on_drop("future") }));
        }
        Ok(())
    })
    .await
    .expect("nothing fails");
    assert_eq!(journal.count("future"), 12);
}

/// Fails if: the count-down precedes the drop of an output that nobody wants, as it does when the runtime's own
/// JoinHandle holds it.
pub(crate) async fn n01_output_destroyed_before_return<R: Rt>() {
    let journal = Journal::new();
    nursery(async |n| {
        for pauses in 0..3 {
            let output = journal.on_drop("output");
            let give_up_at_once = n.spawn_erased_with_handle(async move {
                turns(pauses).await;
                Ok(output)
            });
            drop(give_up_at_once);
            let output = journal.on_drop("output");
            let give_up_later = n.spawn_erased_with_handle(async move {
                turns(pauses).await;
                Ok(output)
            });
            yield_now().await;
            drop(give_up_later);
            let output = journal.on_drop("output");
            drop(n.spawn_local_with_handle(async move {
                turns(pauses).await;
                Ok(output)
            }));
        }
        Ok(())
    })
    .await
    .expect("nothing fails");
    assert_eq!(journal.count("output"), 9);
}

/// Fails if: the output goes down with the child's future, or the count-down precedes its way to the handle.
pub(crate) async fn n01_output_is_its_handles_after_return<R: Rt>() {
    let journal = Journal::new();
    let (parallel, same_task) = nursery(async |n| {
        let output = journal.on_drop("output");
        let parallel = n.spawn_erased_with_handle(async move { Ok(output) });
        let output = journal.on_drop("output");
        let same_task = n.spawn_local_with_handle(async move {
            yield_now().await;
            Ok(output)
        });
        Ok((parallel, same_task))
    })
    .await
    .expect("nothing fails");
    journal.assert_is(&[]);
    let taken = (pin!(parallel), pin!(same_task));
    // There already: the nursery has returned, so there is nothing to wait for.
    let Poll::Ready(Ok(first)) = scope_tests::poll_now(taken.0).await else { panic!("a child's output is late") };
    let Poll::Ready(Ok(second)) = scope_tests::poll_now(taken.1).await else { panic!("a child's output is late") };
    journal.assert_is(&[]);
    drop((first, second));
    journal.assert_is(&["output", "output"]);
}

type Owner = Pin<Box<dyn Future<Output = Result<(), ScopeError>> + Send>>;

/// Asks, in its destructor, whether its nursery would return now: so it is seen on one thread too.
struct AsksItsOwner {
    owner: Arc<Mutex<Option<Owner>>>,
    asked: Gate,
    journal: Journal,
}

impl Drop for AsksItsOwner {
    fn drop(&mut self) {
        // Another thread may hold it for the length of a poll.
        let mut owner = self.owner.lock().unwrap_or_else(PoisonError::into_inner);
        let polled = owner.as_mut().map(|owner| owner.as_mut().poll(&mut Context::from_waker(Waker::noop())));
        self.journal.add(if polled.is_some_and(|polled| polled.is_pending()) { "waits" } else { "has returned" });
        self.asked.open();
    }
}

/// Fails if: the count-down precedes the drop of a child's future, of its output, or of what an error holds.
pub(crate) async fn n01_still_waits_while_a_childs_destructors_run<R: Rt>() {
    for what in ["future", "output", "output after the handle"] {
        let journal = Journal::new();
        let (owner, go, asked) = (Arc::new(Mutex::new(None)), Gate::new(), Gate::new());
        let asks = AsksItsOwner { owner: Arc::clone(&owner), asked: asked.clone(), journal: journal.clone() };
        let at = go.clone();
        let root: Owner = Box::pin(nursery(async move |n| {
            match what {
                "future" => n.spawn_erased(async move {
                    let _asks = asks;
                    at.passed().await;
                    Ok(())
                }),
                "output" => {
                    drop(n.spawn_erased_with_handle(async move {
                        at.passed().await;
                        Ok(asks)
                    }));
                }
                _ => {
                    let made = n.spawn_erased_with_handle(async move {
                        at.passed().await;
                        Ok(asks)
                    });
                    n.spawn_erased(async move {
                        let _handle = made;
                        Ok(())
                    });
                }
            }
            Ok(())
        }));
        let poll = || {
            let mut owner = owner.lock().unwrap_or_else(PoisonError::into_inner);
            let owner = owner.as_mut().expect("it is there");
            owner.as_mut().poll(&mut Context::from_waker(Waker::noop()))
        };
        *owner.lock().unwrap_or_else(PoisonError::into_inner) = Some(root);
        assert!(poll().is_pending());
        go.open();
        asked.passed().await;
        journal.assert_is(&["waits"]);
        // A bounded wait: the child is past its last await point, so its end is near.
        let ended = loop {
            if let Poll::Ready(ended) = poll() {
                break ended;
            }
            yield_now().await;
        };
        ended.expect("nothing fails");
    }
}

/// Fails if: a child's destructors still run when the nursery has returned: each takes its time here.
pub(crate) async fn n01_destructors_have_run<R: Rt>() {
    /// Takes long enough for another thread to get past it.
    struct Slow(Journal);
    impl Drop for Slow {
        fn drop(&mut self) {
            for _ in 0..200 {
                std::thread::yield_now();
            }
            self.0.add("destructor");
        }
    }
    let journal = Journal::new();
    let parked = [Gate::new(), Gate::new()];
    nursery(async |n| {
        for gate in &parked {
            let (slow, gate) = (Slow(journal.clone()), gate.clone());
            R::spawn(n, async move {
                let _slow = slow;
                gate.open();
                pending().await
            });
        }
        let slow = Slow(journal.clone());
        n.spawn_local(async move {
            let _slow = slow;
            pending().await
        });
        for gate in &parked {
            gate.passed().await;
        }
        yield_now().await;
        n.cancel("enough");
        Ok(())
    })
    .await
    .expect("the body had its value");
    assert_eq!(journal.count("destructor"), 3);
}

/// Fails if: something of a child still refers to what was shared with it.
pub(crate) async fn n01_nothing_shared_is_touched_after<R: Rt>() {
    let shared = Arc::new(());
    nursery(async |n| {
        for pauses in 0..4 {
            let s = Arc::clone(&shared);
            R::spawn(n, async move {
                let _s = s;
                turns(pauses).await;
                Ok(())
            });
            let s = Arc::clone(&shared);
            drop(n.spawn_erased_with_handle(async move {
                turns(pauses).await;
                Ok(s)
            }));
        }
        Ok(())
    })
    .await
    .expect("nothing fails");
    assert_eq!(Arc::strong_count(&shared), 1);
}

/// Fails if: joining stops at the children that were there when the body ended.
pub(crate) async fn n01_children_added_while_it_waits<R: Rt>() {
    let journal = Journal::new();
    let gate = Gate::new();
    let mut waiting = pin!(nursery(async |n| {
        let spawner = n.spawner();
        let (first, second, third) = (journal.clone(), journal.clone(), journal.clone());
        let (at_first, at_last) = (gate.clone(), Gate::new());
        R::spawn(n, async move {
            at_first.passed().await;
            first.add("first");
            let again = spawner.clone();
            spawner.spawn_erased(async move {
                turns(3).await;
                second.add("second");
                let last = at_last.clone();
                again.spawn_erased(async move {
                    last.passed().await;
                    turns(3).await;
                    third.add("third");
                    Ok(())
                })?;
                at_last.open();
                Ok(())
            })?;
            Ok(())
        });
        Ok(())
    }));
    while_it_waits(waiting.as_mut(), "its child has not spawned yet").await;
    gate.open();
    waiting.await.expect("nothing fails");
    journal.assert_is(&["first", "second", "third"]);
}

/// Fails if: a child that its runtime dropped is waited for, for ever, or counts as a success.
pub(crate) async fn n01_aborted_child_counts_as_ended_and_leaves_a_leaf<R: Rt>() {
    let journal = Journal::new();
    let doomed = Doomed::new(scope_core::rt::current().expect("on a runtime"));
    let error = nursery(async |n| {
        let (note, parked) = (journal.on_drop("future"), Gate::new());
        let here = parked.clone();
        n.task("lost").spawn_erased(async move {
            let _note = note;
            here.open();
            pending().await
        });
        parked.passed().await;
        doomed.end();
        Ok(())
    })
    .named("scope")
    .runtime(doomed.handle())
    .await
    .expect_err("a child is missing");
    journal.assert_is(&["future"]);
    let leaves = error.leaves();
    assert_eq!(leaves.len(), 1, "{error:?}");
    assert!(matches!(leaves[0].cause(), Cause::Aborted), "{error:?}");
    assert_eq!(way_to(&leaves[0]), ["scope", "lost"]);
}

/// Fails if: a child that a foreign task adds while the nursery waits is not waited for, or comes too late for no reason.
pub(crate) async fn n01_children_added_by_a_foreign_task_while_it_waits<R: Rt>() {
    let (journal, gates) = (Journal::new(), [Gate::new(), Gate::new()]);
    let added = Gate::new();
    let mut waiting = pin!(nursery(async |n| {
        let (first, second) = (gates[0].clone(), gates[1].clone());
        n.spawn_local(async move {
            first.passed().await;
            Ok(())
        });
        let (spawner, j, here) = (n.spawner(), journal.clone(), added.clone());
        let _foreign = R::foreign(async move {
            turns(5).await;
            let spawned = spawner.spawn_erased(async move {
                second.passed().await;
                j.add("added");
                Ok(())
            });
            assert!(spawned.is_ok(), "the first child keeps it open");
            here.open();
        });
        Ok(())
    }));
    while !added.is_open() {
        assert!(scope_tests::poll_now(waiting.as_mut()).await.is_pending());
        yield_now().await;
    }
    gates[0].open();
    while_it_waits(waiting.as_mut(), "what the foreign task added waits").await;
    gates[1].open();
    waiting.await.expect("nothing fails");
    journal.assert_is(&["added"]);
}
