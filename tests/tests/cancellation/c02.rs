//! c02: level-triggered: a cancelled scope stays cancelled. Whatever is awaited in it afterwards ends there, and nothing in
//! it can swallow the cancellation and go on.

use std::cell::{Cell, OnceCell};
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::thread;
use std::time::Duration;

use futures_lite::future::{or, pending, poll_fn, ready, yield_now};
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, StreamExt};
use scope_core::{Failure, Nursery, Spawner, Spawns, checkpoint, fail_after, is_cancelled, nursery, sleep};
use scope_tests::{Journal, Rt, poll_now, turns, while_it_waits};

const HOUR: Duration = Duration::from_secs(3600);

/// Fails if: asking, and being told, uses the cancellation up.
pub(crate) async fn c02_asking_does_not_use_it_up<R: Rt>() {
    let journal = Journal::new();
    let told = OnceCell::new();
    let mut asks = pin!(nursery(async |n| -> Result<(), Failure> {
        let canceller = n.canceller();
        let _ = told.set(n.canceller());
        loop {
            for _ in 0..3 {
                // Waits the first time only: what is ready at once is no await point.
                assert_eq!(canceller.cancelled().await.text(), "once");
                assert!(is_cancelled() && canceller.is_cancelled() && n.is_cancelled());
            }
            journal.add("asked");
            yield_now().await;
            journal.add("went on");
        }
    }));
    while_it_waits(asks.as_mut(), "nobody has cancelled it").await;
    journal.assert_is(&[]);
    told.get().expect("it was polled").cancel("once");
    let error = asks.await.expect_err("cancelled");
    assert!(error.is_cancelled(), "{error:?}");
    journal.assert_is(&["asked"]);
}

/// Fails if: a body that asks is ended in the round in which a same-task child cancels, before it is told.
pub(crate) async fn c02_a_body_is_told_of_a_same_task_childs_cancel<R: Rt>() {
    let journal = Journal::new();
    let error = nursery(async |n| -> Result<(), Failure> {
        let (canceller, by) = (n.canceller(), n.canceller());
        n.spawn_local(async move {
            turns(2).await;
            by.cancel("once");
            Ok(())
        });
        canceller.cancelled().await;
        journal.add("told");
        pending().await
    })
    .await
    .expect_err("cancelled");
    assert!(error.is_cancelled(), "{error:?}");
    journal.assert_is(&["told"]);
}

const TRICKS: &[&str] = &[
    "a select that has another branch",
    "catch unwind",
    "a join",
    "a set of futures",
    "a nursery of its own",
    "one that is cancelled itself",
    "one that is out of time",
    "a deadline of its own",
    "a handle",
    "a checkpoint of ours",
    "a zero sleep",
    "boxed, behind a pointer",
];

async fn waits_once() -> Result<(), Failure> {
    yield_now().await;
    Ok(())
}

/// Waits in some way that might keep the cancellation from coming through, and returns if it did.
async fn trick<'s>(which: &str, n: &'s Nursery<'s, '_>) {
    match which {
        "a select that has another branch" => or(pending(), yield_now()).await,
        "catch unwind" => drop(AssertUnwindSafe(yield_now()).catch_unwind().await),
        "a join" => {
            futures_util::join!(yield_now(), checkpoint());
        }
        "a set of futures" => {
            let mut set: FuturesUnordered<_> = (1..4).map(turns).collect();
            while set.next().await.is_some() {}
        }
        "a nursery of its own" => drop(
            nursery(async |inner| {
                inner.spawn_local(waits_once());
                waits_once().await
            })
            .await,
        ),
        "one that is cancelled itself" => drop(
            nursery(async |inner| {
                inner.cancel("the inner one");
                waits_once().await
            })
            .await,
        ),
        "one that is out of time" => drop(nursery(async |_| waits_once().await).timeout(Duration::ZERO).await),
        "a deadline of its own" => drop(fail_after(HOUR, yield_now()).await),
        "a handle" => drop(n.spawn_local_with_handle(async { Ok(()) }).await),
        "a checkpoint of ours" => checkpoint().await,
        "a zero sleep" => drop(sleep(Duration::ZERO).await),
        _ => yield_now().boxed_local().await,
    }
}

