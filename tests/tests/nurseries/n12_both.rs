//! n12: results of same-task children, and of both kinds together.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::{Arc, Mutex};

use futures_lite::StreamExt;
use futures_lite::future::{pending, yield_now};
use scope_core::{Cause, Failure, Spawns, TaskId, nursery, shield};
use scope_tests::{Gate, Journal, Rt, poll_now, turns};

/// Fails if: what finished first does not come first where it is of the other kind.
pub(crate) async fn n12_results_of_both_kinds_keep_their_order<R: Rt>() {
    let found = nursery(async |n| {
        let results = n.results::<usize>();
        for at in 0..6 {
            if at % 2 == 0 {
                results.spawn_local(async move { Ok(at) });
            } else {
                results.spawn_erased(async move { Ok(at) });
            }
            turns(3).await;
            // A parallel child is counted until it has left its result.
            while n.canceller().why_open().running() > 0 {
                yield_now().await;
            }
        }
        assert_eq!(results.len(), 6, "none was read");
        Ok(results.collect::<Vec<_>>().await)
    })
    .await
    .expect("nothing fails");
    assert_eq!(found, [0, 1, 2, 3, 4, 5]);
}

/// Fails if: whoever waits, for same-task children so far, is not woken for a parallel child that was added meanwhile.
pub(crate) async fn n12_who_waits_for_one_kind_hears_of_the_other<R: Rt>() {
    nursery(async |n| {
        let mut results = n.results::<usize>();
        let gate = Gate::new();
        let mine = gate.clone();
        results.spawn_local(async move {
            mine.passed().await;
            Ok(0)
        });
        // The first has nothing shared yet, the second has.
        for at in 1..=2 {
            let mut added = false;
            let next = poll_fn(|cx| {
                let next = results.poll_next(cx);
                if next.is_pending() && !std::mem::replace(&mut added, true) {
                    results.spawn_erased(async move {
                        turns(3).await;
                        Ok(at)
                    });
                }
                next
            });
            assert_eq!(next.await, Some(at));
        }
        assert_eq!(results.len(), 1);
        gate.open();
        assert_eq!(results.next().await, Some(0));
        assert_eq!(results.next().await, None);
        Ok(())
    })
    .await
    .expect("nothing fails");
}

/// Fails if: a child that is added in a scope further in, or by another child, is not counted, or its result is lost.
pub(crate) async fn n12_results_of_children_added_in_a_scope_further_in<R: Rt>() {
    let found = nursery(async |n| {
        let results = Arc::new(n.results::<usize>());
        results.spawn_local(async { Ok(0) });
        shield(async {
            results.spawn_local(async {
                yield_now().await;
                Ok(1)
            });
        })
        .await;
        assert_eq!(results.len(), 2);
        let own = results.clone();
        results.spawn_local(async move {
            own.spawn_local(async { Ok(3) });
            Ok(2)
        });
        turns(4).await;
        let results = Arc::into_inner(results).expect("the child has ended");
        assert_eq!(results.len(), 4);
        let mut found: Vec<_> = results.collect().await;
        found.sort_unstable();
        Ok(found)
    })
    .await
    .expect("nothing fails");
    assert_eq!(found, [0, 1, 2, 3]);

    let found = nursery(async |n| {
        let mut results = n.results::<usize>();
        shield(async { results.spawn_local(async { Ok(1) }) }).await;
        // Read there, too.
        let first = shield(async { results.next().await }).await;
        results.spawn_local(async { Ok(2) });
        let rest: Vec<_> = results.collect().await;
        Ok((first, rest))
    })
    .await
    .expect("nothing fails");
    assert_eq!(found, (Some(1), vec![2]));
}

/// Knows who made it, and notes whether it is destroyed as that.
struct Made<'a> {
    by: Option<TaskId>,
    notes: &'a Mutex<Vec<bool>>,
}

