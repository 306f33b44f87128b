//! n11: a child for each of many items, so many at once.

use std::cell::Cell;
use std::future::Future;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use futures_lite::future::{FutureExt as _, pending, yield_now};
use scope_core::{Cause, Failure, ZeroBound, for_each_concurrent, for_each_concurrent_local, move_on_after, nursery};
use scope_tests::{Gate, Journal, Rt, poll_now, turns};

use crate::n11::Meter;
use crate::n15::{BOUND, MANY, Woken};

/// Fails if: more run than the limit allows, or fewer than could, or one never runs, or runs twice.
pub(crate) async fn n11_each_item_has_its_child_and_so_many_run<R: Rt>() {
    for limit in [1, 3, 19, 20, 1000, usize::MAX] {
        let (meter, sum) = (Meter::default(), AtomicUsize::new(0));
        let each = for_each_concurrent(limit, 1..=20, |number| {
            let (meter, sum) = (meter.clone(), &sum);
            async move {
                let _running = meter.enter();
                turns(3).await;
                sum.fetch_add(number, Ordering::SeqCst);
                Ok(())
            }
        });
        each.await.expect("nothing fails");
        assert_eq!(sum.into_inner(), 210);
        assert_eq!(meter.most(), limit.min(20));
    }
}

/// Fails if: with many more items than are begun at once, some are lost, or the order is not theirs.
pub(crate) async fn n11_children_begin_in_the_order_of_the_items<R: Rt>() {
    for limit in [1, 7, 100, MANY] {
        let mut begun = 0;
        let next = Cell::new(0);
        let each = for_each_concurrent_local(limit, 0..MANY, |number| {
            let next = &next;
            async move {
                assert_eq!(next.replace(number + 1), number);
                Ok(())
            }
        });
        each.await.expect("nothing fails");
        begun += next.get();
        assert_eq!(begun, MANY);
    }
}

/// Fails if: an item is taken before there is room for its child, or not when there is.
pub(crate) async fn n11_an_item_is_taken_when_there_is_room<R: Rt>() {
    let (taken, gates) = (Cell::new(0), [const { Cell::new(false) }; 5]);
    let items = (0..5).inspect(|_| taken.set(taken.get() + 1));
    let mut each = pin!(for_each_concurrent_local(2, items, |number: usize| {
        let gates = &gates;
        async move {
            while !gates[number].get() {
                yield_now().await;
            }
            Ok(())
        }
    }));
    for (opened, expected) in [(None, 2), (Some(1), 3), (Some(0), 4), (Some(3), 5)] {
        if let Some(opened) = opened {
            gates[opened].set(true);
        }
        for _ in 0..5 {
            assert!(poll_now(each.as_mut()).await.is_pending());
        }
        assert_eq!(taken.get(), expected);
    }
    gates.iter().for_each(|gate| gate.set(true));
    each.await.expect("nothing fails");
}

