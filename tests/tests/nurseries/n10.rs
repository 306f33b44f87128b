//! n10: two ways to spawn: parallel, and same-task.

use std::cell::Cell;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::thread;

use futures_lite::future::yield_now;
use scope_core::{Cause, Spawns, nursery, nursery_local};
use scope_tests::{Gate, Journal, Rt, poll_now, turns};

/// Fails if: a parallel child is driven by the poll of its nursery, like a same-task one.
pub(crate) async fn n10_a_parallel_child_runs_while_its_owner_is_not_polled<R: Rt>() {
    let (go, done) = (Gate::new(), Gate::new());
    let mut owner = pin!(nursery(async |n| {
        let (g, d) = (go.clone(), done.clone());
        R::spawn(n, async move {
            g.passed().await;
            d.open();
            Ok(())
        });
        Ok(())
    }));
    assert!(poll_now(owner.as_mut()).await.is_pending());
    go.open();
    // Only the child can open it, and no one polls its owner.
    done.passed().await;
    owner.await.expect("nothing fails");
}

/// Fails if: a same-task child is given to the runtime.
pub(crate) async fn n10_a_same_task_child_runs_only_in_its_owners_polls<R: Rt>() {
    let (go, done) = (Gate::new(), Gate::new());
    let mut owner = pin!(nursery(async |n| {
        n.spawn_local(async {
            go.passed().await;
            done.open();
            Ok(())
        });
        Ok(())
    }));
    assert!(poll_now(owner.as_mut()).await.is_pending());
    go.open();
    turns(20).await;
    assert!(!done.is_open(), "no one polled its owner");
    owner.await.expect("nothing fails");
    assert!(done.is_open());
}

/// Fails if: a same-task child leaves the thread that polls its nursery, or cannot borrow from around it.
pub(crate) async fn n10_same_task_children_borrow_and_stay<R: Rt>() {
    let mut count = 0;
    let words = [String::from("a"), String::from("b")];
    let seen = Cell::new(0);
    nursery_local(async |n| {
        n.spawn_local(async {
            let thread = thread::current().id();
            count += 1;
            yield_now().await;
            count += words.len();
            assert_eq!(thread::current().id(), thread);
            Ok(())
        });
        for word in &words {
            n.spawn_local(async {
                // Neither Send nor Sync: it never leaves this task.
                let word = Rc::new(word.clone());
                yield_now().await;
                seen.set(seen.get() + word.len());
                Ok(())
            });
        }
        Ok(())
    })
    .await
    .expect("nothing fails");
    assert_eq!(count, 3);
    assert_eq!(seen.get(), 2);
}

/// Fails if: same-task children need a runtime for anything, or a parallel one is run without one.
pub(crate) async fn n10_same_task_children_need_no_runtime<R: Rt>() {
    let (ok, refused) = thread::spawn(|| {
        let mut cx = Context::from_waker(Waker::noop());
        let mut sum = 0;
        let ok = {
            let mut root = pin!(nursery(async |n| {
                n.spawn_local(async {
                    yield_now().await;
                    sum += 1;
                    Ok(())
                });
                Ok(())
            }));
            (0..10).find_map(|_| match root.as_mut().poll(&mut cx) {
                Poll::Ready(done) => Some(done.is_ok()),
                Poll::Pending => None,
            })
        };
        let journal = Journal::new();
        let note = journal.on_drop("dropped");
        let mut root = pin!(nursery(async |n| {
            n.task("lonely").spawn_erased(async move {
                let _note = note;
                Ok(())
            });
            Ok(())
        }));
        let refused = (0..10).find_map(|_| match root.as_mut().poll(&mut cx) {
            Poll::Ready(done) => Some(done.expect_err("there is no runtime")),
            Poll::Pending => None,
        });
        journal.assert_is(&["dropped"]);
        assert_eq!(sum, 1);
        (ok, refused)
    })
    .join()
    .expect("it fails on the thread that asked");
    assert_eq!(ok, Some(true));
    let refused = refused.expect("it ends");
    assert!(matches!(refused.cause(), Cause::Refused(why) if why.is_no_runtime()), "{refused:?}");
    let message = refused.to_string();
    assert!(message.contains("lonely"), "which child: {message}");
    assert!(message.contains("scope_tokio::") && message.contains("scope_smol::"), "{message}");
}

/// Fails if: a spawner, which can be anywhere, spawns on the thread that asks instead of on the runtime.
pub(crate) async fn n10_a_spawner_spawns_parallel_children_from_any_thread<R: Rt>() {
    let ran = Arc::new(Gate::new());
    nursery(async |n| {
        let (spawner, here) = (n.spawner(), Arc::clone(&ran));
        // Joined before the next await point: the runtime takes the child from a thread it does not own.
        thread::spawn(move || {
            spawner.spawn_erased(async move {
                here.open();
                Ok(())
            })
        })
        .join()
        .expect("it does not panic")?;
        ran.passed().await;
        Ok(())
    })
    .await
    .expect("nothing fails");
}
