//! n08: a spawner passed to another task: the child is the nursery's, whoever spawned it.

use futures_lite::future::{pending, yield_now};
use scope_core::{Cause, Failure, Spawns, nursery, task};
use scope_tests::{Boom, Gate, Journal, Rt, turns, way_to, while_it_waits};

/// Fails if: the child belongs to the scope that its spawner was used in: cancelling that one would end it.
pub(crate) async fn n08_cancelling_the_spawning_scope_leaves_the_child_alone<R: Rt>() {
    let journal = Journal::new();
    let go = Gate::new();
    nursery(async |n| {
        let (spawner, j, g) = (n.spawner(), journal.clone(), go.clone());
        let error = nursery(async |other| -> Result<(), Failure> {
            let spawned = Gate::new();
            let here = spawned.clone();
            R::spawn(other, async move {
                spawner.spawn_erased(async move {
                    let _note = j.on_drop("destructor");
                    turns(3).await;
                    g.passed().await;
                    j.add("went on");
                    Ok(())
                })?;
                here.open();
                pending().await
            });
            spawned.passed().await;
            other.cancel("the spawning task and its scope");
            pending().await
        })
        .await
        .expect_err("cancelled");
        // The scope it was spawned from has returned: it was not waited for there.
        assert!(error.is_cancelled(), "{error:?}");
        journal.assert_is(&[]);
        assert!(!n.is_cancelled());
        go.open();
        Ok(())
    })
    .await
    .expect("nothing fails");
    journal.assert_is(&["went on", "destructor"]);
}

/// Fails if: cancelling the nursery does not reach a child that was spawned elsewhere, or reaches who spawned it.
pub(crate) async fn n08_cancelling_the_nursery_ends_the_child_and_not_its_spawner<R: Rt>() {
    let journal = Journal::new();
    nursery(async |elsewhere| {
        let (sent, spawners) = async_channel::bounded(1);
        let (parked, went_on) = (Gate::new(), Gate::new());
        let (here, on, j) = (parked.clone(), went_on.clone(), journal.clone());
        R::spawn(elsewhere, async move {
            let spawner: scope_core::Spawner = spawners.recv().await?;
            let told = spawner.canceller();
            spawner.spawn_erased(async move {
                let _note = j.on_drop("child");
                here.open();
                pending().await
            })?;
            told.cancelled().await;
            turns(3).await;
            on.open();
            Ok(())
        });
        let error = nursery(async |n| -> Result<(), Failure> {
            sent.send(n.spawner()).await?;
            parked.passed().await;
            n.cancel("the nursery");
            pending().await
        })
        .await
        .expect_err("cancelled");
        assert!(error.is_cancelled(), "{error:?}");
        journal.assert_is(&["child"]);
        went_on.passed().await;
        Ok(())
    })
    .await
    .expect("the spawning task is another's");
}

/// Fails if: the child's failure is that of the scope it was spawned from, or its path leads there.
pub(crate) async fn n08_the_childs_failure_is_the_nurserys<R: Rt>() {
    nursery(async |elsewhere| {
        let (sent, spawners) = async_channel::bounded(1);
        let went_on = Gate::new();
        let on = went_on.clone();
        elsewhere.task("spawning").spawn_erased(async move {
            let spawner: scope_core::Spawner = spawners.recv().await?;
            spawner.task("far").spawn_erased(async { Err(Boom("far").into()) })?;
            spawner.canceller().cancelled().await;
            turns(3).await;
            on.open();
            Ok(())
        });
        let error = nursery(async |n| -> Result<(), Failure> {
            sent.send(n.spawner()).await?;
            pending().await
        })
        .named("scope")
        .await
        .expect_err("a child failed");
        assert_eq!(error.leaves().len(), 1, "{error:?}");
        assert!(matches!(error.cause(), Cause::Failed(failure) if failure.is::<Boom>()), "{error:?}");
        assert_eq!(way_to(&error.leaves()[0]), ["elsewhere", "scope", "far"]);
        went_on.passed().await;
        assert!(!elsewhere.is_cancelled());
        Ok(())
    })
    .named("elsewhere")
    .await
    .expect("the spawning task is another's");
}

/// Fails if: the nursery does not wait for a child that somebody else spawned.
pub(crate) async fn n08_the_nursery_waits_for_it<R: Rt>() {
    let (gate, spawned) = (Gate::new(), Gate::new());
    nursery(async |elsewhere| {
        let (sent, spawners) = async_channel::bounded(1);
        let (g, s) = (gate.clone(), spawned.clone());
        R::spawn(elsewhere, async move {
            let spawner: scope_core::Spawner = spawners.recv().await?;
            spawner.spawn_erased(async move {
                g.passed().await;
                Ok(())
            })?;
            s.open();
            Ok(())
        });
        let mut waiting = std::pin::pin!(nursery(async |n| {
            sent.send(n.spawner()).await?;
            spawned.passed().await;
            Ok(())
        }));
        while_it_waits(waiting.as_mut(), "a child that another task spawned waits").await;
        gate.open();
        waiting.await.expect("nothing fails");
        Ok(())
    })
    .await
    .expect("nothing fails");
}

/// Fails if: spawning needs to be in a task of ours: a foreign one, and a thread, can do it too.
pub(crate) async fn n08_from_a_foreign_task_and_from_a_thread<R: Rt>() {
    let (parked, dropped) = ([Gate::new(), Gate::new()], Journal::new());
    let error = nursery(async |n| -> Result<(), Failure> {
        let child = |at: usize| {
            let (gate, note) = (parked[at].clone(), dropped.on_drop_with_task("child"));
            async move {
                let _note = note;
                assert!(task::id().is_some(), "it is a task, whoever spawned it");
                gate.open();
                pending().await
            }
        };
        let (spawner, first) = (n.spawner().task("foreign"), child(0));
        let _foreign = R::foreign(async move {
            assert_eq!(task::id(), None);
            spawner.spawn_erased(first).expect("the nursery is open");
        });
        let (spawner, second) = (n.spawner().task("thread"), child(1));
        std::thread::spawn(move || spawner.spawn_erased(second)).join().expect("it does not panic")?;
        for gate in &parked {
            gate.passed().await;
        }
        n.cancel("enough");
        pending().await
    })
    .await
    .expect_err("cancelled");
    assert!(error.is_cancelled(), "{error:?}");
    let mut lines = dropped.lines();
    lines.sort();
    assert_eq!(lines, ["child@foreign", "child@thread"]);
}

/// Fails if: a spawner used inside a scope further in, of the same task, spawns there.
pub(crate) async fn n08_from_a_scope_further_in<R: Rt>() {
    let go = Gate::new();
    let journal = Journal::new();
    let mut waiting = std::pin::pin!(nursery(async |n| {
        let (g, j) = (go.clone(), journal.clone());
        // The inner one returns at once, though the child it spawned outside waits.
        nursery(async |inner| {
            n.spawn_erased(async move {
                g.passed().await;
                j.add("child");
                Ok(())
            });
            yield_now().await;
            inner.cancel("the inner one");
            Ok(())
        })
        .await?;
        journal.add("inner returned");
        Ok(())
    }));
    while_it_waits(waiting.as_mut(), "a child waits").await;
    journal.assert_is(&["inner returned"]);
    go.open();
    waiting.await.expect("nothing fails");
    journal.assert_is(&["inner returned", "child"]);
}