/// Fails if: it asks to be polled while all that it has waits: it would spin.
pub(crate) async fn n11_each_is_not_woken_while_its_children_wait<R: Rt>() {
    let (woken, gate) = (Arc::new(Woken::default()), Gate::new());
    let waker = woken.clone().into();
    let mut each = pin!(for_each_concurrent(2, 0..4, |_| {
        let gate = gate.clone();
        async move {
            gate.passed().await;
            Ok(())
        }
    }));
    let mut polls = 0;
    loop {
        assert!(each.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        polls += 1;
        assert!(polls < 10, "it wakes itself for ever");
        if !woken.take() {
            break;
        }
    }
    gate.open();
    assert!(woken.take(), "its children are ready");
    each.await.expect("nothing fails");
}

/// Fails if: a child that is always ready keeps the others from being begun.
pub(crate) async fn n11_a_child_that_spins_holds_up_no_item<R: Rt>() {
    let ran = AtomicUsize::new(0);
    let each = for_each_concurrent(2, 0..50, |number| {
        let ran = &ran;
        async move {
            while number == 0 && ran.load(Ordering::SeqCst) < 49 {
                yield_now().await;
            }
            ran.fetch_add(1, Ordering::SeqCst);
            Ok(())
        }
    });
    each.await.expect("nothing fails");
    assert_eq!(ran.into_inner(), 50);
}

/// Fails if: a failure does not cancel the others and come out, once, by where `for_each_concurrent` was called; or more items
/// are taken after it.
pub(crate) async fn n11_each_fails_as_a_nursery_does<R: Rt>() {
    let (journal, taken) = (Journal::new(), AtomicUsize::new(0));
    let items = (0..100).inspect(|_| {
        taken.fetch_add(1, Ordering::SeqCst);
    });
    let line = line!() + 1;
    let each = for_each_concurrent(3, items, |number| {
        let gone = journal.on_drop("gone");
        async move {
            let _gone = gone;
            if number == 2 {
                return Err(Failure::from("the third"));
            }
            pending().await
        }
    });
    let error = each.await.expect_err("one fails");
    assert_eq!(error.leaves().len(), 1);
    let leaf = &error.leaves()[0];
    assert!(matches!(leaf.cause(), Cause::Failed(failure) if failure.to_string() == "the third"), "{error}");
    assert_eq!((leaf.location().file(), leaf.location().line()), (file!(), line));
    assert!(error.to_string().contains("for_each_concurrent"), "{error}");
    assert_eq!(taken.into_inner(), 3);
    journal.assert_is(&["gone", "gone", "gone"]);
}

/// Fails if: a limit under which nothing can run waits for ever, or takes an item.
pub(crate) async fn n11_each_with_a_limit_of_zero_is_an_error<R: Rt>() {
    let items = std::iter::from_fn(|| -> Option<()> { panic!("nothing is taken") });
    let error = for_each_concurrent(0, items, |()| async { Ok(()) }).await.expect_err("no child could run");
    let [leaf] = error.leaves() else { panic!("{error}") };
    let Cause::Failed(failure) = leaf.cause() else { panic!("{error}") };
    assert!(failure.downcast_ref::<ZeroBound>().is_some(), "{error}");
}

/// Fails if: a panic of the items, of the closure or of a child is swallowed, or comes out before the others have ended.
pub(crate) async fn n11_a_panic_of_items_closure_or_child_comes_out_last<R: Rt>() {
    for by in ["items", "closure", "child"] {
        let journal = Journal::new();
        let items = (0..4).inspect(|number| assert!(by != "items" || *number < 3, "by the items"));
        let each = for_each_concurrent(10, items, |number| {
            assert!(by != "closure" || number < 3, "by the closure");
            let gone = journal.on_drop("gone");
            async move {
                let _gone = gone;
                assert!(by != "child" || number < 3, "by the child");
                pending::<Result<(), Failure>>().await
            }
        });
        let panicked = std::panic::AssertUnwindSafe(each).catch_unwind().await;
        let payload = panicked.expect_err("one panics");
        let text =
            payload.downcast_ref::<String>().cloned().or_else(|| payload.downcast_ref::<&str>().map(|s| (*s).into()));
        assert_eq!(text, Some(format!("by the {by}")));
        assert_eq!(journal.count("gone"), if by == "child" { 4 } else { 3 });
    }
}

/// Fails if: what it holds outlives it when it is dropped.
pub(crate) async fn n11_each_drops_what_it_holds<R: Rt>() {
    let (journal, left) = (Journal::new(), Rc::new(()));
    {
        let items = vec![Rc::clone(&left); 5];
        let mut each = pin!(for_each_concurrent_local(2, items, |item| {
            let gone = journal.on_drop("gone");
            async move {
                let _held = (item, gone);
                pending().await
            }
        }));
        assert!(poll_now(each.as_mut()).await.is_pending());
        assert_eq!(Rc::strong_count(&left), 6);
    }
    assert_eq!(Rc::strong_count(&left), 1);
    journal.assert_is(&["gone", "gone"]);
}

/// Fails if: a cancellation from around does not end it, or items are taken after it.
pub(crate) async fn n11_each_is_cut_by_a_cancellation<R: Rt>() {
    let taken = AtomicUsize::new(0);
    let items = (0..100).inspect(|_| {
        taken.fetch_add(1, Ordering::SeqCst);
    });
    let done = nursery(async |n| {
        n.spawn_local(async {
            let each = for_each_concurrent(3, items, |_| async {
                pending::<()>().await;
                Ok(())
            });
            each.await?;
            Ok(())
        });
        while taken.load(Ordering::SeqCst) < 3 {
            yield_now().await;
        }
        n.cancel("enough");
        Ok(())
    });
    done.await.expect("cancelled by itself, after the body's value");
    assert_eq!(taken.load(Ordering::SeqCst), 3);
    let timed = move_on_after(std::time::Duration::from_millis(20), async {
        for_each_concurrent(3, 0..10, |_| async {
            pending::<()>().await;
            Ok(())
        })
        .await
    });
    assert!(timed.await.expect("nothing fails").is_none());
}

/// Fails if: one poll makes as many children as there are items: the runtime's thread would not be given back.
pub(crate) async fn n15_each_makes_a_bounded_number_in_one_poll<R: Rt>() {
    let (made, ran) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let woken = Arc::new(Woken::default());
    let waker = woken.clone().into();
    let mut each = pin!(for_each_concurrent(usize::MAX, 0..MANY, |_| {
        made.fetch_add(1, Ordering::SeqCst);
        async {
            ran.fetch_add(1, Ordering::SeqCst);
            Ok(())
        }
    }));
    loop {
        let before = (made.load(Ordering::SeqCst), ran.load(Ordering::SeqCst));
        match each.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(done) => break done.expect("nothing fails"),
            Poll::Pending => {
                assert!(made.load(Ordering::SeqCst) - before.0 <= BOUND);
                assert!(ran.load(Ordering::SeqCst) - before.1 <= BOUND);
                assert!(woken.take(), "it has more to do, and asks for its turn");
            }
        }
    }
    assert_eq!(ran.load(Ordering::SeqCst), MANY);
}
