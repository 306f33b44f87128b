//! Threads where they can get at a nursery: spawning into it, waking, cancelling, dropping, all at once.

use std::cell::Cell;
use std::marker::PhantomData;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::task::{Context, Poll, Waker};
use std::thread;

use futures_lite::future::{block_on, poll_fn};
use scope_core::{nursery, nursery_local};
use scope_tests::within_bound;

use super::harness::{poll_by_hand, turn};

const THREADS: usize = 4;
const EACH: usize = 200;

/// `&Nursery` is `Sync`, so scoped threads can spawn same-task children from the middle of the body's poll. They run in
/// the nursery's task afterwards, every one.
#[test]
fn scoped_threads_spawn_from_the_body() {
    let ran = AtomicUsize::new(0);
    let home = thread::current().id();
    block_on(nursery(async |n| {
        let ran = &ran;
        thread::scope(|threads| {
            for _ in 0..THREADS {
                threads.spawn(|| {
                    for _ in 0..EACH {
                        n.spawn_local(async move {
                            turn().await;
                            assert_eq!(thread::current().id(), home);
                            ran.fetch_add(1, Ordering::Relaxed);
                            Ok(())
                        });
                    }
                });
            }
        });
        Ok(())
    }))
    .unwrap();
    assert_eq!(ran.load(Ordering::Relaxed), THREADS * EACH);
}

/// The same from a child's poll, while the nursery is in the middle of its list.
#[test]
fn scoped_threads_spawn_from_a_child() {
    let ran = AtomicUsize::new(0);
    block_on(nursery(async |n| {
        let ran = &ran;
        for _ in 0..3 {
            n.spawn_local(async move {
                turn().await;
                thread::scope(|threads| {
                    for _ in 0..THREADS {
                        threads.spawn(|| {
                            for _ in 0..EACH / 10 {
                                n.spawn_local(async move {
                                    ran.fetch_add(1, Ordering::Relaxed);
                                    Ok(())
                                });
                            }
                        });
                    }
                });
                Ok(())
            });
        }
        Ok(())
    }))
    .unwrap();
    assert_eq!(ran.load(Ordering::Relaxed), 3 * THREADS * (EACH / 10));
}

/// And from a destructor, while the nursery is being dropped: refused or joined, all futures destroyed by then.
#[test]
fn scoped_threads_spawn_from_a_destructor() {
    struct SpawnsFromThreads<'s, 'env>(&'s scope_core::Nursery<'s, 'env>, &'env AtomicUsize);
    impl Drop for SpawnsFromThreads<'_, '_> {
        fn drop(&mut self) {
            let (n, alive) = (self.0, self.1);
            thread::scope(|threads| {
                for _ in 0..THREADS {
                    threads.spawn(|| {
                        for _ in 0..EACH {
                            let living = Living::new(alive);
                            n.spawn_local(async move {
                                let _living = living;
                                std::future::pending().await
                            });
                        }
                    });
                }
            });
        }
    }
    struct Living<'a>(&'a AtomicUsize);
    impl<'a> Living<'a> {
        fn new(alive: &'a AtomicUsize) -> Self {
            alive.fetch_add(1, Ordering::Relaxed);
            Living(alive)
        }
    }
    impl Drop for Living<'_> {
        fn drop(&mut self) {
            self.0.fetch_sub(1, Ordering::Relaxed);
        }
    }
    let alive = AtomicUsize::new(0);
    {
        let mut whole = Box::pin(nursery(async |n| {
            n.spawn_local(async {
                let _spawns = SpawnsFromThreads(n, &alive);
                std::future::pending().await
            });
            std::future::pending::<Result<(), _>>().await
        }));
        assert!(poll_by_hand(whole.as_mut()).is_pending());
        assert!(poll_by_hand(whole.as_mut()).is_pending());
    }
    assert_eq!(alive.load(Ordering::Relaxed), 0);
}

