//! Nurseries: which children, on what, and what is waited for.

use std::future::pending;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use scope_core::rt::Handle;
use scope_core::{CancelCause, Cause, Failure, Nursery};
use scope_tests::{HANG_BOUND, poll_now};

use super::adapter::{self, SpawnExt};
use super::{Mortal, Setting, launch};
use crate::in_time;

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

struct Count(Arc<AtomicUsize>);

impl Drop for Count {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

fn fails() -> Result<(), Failure> {
    panic!("expected by this test")
}

#[test]
fn run_returns_what_the_body_returns() {
    let mut borrowed = vec![1, 2];
    let sum = adapter::run(async |n| {
        let three = n.spawn_with_handle(async { Ok(3) });
        n.spawn_local(async {
            borrowed.push(4);
            Ok(())
        });
        Ok(three.await?)
    });
    assert_eq!(sum.unwrap(), 3);
    assert_eq!(borrowed, [1, 2, 4]);
    assert_eq!(adapter::run_current_thread(async |_| Ok("here")).unwrap(), "here");
}

#[test]
fn on_the_current_thread_children_run_there_too() {
    let here = thread::current().id();
    let threads = adapter::run_current_thread(async |n| {
        let child = n.spawn_with_handle(async { Ok(thread::current().id()) });
        assert!(!n.runtime()?.can_block(), "the only thread");
        Ok((thread::current().id(), child.await?))
    });
    assert_eq!(threads.unwrap(), (here, here));
}

#[test]
fn every_way_to_spawn_reaches_the_nursery() {
    Setting::each(|setting| {
        let done = Arc::new(AtomicUsize::new(0));
        let one = |done: &Arc<AtomicUsize>| {
            let done = done.clone();
            move || {
                done.fetch_add(1, Ordering::SeqCst);
            }
        };
        let ended = setting.block_on(async |_| {
            adapter::try_nursery(async |n: &Nursery<'_, '_, Own>| {
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
            })
            .await
        });
        ended.unwrap();
        assert_eq!(done.load(Ordering::SeqCst), 4);

        let failed = setting.block_on(async |_| {
            adapter::try_nursery(async |n: &Nursery<'_, '_, Own>| {
                n.task("reader").spawn_into(async { Err(io::Error::other("gone")) });
                pending::<Result<(), Own>>().await
            })
            .await
        });
        let failed = failed.unwrap_err();
        assert!(matches!(failed.cause(), Cause::Failed(Own("converted"))));
        assert!(failed.leaves()[0].path().to_string().contains("reader"));
        assert!(failed.leaves()[0].location().file().ends_with("nursery.rs"), "the caller's, not ours");
    });
}

#[test]
fn a_nursery_can_be_given_to_a_task_of_the_runtime() {
    Setting::each(|setting| {
        let name = setting.block_on(async |on| on.name());
        let ended = setting.block_on_task(adapter::nursery(async move |n| {
            let inner = scope_core::nursery(async |n| {
                // Inherited by one that names no runtime.
                assert_eq!(n.runtime().unwrap().name(), name);
                Ok(n.spawner())
            })
            .await?;
            assert!(inner.run(async {}).unwrap_err().is_closed());
            n.spawn(async { Ok(()) });
            Ok(())
        }));
        ended.unwrap();
    });
}

#[test]
fn roots_of_one_runtime_share_a_handle() {
    Setting::each(|setting| {
        setting.block_on(async |_| {
            let root = || adapter::nursery(async |n| Ok(n.runtime()?));
            let (one, other) = (root().await.unwrap(), root().await.unwrap());
            assert!(one.same(&other));
            let nested = adapter::nursery(async |_| Ok(root().await?)).await.unwrap();
            assert!(nested.same(&one));
        });
    });
}

#[test]
fn a_cancelled_scope_waits_for_its_parallel_children() {
    Setting::each(|setting| {
        let dropped = Arc::new(AtomicUsize::new(0));
        let ended = setting.block_on(async |_| {
            adapter::nursery(async |n| {
                for _ in 0..100 {
                    let count = Count(dropped.clone());
                    n.spawn(async move {
                        let _count = count;
                        pending().await
                    });
                }
                n.canceller().cancel_for(CancelCause::Signal, "SIGINT");
                pending::<Result<(), Failure>>().await
            })
            .await
        });
        assert_eq!(ended.unwrap_err().reason().unwrap().cause(), CancelCause::Signal);
        assert_eq!(dropped.load(Ordering::SeqCst), 100);
    });
}

#[test]
fn a_panic_comes_out_of_run_after_the_children_have_ended() {
    let dropped = Arc::new(AtomicUsize::new(0));
    let count = Count(dropped.clone());
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        adapter::run(async |n| {
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

/// Leaves a nursery half-way in a foreign task. Its finalizer waits for `release`.
async fn orphan(on: &Handle, release: async_channel::Receiver<()>, cleaned: &Arc<AtomicUsize>) {
    let (ours, cleaned) = (on.clone(), cleaned.clone());
    let (dropped, is_dropped) = async_channel::bounded(1);
    let leaves_it = async move {
        let root = adapter::nursery(async |n| {
            assert!(n.runtime()?.same(&ours));
            n.finalizer("tidy", move |_| async move {
                let _ = release.recv().await;
                cleaned.fetch_add(1, Ordering::SeqCst);
                Ok(())
            });
            pending::<Result<(), Failure>>().await
        });
        let mut root = Box::pin(root.named("orphan").cleanup_budget(HANG_BOUND));
        assert!(poll_now(root.as_mut()).await.is_pending());
        drop(root);
        dropped.try_send(()).unwrap();
    };
    launch(on, leaves_it).unwrap();
    is_dropped.recv().await.unwrap();
}

#[test]
fn run_waits_for_what_was_dropped_with_no_scope_around_it() {
    in_time(|| {
        let cleaned = Arc::new(AtomicUsize::new(0));
        let before = adapter::run_current_thread(async |n| {
            let (release, released) = async_channel::bounded(1);
            let on = n.runtime()?;
            orphan(&on, released, &cleaned).await;
            // On one thread this runs only after the root has ended.
            launch(&on, async move { release.try_send(()).unwrap() })?;
            Ok(cleaned.load(Ordering::SeqCst))
        });
        assert_eq!((before.unwrap(), cleaned.load(Ordering::SeqCst)), (0, 1));

        let before = adapter::run(async |n| {
            let (release, released) = async_channel::bounded(1);
            let on = n.runtime()?;
            orphan(&on, released, &cleaned).await;
            let so_far = cleaned.load(Ordering::SeqCst);
            launch(&on, async move { release.try_send(()).unwrap() })?;
            Ok(so_far)
        });
        assert_eq!((before.unwrap(), cleaned.load(Ordering::SeqCst)), (1, 2));
    });
}

#[test]
fn run_waits_for_it_also_when_the_body_panics() {
    in_time(|| {
        let cleaned = Arc::new(AtomicUsize::new(0));
        let panicked = catch_unwind(AssertUnwindSafe(|| {
            adapter::run_current_thread(async |n| {
                let (release, released) = async_channel::bounded(1);
                let on = n.runtime()?;
                orphan(&on, released, &cleaned).await;
                launch(&on, async move { release.try_send(()).unwrap() })?;
                fails()
            })
        }));
        assert_eq!(*panicked.unwrap_err().downcast::<&str>().unwrap(), "expected by this test");
        assert_eq!(cleaned.load(Ordering::SeqCst), 1);
    });
}

#[test]
fn settle_waits_within_its_budget_and_names_what_is_left() {
    const SHORT: Duration = Duration::from_millis(20);
    Setting::each(|setting| {
        setting.block_on(async |_| {
            // smol's global runtime is that of other tests too, but none of them leaves an orphan there.
            adapter::settle(Duration::ZERO).await.expect("nothing is left so far");
            let cleaned = Arc::new(AtomicUsize::new(0));
            let (release, released) = async_channel::bounded(1);
            let on = adapter::nursery(async |n| Ok(n.runtime()?)).await.unwrap();
            orphan(&on, released, &cleaned).await;
            let before = on.now();
            let left = adapter::settle(SHORT).await.unwrap_err();
            assert!(on.now() >= before + SHORT);
            assert_eq!(left.scopes().len(), 1);
            assert_eq!(left.scopes()[0].name(), Some("orphan"));
            let text = left.to_string();
            assert!(text.contains("orphan") && text.contains("nursery.rs"), "{text}");
            assert_eq!(cleaned.load(Ordering::SeqCst), 0);
            release.try_send(()).unwrap();
            adapter::settle(HANG_BOUND).await.unwrap();
            assert_eq!(cleaned.load(Ordering::SeqCst), 1);
        });
    });
}

#[test]
fn a_runtime_that_ends_aborts_children_and_refuses_new_ones() {
    in_time(|| {
        for mortal in Mortal::all() {
            let on = mortal.handle();
            let polled = Arc::new(AtomicUsize::new(0));
            let root = scope_core::nursery(async |n| {
                let (begun, is_begun) = async_channel::bounded::<()>(1);
                n.spawn(async move {
                    begun.try_send(())?;
                    pending().await
                });
                mortal.end_after(async move { is_begun.recv().await.unwrap() });
                let polled = polled.clone();
                let refused = n.spawner().run(async move {
                    polled.fetch_add(1, Ordering::SeqCst);
                });
                assert!(refused.unwrap_err().is_shut_down());
                Ok(())
            });
            let error = futures_lite::future::block_on(root.runtime(on)).unwrap_err();
            assert!(error.leaves().iter().any(|leaf| matches!(leaf.cause(), Cause::Aborted)), "{error:?}");
            assert_eq!(polled.load(Ordering::SeqCst), 0);
        }
    });
}
