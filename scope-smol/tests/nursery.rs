//! Nurseries on smol: whose executor, which children, what is waited for.

use std::future::{pending, poll_fn};
use std::io;
use std::num::NonZero;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};
use std::thread::{self, ThreadId};
use std::time::Duration;

use async_executor::Executor;
use futures_lite::future::block_on;
use scope_core::{CancelCause, Cause, Failure, Nursery, rt};
use scope_smol::{SmolRuntime, SpawnExt};

const HANG: Duration = Duration::from_secs(20);

fn smol(handle: &rt::Handle) -> &SmolRuntime {
    handle.downcast_ref().unwrap()
}

#[test]
fn run_returns_what_the_body_returns() {
    let mut borrowed = vec![1, 2];
    let sum = scope_smol::run(async |n| {
        let three = n.spawn_with_handle(async { Ok(3) });
        n.spawn_local(async {
            borrowed.push(4);
            Ok(())
        });
        Ok(three.await?)
    });
    assert_eq!(sum.unwrap(), 3);
    assert_eq!(borrowed, [1, 2, 4]);
}

#[test]
fn on_the_current_thread_children_run_there_too() {
    let here = thread::current().id();
    let threads = scope_smol::run_current_thread(async |n| {
        let child = n.spawn_with_handle(async { Ok(thread::current().id()) });
        assert!(!n.runtime()?.can_block(), "the only thread");
        Ok((thread::current().id(), child.await?))
    });
    assert_eq!(threads.unwrap(), (here, here));
}

#[test]
fn with_threads_children_run_at_the_same_time() {
    let two = NonZero::new(2).unwrap();
    let threads: [ThreadId; 2] = scope_smol::run_with_threads(two, async |n| {
        // Neither can end before both run.
        let meet = Arc::new(std::sync::Barrier::new(2));
        let children = [meet.clone(), meet].map(|meet| {
            n.spawn_with_handle(async move {
                meet.wait();
                Ok(thread::current().id())
            })
        });
        let [one, other] = children;
        Ok([one.await?, other.await?])
    })
    .unwrap();
    assert_ne!(threads[0], threads[1]);
}

#[test]
fn every_way_to_spawn_reaches_the_nursery() {
    #[derive(Debug)]
    struct Own(&'static str);
    impl std::fmt::Display for Own {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str(self.0)
        }
    }
    impl std::error::Error for Own {}
    impl From<io::Error> for Own {
        fn from(_: io::Error) -> Self {
            Own("converted")
        }
    }
    let done = Arc::new(AtomicUsize::new(0));
    let one = |done: &Arc<AtomicUsize>| {
        let done = done.clone();
        move || {
            done.fetch_add(1, Ordering::SeqCst);
        }
    };
    let ended = block_on(scope_smol::try_nursery(async |n: &Nursery<'_, '_, Own>| {
        let (a, b, c, d) = (one(&done), one(&done), one(&done), one(&done));
        n.run(async move { a() });
        n.spawn(async move {
            b();
            Ok(())
        });
        n.task("named").run(async move { c() });
        let spawner = n.spawner();
        spawner.run(async move { d() }).unwrap();
        assert_eq!(spawner.spawn_with_handle(async { Ok(5) }).unwrap().await.unwrap(), 5);
        Ok(())
    }));
    ended.unwrap();
    assert_eq!(done.load(Ordering::SeqCst), 4);

    let failed = block_on(scope_smol::try_nursery(async |n: &Nursery<'_, '_, Own>| {
        n.task("reader").spawn_into(async { Err(io::Error::other("gone")) });
        pending::<Result<(), Own>>().await
    }));
    let failed = failed.unwrap_err();
    assert!(matches!(failed.cause(), Cause::Failed(Own("converted"))));
    assert!(failed.leaves()[0].path().to_string().contains("reader"));
    assert!(failed.leaves()[0].location().file().ends_with("nursery.rs"), "the caller's, not ours");
}