impl<'a> Made<'a> {
    fn here(notes: &'a Mutex<Vec<bool>>) -> Self {
        Made { by: scope_core::task::id(), notes }
    }
}

impl Drop for Made<'_> {
    fn drop(&mut self) {
        let own = self.by.is_some() && self.by == scope_core::task::id();
        self.notes.lock().expect("no panic").push(own);
    }
}

/// Fails if: results that were not read are destroyed outside the tasks that made them (t02), or not at all.
pub(crate) async fn n12_unread_results_of_same_task_children_are_destroyed_as_these<R: Rt>() {
    let notes = Mutex::new(Vec::new());
    nursery(async |n| {
        let mut results = n.results::<Made<'_>>();
        let gate = Gate::new();
        for at in 0..4 {
            let (notes, gate) = (&notes, gate.clone());
            results.spawn_local(async move {
                if at == 3 {
                    gate.passed().await;
                }
                Ok(Made::here(notes))
            });
        }
        turns(4).await;
        drop(results.next().await);
        assert_eq!(*notes.lock().expect("no panic"), [false], "one was read, and is its reader's");
        drop(results);
        assert_eq!(*notes.lock().expect("no panic"), [false, true, true]);
        // Nobody reads any more.
        gate.open();
        Ok(())
    })
    .await
    .expect("nothing fails");
    assert_eq!(*notes.lock().expect("no panic"), [false, true, true, true]);
}

/// Fails if: a same-task child that is cancelled, or refused by a nursery that has closed, is waited for.
pub(crate) async fn n12_same_task_children_that_leave_nothing_are_not_waited_for<R: Rt>() {
    struct Late<F: FnMut()>(F);
    impl<F: FnMut()> Drop for Late<F> {
        fn drop(&mut self) {
            (self.0)();
        }
    }
    let journal = Journal::new();
    let refused = nursery(async |_| {
        let mut dropped = pin!(nursery(async |n| -> Result<(), Failure> {
            let results = Arc::new(n.results::<usize>());
            let (own, journal) = (results.clone(), &journal);
            // Destroyed when the nursery is: what it adds then is refused.
            results.spawn_local(async move {
                let _late = Late(|| {
                    let before = own.len();
                    own.spawn_local(async { Ok(2) });
                    journal.add(format!("{} more", own.len() - before));
                });
                pending().await
            });
            pending().await
        }));
        assert!(poll_now(dropped.as_mut()).await.is_pending());
        Ok(())
    });
    let error = refused.await.expect_err("what was refused is told");
    assert!(matches!(error.cause(), Cause::Refused(_)), "{error}");
    journal.assert_is(&["0 more"]);

    let error = nursery(async |n| -> Result<(), Failure> {
        let mut results = n.results::<usize>();
        results.spawn_local(pending());
        yield_now().await;
        n.cancel("enough");
        results.next().await;
        Ok(())
    })
    .await
    .expect_err("cancelled");
    assert!(error.is_cancelled());
}

/// Fails if: a thread that the body waits for cannot read what is there, or add to it.
pub(crate) async fn n12_results_on_a_thread_that_the_body_waits_for<R: Rt>() {
    let found = nursery(async |n| {
        let mut results = n.results::<usize>();
        results.spawn_local(async { Ok(0) });
        results.spawn_local(async {
            turns(3).await;
            Ok(1)
        });
        turns(2).await;
        let first = std::thread::scope(|threads| {
            let reads = threads.spawn(|| {
                let next = results.poll_next(&mut std::task::Context::from_waker(std::task::Waker::noop()));
                results.spawn_local(async { Ok(2) });
                (next, results.len())
            });
            reads.join().expect("no panic")
        });
        assert_eq!(first, (std::task::Poll::Ready(Some(0)), 2));
        let mut rest: Vec<_> = results.collect().await;
        rest.sort_unstable();
        Ok(rest)
    })
    .await
    .expect("nothing fails");
    assert_eq!(found, [1, 2]);
}
