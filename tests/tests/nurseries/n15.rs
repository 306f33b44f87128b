//! n15: a poll of a nursery does a bounded amount of work, however many of its same-task children are ready.

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use futures_lite::future::{pending, yield_now};
use scope_core::{Nursery, nursery, nursery_local};
use scope_tests::{Gate, Journal, Rt, poll_now, turns};

pub(crate) const MANY: usize = 10_000;

/// What one poll of a nursery may do, in polls of children. The core's own number is smaller; a hundred times as many
/// children must not move it.
pub(crate) const BOUND: usize = 1000;

/// Always ready to go on, until it is told to stop: wakes itself in each poll.
async fn spins(polls: &AtomicUsize, stop: &AtomicBool) {
    while !stop.load(Ordering::Relaxed) {
        polls.fetch_add(1, Ordering::Relaxed);
        yield_now().await;
    }
}

/// Adds `many` of those.
pub(crate) fn spin<'s, 'env>(n: &'s Nursery<'s, 'env>, many: usize, polls: &'env AtomicUsize, stop: &'env AtomicBool) {
    for _ in 0..many {
        n.run_local(spins(polls, stop));
    }
}

/// Whether it was woken.
#[derive(Default)]
pub(crate) struct Woken(AtomicBool);

impl Woken {
    /// Whether it was since this was asked last.
    pub(crate) fn take(&self) -> bool {
        self.0.swap(false, Ordering::SeqCst)
    }
}

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// Fails if: one poll goes on for as long as children are ready: the runtime's thread would not be given back.
pub(crate) async fn n15_one_poll_does_a_bounded_amount_of_work<R: Rt>() {
    let (polls, stop) = (AtomicUsize::new(0), AtomicBool::new(false));
    let mut whole = pin!(nursery(async |n| {
        spin(n, MANY, &polls, &stop);
        Ok(())
    }));
    let woken = Arc::new(Woken::default());
    let waker = Waker::from(Arc::clone(&woken));
    for round in 0..3 * MANY / 100 {
        let before = polls.load(Ordering::Relaxed);
        woken.0.store(false, Ordering::SeqCst);
        assert!(whole.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        let done = polls.load(Ordering::Relaxed) - before;
        assert!((1..=BOUND).contains(&done), "{done} polls of children in poll {round}");
        assert!(woken.0.load(Ordering::SeqCst), "it has more to do, and asks for its turn");
    }
    stop.store(true, Ordering::Relaxed);
    whole.await.expect("nothing fails");
}

/// Fails if: the body gets its turn only when no child is ready: none of these ever is not.
pub(crate) async fn n15_ready_children_do_not_starve_the_body<R: Rt>() {
    let (polls, stop) = (AtomicUsize::new(0), AtomicBool::new(false));
    nursery(async |n| {
        spin(n, MANY, &polls, &stop);
        for turn in 0..100 {
            let before = polls.load(Ordering::Relaxed);
            yield_now().await;
            let between = polls.load(Ordering::Relaxed) - before;
            // Where the runtime mixes its tasks at random, the nursery is one task all the same: each of its polls counts.
            assert!(between <= BOUND, "turn {turn} of the body came after {between} polls of children");
        }
        stop.store(true, Ordering::Relaxed);
        Ok(())
    })
    .await
    .expect("nothing fails");
}

/// Fails if: children that are spawned, or woken, while others are polled are taken in the same poll without end.
pub(crate) async fn n15_children_that_beget_children_do_not_starve_the_body<R: Rt>() {
    async fn begets<'s, 'env>(n: &'s Nursery<'s, 'env>, born: &'env AtomicUsize, stop: &'env AtomicBool) {
        born.fetch_add(1, Ordering::Relaxed);
        if !stop.load(Ordering::Relaxed) {
            spawn(n, born, stop);
        }
    }
    // A function of its own: the future's type would contain itself.
    fn spawn<'s, 'env>(n: &'s Nursery<'s, 'env>, born: &'env AtomicUsize, stop: &'env AtomicBool) {
        let next: Pin<Box<dyn Future<Output = ()> + Send + 's>> = Box::pin(begets(n, born, stop));
        n.run_local(next);
    }
    let (born, stop) = (AtomicUsize::new(0), AtomicBool::new(false));
    nursery(async |n| {
        for _ in 0..100 {
            spawn(n, &born, &stop);
        }
        for _ in 0..100 {
            let before = born.load(Ordering::Relaxed);
            yield_now().await;
            let between = born.load(Ordering::Relaxed) - before;
            assert!((1..=BOUND).contains(&between), "{between} children between two turns of the body");
        }
        stop.store(true, Ordering::Relaxed);
        Ok(())
    })
    .await
    .expect("nothing fails");
}

/// Fails if: two children that wake each other keep the poll between them.
pub(crate) async fn n15_children_that_wake_each_other_do_not_starve_the_body<R: Rt>() {
    let (wakers, polls) = ([const { Cell::new(None::<Waker>) }; 2], Cell::new(0));
    let stop = Cell::new(false);
    nursery_local(async |n| {
        for me in 0..2 {
            let (wakers, polls, stop) = (&wakers, &polls, &stop);
            n.spawn_local(poll_fn(move |cx| {
                polls.set(polls.get() + 1);
                if let Some(other) = wakers[1 - me].take() {
                    other.wake();
                }
                if stop.get() {
                    return Poll::Ready(Ok(()));
                }
                wakers[me].set(Some(cx.waker().clone()));
                Poll::Pending
            }));
        }
        for _ in 0..100 {
            let before = polls.get();
            yield_now().await;
            let between = polls.get() - before;
            assert!(between <= BOUND, "{between} polls between two turns of the body");
        }
        assert!(polls.get() > 100, "they were at it");
        stop.set(true);
        for waker in &wakers {
            if let Some(waker) = waker.take() {
                waker.wake();
            }
        }
        Ok(())
    })
    .await
    .expect("nothing fails");
}

/// Fails if: the nursery holds on to the runtime's thread, or to its place at the head of the queue, while its children
/// are ready: the others, ours or foreign, would never end, and only they stop the children.
pub(crate) async fn n15_ready_children_do_not_starve_the_runtime<R: Rt>() {
    let (polls, stop) = (AtomicUsize::new(0), AtomicBool::new(false));
    let (foreign, parallel) = (Gate::new(), Gate::new());
    nursery(async |n| {
        spin(n, MANY, &polls, &stop);
        let done = foreign.clone();
        let _foreign = R::foreign(async move {
            turns(50).await;
            done.open();
        });
        let done = parallel.clone();
        R::spawn(n, async move {
            turns(50).await;
            done.open();
            Ok(())
        });
        foreign.passed().await;
        parallel.passed().await;
        stop.store(true, Ordering::Relaxed);
        Ok(())
    })
    .await
    .expect("nothing fails");
}

/// Fails if: some children are polled again and again while others wait for their first turn.
pub(crate) async fn n15_ready_children_do_not_starve_each_other<R: Rt>() {
    let (counts, stop) = ([const { Cell::new(0_usize) }; MANY / 10], Cell::new(false));
    nursery_local(async |n| {
        for count in &counts {
            let stop = &stop;
            n.run_local(async move {
                while !stop.get() {
                    count.set(count.get() + 1);
                    yield_now().await;
                }
            });
        }
        for _ in 0..40 {
            yield_now().await;
            let (least, most) = counts
                .iter()
                .map(Cell::get)
                .fold((usize::MAX, 0), |(least, most), count| (least.min(count), most.max(count)));
            assert!(most - least <= 1, "one was polled {most} times, another {least} times");
        }
        stop.set(true);
        Ok(())
    })
    .await
    .expect("nothing fails");
    assert!(counts.iter().all(|count| count.get() > 0));
}

/// Fails if: a child that waits is polled, or looked at, in each poll for one that does not.
pub(crate) async fn n15_children_that_wait_cost_nothing<R: Rt>() {
    let (polls, gate) = (AtomicUsize::new(0), Gate::new());
    nursery(async |n| {
        for _ in 0..MANY / 10 {
            n.run_local(async {
                let mut passed = pin!(gate.passed());
                poll_fn(|cx| {
                    polls.fetch_add(1, Ordering::Relaxed);
                    passed.as_mut().poll(cx)
                })
                .await;
            });
        }
        turns(200).await;
        assert_eq!(polls.load(Ordering::Relaxed), MANY / 10, "once each");
        gate.open();
        Ok(())
    })
    .await
    .expect("nothing fails");
    assert_eq!(polls.load(Ordering::Relaxed), MANY / 5, "twice each");
}

/// Fails if: a cancellation drops ten thousand parked children in one poll.
pub(crate) async fn n15_the_end_of_many_children_is_in_bounded_steps_too<R: Rt>() {
    struct Counts<'a>(&'a AtomicUsize);
    impl Drop for Counts<'_> {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
    let dropped = AtomicUsize::new(0);
    let mut whole = pin!(nursery(async |n| {
        for _ in 0..MANY {
            let counts = Counts(&dropped);
            n.run_local(async move {
                let _counts = counts;
                pending().await
            });
        }
        turns(MANY / 50).await;
        n.cancel("enough");
        Ok(())
    }));
    let mut polls = 0;
    loop {
        let before = dropped.load(Ordering::Relaxed);
        let polled = poll_now(whole.as_mut()).await;
        let done = dropped.load(Ordering::Relaxed) - before;
        assert!(done <= BOUND, "{done} children dropped in one poll");
        polls += 1;
        if let Poll::Ready(ended) = polled {
            ended.expect("the body had its value");
            break;
        }
        yield_now().await;
    }
    assert_eq!(dropped.load(Ordering::Relaxed), MANY);
    assert!(polls > MANY / BOUND);
}

