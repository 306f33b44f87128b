//! What needs a second real thread: a nursery that is dropped while a child of it is in the middle of a poll there.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;
use std::thread::{self, ThreadId};
use std::time::Instant;

use futures_lite::future::{pending, yield_now};
use scope_core::{Cause, Failure, Spawns, nursery, tree};
use scope_tests::{Boom, Gate, HANG_BOUND, Journal, Rt, Smol, TokioMt, poll_now, turns, while_it_waits};

/// In the middle of a poll, on another thread than `here`, until `let_go` is opened: it blocks there.
async fn in_a_poll(here: ThreadId, entered: Gate, let_go: Gate, journal: Journal) -> Result<(), Failure> {
    let _note = journal.on_drop("destructor");
    while thread::current().id() == here {
        // smol runs tasks on the thread of the root too, which has to go on.
        yield_now().await;
    }
    entered.open();
    let_go.passed_blocking();
    journal.add("poll over");
    yield_now().await;
    journal.add("past an await point of a dropped scope");
    Ok(())
}

/// Fails if: losing a `select!` waits for the poll in progress, or holds a lock that it needs; or the scope around does
/// not wait for it; or the child goes on past that poll.
async fn n01_dropped_while_a_child_is_in_a_poll<R: Rt>() {
    let (entered, let_go, journal) = (Gate::new(), Gate::new(), Journal::new());
    let sweep = Gate::new();
    let mut around = pin!(
        nursery(async |n| {
            let loser = nursery(async |inner| -> Result<(), Failure> {
                let j = journal.clone();
                inner.finalizer("sweep", {
                    let (sweep, j) = (sweep.clone(), journal.clone());
                    async move |_| {
                        sweep.passed().await;
                        j.add("swept");
                        Ok(())
                    }
                });
                R::spawn(inner, in_a_poll(thread::current().id(), entered.clone(), let_go.clone(), j));
                pending().await
            })
            .named("loser");
            let begun = Instant::now();
            let mut loser = Box::pin(loser);
            let lost = poll_fn(|cx| {
                if entered.is_open() {
                    return Poll::Ready(());
                }
                assert!(loser.as_mut().poll(cx).is_pending());
                cx.waker().wake_by_ref();
                Poll::Pending
            });
            lost.await;
            drop(loser);
            // It was dropped there: by a lock, or a wait for the poll, this would hang.
            assert!(begun.elapsed() < HANG_BOUND);
            journal.add("lost");
            // Everything that needs the tree or the scope's locks still works.
            assert!(tree::dump().contains("loser"));
            assert!(!n.is_cancelled());
            let told = n.canceller();
            let beside = n.spawn_erased_with_handle(async move {
                turns(3).await;
                assert!(!told.is_cancelled());
                Ok(7)
            });
            assert_eq!(beside.await?, 7);
            Ok(())
        })
        .named("around")
    );
    while !journal.has("lost") {
        assert!(poll_now(around.as_mut()).await.is_pending());
        yield_now().await;
    }
    while_it_waits(around.as_mut(), "a child of a scope that was dropped in it is in a poll").await;
    journal.assert_is(&["lost"]);
    let_go.open();
    while !journal.has("destructor") {
        assert!(poll_now(around.as_mut()).await.is_pending(), "the finalizer has not run");
        yield_now().await;
    }
    while_it_waits(around.as_mut(), "the finalizer waits").await;
    sweep.open();
    around.await.expect("nothing fails");
    journal.assert_is(&["lost", "poll over", "destructor", "swept"]);
}

#[test]
fn n01_dropped_while_a_child_is_in_a_poll_on_tokio_mt() {
    TokioMt::check("n01_dropped_while_a_child_is_in_a_poll", n01_dropped_while_a_child_is_in_a_poll::<TokioMt>);
}

#[test]
fn n01_dropped_while_a_child_is_in_a_poll_on_smol() {
    Smol::check("n01_dropped_while_a_child_is_in_a_poll", n01_dropped_while_a_child_is_in_a_poll::<Smol>);
}

/// Fails if: a failure, or a `cancel`, waits for a sibling's poll in progress on another thread, or the owner returns
/// before that poll is over.
async fn n02_a_sibling_in_a_poll_is_waited_for_and_blocks_nobody<R: Rt>() {
    for by_cancel in [false, true] {
        let (entered, let_go, journal) = (Gate::new(), Gate::new(), Journal::new());
        let mut owner = pin!(nursery(async |n| -> Result<(), Failure> {
            R::spawn(n, in_a_poll(thread::current().id(), entered.clone(), let_go.clone(), journal.clone()));
            entered.passed().await;
            if by_cancel {
                n.cancel("enough");
            } else {
                n.spawn_local(async { Err(Boom("sibling").into()) });
            }
            let _note = journal.on_drop("body");
            pending().await
        }));
        while !journal.has("body") {
            assert!(poll_now(owner.as_mut()).await.is_pending());
            yield_now().await;
        }
        while_it_waits(owner.as_mut(), "a child is in a poll").await;
        journal.assert_is(&["body"]);
        let_go.open();
        let error = owner.await.expect_err("it failed, or was cancelled");
        assert_eq!(error.is_cancelled(), by_cancel, "{error:?}");
        journal.assert_is(&["body", "poll over", "destructor"]);
    }
}