/// Threads wake and cancel without end while nurseries are polled and dropped half-way.
#[test]
fn wakes_from_everywhere_while_it_is_dropped() {
    within_bound("wakes_from_everywhere_while_it_is_dropped", || {
        let wakers: Arc<Mutex<Vec<Waker>>> = Arc::default();
        let stop = Arc::new(AtomicBool::new(false));
        let threads: Vec<_> = (0..THREADS)
            .map(|_| {
                let (wakers, stop) = (wakers.clone(), stop.clone());
                thread::spawn(move || {
                    while !stop.load(Ordering::Relaxed) {
                        let waker = wakers.lock().unwrap().pop();
                        if let Some(waker) = waker {
                            let cloned = waker.clone();
                            waker.wake();
                            cloned.wake_by_ref();
                        } else {
                            thread::yield_now();
                        }
                    }
                })
            })
            .collect();
        for round in 0..300 {
            let mut polls = 0;
            {
                let mut whole = Box::pin(nursery(async |n| {
                    let canceller = n.canceller();
                    n.spawn_local(async {
                        poll_fn(|cx| {
                            polls += 1;
                            wakers.lock().unwrap().push(cx.waker().clone());
                            Poll::<()>::Pending
                        })
                        .await;
                        Ok(())
                    });
                    if round % 3 == 0 {
                        thread::spawn(move || canceller.cancel("from a thread")).join().unwrap();
                    }
                    poll_fn(|cx| {
                        wakers.lock().unwrap().push(cx.waker().clone());
                        Poll::<()>::Pending
                    })
                    .await;
                    Ok(())
                }));
                for _ in 0..round % 5 {
                    if poll_by_hand(whole.as_mut()).is_ready() {
                        break;
                    }
                }
            }
            // The loan is over: a poll after it would be seen by the sanitizer. Before it, each poll of the nursery did a
            // bounded amount of work, however often the child was woken meanwhile.
            assert!(polls <= 4 * 1000, "{polls}");
        }
        stop.store(true, Ordering::Relaxed);
        threads.into_iter().for_each(|thread| thread.join().unwrap());
    });
}

/// Two threads make something true and wake the child for it, at the same time, over and over. The one that finds the
/// child queued already is not lost: the child looks again after it has been taken off the queue, and sees what both did.
///
/// It takes an optimised build to see such a loss: without that, too much lies between the queue and the look.
#[test]
fn a_wake_that_meets_another_is_not_lost() {
    const ROUNDS: usize = 40_000;
    within_bound("a_wake_that_meets_another_is_not_lost", || {
        let go = Arc::new(AtomicUsize::new(0));
        let done = Arc::new([const { AtomicUsize::new(0) }; 2]);
        let waker = Arc::new(OnceLock::<Waker>::new());
        let threads = [0, 1].map(|which| {
            let (go, done, waker) = (go.clone(), done.clone(), waker.clone());
            thread::spawn(move || {
                for round in 1..=ROUNDS {
                    let mut spins = 0_u32;
                    while go.load(Ordering::Acquire) < round {
                        // Closely, so that the wakes meet; but a machine with fewer processors must get on too.
                        spins += 1;
                        if spins.is_multiple_of(500) { thread::yield_now() } else { std::hint::spin_loop() }
                    }
                    done[which].store(round, Ordering::Release);
                    waker.get().unwrap().wake_by_ref();
                }
            })
        });
        let mut whole = pin!(nursery(async |n| {
            n.spawn_local(async {
                for round in 1..=ROUNDS {
                    poll_fn(|cx| {
                        // First of all, so that little lies between being taken off the queue and looking.
                        if done[0].load(Ordering::Acquire) == round && done[1].load(Ordering::Acquire) == round {
                            return Poll::Ready(());
                        }
                        assert!(waker.get_or_init(|| cx.waker().clone()).will_wake(cx.waker()));
                        go.store(round, Ordering::Release);
                        Poll::Pending
                    })
                    .await;
                }
                Ok(())
            });
            Ok(())
        }));
        // Polled without a pause: a poll that is not for the child costs nothing, and the wakes come closer together.
        let mut polls = 0_u32;
        while poll_by_hand(whole.as_mut()).is_pending() {
            polls += 1;
            if polls.is_multiple_of(100) { thread::yield_now() } else { std::hint::spin_loop() }
        }
        threads.into_iter().for_each(|thread| thread.join().unwrap());
    });
}

/// The future is polled on one thread, then on another, and dropped on a third, its children with it.
#[test]
fn moved_between_threads() {
    let dropped_on = Arc::new(Mutex::new(Vec::new()));
    struct SaysWhere(Arc<Mutex<Vec<thread::ThreadId>>>);
    impl Drop for SaysWhere {
        fn drop(&mut self) {
            self.0.lock().unwrap().push(thread::current().id());
        }
    }
    let says = SaysWhere(dropped_on.clone());
    let mut whole = Box::pin(nursery(async move |n| {
        n.spawn_local(async move {
            let _says = says;
            std::future::pending().await
        });
        std::future::pending::<Result<(), _>>().await
    }));
    assert!(poll_by_hand(whole.as_mut()).is_pending());
    let whole = thread::spawn(move || {
        assert!(poll_by_hand(whole.as_mut()).is_pending());
        whole
    })
    .join()
    .unwrap();
    let last = thread::spawn(move || {
        drop(whole);
        thread::current().id()
    })
    .join()
    .unwrap();
    assert_eq!(*dropped_on.lock().unwrap(), [last]);
}

