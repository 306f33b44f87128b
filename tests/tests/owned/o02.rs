//! o02: a drop in another task, or outside any, never panics, never blocks and leaks nothing; one event tells of it.

use std::panic::AssertUnwindSafe;

use futures_lite::future::pending;
use futures_util::FutureExt;
use scope_core::{Cause, Failure, OwnedScope, Spawns, nursery, task};
use scope_tests::{Boom, Gate, Journal, Rt, poll_now, turns, while_it_waits};

use crate::watch::{ENDED, Watch, busy};

/// Fails if: a drop by a stranger leaves something running, or is not told with both tasks and both places.
pub(crate) async fn o02_in_another_task_it_is_one_event_with_both_tasks_and_places<R: Rt>() {
    let journal = Journal::new();
    nursery(async |n| {
        let (owned, begun) = busy("connection", &journal);
        let opened = format!("o02.rs:{}:", line!() - 1);
        begun.passed().await;
        let watch = Watch::of(owned.scope());
        let home = format!("{:?}", task::current().expect("in a task"));
        let stranger = n.task("stranger").spawn_erased_with_handle(async move {
            drop(owned);
            Ok(format!("{:?}", task::current().expect("in a task")))
        });
        let here = stranger.await?;
        // Both say where they were spawned: `task 7 "stranger" at ..`.
        assert!(home.contains("o02.rs:") || home.contains("rt.rs:"), "{home}");
        assert!(here.contains("stranger") && here.contains("o02.rs:"), "{here}");
        watch.assert_one_violation(&["connection", &home, &here, &opened]);
        assert_eq!(watch.adopted_by(), [Some(n.spawner().scope().clone())]);
        Ok(())
    })
    .await
    .expect("a broken rule is no failure");
    journal.assert_is(ENDED);
}

/// Fails if: the drop waits for what it ends, or whoever dropped it has to; or the scope around home does not.
pub(crate) async fn o02_home_waits_for_the_clean_up_and_the_stranger_does_not<R: Rt>() {
    let (journal, go) = (Journal::new(), Gate::new());
    let mut home = Box::pin(nursery(async |_| {
        let owned: OwnedScope = OwnedScope::open("slow")?;
        let (j, g) = (journal.clone(), go.clone());
        owned.finalizer("sweep", async move |_| {
            g.passed().await;
            j.add("cleaned up");
            Ok(())
        })?;
        // Further in, but no ancestor of the owned scope: it is over while that still cleans up.
        nursery(async |n| {
            n.spawn_erased(async move {
                drop(owned);
                Ok(())
            });
            Ok(())
        })
        .await?;
        journal.add("the stranger is over");
        Ok(())
    }));
    while !journal.has("the stranger is over") {
        assert!(poll_now(home.as_mut()).await.is_pending());
        turns(1).await;
    }
    while_it_waits(home.as_mut(), "its owned scope still cleans up").await;
    journal.assert_is(&["the stranger is over"]);
    go.open();
    home.await.expect("a broken rule is no failure");
    journal.assert_is(&["the stranger is over", "cleaned up"]);
}

/// Fails if: "no task" is taken for the home, or a drop there does nothing.
pub(crate) async fn o02_outside_any_task<R: Rt>() {
    let journal = Journal::new();
    nursery(async |_| {
        let (owned, begun) = busy("in a foreign task", &journal);
        begun.passed().await;
        let watch = Watch::of(owned.scope());
        let home = format!("{:?}", owned.home());
        let dropped = Gate::new();
        let there = dropped.clone();
        let _foreign = R::foreign(async move {
            drop(owned);
            there.open();
        });
        dropped.passed().await;
        watch.assert_one_violation(&["in a foreign task", &home, "no task", "o02.rs"]);
        Ok(())
    })
    .await
    .expect("a broken rule is no failure");
    journal.assert_is(ENDED);
}