/// Fails if: what was read from the runtime's own channels, whose budget is the task's, is lost or never comes: a child
/// that has used the budget up waits, and goes on in a later turn.
pub(crate) async fn n15_keeps_to_the_runtimes_own_budget<R: Rt>() {
    const CHILDREN: usize = 300;
    const EACH: usize = 100;
    let journal = Journal::new();
    let got = AtomicUsize::new(0);
    nursery(async |n| {
        let done = Gate::new();
        for _ in 0..CHILDREN {
            // tokio's: always ready, were it not for its budget of so many operations for one poll of the task.
            let (sent, mut read) = tokio::sync::mpsc::unbounded_channel();
            for at in 0..EACH {
                sent.send(at).expect("it is open");
            }
            drop(sent);
            let got = &got;
            n.run_local(async move {
                let mut expected = 0;
                while let Some(at) = read.recv().await {
                    assert_eq!(at, expected);
                    expected += 1;
                    got.fetch_add(1, Ordering::Relaxed);
                }
                assert_eq!(expected, EACH);
            });
        }
        let (here, j) = (done.clone(), journal.clone());
        let _foreign = R::foreign(async move {
            turns(3).await;
            j.add("foreign");
            here.open();
        });
        done.passed().await;
        if R::NAME == "tokio_ct" {
            // One thread, so all that was read was read between the turns of the other task.
            let read = got.load(Ordering::Relaxed);
            assert!(read < CHILDREN * EACH, "the other task came last");
        }
        Ok(())
    })
    .await
    .expect("nothing fails");
    assert_eq!(got.load(Ordering::Relaxed), CHILDREN * EACH);
    journal.assert_is(&["foreign"]);
}
