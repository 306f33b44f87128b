//! Runtimes that do with a task whatever safe code can: poll it inside `spawn`, forget it, drop it, panic.

use std::cell::RefCell;
use std::future::pending;
use std::mem::forget;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};
use std::thread;

use scope_core::{Canceller, Failure, ScopeError, Spawner, Spawns, nursery};
use scope_tests::within_bound;

use super::by_hand::{ByHand, Habit};
use super::harness::{poll_by_hand, turn};

struct Counted(Arc<AtomicUsize>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// Polls the nursery and the runtime's tasks in turn until the nursery ends.
fn drive<F: Future>(runtime: &ByHand, mut whole: Pin<&mut F>) -> F::Output {
    loop {
        if let Poll::Ready(out) = poll_by_hand(whole.as_mut()) {
            return out;
        }
        runtime.turn(|| Waker::noop().clone());
    }
}

fn count_down(spawner: &Spawner, left: u32, ran: &Arc<AtomicUsize>) -> Result<(), Failure> {
    let (below, ran) = (spawner.clone(), ran.clone());
    Ok(spawner.spawn_erased(async move {
        ran.fetch_add(1, Ordering::Relaxed);
        if let Some(left) = left.checked_sub(1) {
            count_down(&below, left, &ran)?;
        }
        Ok(())
    })?)
}

/// The child has ended before `spawn` returns, and has spawned its own children in there, which have ended too.
#[test]
fn a_runtime_that_polls_inside_spawn() {
    within_bound("a_runtime_that_polls_inside_spawn", || {
        let runtime = ByHand::new(Habit::PollAtOnce);
        let ran = Arc::new(AtomicUsize::new(0));
        let whole = pin!(
            nursery(async |n| {
                count_down(&n.spawner(), 9, &ran)?;
                assert_eq!(ran.load(Ordering::Relaxed), 10);
                let handle = n.spawn_erased_with_handle(async { Ok(5) });
                n.spawn_erased(async {
                    turn().await;
                    Ok(())
                });
                Ok(handle.await?)
            })
            .runtime(runtime.handle())
        );
        assert_eq!(drive(&runtime, whole).unwrap(), 5);
    });
}

/// The children fail inside `spawn`.
#[test]
fn a_child_that_fails_inside_spawn() {
    within_bound("a_child_that_fails_inside_spawn", || {
        let runtime = ByHand::new(Habit::PollAtOnce);
        let whole = pin!(
            nursery(async |n| {
                n.spawn_erased(async { Err(Failure::msg("at once")) });
                n.spawn_erased(pending());
                pending::<Result<(), _>>().await
            })
            .runtime(runtime.handle())
        );
        assert_eq!(drive(&runtime, whole).unwrap_err().cause().to_string(), "at once");
    });
}

/// A task that is forgotten after its first poll is never heard of again: its nursery can only be dropped. The task is
/// still listed then, in memory that is never freed, and a cancellation goes through that list.
#[test]
fn a_runtime_that_forgets_tasks() {
    within_bound("a_runtime_that_forgets_tasks", || {
        let runtime = ByHand::new(Habit::PollAndForget);
        let mut canceller = None::<Canceller>;
        {
            let mut whole = pin!(
                nursery(async |n| {
                    canceller = Some(n.canceller());
                    for _ in 0..40 {
                        n.spawn_erased(pending());
                    }
                    turn().await;
                    n.cancel("in vain");
                    Ok(())
                })
                .runtime(runtime.handle())
            );
            for _ in 0..4 {
                assert!(poll_by_hand(whole.as_mut()).is_pending(), "its children have not ended");
            }
        }
        canceller.unwrap().cancel("too late");
    });
}

/// A task that is dropped in silence was not spawned: the nursery says so and does not hang.
#[test]
fn a_runtime_that_drops_tasks_in_silence() {
    within_bound("a_runtime_that_drops_tasks_in_silence", || {
        let runtime = ByHand::new(Habit::DropInSilence);
        let dropped = Arc::new(AtomicUsize::new(0));
        let whole = pin!(
            nursery(async |n| {
                let counted = Counted(dropped.clone());
                n.spawn_erased(async move {
                    let _counted = counted;
                    Ok(())
                });
                pending::<Result<(), _>>().await
            })
            .runtime(runtime.handle())
        );
        let error = drive(&runtime, whole).unwrap_err();
        assert_eq!(error.leaves().len(), 1, "{error:?}");
        assert_eq!(dropped.load(Ordering::Relaxed), 1);
    });
}

/// Tasks dropped later, after their first poll, as at a shutdown: each leaves its leaf, and the nursery ends.
#[test]
fn a_runtime_that_drops_running_tasks() {
    within_bound("a_runtime_that_drops_running_tasks", || {
        let runtime = ByHand::new(Habit::PollAtOnce);
        let dropped = Arc::new(AtomicUsize::new(0));
        let mut whole = pin!(
            nursery(async |n| {
                for _ in 0..2 {
                    let counted = Counted(dropped.clone());
                    n.spawn_erased(async move {
                        let _counted = counted;
                        pending().await
                    });
                }
                pending::<Result<(), _>>().await
            })
            .runtime(runtime.handle())
        );
        assert!(poll_by_hand(whole.as_mut()).is_pending());
        runtime.drop_tasks();
        assert_eq!(dropped.load(Ordering::Relaxed), 2);
        let error: ScopeError = drive(&runtime, whole).unwrap_err();
        assert_eq!(error.leaves().len(), 2, "{error:?}");
    });
}

/// The runtime panics with the task in its hands: the task is dropped, and the panic is that of whoever spawned.
#[test]
fn a_runtime_that_panics_in_spawn() {
    within_bound("a_runtime_that_panics_in_spawn", || {
        let runtime = ByHand::new(Habit::Panic);
        let dropped = Arc::new(AtomicUsize::new(0));
        let whole = pin!(
            nursery(async |n| {
                let counted = Counted(dropped.clone());
                n.spawn_erased(async move {
                    let _counted = counted;
                    Ok(())
                });
                Ok(())
            })
            .runtime(runtime.handle())
        );
        let out = catch_unwind(AssertUnwindSafe(|| drive(&runtime, whole)));
        assert!(!matches!(out, Ok(Ok(()))), "the panic is lost");
        assert_eq!(dropped.load(Ordering::Relaxed), 1);
    });
}

type Anything = Pin<Box<dyn Future<Output = Result<(), ScopeError>>>>;

thread_local! {
    static KEPT: RefCell<Vec<Anything>> = const { RefCell::new(Vec::new()) };
}

/// Half-way nurseries in a thread-local, dropped by its destructor while the thread is torn down; and one that is leaked
/// with the thread.
#[test]
fn dropped_while_a_thread_is_torn_down() {
    let dropped = Arc::new(AtomicUsize::new(0));
    let runtime = ByHand::new(Habit::Keep);
    let counted = || Counted(dropped.clone());
    let build = |local: Counted, parallel: Counted, last: Counted, handle| -> Anything {
        Box::pin(
            nursery(async move |n| {
                n.spawn_local(async move {
                    let _local = local;
                    pending().await
                });
                n.spawn_erased(async move {
                    let _parallel = parallel;
                    pending().await
                });
                n.finalizer("last", move |_| async move {
                    drop(last);
                    Ok(())
                });
                pending::<Result<(), _>>().await
            })
            .runtime(handle),
        )
    };
    thread::scope(|threads| {
        threads.spawn(|| {
            let mut kept = build(counted(), counted(), counted(), runtime.handle());
            assert!(poll_by_hand(kept.as_mut()).is_pending());
            KEPT.with_borrow_mut(|list| list.push(kept));
            let mut leaked = build(counted(), counted(), counted(), runtime.handle());
            assert!(leaked.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
            forget(leaked);
        });
    });
    // `scope` waits for the closure, not for the destructors of the thread's locals: those end when they end.
    within_bound("dropped_while_a_thread_is_torn_down", move || {
        // The same-task child is dropped in place, the parallel one is cancelled, the finalizer runs as the adopted scope
        // is driven; of the leaked one nothing is dropped.
        while dropped.load(Ordering::Relaxed) < 3 {
            runtime.turn(|| Waker::noop().clone());
            thread::yield_now();
        }
        for _ in 0..10 {
            runtime.turn(|| Waker::noop().clone());
        }
        assert_eq!(dropped.load(Ordering::Relaxed), 3);
    });
}
