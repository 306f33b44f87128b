//! f05: a scope whose future is dropped half-way is adopted by the nearest living ancestor.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use futures_lite::future::{or, pending};
use futures_util::future::{FutureExt as _, abortable, select};
use scope_core::{Exit, Failure, ScopeError, Spawns, fail_after, nursery, rt};
use scope_tests::{Gate, Journal, Rt, poll_now, turns, while_it_waits};

use crate::adoption::{Told, fill, filled, open};

const LEFT: &[&str] = &["scope: body dropped", "scope: child ended", "scope: cleaned up"];

/// Fails if: the loser of a `select!` takes its child or its finalizer with it, or the scope around returns before they
/// are done.
pub(crate) async fn f05_the_loser_of_a_select<R: Rt>() {
    let (journal, go) = (Journal::new(), Gate::new());
    let mut around = Box::pin(nursery(async |_| {
        let ready = Gate::new();
        let loser = nursery(async |n| filled::<R>(n, "scope", &journal, &go, &ready).await);
        drop(select(Box::pin(loser), Box::pin(ready.passed())).await);
        journal.add("lost");
        Ok(())
    }));
    while !journal.has("lost") {
        assert!(poll_now(around.as_mut()).await.is_pending());
        turns(1).await;
    }
    while_it_waits(around.as_mut(), "the loser still cleans up").await;
    assert!(!journal.has("scope: cleaned up"));
    go.open();
    around.await.expect("nothing fails");
    let mut lines = journal.lines();
    lines.retain(|line| line != "lost");
    assert_eq!(lines, LEFT);
}

/// Fails if: only our own time-outs are followed by a clean-up.
pub(crate) async fn f05_a_foreign_time_out<R: Rt>() {
    let journal = Journal::new();
    nursery(async |_| {
        let (ready, clock) = (Gate::new(), rt::current().expect("on a runtime"));
        let late = async {
            ready.passed().await;
            clock.sleep(Duration::from_millis(5)).await;
            Ok(())
        };
        let slow = nursery(async |n| filled::<R>(n, "scope", &journal, &open(), &ready).await);
        or(async { slow.await.map_err(drop) }, late).await.expect("it is too late");
        Ok(())
    })
    .await
    .expect("nothing fails");
    journal.assert_is(LEFT);
}

/// Fails if: the task around a scope is aborted, and the scope around that task returns before the clean-up is done.
pub(crate) async fn f05_an_abort_of_the_task_around<R: Rt>() {
    let journal = Journal::new();
    nursery(async |n| {
        let ready = Gate::new();
        let (j, r) = (journal.clone(), ready.clone());
        let (task, abort) = abortable(async move {
            // Further in than one: all of them go at once.
            let inner = nursery(async |n| {
                fill::<R>(n, "outer", &j, &open()).await;
                nursery(async |n| filled::<R>(n, "scope", &j, &open(), &r).await).await?;
                Ok(())
            });
            drop(inner.await);
        });
        R::spawn(n, async move {
            let _aborted = task.await;
            Ok(())
        });
        ready.passed().await;
        abort.abort();
        Ok(())
    })
    .await
    .expect("nothing fails");
    let lines = journal.lines();
    assert_eq!(lines.len(), 5, "{lines:?}");
    let at = |line: &str| lines.iter().position(|l| l == line).unwrap_or_else(|| panic!("{line}: {lines:?}"));
    assert_eq!(at("scope: body dropped"), 0, "{lines:?}");
    assert!(at("scope: child ended") < at("scope: cleaned up"), "{lines:?}");
    // What was adopted by a scope is its child: that scope cleans up after it.
    assert!(at("scope: cleaned up") < at("outer: cleaned up"), "{lines:?}");
}

/// Fails if: same-task children, which may borrow, are carried away, or their destructors run later.
pub(crate) async fn f05_same_task_children_are_dropped_in_place<R: Rt>() {
    let journal = Journal::new();
    nursery(async |_| {
        let local = Journal::new();
        let go = Gate::new();
        let mut half = Box::pin(nursery(async |n| {
            fill::<R>(n, "scope", &journal, &go).await;
            for name in ["one", "two"] {
                let note = local.on_drop_with_task("dropped");
                n.task(name).spawn_local(async move {
                    let _note = note;
                    pending().await
                });
            }
            let _note = local.on_drop_with_task("body");
            turns(1).await;
            local.add("parked");
            pending::<Result<(), Failure>>().await
        }));
        while !local.has("parked") {
            assert!(poll_now(half.as_mut()).await.is_pending());
            turns(1).await;
        }
        drop(half);
        let lines = local.lines();
        assert_eq!(lines.len(), 4, "all of it at once: {lines:?}");
        assert!(lines.contains(&"dropped@one".to_owned()) && lines.contains(&"dropped@two".to_owned()), "{lines:?}");
        assert!(!journal.has("scope: cleaned up"), "the drop waits for nothing");
        go.open();
        Ok(())
    })
    .await
    .expect("nothing fails");
    journal.assert_is(&["scope: child ended", "scope: cleaned up"]);
}

