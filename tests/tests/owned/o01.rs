//! o01: an owned scope is closed by the task that opened it; anywhere else that is an error without effect.

use std::time::Duration;

use futures_lite::future::{block_on, pending};
use futures_util::{FutureExt, join};
use scope_core::{Cause, NotClosed, OwnedScope, Spawns, fail_after, nursery, task};
use scope_tests::{Boom, Journal, Rt, turns};

use crate::watch::{ENDED, Watch, busy};

/// What the error must say: which scope, where it was opened, whose it is, and who tried.
#[track_caller]
fn assert_names(error: &NotClosed, parts: &[&str]) {
    let text = error.to_string();
    for part in parts {
        assert!(text.contains(part), "{part:?} is missing: {text}");
    }
    // What to do instead.
    assert!(text.contains("close it in the task that opened it"), "{text}");
}

/// Nothing has happened to `owned`, and it closes here as if nobody had tried.
async fn is_unchanged_and_closes(owned: OwnedScope, journal: &Journal) {
    assert!(!owned.canceller().is_cancelled());
    assert!(owned.canceller().reason().is_none());
    journal.assert_is(&[]);
    let done = owned.spawn_erased_with_handle(async { Ok(7) }).expect("it is open");
    assert_eq!(done.await.expect("it runs"), 7);
    owned.canceller().cancel("enough");
    owned.close().await.expect("nothing fails");
    journal.assert_is(ENDED);
}

/// Fails if: a parallel child may close what its spawner opened, or the error does not say who is who and where.
pub(crate) async fn o01_close_in_another_task_names_the_scope_both_tasks_and_the_place<R: Rt>() {
    nursery(async |n| {
        let opener = n.task("opener").spawn_erased_with_handle(async {
            let journal = Journal::new();
            let (owned, begun) = busy("connection", &journal);
            let line = line!() - 1;
            begun.passed().await;
            let watch = Watch::of(owned.scope());
            let home = format!("{:?}", task::current().expect("in a task"));
            assert!(home.contains("opener"), "{home}");
            let owned = nursery(async |n| {
                let back = n.task("stranger").spawn_erased_with_handle(async move {
                    let here = format!("{:?}", task::current().expect("in a task"));
                    let error = owned.close().await.expect_err("not its own");
                    assert!(error.is_wrong_task() && !error.is_home_ended() && error.failed().is_none());
                    assert_names(&error, &["connection", &home, "stranger", &here, &format!("o01.rs:{line}:")]);
                    Ok(error.into_scope().expect("unchanged"))
                });
                Ok(back.await?)
            })
            .await?;
            watch.assert_no_violation();
            is_unchanged_and_closes(owned, &journal).await;
            assert_eq!(watch.ends(), 1);
            Ok(())
        });
        opener.await?;
        Ok(())
    })
    .await
    .expect("nothing fails");
}

/// Fails if: same-task children are taken for the task that polls them, or the other way round.
pub(crate) async fn o01_a_same_task_child_is_another_task<R: Rt>() {
    let journal = Journal::new();
    nursery(async |n| {
        let (owned, begun) = busy("the body's", &journal);
        begun.passed().await;
        let back = n.task("child").spawn_local_with_handle(async move {
            let error = owned.close().await.expect_err("not its own");
            assert!(error.is_wrong_task());
            assert_names(&error, &["the body's", "child"]);
            Ok(error.into_scope().expect("unchanged"))
        });
        is_unchanged_and_closes(back.await?, &journal).await;

        // And what the child opened is not the body's.
        let (there, back) = (async_channel::bounded(1), async_channel::bounded(1));
        n.task("child").spawn_local(async move {
            let owned: OwnedScope = OwnedScope::open("the child's")?;
            there.0.send(owned).await?;
            let owned: OwnedScope = back.1.recv().await?;
            owned.close().await?;
            Ok(())
        });
        let error = there.1.recv().await?.close().await.expect_err("not the body's");
        assert_names(&error, &["the child's", "child"]);
        back.0.send(error.into_scope().expect("unchanged")).await?;
        Ok(())
    })
    .await
    .expect("nothing fails");
}

/// Fails if: a task the framework knows nothing of passes for the home, because it is no other task either.
pub(crate) async fn o01_a_foreign_task_is_no_home<R: Rt>() {
    let journal = Journal::new();
    nursery(async |_| {
        let (owned, begun) = busy("connection", &journal);
        begun.passed().await;
        let (send, back) = async_channel::bounded(1);
        let foreign = R::foreign(async move {
            let error = owned.close().await.expect_err("not its own");
            assert!(error.is_wrong_task());
            assert_names(&error, &["connection", "no task"]);
            let _ = send.send(error.into_scope().expect("unchanged")).await;
        });
        let owned = back.recv().await?;
        drop(foreign);
        is_unchanged_and_closes(owned, &journal).await;
        Ok(())
    })
    .await
    .expect("nothing fails");
}