/// Fails if: it needs a runtime around the thread on which it is dropped.
pub(crate) async fn o02_on_a_thread_without_a_runtime<R: Rt>() {
    let journal = Journal::new();
    nursery(async |_| {
        let (owned, begun) = busy("on a bare thread", &journal);
        begun.passed().await;
        let watch = Watch::of(owned.scope());
        // Joined at once, which also shows that the drop waits for nothing that this thread would have to run.
        std::thread::spawn(move || drop(owned)).join().expect("no panic");
        watch.assert_one_violation(&["on a bare thread", "no task"]);
        Ok(())
    })
    .await
    .expect("a broken rule is no failure");
    journal.assert_is(ENDED);
}

/// Fails if: with home gone nobody cleans up, or its end and the drop are told as two broken rules, or done twice.
pub(crate) async fn o02_after_homes_end_the_ancestor_has_done_it<R: Rt>() {
    let journal = Journal::new();
    nursery(async |outer| {
        let (owned, watch) = nursery(async |n| {
            let opener = n.task("opener").spawn_erased_with_handle({
                let journal = journal.clone();
                async move {
                    let (owned, begun) = busy("lent", &journal);
                    begun.passed().await;
                    let watch = Watch::of(owned.scope());
                    Ok((owned, watch))
                }
            });
            Ok(opener.await?)
        })
        .await?;
        // The nursery that home was in has not returned before.
        journal.assert_is(ENDED);
        watch.assert_one_violation(&["lent", "opener"]);
        let stranger = outer.task("stranger").spawn_erased_with_handle(async move {
            drop(owned);
            Ok(())
        });
        stranger.await?;
        watch.assert_one_violation(&["lent", "opener"]);
        assert_eq!((watch.ends(), watch.adopted_by().len()), (1, 1));
        Ok(())
    })
    .await
    .expect("a broken rule is no failure");
    journal.assert_is(ENDED);
}

/// Fails if: home's ancestors are looked for where the drop happens.
pub(crate) async fn o02_the_heir_is_homes_ancestor_not_the_strangers<R: Rt>() {
    nursery(async |outer| {
        let journal = Journal::new();
        let (owned, begun) = busy("ours", &journal);
        begun.passed().await;
        let watch = Watch::of(owned.scope());
        nursery(async |_| {
            nursery(async |further_in| {
                further_in.spawn_erased(async move {
                    drop(owned);
                    Ok(())
                });
                Ok(())
            })
            .await?;
            Ok(())
        })
        .await?;
        assert_eq!(watch.adopted_by(), [Some(outer.spawner().scope().clone())]);
        Ok(())
    })
    .await
    .expect("a broken rule is no failure");
}

/// Fails if: a drop at home is told as a broken rule: in the body, when the body is cut, when its task is aborted.
pub(crate) async fn o02_a_drop_at_home_breaks_no_rule<R: Rt>() {
    // In the body, out loud and by the end of a block.
    let journal = Journal::new();
    nursery(async |_| {
        let (owned, begun) = busy("let go", &journal);
        begun.passed().await;
        let watch = Watch::of(owned.scope());
        drop(owned);
        watch.assert_no_violation();
        Ok(watch)
    })
    .await
    .expect("nothing fails")
    .assert_no_violation();
    journal.assert_is(ENDED);

    // At the await point where a cancellation cuts the body, and a child.
    let (journal, watches) = (Journal::new(), async_channel::unbounded());
    nursery(async |n| {
        let (j, w) = (journal.clone(), watches.0.clone());
        n.task("opener").spawn_erased(async move {
            let (owned, begun) = busy("cut in a child", &j);
            begun.passed().await;
            w.send(Watch::of(owned.scope())).await?;
            pending().await
        });
        let told = watches.1.recv().await?;
        journal.assert_is(&[]);
        let (owned, begun) = busy("cut in the body", &journal);
        begun.passed().await;
        watches.0.send(Watch::of(owned.scope())).await?;
        watches.0.send(told).await?;
        n.cancel("enough");
        pending::<Result<(), Failure>>().await
    })
    .await
    .expect_err("cancelled");
    for _ in 0..2 {
        watches.1.try_recv().expect("two of them").assert_no_violation();
    }
    assert_eq!(journal.lines().len(), 4, "{journal:?}");

    // When the runtime takes the task away.
    let (journal, watches) = (Journal::new(), async_channel::unbounded());
    let runtime = scope_core::rt::current().expect("on a runtime");
    let (j, w) = (journal.clone(), watches.0.clone());
    let foreign = R::foreign(async move {
        let _ = nursery(async |_| {
            let (owned, begun) = busy("aborted", &j);
            begun.passed().await;
            w.send(Watch::of(owned.scope())).await?;
            pending::<Result<(), Failure>>().await
        })
        .runtime(runtime)
        .await;
    });
    let watch = watches.1.recv().await.expect("it is sent");
    foreign.abort();
    while watch.ends() == 0 {
        turns(1).await;
    }
    watch.assert_no_violation();
    journal.assert_is(ENDED);
}