/// Fails if: something between the body and what it awaits takes the cancellation for its own and lets the body go on.
pub(crate) async fn c02_nothing_swallows_it<R: Rt>() {
    for which in TRICKS {
        for before in [true, false] {
            let journal = Journal::new();
            let error = nursery(async |n| -> Result<(), Failure> {
                if before {
                    n.cancel("before it waits");
                } else {
                    let (canceller, j) = (n.canceller(), journal.clone());
                    R::spawn(n, async move {
                        turns(2).await;
                        canceller.cancel("while it waits");
                        j.add("cancelled");
                        Ok(())
                    });
                }
                let rounds = Cell::new(0);
                loop {
                    let was = is_cancelled();
                    trick(which, n).await;
                    if was {
                        journal.add("went on");
                    }
                    rounds.set(rounds.get() + 1);
                    if before || rounds.get() % 64 == 0 {
                        // What is ready at once is no await point: a loop of such waits is one poll.
                        yield_now().await;
                    }
                }
            })
            .await
            .expect_err("cancelled");
            assert!(error.is_cancelled(), "{which}: {error:?}");
            assert_eq!(journal.count("went on"), 0, "{which}");
        }
    }
}

/// Fails if: a checkpoint of ours gives in when it is polled again and again, by hand, in a cancelled scope.
pub(crate) async fn c02_polling_again_does_not_help<R: Rt>() {
    nursery(async |n| -> Result<(), Failure> {
        n.cancel("before");
        let mut checkpoint = pin!(checkpoint());
        let mut sleep = pin!(sleep(Duration::ZERO));
        let mut handle = n.spawn_local_with_handle(async { Ok(()) });
        for _ in 0..100 {
            assert!(poll_now(checkpoint.as_mut()).await.is_pending());
            assert!(poll_now(sleep.as_mut()).await.is_pending());
            assert!(poll_now(pin!(&mut handle)).await.is_pending());
            ready(()).await;
        }
        Ok(())
    })
    .await
    .expect("it never waited");
}

/// Fails if: a body that is polled by something of its own (here: a combinator that polls it three times in one poll) is
/// polled on past its await point.
pub(crate) async fn c02_the_body_is_not_polled_past_its_end<R: Rt>() {
    let polls = Cell::new(0);
    let destroyed = Journal::new();
    let note = destroyed.on_drop("body");
    nursery(async |n| -> Result<(), Failure> {
        let _note = note;
        n.cancel("before");
        poll_fn(|cx| {
            polls.set(polls.get() + 1);
            // Asks to be polled again, at once, for ever.
            cx.waker().wake_by_ref();
            std::task::Poll::<()>::Pending
        })
        .await;
        Ok(())
    })
    .await
    .expect_err("cancelled");
    assert_eq!(polls.get(), 1);
    destroyed.assert_is(&["body"]);
}

/// Spawns when it is dropped: into a scope that was cancelled long ago.
struct SpawnsOnDrop(Spawner, Journal);

impl Drop for SpawnsOnDrop {
    fn drop(&mut self) {
        let journal = self.1.clone();
        let _ = self.0.spawn_erased(async move {
            journal.add("started");
            yield_now().await;
            journal.add("went on");
            Ok(())
        });
    }
}

/// Fails if: only those who were there when `cancel` was called are told.
pub(crate) async fn c02_what_comes_later_is_cancelled_too<R: Rt>() {
    let journal = Journal::new();
    nursery(async |n| -> Result<(), Failure> {
        let _late = SpawnsOnDrop(n.spawner(), journal.clone());
        n.cancel("before");
        let j = journal.clone();
        R::spawn(n, async move {
            j.add("started");
            let inner = nursery(async |inner| {
                let k = j.clone();
                R::spawn(inner, async move {
                    k.add("started");
                    checkpoint().await;
                    k.add("went on");
                    Ok(())
                });
                j.add("started");
                checkpoint().await;
                j.add("went on");
                Ok(())
            })
            .await;
            drop(inner);
            j.add("went on");
            Ok(())
        });
        n.spawn_local(async {
            journal.add("started");
            yield_now().await;
            journal.add("went on");
            Ok(())
        });
        let (spawner, j) = (n.spawner(), journal.clone());
        thread::spawn(move || {
            spawner.spawn_erased(async move {
                j.add("started");
                yield_now().await;
                j.add("went on");
                Ok(())
            })
        })
        .join()
        .expect("no panic")
        .expect("the scope is open");
        pending().await
    })
    .await
    .expect_err("cancelled");
    let lines = journal.lines();
    assert_eq!((lines.len(), journal.count("started")), (6, 6), "{lines:?}");
}

/// Fails if: the end of the scope, or of what ran in it, takes the state back.
pub(crate) async fn c02_it_stays_cancelled_after_its_end<R: Rt>() {
    let canceller = nursery(async |n| {
        let canceller = n.canceller();
        R::spawn(n, waits_once());
        n.cancel("first");
        Ok(canceller)
    })
    .await
    .expect("the body had its value");
    for _ in 0..2 {
        assert!(canceller.is_cancelled());
        assert_eq!(canceller.cancelled().await.text(), "first");
        assert!(!canceller.cancel("second"));
    }
    assert!(!is_cancelled(), "not out here");
}
