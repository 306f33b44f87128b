//! Carried tasks: their wakers, who gives them, and the carrier that polls.

use std::future::poll_fn;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use loom::sync::atomic::{AtomicBool, Ordering};
use loom::thread;

use super::{Drops, check};
use crate::rt::Carrier;
use crate::sync::block_on;

/// Polls a carrier as a runtime does, until `done`.
fn carry_until(mut carrier: Carrier, done: impl Fn() -> bool) {
    block_on(poll_fn(|cx| {
        assert!(!carrier.poll(cx, || true), "it was not told to stop");
        if done() { Poll::Ready(()) } else { Poll::Pending }
    }));
}

/// What a thread sets before it wakes is seen by the poll that it causes, or by the one that runs meanwhile, although
/// setting it orders nothing by itself: the wake has to. (A carrier that clears `queued` by a store fails here.)
#[test]
fn a_wake_is_not_lost_while_its_task_is_being_polled() {
    check(|| {
        let carrier = Carrier::new();
        let (drops, set) = (Drops::default(), Arc::new(AtomicBool::new(false)));
        let guard = drops.guard();
        let carried = carrier.handle().carry(async move {
            let _guard = guard;
            let mut started = false;
            poll_fn(|cx| {
                if set.load(Ordering::Relaxed) {
                    return Poll::Ready(());
                }
                if !std::mem::replace(&mut started, true) {
                    let (set, waker) = (set.clone(), cx.waker().clone());
                    thread::spawn(move || {
                        set.store(true, Ordering::Relaxed);
                        waker.wake();
                    });
                    // Queued already when that thread wakes it, in some orders.
                    cx.waker().wake_by_ref();
                }
                Poll::Pending
            })
            .await;
        });
        assert!(carried.is_ok());
        carry_until(carrier, || drops.count() == 1);
    });
}

/// Another thread gives tasks while the carrier is polled for the first time, and while it waits.
#[test]
fn what_is_given_is_polled() {
    check(|| {
        let carrier = Carrier::new();
        let drops = Drops::default();
        let (tasks, guards) = (carrier.handle(), [drops.guard(), drops.guard()]);
        let giver = thread::spawn(move || {
            for guard in guards {
                let task = async move { drop(guard) };
                assert!(tasks.carry(task).is_ok(), "the carrier is there until both have ended");
            }
        });
        carry_until(carrier, || drops.count() == 2);
        assert!(giver.join().is_ok());
    });
}

/// Given while the carrier is dropped: taken and ended, or refused; destroyed once in any case, and nothing is leaked.
#[test]
fn a_task_given_to_a_carrier_that_is_dropped_is_destroyed_once() {
    check(|| {
        let carrier = Carrier::new();
        let (drops, tasks) = (Drops::default(), carrier.handle());
        let shared = tasks.downgrade();
        let guard = drops.guard();
        let giver = thread::spawn(move || {
            let _ = tasks.carry(async move {
                let _guard = guard;
                std::future::pending().await
            });
        });
        drop(carrier);
        assert!(giver.join().is_ok());
        assert_eq!(drops.count(), 1);
        assert_eq!(shared.strong_count(), 0, "a header was leaked");
    });
}

/// The carrier is dropped while a task is woken and its waker dropped: the future is destroyed once, in place, and the header
/// goes with the last waker.
#[test]
fn a_wake_while_the_carrier_is_dropped_leaks_nothing() {
    check(|| {
        let mut carrier = Carrier::new();
        let shared = carrier.handle().downgrade();
        let (drops, waker) = (Drops::default(), Arc::new(Mutex::new(None::<Waker>)));
        let (guard, given) = (drops.guard(), waker.clone());
        let carried = carrier.handle().carry(async move {
            let _guard = guard;
            poll_fn(|cx| {
                *given.lock().unwrap_or_else(|_| panic!("one thread")) = Some(cx.waker().clone());
                Poll::<()>::Pending
            })
            .await;
        });
        assert!(carried.is_ok());
        assert!(!carrier.poll(&mut Context::from_waker(Waker::noop()), || true));
        let waker = waker.lock().ok().and_then(|mut waker| waker.take());
        let woken = thread::spawn(move || waker.map(Waker::wake));
        drop(carrier);
        assert_eq!(drops.count(), 1, "the future went with the carrier");
        assert!(woken.join().is_ok_and(|woken| woken.is_some()));
        assert_eq!(drops.count(), 1);
        assert_eq!(shared.strong_count(), 0, "a header was leaked");
    });
}

/// A task ends while another thread wakes it and drops its last waker.
#[test]
fn a_waker_dropped_at_the_end_of_its_task_leaks_nothing() {
    check(|| {
        let carrier = Carrier::new();
        let shared = carrier.handle().downgrade();
        let (drops, waker) = (Drops::default(), Arc::new(Mutex::new(None::<thread::JoinHandle<()>>)));
        let (guard, started) = (drops.guard(), waker.clone());
        let carried = carrier.handle().carry(async move {
            let _guard = guard;
            let mut given = false;
            poll_fn(|cx| {
                if std::mem::replace(&mut given, true) {
                    return Poll::Ready(());
                }
                let waker = cx.waker().clone();
                *started.lock().unwrap_or_else(|_| panic!("one thread")) = Some(thread::spawn(move || waker.wake()));
                cx.waker().wake_by_ref();
                Poll::Pending
            })
            .await;
        });
        assert!(carried.is_ok());
        carry_until(carrier, || drops.count() == 1);
        let thread = waker.lock().ok().and_then(|mut waker| waker.take());
        assert!(thread.is_some_and(|thread| thread.join().is_ok()));
        assert_eq!(shared.strong_count(), 0, "a header was leaked");
    });
}
