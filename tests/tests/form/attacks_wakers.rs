//! Wakers that panic, when they are called or when they are dropped, at a child's very end: whatever else comes of it, what
//! the child holds is destroyed once, and before its memory goes.

use std::future::pending;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};

use futures_lite::future::poll_fn;
use scope_core::{Failure, Spawns, nursery, tree};
use scope_tests::within_bound;

use super::by_hand::{ByHand, Habit};
use super::harness::poll_by_hand;

struct PanicsWhenWoken;

impl Wake for PanicsWhenWoken {
    fn wake(self: Arc<Self>) {
        panic!("a waker's panic");
    }
}

struct PanicsWhenDropped;

impl Wake for PanicsWhenDropped {
    fn wake(self: Arc<Self>) {}
}

impl Drop for PanicsWhenDropped {
    fn drop(&mut self) {
        panic!("the panic of a waker's destructor");
    }
}

struct Counted<'a>(&'a AtomicUsize);

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

struct CountedAndPanics<'a>(&'a AtomicUsize);

impl Drop for CountedAndPanics<'_> {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::Relaxed);
        panic!("a destructor's panic");
    }
}

/// A child's future panics when it is dropped at its end. That cancels the nursery, whose host is woken for it, and its waker
/// panics in the middle of the child's end. Polled on after that or not, and dropped.
#[test]
fn the_hosts_waker_panics_while_a_same_task_child_ends() {
    within_bound("the_hosts_waker_panics_while_a_same_task_child_ends", || {
        for polled_on in 0..4 {
            let (dropped, beside, ends) = (AtomicUsize::new(0), AtomicUsize::new(0), AtomicBool::new(false));
            let own = Mutex::new(None::<Waker>);
            let mut whole = Box::pin(nursery(async |n| {
                let panics = CountedAndPanics(&dropped);
                let (ends, own) = (&ends, &own);
                n.spawn_local(poll_fn(move |cx| {
                    let _panics = &panics;
                    *own.lock().unwrap() = Some(cx.waker().clone());
                    if ends.load(Ordering::Relaxed) { Poll::Ready(Ok(())) } else { Poll::Pending }
                }));
                n.spawn_local(async {
                    let _counted = Counted(&beside);
                    pending().await
                });
                pending::<Result<(), _>>().await
            }));
            assert!(poll_by_hand(whole.as_mut()).is_pending());
            // Kept from here on, and called when the child has been destroyed.
            let panics = Waker::from(Arc::new(PanicsWhenWoken));
            let mut cx = Context::from_waker(&panics);
            assert!(whole.as_mut().poll(&mut cx).is_pending());
            ends.store(true, Ordering::Relaxed);
            let own = own.lock().unwrap().clone().unwrap();
            assert!(catch_unwind(AssertUnwindSafe(|| own.wake_by_ref())).is_err(), "a child's waker wakes the host");
            let polled = catch_unwind(AssertUnwindSafe(|| whole.as_mut().poll(&mut cx).is_ready()));
            assert!(polled.is_err(), "the host's waker was not called");
            assert_eq!(dropped.load(Ordering::Relaxed), 1);
            for _ in 0..polled_on {
                let _ = tree::dump();
                let _ = catch_unwind(AssertUnwindSafe(|| own.wake_by_ref()));
                let _ = catch_unwind(AssertUnwindSafe(|| whole.as_mut().poll(&mut cx).is_ready()));
            }
            let _ = catch_unwind(AssertUnwindSafe(|| drop(whole)));
            assert_eq!(dropped.load(Ordering::Relaxed), 1, "polled on {polled_on} times");
            assert_eq!(beside.load(Ordering::Relaxed), 1, "polled on {polled_on} times");
        }
    });
}

/// The last of a parked child's waker is the one that its scope keeps, and panics when it is dropped, while the runtime drops
/// the child: that has been destroyed by then, for its memory goes, and its nursery ends.
#[test]
fn a_parked_childs_waker_panics_when_it_is_dropped() {
    within_bound("a_parked_childs_waker_panics_when_it_is_dropped", || {
        let runtime = ByHand::new(Habit::Keep);
        let dropped = Arc::new(AtomicUsize::new(0));
        let mut whole = Box::pin(
            nursery(async |n| {
                let dropped = dropped.clone();
                n.spawn_erased(async move {
                    let _counted = Counted(&dropped);
                    pending().await
                });
                pending::<Result<(), Failure>>().await
            })
            .runtime(runtime.handle()),
        );
        assert!(poll_by_hand(whole.as_mut()).is_pending());
        assert!(runtime.turn(|| Waker::from(Arc::new(PanicsWhenDropped))));
        assert!(catch_unwind(AssertUnwindSafe(|| runtime.drop_tasks())).is_err(), "the waker was not dropped");
        assert_eq!(dropped.load(Ordering::Relaxed), 1);
        assert!(poll_by_hand(whole.as_mut()).is_ready());
    });
}