/// A future that is not `Send`, and says where it is polled and dropped.
struct StaysHome {
    home: thread::ThreadId,
    dropped: Rc<Cell<usize>>,
    turns: usize,
    wakers: Arc<Mutex<Vec<Waker>>>,
    not_send: PhantomData<*const ()>,
}

impl Future for StaysHome {
    type Output = ();
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        assert_eq!(thread::current().id(), self.home);
        self.wakers.lock().unwrap().push(cx.waker().clone());
        let Some(left) = self.turns.checked_sub(1) else {
            return Poll::Ready(());
        };
        self.turns = left;
        Poll::Pending
    }
}

impl Drop for StaysHome {
    fn drop(&mut self) {
        assert_eq!(thread::current().id(), self.home, "dropped by a foreign thread");
        self.dropped.set(self.dropped.get() + 1);
    }
}

/// What goes to other threads from a nursery with `!Send` children is its children's wakers and the handles of `Send`
/// outputs. Whoever lets go last there frees memory only: the future was destroyed at home.
#[test]
fn not_send_children_stay_at_home() {
    within_bound("not_send_children_stay_at_home", || {
        for turns in [0, 1, usize::MAX] {
            let wakers: Arc<Mutex<Vec<Waker>>> = Arc::default();
            let dropped = Rc::new(Cell::new(0));
            let (give, take) = std::sync::mpsc::channel();
            let foreign = {
                let wakers = wakers.clone();
                thread::spawn(move || {
                    let handle = take.recv().unwrap();
                    // Woken from here while it is polled at home.
                    for _ in 0..100 {
                        for waker in std::mem::take(&mut *wakers.lock().unwrap()) {
                            waker.wake_by_ref();
                        }
                        thread::yield_now();
                    }
                    let out = block_on(handle);
                    wakers.lock().unwrap().clear();
                    Result::is_ok(&out)
                })
            };
            {
                let stays = StaysHome {
                    home: thread::current().id(),
                    dropped: dropped.clone(),
                    turns,
                    wakers: wakers.clone(),
                    not_send: PhantomData,
                };
                let mut whole = Box::pin(nursery_local(async |n| {
                    give.send(n.spawn_local_with_handle(async move {
                        stays.await;
                        Ok(1)
                    }))?;
                    std::future::pending::<Result<(), _>>().await
                }));
                let mut rounds = 0;
                while if turns == usize::MAX { rounds < 1000 } else { dropped.get() == 0 } {
                    assert!(poll_by_hand(whole.as_mut()).is_pending());
                    rounds += 1;
                    thread::yield_now();
                }
            }
            assert_eq!(dropped.get(), 1);
            let answered = foreign.join().unwrap();
            assert_eq!(answered, turns != usize::MAX);
        }
    });
}

/// In the first poll of three nurseries, the scopes around are only borrowed: several threads ask for them at once, and find
/// the same ones; what they cancel there is seen further in.
#[test]
fn threads_ask_for_the_scopes_around_in_a_first_poll() {
    for cancelled in [false, true] {
        for _ in 0..EACH {
            let out = block_on(nursery(async |outer| {
                nursery(async |middle| {
                    nursery(async |inner| {
                        let scopes = thread::scope(|threads| {
                            let ask = || {
                                let of_inner = inner.scope().id();
                                if cancelled {
                                    outer.cancel("by a thread");
                                }
                                (of_inner, middle.scope().id(), outer.scope().id())
                            };
                            let asking: Vec<_> = (0..THREADS).map(|_| threads.spawn(ask)).collect();
                            asking.into_iter().map(|asking| asking.join().unwrap()).collect::<Vec<_>>()
                        });
                        assert!(scopes.windows(2).all(|two| two[0] == two[1]), "{scopes:?}");
                        assert_eq!((inner.is_cancelled(), middle.is_cancelled()), (cancelled, cancelled));
                        turn().await;
                        Ok(())
                    })
                    .await?;
                    Ok(())
                })
                .await?;
                Ok(())
            }));
            assert_eq!(out.is_err_and(|error| error.is_cancelled()), cancelled);
        }
    }
}