#[test]
fn a_nursery_can_be_given_to_an_executor() {
    let executor = Executor::new();
    let task = executor.spawn(scope_smol::nursery(async |n| {
        let inner = scope_core::nursery(async |n| {
            // Inherited by one that names no runtime.
            assert_eq!(n.runtime().unwrap().name(), "smol");
            Ok(n.spawner())
        })
        .await?;
        assert!(inner.run(async {}).unwrap_err().is_closed());
        n.spawn(async { Ok(()) });
        Ok(())
    }));
    block_on(executor.run(task)).unwrap();
}

#[test]
fn without_another_it_is_the_global_executor_and_always_the_same_handle() {
    let handle = || block_on(scope_smol::nursery(async |n| Ok(n.runtime()?))).unwrap();
    assert!(handle().same(&handle()));
    assert!(smol(&handle()).same_executor(&SmolRuntime::global().unwrap()));
}

#[test]
fn inside_run_it_is_the_executor_of_run_also_in_a_nested_one() {
    let outer = scope_smol::run_current_thread(async |n| {
        let inner = scope_smol::run_current_thread(async |n| {
            assert_eq!(n.spawn_with_handle(async { Ok(1) }).await?, 1, "driven by the inner one");
            let nested = scope_smol::nursery(async |n| Ok(n.runtime()?)).await?;
            assert!(nested.same(&n.runtime()?));
            Ok(nested)
        })
        .unwrap();
        let nested = scope_smol::nursery(async |n| Ok(n.runtime()?)).await?;
        assert!(nested.same(&n.runtime()?) && !nested.same(&inner));
        Ok(nested)
    });
    let outer = outer.unwrap();
    assert!(!smol(&outer).same_executor(&SmolRuntime::global().unwrap()));
    assert!(smol(&outer).launch(async {}).is_err(), "it has ended with run");
}

#[test]
fn a_foreign_task_on_the_executor_of_run_stays_there_and_run_waits_for_what_it_drops() {
    let cleaned = Arc::new(AtomicUsize::new(0));
    let before = scope_smol::run_current_thread(async |n| {
        let on = n.runtime()?;
        let (ours, cleans) = (on.clone(), cleaned.clone());
        let (release, released) = async_channel::bounded::<()>(1);
        let (dropped, is_dropped) = async_channel::bounded::<()>(1);
        smol(&on).launch(async move {
            let mut root = Box::pin(scope_smol::nursery(async |n| {
                assert!(n.runtime()?.same(&ours));
                n.finalizer("tidy", move |_| async move {
                    let _ = released.recv().await;
                    cleans.fetch_add(1, Ordering::SeqCst);
                    Ok(())
                });
                pending::<Result<(), Failure>>().await
            }));
            assert!(poll_fn(|cx| Poll::Ready(root.as_mut().poll(cx))).await.is_pending());
            drop(root);
            dropped.try_send(()).unwrap();
        })?;
        is_dropped.recv().await?;
        // On one thread this runs only after the root has ended.
        smol(&on).launch(async move { release.try_send(()).unwrap() })?;
        Ok(cleaned.load(Ordering::SeqCst))
    });
    assert_eq!(before.unwrap(), 0);
    assert_eq!(cleaned.load(Ordering::SeqCst), 1);
}

#[test]
fn an_executor_of_ones_own_runs_the_children() {
    let executor = Arc::new(Executor::new());
    let mut root = Box::pin(scope_smol::nursery_on(&executor, async |n| {
        let on = n.runtime()?;
        assert!(!on.can_block(), "in a task, and nobody knows which thread runs what");
        let inner = scope_smol::nursery(async |n| Ok(n.runtime()?)).await?;
        assert!(inner.same(&on));
        let child = n.spawn_with_handle(async { Ok(scope_core::task::id()) });
        Ok(child.await?)
    }));
    let mut cx = Context::from_waker(Waker::noop());
    assert!(root.as_mut().poll(&mut cx).is_pending());
    assert!(executor.try_tick(), "the child waits there to be run");
    let Poll::Ready(child) = root.as_mut().poll(&mut cx) else { panic!("all has ended") };
    assert!(child.unwrap().is_some());
    assert!(executor.is_empty(), "nothing of ours is left on it");
}

