//! o07: a guard that cannot leave its thread. That it does not compile elsewhere stands in `compile-fail`.

use std::rc::Rc;

use futures_util::join;
use scope_core::{Failure, Local, NotClosed, OwnedScope, Spawns, nursery, nursery_local};
use scope_tests::{Journal, Rt, turns};

use crate::watch::Watch;

static_assertions::assert_impl_all!(OwnedScope: Send, Sync);
static_assertions::assert_not_impl_any!(OwnedScope<Failure, Local>: Send);
static_assertions::assert_not_impl_any!(OwnedScope<Failure, Local>: Sync);
// The error has the scope in it.
static_assertions::assert_impl_all!(NotClosed<Failure, Local>: Send, Sync);

/// Fails if: it is a lesser scope than the other kind.
pub(crate) async fn o07_it_is_a_scope_like_the_other<R: Rt>() {
    let journal = Journal::new();
    nursery_local(async |_| {
        let owned: OwnedScope<Failure, Local> = OwnedScope::open_local("ours")?;
        let (beside, rc) = (owned.open_inner("inside")?, Rc::new(7));
        let cleaned = journal.clone();
        owned.finalizer("sweep", async move |_| {
            cleaned.add("cleaned up");
            Ok(())
        })?;
        // Its parallel children are as parallel as others.
        let done = owned.spawn_erased_with_handle(async {
            turns(1).await;
            Ok(7)
        })?;
        let entered = owned.enter(async {
            turns(1).await;
            *rc
        });
        let (done, entered) = join!(done, entered);
        assert_eq!(done?, entered?);
        beside.close().await.expect("it is at home");
        owned.close().await.expect("it is at home");
        Ok(())
    })
    .await
    .expect("nothing fails");
    journal.assert_is(&["cleaned up"]);
}

/// Fails if: what the compiler cannot see goes unseen: same-task children stay on the thread, and are other tasks.
pub(crate) async fn o07_a_same_task_child_is_still_told_when_it_runs<R: Rt>() {
    nursery_local(async |n| {
        let owned: OwnedScope<Failure, Local> = OwnedScope::open_local("ours")?;
        let watch = Watch::of(owned.scope());
        let back = n.task("child").spawn_local_with_handle(async move {
            let error = owned.close().await.expect_err("not its own");
            assert!(error.is_wrong_task() && error.to_string().contains("child"), "{error}");
            Ok(error.into_scope().expect("unchanged"))
        });
        back.await?.close().await.expect("it is at home");
        watch.assert_no_violation();
        Ok(())
    })
    .await
    .expect("nothing fails");
}

/// Fails if: dropped at home it is told, or left open where its home ends.
pub(crate) async fn o07_it_ends_like_the_other<R: Rt>() {
    let journal = Journal::new();
    let (dropped, kept) = nursery_local(async |_| {
        let mut watches = Vec::new();
        for name in ["dropped", "kept"] {
            let owned: OwnedScope<Failure, Local> = OwnedScope::open_local(name)?;
            let cleaned = journal.clone();
            owned.finalizer("sweep", async move |_| {
                cleaned.add(name);
                Ok(())
            })?;
            watches.push(Watch::of(owned.scope()));
            if name == "dropped" {
                drop(owned);
            } else {
                std::mem::forget(owned);
            }
        }
        let kept = watches.pop().expect("two of them");
        Ok((watches.pop().expect("two of them"), kept))
    })
    .await
    .expect("a broken rule is no failure");
    dropped.assert_no_violation();
    kept.assert_one_violation(&["kept", "still open"]);
    let mut lines = journal.lines();
    lines.sort();
    assert_eq!(lines, ["dropped", "kept"]);
}

/// Fails if: outside any task it can be opened.
pub(crate) async fn o07_outside_any_task_it_is_an_error<R: Rt>() {
    nursery(async |_| Ok(())).await.expect("nothing fails");
    std::thread::spawn(|| {
        let error = OwnedScope::<Failure, Local>::open_local("nobody's").expect_err("no task");
        assert!(error.is_no_task() && error.to_string().contains("o07.rs"), "{error}");
    })
    .join()
    .expect("no panic");
}