/// Fails if: a guard that unwinds with a panic of its home is told as a broken rule, or turns the panic into an abort.
pub(crate) async fn o02_a_drop_while_unwinding_at_home<R: Rt>() {
    let (journal, watches) = (Journal::new(), async_channel::unbounded());
    let ended = AssertUnwindSafe(nursery(async |_| {
        let (owned, begun) = busy("unwound", &journal);
        begun.passed().await;
        watches.0.send(Watch::of(owned.scope())).await?;
        assert!(owned.canceller().is_cancelled(), "the body panics");
        Ok(())
    }))
    .catch_unwind()
    .await;
    assert!(ended.is_err());
    watches.1.try_recv().expect("it was sent").assert_no_violation();
    journal.assert_is(ENDED);
}

/// Fails if: a stranger's panic, which drops the guard, is told as nothing, or loses something.
pub(crate) async fn o02_a_drop_while_unwinding_elsewhere<R: Rt>() {
    let (journal, watches) = (Journal::new(), async_channel::unbounded());
    let ended = AssertUnwindSafe(nursery(async |n| {
        let (owned, begun) = busy("unwound", &journal);
        begun.passed().await;
        watches.0.send(Watch::of(owned.scope())).await?;
        n.task("stranger").spawn_erased(async move {
            assert!(owned.canceller().is_cancelled(), "the stranger panics");
            Ok(())
        });
        pending::<Result<(), Failure>>().await
    }))
    .catch_unwind()
    .await;
    assert!(ended.is_err());
    watches.1.try_recv().expect("it was sent").assert_one_violation(&["unwound", "stranger"]);
    journal.assert_is(ENDED);
}

/// Panics when it is dropped.
struct Mine;

impl Drop for Mine {
    fn drop(&mut self) {
        panic!("a destructor broke");
    }
}

/// Fails if: what breaks in clean-up comes out of the drop, or is lost on its way to the scope around home.
pub(crate) async fn o02_what_fails_in_clean_up_goes_to_homes_scope_and_cancels_nobody<R: Rt>() {
    let error = nursery(async |n| {
        let owned: OwnedScope = OwnedScope::open("broken")?;
        let begun = Gate::new();
        let here = begun.clone();
        owned.spawn_erased(async move {
            let _mine = Mine;
            here.open();
            pending().await
        })?;
        owned.finalizer("sweep", async |_| Err(Boom("clean-up").into()))?;
        owned.finalizer("mop", async |_| panic!("clean-up panicked"))?;
        begun.passed().await;
        let stranger = n.task("stranger").spawn_erased_with_handle(async move {
            let dropped = std::panic::catch_unwind(AssertUnwindSafe(|| drop(owned)));
            Ok(dropped.is_ok())
        });
        assert!(stranger.await?, "a drop never panics");
        // Nobody is cancelled for it, however often others get their turn.
        turns(20).await;
        assert!(!n.is_cancelled());
        Err::<(), _>(Boom("the body's own").into())
    })
    .await
    .expect_err("the body fails");
    let causes: Vec<_> = error.leaves().iter().map(|leaf| format!("{:?}", leaf.cause())).collect();
    assert_eq!(causes.len(), 4, "{error:?}");
    for what in ["a destructor broke", "clean-up panicked", "clean-up", "the body's own"] {
        assert!(causes.iter().any(|cause| cause.contains(what)), "{what}: {error:?}");
    }
    // They are secondary ones, although they came first.
    assert!(matches!(error.cause(), Cause::Failed(_)), "{error:?}");
}
