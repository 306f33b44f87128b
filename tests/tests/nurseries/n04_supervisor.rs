//! n04: a supervisor gets its children's failures as values, and the others live.

use std::pin::pin;

use futures_lite::future::{pending, yield_now};
use scope_core::{Cause, Failure, Spawns, Supervised, nursery};
use scope_tests::{Boom, Gate, Journal, Rt, poll_now, turns, while_it_waits};

/// How one ended, in a word.
fn word(ended: Supervised<u32, Failure>) -> String {
    match ended.into_result() {
        Ok(value) => format!("ok {value}"),
        Err(Cause::Failed(failure)) => format!("failed: {failure}"),
        Err(Cause::Panicked(payload)) => format!("panicked: {}", payload.message()),
        Err(Cause::Aborted) => "aborted".to_owned(),
        Err(other) => format!("{other:?}"),
    }
}

/// Fails if: a supervised child's error or panic cancels its siblings or the body, or comes out of the nursery.
pub(crate) async fn n04_supervised_failures_are_values_and_siblings_live<R: Rt>() {
    for same_task in [false, true] {
        let let_go = Gate::new();
        let words = nursery(async |n| {
            let mut supervisor = n.supervisor::<u32>();
            let gate = let_go.clone();
            let lives = async move {
                gate.passed().await;
                turns(2).await;
                Ok(7)
            };
            let plain = n.spawn_erased_with_handle({
                let gate = let_go.clone();
                async move {
                    gate.passed().await;
                    Ok(1)
                }
            });
            let fails = async { Err(Boom("error").into()) };
            let panics = async { panic!("panic") };
            if same_task {
                supervisor.spawn_local(lives);
                supervisor.spawn_local(fails);
            } else {
                supervisor.spawn_erased(lives);
                supervisor.spawn_erased(fails);
            }
            let first = word(supervisor.next().await.expect("one has ended"));
            if same_task {
                supervisor.spawn_local(panics);
            } else {
                supervisor.spawn_erased(panics);
            }
            let second = word(supervisor.next().await.expect("one has ended"));
            yield_now().await;
            assert!(!n.is_cancelled());
            let_go.open();
            let third = word(supervisor.next().await.expect("one has ended"));
            assert!(supervisor.next().await.is_none(), "there is no other");
            assert_eq!(plain.await?, 1);
            Ok([first, second, third])
        })
        .await
        .expect("who has the failures decides");
        assert_eq!(words, ["failed: error", "panicked: panic", "ok 7"]);
    }
}

/// Fails if: the owner cannot tell which of them ended: to start it again, say.
pub(crate) async fn n04_a_supervisor_says_which_child_it_was<R: Rt>() {
    nursery(async |n| {
        let mut supervisor = n.supervisor::<u32>();
        let gates = [Gate::new(), Gate::new(), Gate::new()];
        let tasks = gates.clone().map(|gate| {
            supervisor.spawn_erased(async move {
                gate.passed().await;
                Err(Boom("again").into())
            })
        });
        for at in [2, 0, 1] {
            gates[at].open();
            let ended = supervisor.next().await.expect("one has ended");
            assert_eq!(ended.task(), &tasks[at]);
            assert!(ended.result().is_err());
        }
        // A restart: the same supervisor takes more after all have ended.
        assert!(supervisor.next().await.is_none());
        let again = supervisor.spawn_erased(async { Ok(1) });
        let ended = supervisor.next().await.expect("one has ended");
        assert_eq!(ended.task(), &again);
        assert_eq!(word(ended), "ok 1");
        Ok(())
    })
    .await
    .expect("nothing fails");
}

/// Fails if: supervised children are not the nursery's: not cancelled with it, or not joined.
pub(crate) async fn n04_supervised_children_are_cancelled_and_joined_like_others<R: Rt>() {
    for same_task in [false, true] {
        let journal = Journal::new();
        let error = nursery(async |n| -> Result<(), Failure> {
            let supervisor = n.supervisor::<u32>();
            let (note, parked) = (journal.on_drop("child"), Gate::new());
            let here = parked.clone();
            let child = async move {
                let _note = note;
                here.open();
                pending().await
            };
            if same_task {
                supervisor.spawn_local(child);
            } else {
                supervisor.spawn_erased(child);
            }
            parked.passed().await;
            n.cancel("enough");
            pending().await
        })
        .await
        .expect_err("cancelled");
        assert!(error.is_cancelled() && error.leaves().is_empty(), "{error:?}");
        journal.assert_is(&["child"]);
    }
    // And waited for, where nobody cancels.
    let let_go = Gate::new();
    let mut waiting = pin!(nursery(async |n| {
        let gate = let_go.clone();
        let supervisor = n.supervisor::<u32>();
        supervisor.spawn_erased(async move {
            gate.passed().await;
            Ok(1)
        });
        Ok(())
    }));
    while_it_waits(waiting.as_mut(), "a supervised child waits").await;
    let_go.open();
    waiting.await.expect("nothing fails");
}