/// Fails if: the home is told by who made the future of `close`, not by who polls it.
pub(crate) async fn o01_who_polls_the_close_counts<R: Rt>() {
    let journal = Journal::new();
    nursery(async |n| {
        // Made at home, and driven by another task: `Shared` hands the poll to whoever asks.
        let (owned, begun) = busy("shared", &journal);
        begun.passed().await;
        owned.canceller().cancel("enough");
        let closing = async move { owned.close().await.map_err(|error| error.is_wrong_task()) }.boxed().shared();
        let other = closing.clone();
        let there = n.task("driver").spawn_erased_with_handle(async move { Ok(other.await) });
        assert_eq!(there.await?, Err(true), "the driver is not the home");
        assert_eq!(closing.await, Err(true), "an output is an output, whoever takes it");
        Ok(())
    })
    .await
    .expect("nothing fails");
    journal.assert_is(ENDED);
}

/// Fails if: where in its own task a scope is closed makes a difference.
pub(crate) async fn o01_home_is_the_task_wherever_in_it<R: Rt>() {
    nursery(async |_| {
        let open = || OwnedScope::<scope_core::Failure>::open("ours").expect("in a task");
        let owned = open();
        nursery(async move |_| Ok(owned.close().await?)).await?;
        let owned = open();
        fail_after(Duration::from_secs(3600), async move { owned.close().await }).await??;
        let (one, other) = (open(), open());
        let (one, other) = join!(one.close(), async {
            turns(1).await;
            other.close().await
        });
        one.and(other)?;
        let owned = open();
        block_on(owned.close())?;
        let owned = open();
        futures_lite::future::or(async { owned.close().await }, pending()).await?;
        Ok(())
    })
    .await
    .expect("it is one task");
}

/// Fails if: after its home's end a scope can be closed, or waited for, by somebody else; or the error keeps that to itself.
pub(crate) async fn o01_home_has_ended_and_its_ancestor_has_cleaned_up<R: Rt>() {
    let journal = Journal::new();
    let (home, owned) = nursery(async |n| {
        let (send, got) = async_channel::bounded(1);
        let (j, s) = (journal.clone(), send);
        n.task("opener").spawn_erased(async move {
            let (owned, begun) = busy("lent", &j);
            begun.passed().await;
            let home = format!("{:?}", task::current().expect("in a task"));
            s.send((home, owned)).await?;
            Ok(())
        });
        Ok(got.recv().await?)
    })
    .await
    .expect("a broken rule is no failure");
    journal.assert_is(ENDED);
    let watch = Watch::of(owned.scope());
    let refused = owned.spawn_erased(async { Ok(()) }).expect_err("it has ended");
    assert!(refused.is_closed(), "{refused}");
    let error = owned.close().await.expect_err("it has ended");
    assert!(error.is_home_ended() && !error.is_wrong_task() && error.failed().is_none(), "{error}");
    for part in ["lent", &home, "o01.rs"] {
        assert!(error.to_string().contains(part), "{part:?} is missing: {error}");
    }
    assert!(error.into_scope().is_none(), "there is none any more");
    watch.assert_no_violation();
    journal.assert_is(ENDED);
}

/// Fails if: an error that is thrown away in the wrong task keeps the scope open, or closes it in silence.
pub(crate) async fn o01_an_error_thrown_away_drops_the_scope_where_it_is<R: Rt>() {
    let journal = Journal::new();
    nursery(async |n| {
        let (owned, begun) = busy("thrown away", &journal);
        begun.passed().await;
        let watch = Watch::of(owned.scope());
        let home = format!("{:?}", owned.home());
        let stranger = n.task("stranger").spawn_erased_with_handle(async move {
            let _ = owned.close().await;
            Ok(())
        });
        stranger.await?;
        watch.assert_one_violation(&["thrown away", "stranger", &home]);
        Ok(())
    })
    .await
    .expect("a broken rule is no failure");
    journal.assert_is(ENDED);
}

/// Fails if: what failed in the scope does not come out of its close, or comes out of something else too.
pub(crate) async fn o01_a_close_at_home_brings_what_failed<R: Rt>() {
    nursery(async |_| {
        let owned: OwnedScope<Boom> = OwnedScope::open("typed")?;
        owned.spawner().task("broken").spawn_erased(async { Err(Boom("child")) })?;
        owned.finalizer("sweep", async |_| Err(Boom("clean-up").into()))?;
        let error = owned.close().await.expect_err("all fail");
        assert!(!error.is_wrong_task() && !error.is_home_ended());
        let failed = error.failed().expect("that is what is wrong");
        assert!(matches!(failed.cause(), Cause::Failed(Boom("child"))), "{failed:?}");
        assert_eq!(failed.leaves().len(), 2, "{failed:?}");
        assert_eq!(failed.leaves()[0].path().names().split_off(2), ["typed", "broken"]);
        assert_eq!(failed.leaves()[1].path().names().split_off(2), ["typed", "sweep"]);
        Ok(())
    })
    .named("outer")
    .await
    .expect("it came out of the close");
}
