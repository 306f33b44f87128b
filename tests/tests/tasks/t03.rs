//! t03: identity never rests on the waker, and "no task" is not a task.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use futures_lite::future::{block_on, poll_fn, yield_now};
use futures_util::FutureExt;
use scope_core::task;
use scope_core::{OwnedScope, TaskId, nursery};
use scope_tests::{Gate, Rt, poll_now};

fn id() -> TaskId {
    task::id().expect("inside a task")
}

type Seen = Arc<Mutex<Vec<Option<TaskId>>>>;

/// Notes the current task at each of its polls; ends at the second.
fn notes_each_poll(seen: &Seen) -> impl Future<Output = ()> + Send + 'static {
    let seen = Arc::clone(seen);
    let mut polls = 0;
    poll_fn(move |_| {
        seen.lock().expect("no panic").push(task::id());
        polls += 1;
        if polls == 2 { Poll::Ready(()) } else { Poll::Pending }
    })
}

/// Fails if: identity is what the waker said at the first poll: `Shared` keeps the first one's.
pub(crate) async fn t03_a_shared_future_is_in_the_task_that_drives_it<R: Rt>() {
    let seen = Seen::default();
    let shared = notes_each_poll(&seen).shared();
    let (begun, ids) = (Gate::new(), Arc::new(Mutex::new(Vec::new())));
    nursery(async |n| {
        let (mut s, b, i) = (shared.clone(), begun.clone(), Arc::clone(&ids));
        R::spawn(n, async move {
            i.lock().expect("no panic").push(id());
            assert!(poll_now(Pin::new(&mut s)).await.is_pending());
            b.open();
            Ok(())
        });
        begun.passed().await;
        let (mut s, i) = (shared.clone(), Arc::clone(&ids));
        R::spawn(n, async move {
            i.lock().expect("no panic").push(id());
            assert!(poll_now(Pin::new(&mut s)).await.is_ready());
            Ok(())
        });
        Ok(())
    })
    .await
    .expect("nothing fails");
    let ids: Vec<_> = ids.lock().expect("no panic").iter().copied().map(Some).collect();
    assert_eq!(ids.len(), 2);
    assert_ne!(ids[0], ids[1]);
    assert_eq!(*seen.lock().expect("no panic"), ids);
}

/// Fails if: identity is fixed when a future is first polled.
pub(crate) async fn t03_a_future_moved_to_another_task_is_in_that_task<R: Rt>() {
    let seen = Seen::default();
    let (sent, moved) = async_channel::bounded(1);
    let ids = Arc::new(Mutex::new(Vec::new()));
    nursery(async |n| {
        let (s, i) = (Arc::clone(&seen), Arc::clone(&ids));
        R::spawn(n, async move {
            i.lock().expect("no panic").push(Some(id()));
            let mut half = notes_each_poll(&s).boxed();
            assert!(poll_now(half.as_mut()).await.is_pending());
            sent.send(half).await.expect("someone waits for it");
            Ok(())
        });
        let i = Arc::clone(&ids);
        R::spawn(n, async move {
            let mut half = moved.recv().await.expect("sent");
            i.lock().expect("no panic").push(Some(id()));
            assert!(poll_now(half.as_mut()).await.is_ready());
            Ok(())
        });
        Ok(())
    })
    .await
    .expect("nothing fails");
    assert_eq!(*seen.lock().expect("no panic"), *ids.lock().expect("no panic"));
}

/// Fails if: identity is the waker's address: here two roots and their children are all polled with one and the same.
pub(crate) async fn t03_one_waker_for_all_makes_them_no_one_task<R: Rt>() {
    // On a thread of its own: no task is there.
    let (first, second) = on_a_bare_thread(|| {
        let root = || {
            let seen = Seen::default();
            let s = Arc::clone(&seen);
            let root = nursery(async move |n| {
                s.lock().expect("no panic").push(task::id());
                let in_child = Arc::clone(&s);
                n.spawn_local(async move {
                    in_child.lock().expect("no panic").push(task::id());
                    yield_now().await;
                    in_child.lock().expect("no panic").push(task::id());
                    Ok(())
                });
                yield_now().await;
                s.lock().expect("no panic").push(task::id());
                Ok(())
            });
            (root.boxed_local(), seen)
        };
        let ((mut a, in_a), (mut b, in_b)) = (root(), root());
        let mut cx = Context::from_waker(Waker::noop());
        let mut ended = [false, false];
        // In turns: whatever one leaves behind, the other would find.
        for _ in 0..100 {
            for (root, ended) in [&mut a, &mut b].into_iter().zip(&mut ended) {
                if !*ended && let Poll::Ready(done) = root.as_mut().poll(&mut cx) {
                    done.expect("nothing fails");
                    *ended = true;
                }
            }
        }
        assert_eq!(ended, [true, true]);
        let taken = |seen: Seen| seen.lock().expect("no panic").clone();
        (taken(in_a), taken(in_b))
    });
    for seen in [&first, &second] {
        let mut distinct: Vec<_> = seen.iter().map(|id| id.expect("inside a task").get()).collect();
        assert_eq!(distinct.len(), 4);
        distinct.sort_unstable();
        distinct.dedup();
        assert_eq!(distinct.len(), 2, "a root and its child: {seen:?}");
    }
    assert!(first.iter().all(|id| !second.contains(id)), "{first:?} {second:?}");
}

fn on_a_bare_thread<T: Send>(f: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|s| s.spawn(f).join()).unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// Fails if: the second root on a thread is taken for the first, or "no task" for a task.
pub(crate) async fn t03_two_roots_on_one_thread_are_two_tasks<R: Rt>() {
    let (first, between, second) = on_a_bare_thread(|| {
        assert_eq!(task::current(), None);
        let root = || block_on(nursery(async |_| Ok(id()))).expect("nothing fails");
        let first = root();
        let between = task::current();
        (first, between, root())
    });
    assert_eq!(between, None, "the first root has ended");
    assert_ne!(first, second);
}

/// Fails if: "no task" passes for one: what needs a task or a runtime must say so, and say what to do.
pub(crate) async fn t03_outside_any_task_the_error_says_what_to_do<R: Rt>() {
    let error = on_a_bare_thread(|| {
        assert_eq!(task::current(), None);
        assert_eq!(task::id(), None);
        scope_core::rt::current().expect_err("no task, so no runtime")
    });
    let error = error.to_string();
    for adapter in ["scope_tokio::", "scope_smol::"] {
        assert!(error.contains(adapter), "{error}");
    }
}

/// Fails if: "no task" is taken for an owner.
pub(crate) async fn t03_outside_any_task_an_owned_scope_is_an_error<R: Rt>() {
    let error = on_a_bare_thread(|| OwnedScope::<scope_core::Failure>::open("nobody's").expect_err("no task"));
    let error = error.to_string();
    for part in ["no task", "scope_tokio::run", "t03.rs"] {
        assert!(error.contains(part), "{error}");
    }
}

/// Fails if: two threads without a task are the same "nobody", so that one may close what the other holds.
pub(crate) async fn t03_outside_any_task_a_guard_cannot_be_closed<R: Rt>() {
    nursery(async |_| {
        let guard: OwnedScope = OwnedScope::open("ours")?;
        let guard = on_a_bare_thread(|| {
            let error = block_on(guard.close()).expect_err("no task is not its home");
            assert!(error.is_wrong_task() && error.to_string().contains("no task"), "{error}");
            error.into_scope().expect("unchanged")
        });
        guard.close().await?;
        Ok(())
    })
    .await
    .expect("nothing fails");
}