/// Fails if: a supervised child's failure is told before its destructors have run, or before what it had opened is over.
pub(crate) async fn n04_a_supervised_failure_comes_after_the_childs_clean_up<R: Rt>() {
    let (journal, sweep) = (Journal::new(), Gate::new());
    nursery(async |n| {
        let mut supervisor = n.supervisor::<u32>();
        let (j, gate, begun) = (journal.clone(), sweep.clone(), Gate::new());
        let here = begun.clone();
        supervisor.spawn_erased(async move {
            let _note = j.on_drop("destructor");
            nursery(async |inner| -> Result<(), Failure> {
                let j = j.clone();
                inner.finalizer("sweep", async move |_| {
                    here.open();
                    gate.passed().await;
                    j.add("swept");
                    Ok(())
                });
                Err(Boom("failed").into())
            })
            .await?;
            Ok(1)
        });
        begun.passed().await;
        {
            let mut next = pin!(supervisor.next());
            while_it_waits(next.as_mut(), "the child cleans up").await;
        }
        journal.assert_is(&[]);
        sweep.open();
        let ended = supervisor.next().await.expect("one has ended");
        assert!(ended.result().is_err());
        journal.assert_is(&["swept", "destructor"]);
        Ok(())
    })
    .await
    .expect("nothing fails");
}

/// Fails if: `next` loses an ending when it is dropped before it was ready.
pub(crate) async fn n04_a_supervisors_next_loses_nothing_when_it_is_dropped<R: Rt>() {
    nursery(async |n| {
        let mut supervisor = n.supervisor::<u32>();
        let gate = Gate::new();
        for value in 0..3 {
            let gate = gate.clone();
            supervisor.spawn_erased(async move {
                gate.passed().await;
                Ok(value)
            });
        }
        for _ in 0..3 {
            assert!(poll_now(pin!(supervisor.next())).await.is_pending());
            yield_now().await;
        }
        gate.open();
        let mut found = Vec::new();
        while let Some(ended) = supervisor.next().await {
            found.push(word(ended));
        }
        found.sort();
        assert_eq!(found, ["ok 0", "ok 1", "ok 2"]);
        Ok(())
    })
    .await
    .expect("nothing fails");
}

/// Fails if: a failure that nobody read is lost, or cancels somebody before its supervisor is gone.
pub(crate) async fn n04_failures_that_a_supervisor_has_not_read_are_not_lost<R: Rt>() {
    for same_task in [false, true] {
        let error = nursery(async |n| -> Result<(), Failure> {
            let supervisor = n.supervisor::<u32>();
            let (failed, gone) = (Gate::new(), Gate::new());
            let opens = OpensWhenDropped(failed.clone());
            let fails = async move {
                let _opens = opens;
                Err(Boom("unread").into())
            };
            let waits = gone.clone();
            let later = async move {
                waits.passed().await;
                Err(Boom("after it was gone").into())
            };
            if same_task {
                supervisor.spawn_local(fails);
                supervisor.spawn_local(later);
            } else {
                supervisor.spawn_erased(fails);
                supervisor.spawn_erased(later);
            }
            failed.passed().await;
            turns(20).await;
            assert!(!n.is_cancelled(), "its supervisor may still read it");
            gone.open();
            drop(supervisor);
            pending().await
        })
        .await
        .expect_err("a failure was not read");
        // The other may have failed first, where there are threads.
        let booms = error.leaves().iter().filter_map(|leaf| match leaf.cause() {
            Cause::Failed(failure) => failure.downcast_ref::<Boom>(),
            _ => None,
        });
        assert_eq!(booms.filter(|boom| boom.0 == "unread").count(), 1, "{error:?}");
    }
}

/// Fails if: a child that fails when its supervisor has gone is nobody's: it fails the scope as any child does.
pub(crate) async fn n04_a_child_whose_supervisor_has_gone_is_like_any_other<R: Rt>() {
    for same_task in [false, true] {
        let error = nursery(async |n| -> Result<(), Failure> {
            let gone = Gate::new();
            let waits = gone.clone();
            let later = async move {
                waits.passed().await;
                Err(Boom("after it was gone").into())
            };
            let supervisor = n.supervisor::<u32>();
            if same_task {
                supervisor.spawn_local(later);
            } else {
                supervisor.spawn_erased(later);
            }
            drop(supervisor);
            yield_now().await;
            gone.open();
            pending().await
        })
        .await
        .expect_err("a child failed");
        assert_eq!(error.find::<Boom>(), Some(&Boom("after it was gone")), "{error:?}");
    }
}

/// Fails if: a failure is lost because its supervisor was carried out of the scope and dropped there unread.
pub(crate) async fn n04_a_supervisor_carried_out_of_its_scope_still_has_its_failures<R: Rt>() {
    let mut supervisor = nursery(async |n| {
        let supervisor = n.spawner().supervisor::<u32>();
        supervisor.spawn_erased(async { Err(Boom("early").into()) })?;
        Ok(supervisor)
    })
    .await
    .expect("its owner has the failure");
    assert_eq!(word(supervisor.next().await.expect("it is there")), "failed: early");
    assert!(supervisor.next().await.is_none());
}

struct OpensWhenDropped(Gate);

impl Drop for OpensWhenDropped {
    fn drop(&mut self) {
        self.0.open();
    }
}