/// Fails if: somebody further out waits for it, or a block does not; or it is told of another heir than the one that waits.
pub(crate) async fn f05_the_nearest_ancestor_waits_a_block_too<R: Rt>() {
    let (journal, mut told, mut nearest) = (Journal::new(), None, None);
    nursery(async |_| {
        fail_after(Duration::from_secs(3600), async {
            nursery(async |n| {
                nearest = Some(n.spawner().scope().clone());
                let ready = Gate::new();
                let half = nursery(async |n| {
                    told = Some(Told::of(n.spawner().scope()));
                    filled::<R>(n, "scope", &journal, &open(), &ready).await
                });
                drop(select(Box::pin(half), Box::pin(ready.passed())).await);
                Ok(())
            })
            .await
        })
        .await??;
        journal.assert_is(LEFT);

        let journal = Journal::new();
        fail_after(Duration::from_secs(3600), async {
            let ready = Gate::new();
            let half = nursery(async |n| filled::<R>(n, "scope", &journal, &open(), &ready).await);
            drop(select(Box::pin(half), Box::pin(ready.passed())).await);
        })
        .await?;
        journal.assert_is(LEFT);
        Ok(())
    })
    .await
    .expect("nothing fails");
    let told = told.expect("it began");
    assert_eq!((told.heirs(), told.ends()), (vec![nearest], 1));
}

/// Fails if: a future that is carried out of the scope it is inside keeps that from ending it.
pub(crate) async fn f05_one_that_is_carried_out_is_adopted_by_the_scope_it_is_inside<R: Rt>() {
    let (journal, mut told, mut inside) = (Journal::new(), None, None);
    nursery(async |_| {
        let ready = Gate::new();
        let mut carried = Box::pin(nursery(async |n| {
            told = Some(Told::of(n.spawner().scope()));
            fill::<R>(n, "scope", &journal, &open()).await;
            ready.open();
            pending::<Result<(), Failure>>().await
        }));
        nursery(async |_| {
            nursery(async |n| {
                inside = Some(n.spawner().scope().clone());
                while !ready.is_open() {
                    assert!(poll_now(carried.as_mut()).await.is_pending());
                    turns(1).await;
                }
                Ok(())
            })
            .await?;
            journal.assert_is(&["scope: child ended", "scope: cleaned up"]);
            Ok(())
        })
        .await?;
        drop(carried);
        Ok(())
    })
    .await
    .expect("a broken rule is no failure");
    let told = told.expect("it began");
    assert_eq!((told.heirs(), told.ends()), (vec![inside], 1));
    journal.assert_is(&["scope: child ended", "scope: cleaned up"]);
}

/// Fails if: a finalizer's own scope is no ancestor, or its clean-up is cut by the cancellation around it.
pub(crate) async fn f05_what_a_finalizer_drops_is_adopted_by_it<R: Rt>() {
    let journal = Journal::new();
    nursery(async |n| -> Result<(), Failure> {
        let (j, after) = (journal.clone(), journal.clone());
        n.finalizer("runs last", async move |_| {
            after.add("the next finalizer");
            Ok(())
        });
        n.finalizer("drops", async move |_| {
            let ready = Gate::new();
            let half = nursery(async |n| filled::<R>(n, "scope", &j, &open(), &ready).await);
            drop(select(Box::pin(half), Box::pin(ready.passed())).await);
            Ok(())
        });
        n.cancel("enough");
        pending().await
    })
    .await
    .expect_err("cancelled");
    let lines = journal.lines();
    assert_eq!(lines[..3], *LEFT, "{lines:?}");
    assert_eq!(lines[3..], ["the next finalizer"], "{lines:?}");
}

/// Fails if: only a scope's own children are waited for, not what those left.
pub(crate) async fn f05_all_the_way_down<R: Rt>() {
    let journal = Journal::new();
    nursery(async |_| {
        let ready = Gate::new();
        let half = nursery(async |n| -> Result<(), Failure> {
            fill::<R>(n, "scope", &journal, &open()).await;
            let (j, r) = (journal.clone(), ready.clone());
            n.spawn_erased(async move {
                nursery(async |n| -> Result<(), Failure> {
                    fill::<R>(n, "child's", &j, &open()).await;
                    let j = j.clone();
                    n.spawn_erased(async move {
                        nursery(async |n| filled::<R>(n, "grandchild's", &j, &open(), &r).await).await?;
                        Ok(())
                    });
                    pending().await
                })
                .await?;
                Ok(())
            });
            pending().await
        });
        drop(select(Box::pin(half), Box::pin(ready.passed())).await);
        Ok(())
    })
    .await
    .expect("nothing fails");
    let mut cleaned = journal.lines();
    cleaned.retain(|line| line.ends_with("cleaned up"));
    assert_eq!(cleaned, ["grandchild's: cleaned up", "child's: cleaned up", "scope: cleaned up"]);
    assert_eq!(journal.lines().len(), 7, "{journal:?}");
}

