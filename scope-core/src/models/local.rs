//! Same-task children: their wakers, the ready stack, and the host that polls.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::{Poll, Waker};

use loom::sync::atomic::{AtomicBool, Ordering};
use loom::thread;

use super::{Drops, check, check_up_to, come_again, poll_once};
use crate::sync::block_on;
use crate::{nursery_infallible, nursery_local};

/// What a thread sets before it wakes is seen by the poll that it causes, or by the one that runs meanwhile, although
/// setting it orders nothing by itself: the wake has to. (A host that clears `queued` by a store fails here.)
#[test]
fn a_wake_is_not_lost_while_its_child_is_being_polled() {
    check(|| {
        block_on(nursery_infallible(async |n| {
            n.run_local(async {
                let set = Arc::new(AtomicBool::new(false));
                let mut started = None;
                poll_fn(|cx| {
                    if set.load(Ordering::Relaxed) {
                        return Poll::Ready(());
                    }
                    if started.is_none() {
                        let (set, waker) = (set.clone(), cx.waker().clone());
                        started = Some(thread::spawn(move || {
                            set.store(true, Ordering::Relaxed);
                            waker.wake();
                        }));
                        // Queued already when that thread wakes it, in some orders.
                        cx.waker().wake_by_ref();
                    }
                    Poll::Pending
                })
                .await;
            });
        }));
    });
}

/// Two threads push onto the stack, and the host takes it.
#[test]
fn two_wakes_at_once_both_arrive() {
    check_up_to(4, || {
        block_on(nursery_infallible(async |n| {
            for _ in 0..2 {
                n.run_local(async {
                    let set = Arc::new(AtomicBool::new(false));
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
                        }
                        Poll::Pending
                    })
                    .await;
                });
            }
        }));
    });
}

/// The body beside same-task children has a waker of its own.
#[test]
fn a_wake_of_the_body_is_not_lost() {
    check(|| {
        block_on(nursery_infallible(async |n| {
            n.run_local(come_again());
            come_again().await;
            let set = Arc::new(AtomicBool::new(false));
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
                    cx.waker().wake_by_ref();
                }
                Poll::Pending
            })
            .await;
        }));
    });
}

/// The nursery is dropped while a child is woken: the future is dropped once, in place, and the header goes with the last
/// waker.
#[test]
fn a_wake_while_the_nursery_is_dropped_leaks_nothing() {
    check(|| {
        let drops = Drops::default();
        let waker = Mutex::new(None::<Waker>);
        let queue = Mutex::new(None);
        let woken = {
            let mut nursery = pin!(nursery_infallible(async |n| {
                let guard = drops.guard();
                n.run_local(async {
                    let _guard = guard;
                    poll_fn(|cx| {
                        *waker.lock().unwrap_or_else(|_| panic!("one thread")) = Some(cx.waker().clone());
                        Poll::<()>::Pending
                    })
                    .await;
                });
                *queue.lock().unwrap_or_else(|_| panic!("one thread")) = n.locals.queue().map(Arc::downgrade);
                std::future::pending::<()>().await;
            }));
            assert!(poll_once(nursery.as_mut()).is_pending());
            let waker = waker.lock().ok().and_then(|mut waker| waker.take());
            thread::spawn(move || waker.map(Waker::wake))
        };
        assert_eq!(drops.count(), 1, "the future went with the nursery");
        assert!(woken.join().is_ok_and(|woken| woken.is_some()));
        assert_eq!(drops.count(), 1);
        let queue = queue.lock().ok().and_then(|queue| queue.clone());
        assert_eq!(queue.map(|queue| queue.strong_count()), Some(0), "a header was leaked");
    });
}

/// The child ends, and the nursery with it, while another thread wakes it and drops its last waker.
#[test]
fn a_wake_at_the_end_of_child_and_nursery_leaks_nothing() {
    check(|| {
        let woken = Mutex::new(None::<thread::JoinHandle<()>>);
        let queue = Mutex::new(None);
        block_on(nursery_infallible(async |n| {
            n.run_local(async {
                let mut given = false;
                poll_fn(|cx| {
                    if std::mem::replace(&mut given, true) {
                        return Poll::Ready(());
                    }
                    let waker = cx.waker().clone();
                    let thread = thread::spawn(move || waker.wake());
                    *woken.lock().unwrap_or_else(|_| panic!("one thread")) = Some(thread);
                    cx.waker().wake_by_ref();
                    Poll::Pending
                })
                .await;
            });
            *queue.lock().unwrap_or_else(|_| panic!("one thread")) = n.locals.queue().map(Arc::downgrade);
        }));
        let thread = woken.lock().ok().and_then(|mut woken| woken.take());
        assert!(thread.is_some_and(|thread| thread.join().is_ok()));
        let queue = queue.lock().ok().and_then(|queue| queue.clone());
        assert_eq!(queue.map(|queue| queue.strong_count()), Some(0), "a header was leaked");
    });
}

/// Cancelled while a child and the body wait: both end.
#[test]
fn a_cancel_reaches_children_and_body() {
    check(|| {
        let drops = Drops::default();
        let ended = block_on(nursery_local(async |n| {
            let guard = drops.guard();
            n.run_local(async {
                let _guard = guard;
                std::future::pending().await
            });
            let canceller = n.canceller();
            thread::spawn(move || canceller.cancel("enough"));
            std::future::pending::<Result<(), crate::Failure>>().await
        }));
        assert!(ended.is_err_and(|error| error.is_cancelled()));
        assert_eq!(drops.count(), 1);
    });
}