#[test]
fn an_executor_that_goes_away_aborts_children_and_refuses_new_ones() {
    let executor = Arc::new(Executor::new());
    let polled = Arc::new(AtomicUsize::new(0));
    let mut mine = Some(executor.clone());
    let root = scope_smol::nursery_on(&executor, async |n| {
        n.spawn(pending());
        assert!(mine.as_ref().unwrap().try_tick());
        mine = None;
        let polled = polled.clone();
        let refused = n.spawner().run(async move {
            polled.fetch_add(1, Ordering::SeqCst);
        });
        assert!(refused.unwrap_err().is_shut_down());
        Ok(())
    });
    drop(executor);
    let error = block_on(root).unwrap_err();
    assert!(error.leaves().iter().any(|leaf| matches!(leaf.cause(), Cause::Aborted)), "{error:?}");
    assert_eq!(polled.load(Ordering::SeqCst), 0);
}

#[test]
fn a_cancelled_scope_waits_for_its_parallel_children() {
    struct Count(Arc<AtomicUsize>);
    impl Drop for Count {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }
    for threads in [1, 3] {
        let dropped = Arc::new(AtomicUsize::new(0));
        let ended = scope_smol::run_with_threads(NonZero::new(threads).unwrap(), async |n| {
            for _ in 0..100 {
                let count = Count(dropped.clone());
                n.spawn(async move {
                    let _count = count;
                    pending().await
                });
            }
            n.canceller().cancel_for(CancelCause::Signal, "SIGINT");
            pending::<Result<(), Failure>>().await
        });
        assert_eq!(ended.unwrap_err().reason().unwrap().cause(), CancelCause::Signal);
        assert_eq!(dropped.load(Ordering::SeqCst), 100);
    }
}

#[test]
fn a_panic_comes_out_of_run_after_the_children_have_ended() {
    struct Count(Arc<AtomicUsize>);
    impl Drop for Count {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }
    fn fails() -> Result<(), Failure> {
        panic!("expected by this test")
    }
    let dropped = Arc::new(AtomicUsize::new(0));
    let count = Count(dropped.clone());
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        scope_smol::run(async |n| {
            n.spawn(async move {
                let _count = count;
                pending().await
            });
            fails()
        })
    }));
    assert_eq!(*panicked.unwrap_err().downcast::<&str>().unwrap(), "expected by this test");
    assert_eq!(dropped.load(Ordering::SeqCst), 1);
}

#[test]
fn settle_waits_within_its_budget_and_names_what_is_left() {
    // The orphan is the global executor's, whose other users in this process leave none.
    block_on(scope_smol::settle(Duration::ZERO)).expect("nothing is left so far");
    let cleaned = Arc::new(AtomicUsize::new(0));
    let (release, released) = async_channel::bounded::<()>(1);
    let there = cleaned.clone();
    let mut root = Box::pin(
        scope_smol::nursery(async move |n| {
            n.finalizer("tidy", move |_| async move {
                let _ = released.recv().await;
                there.fetch_add(1, Ordering::SeqCst);
                Ok(())
            });
            pending::<Result<(), Failure>>().await
        })
        .named("orphan")
        .cleanup_budget(HANG),
    );
    assert!(block_on(poll_fn(|cx| Poll::Ready(root.as_mut().poll(cx)))).is_pending());
    drop(root);
    let left = block_on(scope_smol::settle(Duration::from_millis(20))).unwrap_err();
    assert_eq!(left.scopes().len(), 1);
    assert_eq!(left.scopes()[0].name(), Some("orphan"));
    let text = left.to_string();
    assert!(text.contains("orphan") && text.contains("nursery.rs"), "{text}");
    assert_eq!(cleaned.load(Ordering::SeqCst), 0);
    release.try_send(()).unwrap();
    block_on(scope_smol::settle(HANG)).unwrap();
    assert_eq!(cleaned.load(Ordering::SeqCst), 1);
}
