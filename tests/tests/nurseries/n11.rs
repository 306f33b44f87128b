//! n11: a bounded nursery's `spawn` waits for a place.

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};

use futures_lite::future::{pending, yield_now};
use scope_core::{Bounded, Failure, Spawner, Spawns, nursery};
use scope_tests::{Gate, Journal, Rt, poll_now, turns, while_it_waits};

/// How many run now, and how many did at the most.
#[derive(Clone, Default)]
pub(crate) struct Meter(Arc<(AtomicUsize, AtomicUsize)>);

pub(crate) struct Running(Meter);

impl Meter {
    pub(crate) fn enter(&self) -> Running {
        let now = self.0.0.fetch_add(1, Ordering::SeqCst) + 1;
        self.0.1.fetch_max(now, Ordering::SeqCst);
        Running(self.clone())
    }

    pub(crate) fn most(&self) -> usize {
        self.0.1.load(Ordering::SeqCst)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.0.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Fails if: more run than there are places, or fewer than could, or one never runs.
pub(crate) async fn n11_as_many_run_as_there_are_places<R: Rt>() {
    for same_task in [false, true] {
        for limit in [1, 3] {
            let (meter, ran) = (Meter::default(), Arc::new(AtomicUsize::new(0)));
            nursery(async |n| {
                let bounded = n.bounded(limit)?;
                for _ in 0..20 {
                    let (meter, ran) = (meter.clone(), Arc::clone(&ran));
                    let child = async move {
                        // Counted as long as anything of it lives.
                        let _running = meter.enter();
                        turns(3).await;
                        ran.fetch_add(1, Ordering::SeqCst);
                        Ok(())
                    };
                    if same_task {
                        bounded.spawn_local(child).await?;
                    } else {
                        bounded.spawn_erased(child).await?;
                    }
                }
                Ok(())
            })
            .await
            .expect("nothing fails");
            assert_eq!(ran.load(Ordering::SeqCst), 20);
            if R::THREADS && !same_task {
                // They may be quicker than the body.
                assert!(meter.most() <= limit, "{}", meter.most());
            } else {
                assert_eq!(meter.most(), limit);
            }
        }
    }
}

/// Fails if: a spawn into a full one returns, or one is still full when a child has ended.
pub(crate) async fn n11_spawn_waits_for_a_place<R: Rt>() {
    for same_task in [false, true] {
        let journal = Journal::new();
        nursery(async |n| {
            let bounded = n.bounded(2)?;
            let gates = [Gate::new(), Gate::new()];
            for gate in gates.clone() {
                let child = async move {
                    gate.passed().await;
                    Ok(())
                };
                if same_task {
                    bounded.spawn_local(child).await?;
                } else {
                    bounded.spawn_erased(child).await?;
                }
            }
            let j = journal.clone();
            let mut third = pin!(bounded.spawn_erased(async move {
                j.add("third");
                Ok(())
            }));
            while_it_waits(third.as_mut(), "both places are taken").await;
            journal.assert_is(&[]);
            gates[1].open();
            third.await?;
            gates[0].open();
            Ok(())
        })
        .await
        .expect("nothing fails");
        journal.assert_is(&["third"]);
    }
}

/// Fails if: a place is given away while a destructor of the child before still runs.
pub(crate) async fn n11_a_place_is_free_when_nothing_of_the_child_is_left<R: Rt>() {
    let journal = Journal::new();
    nursery(async |n| {
        let bounded = n.bounded(1)?;
        for name in ["a", "b", "c"] {
            let (j, note) = (journal.clone(), journal.on_drop(format!("{name} gone")));
            bounded
                .spawn_erased(async move {
                    let _note = note;
                    j.add(name);
                    yield_now().await;
                    Ok(())
                })
                .await?;
        }
        Ok(())
    })
    .await
    .expect("nothing fails");
    journal.assert_is(&["a", "a gone", "b", "b gone", "c", "c gone"]);
}

/// Fails if: a spawn that is dropped while it waits keeps a place, runs its child, or leaks it.
pub(crate) async fn n11_a_spawn_dropped_while_it_waits_leaves_nothing<R: Rt>() {
    let journal = Journal::new();
    nursery(async |n| {
        let bounded = n.bounded(1)?;
        let gate = Gate::new();
        let here = gate.clone();
        bounded
            .spawn_erased(async move {
                here.passed().await;
                Ok(())
            })
            .await?;
        {
            let (j, note) = (journal.clone(), journal.on_drop("dropped unpolled"));
            let mut given_up = pin!(bounded.spawn_erased(async move {
                let _note = note;
                j.add("polled");
                Ok(())
            }));
            while_it_waits(given_up.as_mut(), "the place is taken").await;
        }
        journal.assert_is(&["dropped unpolled"]);
        gate.open();
        for _ in 0..3 {
            // Were the place lost, this would wait for ever.
            bounded.spawn_erased(async { Ok(()) }).await?;
        }
        Ok(())
    })
    .await
    .expect("nothing fails");
    journal.assert_is(&["dropped unpolled"]);
}

/// Fails if: the news that a place is free goes to one that is dropped before it hears it, and to nobody else.
pub(crate) async fn n11_a_place_offered_to_one_that_goes_is_offered_to_the_next<R: Rt>() {
    nursery(async |n| {
        let bounded = n.bounded(1)?;
        let (gate, ended) = (Gate::new(), Journal::new());
        let (here, note) = (gate.clone(), ended.on_drop("ended"));
        bounded
            .spawn_erased(async move {
                let _note = note;
                here.passed().await;
                Ok(())
            })
            .await?;
        let mut first: Pin<Box<dyn Future<Output = _> + Send + '_>> = Box::pin(bounded.spawn_erased(async { Ok(()) }));
        let mut second: Pin<Box<dyn Future<Output = _> + Send + '_>> = Box::pin(bounded.spawn_erased(async { Ok(()) }));
        assert!(poll_now(first.as_mut()).await.is_pending());
        // Polled by a task of its own, so that only a wake-up of its own can end it.
        let waits = async {
            second.as_mut().await?;
            Ok::<_, Failure>(())
        };
        let goes = async {
            yield_now().await;
            gate.open();
            while !ended.has("ended") {
                yield_now().await;
            }
            turns(20).await;
            drop(first);
            Ok(())
        };
        futures_lite::future::try_zip(waits, goes).await?;
        Ok(())
    })
    .await
    .expect("nothing fails");
}

/// Fails if: a child that waits for a place in its own full nursery waits for ever, itself in the way.
pub(crate) async fn n11_a_child_waiting_in_its_own_full_nursery_gets_an_error<R: Rt>() {
    for limit in [1, 2] {
        let journal = Journal::new();
        nursery(async |n| {
            let bounded = n.spawner().bounded(limit)?;
            let (asked, full) = (Arc::new(AtomicUsize::new(0)), Gate::new());
            for _ in 0..limit {
                let (own, j, asked, full) = (bounded.clone(), journal.clone(), Arc::clone(&asked), full.clone());
                bounded
                    .spawn_erased(async move {
                        full.passed().await;
                        let error = own.spawn_erased(async { Ok(()) }).await.expect_err("it would wait for itself");
                        assert!(error.is_own_place() && error.spawn_error().is_none(), "{error:?}");
                        assert!(!error.to_string().is_empty());
                        j.add("told");
                        asked.fetch_add(1, Ordering::SeqCst);
                        while asked.load(Ordering::SeqCst) < limit {
                            // It keeps its place until all have asked.
                            yield_now().await;
                        }
                        Ok(())
                    })
                    .await?;
            }
            full.open();
            Ok(())
        })
        .await
        .expect("nothing fails");
        assert_eq!(journal.count("told"), limit);
    }
}

/// Fails if: a child may never spawn into its own bounded nursery, full or not.
pub(crate) async fn n11_a_child_may_spawn_into_its_own_nursery_where_there_is_a_place<R: Rt>() {
    let journal = Journal::new();
    nursery(async |n| {
        let bounded = n.spawner().bounded(2)?;
        let (own, j) = (bounded.clone(), journal.clone());
        bounded
            .spawn_erased(async move {
                own.spawn_erased(async move {
                    j.add("grandchild");
                    Ok(())
                })
                .await?;
                Ok(())
            })
            .await?;
        Ok(())
    })
    .await
    .expect("nothing fails");
    journal.assert_is(&["grandchild"]);
}

/// Fails if: a bound of nothing is taken: nobody could ever get in.
pub(crate) async fn n11_a_bound_of_zero_is_an_error<R: Rt>() {
    nursery(async |n| {
        let error = n.bounded(0).map(drop).expect_err("no place at all");
        assert!(!error.to_string().is_empty());
        assert!(n.spawner().bounded(0).is_err());
        Ok(())
    })
    .await
    .expect("nothing fails");
}

/// Fails if: who waits for a place in a scope that is cancelled waits on; or its child is polled further than one that is
/// spawned into a cancelled nursery.
pub(crate) async fn n11_waiting_for_a_place_ends_with_the_scope<R: Rt>() {
    // In the scope itself: the body is cut where it waits, and the child dropped.
    let journal = Journal::new();
    let error = nursery(async |n| -> Result<(), Failure> {
        let bounded = n.bounded(1)?;
        bounded.spawn_erased(pending()).await?;
        let canceller = n.canceller();
        n.spawn_local(async move {
            turns(3).await;
            canceller.cancel("enough");
            Ok(())
        });
        let (j, note) = (journal.clone(), journal.on_drop("dropped"));
        bounded
            .spawn_erased(async move {
                let _note = note;
                j.add("polled");
                Ok(())
            })
            .await?;
        yield_now().await;
        journal.add("the body went on");
        Ok(())
    })
    .await
    .expect_err("cancelled");
    assert!(error.is_cancelled(), "{error:?}");
    journal.assert_is(&["dropped"]);
}

/// Fails if: who waits, from elsewhere, for a place in a scope that ends meanwhile waits for ever.
pub(crate) async fn n11_waiting_for_a_place_in_a_scope_that_ends_is_answered<R: Rt>() {
    let journal = Journal::new();
    nursery(async |elsewhere| {
        let (sent, got) = async_channel::bounded(1);
        let waiting = Gate::new();
        let (here, note) = (waiting.clone(), journal.on_drop("dropped"));
        let answer = elsewhere.spawn_erased_with_handle(async move {
            let bounded: scope_core::Bounded<scope_core::Spawner> = got.recv().await?;
            let mut waits = pin!(bounded.spawn_erased(async move {
                let _note = note;
                pending().await
            }));
            assert!(poll_now(waits.as_mut()).await.is_pending(), "it is full");
            here.open();
            Ok(waits.await)
        });
        let error = nursery(async |n| -> Result<(), Failure> {
            let bounded = n.spawner().bounded(1)?;
            bounded.spawn_erased(pending()).await?;
            sent.send(bounded.clone()).await?;
            waiting.passed().await;
            n.cancel("enough");
            pending().await
        })
        .named("full")
        .await
        .expect_err("cancelled");
        assert!(error.is_cancelled(), "{error:?}");
        // Either it came in while the scope was ending, and ended at its first await point, or it came too late.
        match answer.await? {
            Ok(()) => {}
            Err(error) => assert!(error.spawn_error().is_some_and(|error| error.is_closed()), "{error:?}"),
        }
        journal.assert_is(&["dropped"]);
        Ok(())
    })
    .await
    .expect("nothing fails");
}

/// Fails if: a child of a child that waits for a place, while the child that waits for it holds the last one, deadlocks.
pub(crate) async fn n11_a_grandchild_waiting_for_its_ancestors_place_gets_an_error<R: Rt>() {
    let journal = Journal::new();
    nursery(async |n| {
        let bounded = n.spawner().bounded(1)?;
        let (own, j) = (bounded.clone(), journal.clone());
        bounded
            .spawn_erased(async move {
                nursery(async |inner| {
                    inner.spawn_erased(async move {
                        let error = own.spawn_erased(async { Ok(()) }).await.expect_err("its parent is in the way");
                        assert!(error.is_own_place(), "{error:?}");
                        j.add("told");
                        Ok(())
                    });
                    Ok(())
                })
                .await?;
                Ok(())
            })
            .await?;
        Ok(())
    })
    .await
    .expect("nothing fails");
    journal.assert_is(&["told"]);
}

/// Fails if: the place of a child that is never polled is free before its future has been destroyed.
pub(crate) async fn n11_a_place_is_not_free_before_a_refused_childs_future_is_gone<R: Rt>() {
    struct Tries(Bounded<Spawner>, Arc<AtomicUsize>);
    impl Drop for Tries {
        fn drop(&mut self) {
            let spawn = pin!(self.0.spawn_erased(async { Ok(()) }));
            let polled = spawn.poll(&mut Context::from_waker(Waker::noop()));
            let holds_it = matches!(&polled, Poll::Ready(Err(error)) if error.is_own_place());
            self.1.store(if holds_it { 1 } else { 2 }, Ordering::SeqCst);
        }
    }
    let mut closed = None;
    nursery(async |n| {
        closed = Some(n.spawner().bounded(1)?);
        Ok(())
    })
    .await
    .expect("nothing fails");
    let (bounded, tried) = (closed.expect("the body ran"), Arc::new(AtomicUsize::new(0)));
    let tries = Tries(bounded.clone(), tried.clone());
    let refused = bounded.spawn_erased(async move {
        let _tries = tries;
        Ok(())
    });
    assert!(refused.await.expect_err("it has closed").spawn_error().is_some());
    assert_eq!(tried.load(Ordering::SeqCst), 1);
}
