//! n12: results as a stream, in the order in which children finish.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_lite::StreamExt;
use futures_lite::future::{pending, yield_now};
use scope_core::{Failure, Spawns, nursery};
use scope_tests::{Boom, Gate, Journal, Rt, poll_now, turns, while_it_waits};

/// A result that is counted as long as it lives.
struct Counted(Arc<AtomicUsize>, usize);

impl Counted {
    fn new(alive: &Arc<AtomicUsize>, value: usize) -> Self {
        alive.fetch_add(1, Ordering::SeqCst);
        Counted(Arc::clone(alive), value)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Fails if: results come in the order in which children were spawned, or all at the end.
pub(crate) async fn n12_results_come_in_completion_order<R: Rt>() {
    for same_task in [false, true] {
        let found = nursery(async |n| {
            let mut results = n.results::<usize>();
            let gates: [Gate; 4] = Default::default();
            for (at, gate) in gates.clone().into_iter().enumerate() {
                let child = async move {
                    gate.passed().await;
                    Ok(at)
                };
                if same_task {
                    results.spawn_local(child);
                } else {
                    results.spawn_erased(child);
                }
            }
            let mut found = Vec::new();
            for at in [2, 0, 3, 1] {
                assert!(poll_now(pin!(results.next())).await.is_pending(), "nobody has finished");
                gates[at].open();
                found.push(results.next().await.expect("one has finished"));
            }
            assert_eq!(results.next().await, None, "there are no more");
            Ok(found)
        })
        .await
        .expect("nothing fails");
        assert_eq!(found, [2, 0, 3, 1]);
    }
}

/// Fails if: several that finished before anyone read are mixed up or lost.
pub(crate) async fn n12_unread_results_keep_their_order<R: Rt>() {
    for same_task in [false, true] {
        let found = nursery(async |n| {
            let results = n.results::<usize>();
            let turn: [Gate; 5] = Default::default();
            for at in 0..4 {
                // Each lets the one before it go when it is gone itself.
                let (mine, before) = (turn[at + 1].clone(), turn[at].clone());
                let opens = OpensWhenDropped(before);
                let child = async move {
                    let opens = opens;
                    mine.passed().await;
                    drop(opens);
                    Ok(at)
                };
                if same_task {
                    results.spawn_local(child);
                } else {
                    results.spawn_erased(child);
                }
            }
            turn[4].open();
            turn[0].passed().await;
            let found: Vec<_> = results.collect().await;
            Ok(found)
        })
        .await
        .expect("nothing fails");
        if R::THREADS && !same_task {
            // The gate opens a moment before the child has ended, so a neighbour may overtake it.
            let mut sorted = found.clone();
            sorted.sort();
            assert_eq!(sorted, [0, 1, 2, 3]);
        } else if same_task {
            assert_eq!(found, [3, 2, 1, 0]);
        }
    }
}

struct OpensWhenDropped(Gate);

impl Drop for OpensWhenDropped {
    fn drop(&mut self) {
        self.0.open();
    }
}

/// Fails if: a child that fails leaves the reader waiting, or its error is read instead of being the nursery's.
pub(crate) async fn n12_a_failure_is_the_nurserys<R: Rt>() {
    for same_task in [false, true] {
        let journal = Journal::new();
        let error = nursery(async |n| {
            let mut results = n.results::<usize>();
            let fails = async { Err(Boom("child").into()) };
            let note = journal.on_drop("sibling");
            results.spawn_erased(async move {
                let _note = note;
                pending().await
            });
            if same_task {
                results.spawn_local(fails);
            } else {
                results.spawn_erased(fails);
            }
            while results.next().await.is_some() {}
            // Ours stays pending in a cancelled scope, also where nothing is left to come.
            journal.add("the body went on");
            Ok(())
        })
        .await
        .expect_err("a child failed");
        assert_eq!(error.find::<Boom>(), Some(&Boom("child")));
        journal.assert_is(&["sibling"]);
    }
}

/// Fails if: `next` loses a result when it is dropped before it was ready.
pub(crate) async fn n12_next_loses_nothing_when_it_is_dropped<R: Rt>() {
    let found = nursery(async |n| {
        let mut results = n.results::<usize>();
        let gate = Gate::new();
        for at in 0..8 {
            let gate = gate.clone();
            results.spawn_erased(async move {
                gate.passed().await;
                turns(at).await;
                Ok(at)
            });
        }
        gate.open();
        let mut found = Vec::new();
        while found.len() < 8 {
            if let std::task::Poll::Ready(next) = poll_now(pin!(results.next())).await {
                found.extend(next);
            }
            yield_now().await;
        }
        assert_eq!(results.next().await, None);
        found.sort();
        Ok(found)
    })
    .await
    .expect("nothing fails");
    assert_eq!(found, (0..8).collect::<Vec<_>>());
}

/// Fails if: what has been read, or whose stream is gone, is kept: memory is bounded by the unfinished and the unread.
pub(crate) async fn n12_nothing_is_kept_but_the_unfinished_and_the_unread<R: Rt>() {
    for same_task in [false, true] {
        let alive = Arc::new(AtomicUsize::new(0));
        nursery(async |n| {
            let mut results = n.results::<Counted>();
            for round in 0..50 {
                for at in 0..4 {
                    let alive = Arc::clone(&alive);
                    let child = async move { Ok(Counted::new(&alive, at)) };
                    if same_task {
                        results.spawn_local(child);
                    } else {
                        results.spawn_erased(child);
                    }
                }
                let mut sum = 0;
                while let Some(result) = results.next().await {
                    sum += result.1;
                }
                assert_eq!(sum, 6);
                assert_eq!(alive.load(Ordering::SeqCst), 0, "round {round}");
            }
            // Unread, and then the stream is given up.
            let gate = Gate::new();
            for _ in 0..4 {
                let (alive, gate) = (Arc::clone(&alive), gate.clone());
                results.spawn_erased(async move {
                    let early = Counted::new(&alive, 1);
                    gate.passed().await;
                    Ok(early)
                });
            }
            yield_now().await;
            drop(results);
            gate.open();
            Ok(())
        })
        .await
        .expect("giving results up is no failure");
        // The children went on; their results were destroyed when they had made them.
        assert_eq!(alive.load(Ordering::SeqCst), 0);
    }
}

/// Fails if: the bound counts the unfinished only: results that nobody reads would pile up.
pub(crate) async fn n12_the_bound_counts_unfinished_and_unread<R: Rt>() {
    const LIMIT: usize = 3;
    let alive = Arc::new(AtomicUsize::new(0));
    let mut read = nursery(async |n| {
        let mut results = n.results_bounded::<Counted>(LIMIT)?;
        for at in 0..LIMIT {
            let alive = Arc::clone(&alive);
            results.spawn_erased(async move { Ok(Counted::new(&alive, at)) }).await?;
        }
        while alive.load(Ordering::SeqCst) < LIMIT {
            yield_now().await;
        }
        // All have finished, none has been read.
        let mut read = Vec::new();
        for at in LIMIT..10 {
            {
                let alive = Arc::clone(&alive);
                let mut full = pin!(results.spawn_erased(async move { Ok(Counted::new(&alive, at)) }));
                while_it_waits(full.as_mut(), "as many as there are places are unread").await;
            }
            read.push(results.next().await.expect("there are some").1);
            let made = Arc::clone(&alive);
            results.spawn_erased(async move { Ok(Counted::new(&made, at)) }).await?;
            assert!(alive.load(Ordering::SeqCst) <= LIMIT);
        }
        while let Some(result) = results.next().await {
            read.push(result.1);
        }
        Ok(read)
    })
    .await
    .expect("nothing fails");
    read.sort();
    assert_eq!(read, (0..10).collect::<Vec<_>>());
    assert_eq!(alive.load(Ordering::SeqCst), 0);
}

/// Fails if: a bound of nothing is taken.
pub(crate) async fn n12_a_bound_of_zero_is_an_error<R: Rt>() {
    nursery(async |n| {
        assert!(n.results_bounded::<u32>(0).is_err());
        Ok(())
    })
    .await
    .expect("nothing fails");
}

/// Fails if: a stream of results that is left unread keeps the nursery open, or its results outlive it.
pub(crate) async fn n12_unread_results_do_not_hold_the_nursery<R: Rt>() {
    let journal = Journal::new();
    nursery(async |n| {
        let results = n.spawner().results::<scope_tests::Note>();
        for _ in 0..3 {
            let note = journal.on_drop("result");
            results.spawn_erased(async move { Ok(note) })?;
        }
        yield_now().await;
        Ok(())
    })
    .await
    .expect("nothing fails");
    assert_eq!(journal.count("result"), 3);

    // Carried out of the nursery, it has what was finished, and then ends.
    let results = nursery(async |n| {
        let results = n.spawner().results::<usize>();
        for at in 0..3 {
            results.spawn_erased(async move { Ok(at) })?;
        }
        Ok(results)
    })
    .await
    .expect("nothing fails");
    let mut found: Vec<_> = results.collect().await;
    found.sort();
    assert_eq!(found, [0, 1, 2]);
}

/// Fails if: reading in a cancelled scope goes on: it is a checkpoint of ours.
pub(crate) async fn n12_next_is_a_checkpoint<R: Rt>() {
    let journal = Journal::new();
    let error = nursery(async |n| -> Result<(), Failure> {
        let mut results = n.results::<usize>();
        results.spawn_local(async { Ok(1) });
        yield_now().await;
        n.cancel("enough");
        let read = results.next().await;
        journal.add(format!("read {read:?}"));
        Ok(())
    })
    .await
    .expect_err("cancelled");
    assert!(error.is_cancelled(), "{error:?}");
    journal.assert_is(&[]);
}