#[test]
fn n02_a_sibling_in_a_poll_on_tokio_mt() {
    TokioMt::check("n02_a_sibling_in_a_poll", n02_a_sibling_in_a_poll_is_waited_for_and_blocks_nobody::<TokioMt>);
}

#[test]
fn n02_a_sibling_in_a_poll_on_smol() {
    Smol::check("n02_a_sibling_in_a_poll", n02_a_sibling_in_a_poll_is_waited_for_and_blocks_nobody::<Smol>);
}

/// Fails if: between the drop of a scope and its children's ends, on other threads, one is forgotten: by the list of those
/// that park, by the count, or by the scope that takes over.
async fn n01_dropped_at_any_moment_of_its_childrens_polls<R: Rt>() {
    const CHILDREN: usize = 4;
    for round in 0..300 {
        let alive = Arc::new(AtomicUsize::new(0));
        struct Living(Arc<AtomicUsize>);
        impl Drop for Living {
            fn drop(&mut self) {
                self.0.fetch_sub(1, Ordering::SeqCst);
            }
        }
        nursery(async |_| {
            let mut dropped = Box::pin(nursery(async |n| -> Result<(), Failure> {
                for _ in 0..CHILDREN {
                    alive.fetch_add(1, Ordering::SeqCst);
                    let living = Living(Arc::clone(&alive));
                    R::spawn(n, async move {
                        let _living = living;
                        loop {
                            yield_now().await;
                        }
                    });
                }
                pending().await
            }));
            for _ in 0..round % 5 + 1 {
                let Poll::Pending = poll_now(dropped.as_mut()).await else { panic!("it waits for ever") };
                yield_now().await;
            }
            drop(dropped);
            Ok(())
        })
        .await
        .expect("nothing fails");
        assert_eq!(alive.load(Ordering::SeqCst), 0, "round {round}");
    }
}

#[test]
fn n01_dropped_at_any_moment_on_tokio_mt() {
    TokioMt::check("n01_dropped_at_any_moment", n01_dropped_at_any_moment_of_its_childrens_polls::<TokioMt>);
}

#[test]
fn n01_dropped_at_any_moment_on_smol() {
    Smol::check("n01_dropped_at_any_moment", n01_dropped_at_any_moment_of_its_childrens_polls::<Smol>);
}

/// Fails if: two panics on two threads at once meet: one is resumed, and the other does not end the process.
async fn n04_panics_on_several_threads_at_once<R: Rt>() {
    use std::panic::AssertUnwindSafe;

    use futures_util::FutureExt;

    struct PanicsWhenDropped;
    impl Drop for PanicsWhenDropped {
        fn drop(&mut self) {
            std::panic::resume_unwind(Box::new("destructor"));
        }
    }
    for _ in 0..100 {
        let start = Gate::new();
        let error = nursery(async |_| {
            let panic = AssertUnwindSafe(nursery(async |n| -> Result<(), Failure> {
                for _ in 0..4 {
                    let start = start.clone();
                    R::spawn(n, async move {
                        let _bad = PanicsWhenDropped;
                        start.passed().await;
                        Ok(())
                    });
                }
                turns(3).await;
                start.open();
                pending().await
            }))
            .catch_unwind()
            .await
            .expect_err("they panic");
            assert_eq!(panic.downcast_ref(), Some(&"destructor"));
            Ok(())
        })
        .await
        .expect_err("the other three are not lost");
        assert_eq!(error.leaves().len(), 3, "{error:?}");
        assert!(error.leaves().iter().all(|leaf| matches!(leaf.cause(), Cause::Panicked(_))), "{error:?}");
    }
}

#[test]
fn n04_panics_on_several_threads_at_once_on_tokio_mt() {
    TokioMt::check("n04_panics_on_several_threads_at_once", n04_panics_on_several_threads_at_once::<TokioMt>);
}

#[test]
fn n04_panics_on_several_threads_at_once_on_smol() {
    Smol::check("n04_panics_on_several_threads_at_once", n04_panics_on_several_threads_at_once::<Smol>);
}