/// Fails if: the drop is no cancellation for what is left, or its cause is another one.
pub(crate) async fn f05_what_is_left_learns_that_the_future_was_dropped<R: Rt>() {
    let journal = Journal::new();
    nursery(async |_| {
        let ready = Gate::new();
        let half = nursery(async |n| -> Result<(), Failure> {
            let j = journal.clone();
            n.finalizer("asks", async move |exit| {
                match exit {
                    Exit::Cancelled(reason) => j.add(format!("{:?}", reason.cause())),
                    exit => j.add(format!("{exit:?}")),
                }
                Ok(())
            });
            ready.open();
            pending().await
        });
        drop(select(Box::pin(half), Box::pin(ready.passed())).await);
        Ok(())
    })
    .await
    .expect("nothing fails");
    journal.assert_is(&["Dropped"]);
}

/// Fails if: adoption needs parallel children, a runtime, or a nursery: a block leaves what was adopted in it, too.
pub(crate) async fn f05_a_block_that_is_dropped_hands_on_what_it_had_adopted<R: Rt>() {
    let (journal, go) = (Journal::new(), Gate::new());
    let mut around = Box::pin(nursery(async |_| {
        let ready = Gate::new();
        let block = fail_after(Duration::from_secs(3600), async {
            let half = nursery(async |n| filled::<R>(n, "scope", &journal, &go, &ready).await);
            drop(select(Box::pin(half), Box::pin(ready.passed())).await);
            journal.add("lost");
            pending::<()>().await;
        });
        let dropped = async {
            while !journal.has("lost") {
                turns(1).await;
            }
        };
        drop(select(Box::pin(block), Box::pin(dropped)).await);
        journal.add("block dropped");
        Ok(())
    }));
    while !journal.has("block dropped") {
        assert!(poll_now(around.as_mut()).await.is_pending());
        turns(1).await;
    }
    while_it_waits(around.as_mut(), "what the block had adopted still cleans up").await;
    go.open();
    around.await.expect("nothing fails");
    assert!(journal.has("scope: cleaned up"), "{journal:?}");
}

/// Fails if: adoption without a runtime is a loss, although a living ancestor could do the work itself.
pub(crate) async fn f05_without_a_runtime_the_ancestor_does_it<R: Rt>() {
    let journal = std::thread::spawn(|| {
        let journal = Journal::new();
        let j = journal.clone();
        futures_lite::future::block_on(nursery(async |_| {
            let go = Gate::new();
            let mut half = Box::pin(nursery(async |n| -> Result<(), Failure> {
                for name in ["first", "second"] {
                    let (j, go) = (journal.clone(), go.clone());
                    n.finalizer(name, async move |_| {
                        go.passed().await;
                        j.add(name);
                        Ok(())
                    });
                }
                pending().await
            }));
            assert!(poll_now(half.as_mut()).await.is_pending());
            drop(half);
            journal.add("dropped");
            turns(2).await;
            go.open();
            Ok(())
        }))
        .expect("nothing fails");
        j
    });
    journal.join().expect("no panic").assert_is(&["dropped", "second", "first"]);
}

/// Looks at a nursery once, with a waker of nobody's, and drops it; then waits for its finalizer. Where no runtime is known it
/// is for the scope that this runs in to run that.
async fn waits_for_what_it_has_dropped() -> Result<(), Failure> {
    let cleaned = Gate::new();
    let looked = nursery(async |n| -> Result<(), Failure> {
        let cleaned = cleaned.clone();
        n.finalizer("sweep", async move |_| {
            cleaned.open();
            Ok(())
        });
        pending().await
    })
    .now_or_never();
    assert!(looked.is_none());
    cleaned.passed().await;
    Ok(())
}

/// Fails if: what a body or a child drops in its first poll, before which nobody could have woken the one that polls it, is
/// cleaned up by its scope only when something else wakes that.
pub(crate) async fn f05_without_a_runtime_what_was_dropped_in_a_first_poll_too<R: Rt>() {
    let ended = std::thread::spawn(|| {
        while_it_is_woken(nursery(async |_| waits_for_what_it_has_dropped().await));
        while_it_is_woken(nursery(async |n| {
            n.spawn_local_with_handle(waits_for_what_it_has_dropped()).await?;
            Ok(())
        }));
    });
    ended.join().expect("no panic");
}

/// Polls for as long as somebody asks for it, until it has ended.
fn while_it_is_woken(around: impl Future<Output = Result<(), ScopeError>>) {
    let mut around = pin!(around);
    let woken = Arc::new(Woken(AtomicBool::new(true)));
    let waker = Waker::from(woken.clone());
    while woken.0.swap(false, Ordering::Relaxed) {
        if let Poll::Ready(ended) = around.as_mut().poll(&mut Context::from_waker(&waker)) {
            return ended.expect("nothing fails");
        }
    }
    panic!("it waits, and nobody will wake it");
}

struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}
