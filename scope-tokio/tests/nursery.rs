//! Nurseries on tokio: whose runtime, which children, what is waited for.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use scope_core::{CancelCause, Cause, Failure, Nursery, Spawner, rt};
use scope_tokio::{SpawnExt, TokioRuntime};
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::sync::oneshot;

const LONG: Duration = Duration::from_secs(3600);

fn runtimes() -> [Runtime; 2] {
    [
        Builder::new_current_thread().enable_all().build().unwrap(),
        Builder::new_multi_thread().worker_threads(3).enable_all().build().unwrap(),
    ]
}

/// A clock that jumps when everybody waits.
fn paused() -> Runtime {
    Builder::new_current_thread().enable_all().start_paused(true).build().unwrap()
}

#[test]
fn run_returns_what_the_body_returns() {
    let mut borrowed = vec![1, 2];
    let sum = scope_tokio::run(async |n| {
        let three = n.spawn_with_handle(async { Ok(3) });
        n.spawn_local(async {
            borrowed.push(4);
            Ok(())
        });
        Ok(three.await?)
    });
    assert_eq!(sum.unwrap(), 3);
    assert_eq!(borrowed, [1, 2, 4]);
    assert_eq!(scope_tokio::run_current_thread(async |_| Ok("here")).unwrap(), "here");
}

#[test]
fn parallel_children_are_tasks_of_the_runtime() {
    for rt in runtimes() {
        let id = rt.handle().id();
        let root = scope_tokio::nursery(async |n| {
            let child = n.spawn_with_handle(async { Ok((Handle::current().id(), tokio::task::id())) });
            let other = n.spawn_with_handle(async { Ok((Handle::current().id(), tokio::task::id())) });
            Ok((child.await?, other.await?))
        });
        let (child, other) = scope_tokio::run_on(&rt, root).unwrap();
        assert_eq!((child.0, other.0), (id, id));
        assert_ne!(child.1, other.1);
    }
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
    for rt in runtimes() {
        let done = Arc::new(AtomicUsize::new(0));
        let one = |done: &Arc<AtomicUsize>| {
            let done = done.clone();
            move || {
                done.fetch_add(1, Ordering::SeqCst);
            }
        };
        let ended = rt.block_on(scope_tokio::try_nursery(async |n: &Nursery<'_, '_, Own>| {
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

        let failed = rt.block_on(scope_tokio::try_nursery(async |n: &Nursery<'_, '_, Own>| {
            n.task("reader").spawn_into(async { Err(io::Error::other("gone")) });
            std::future::pending::<Result<(), Own>>().await
        }));
        let failed = failed.unwrap_err();
        assert!(matches!(failed.cause(), Cause::Failed(Own("converted"))));
        assert!(failed.leaves()[0].path().to_string().contains("reader"));
        assert!(failed.leaves()[0].location().file().ends_with("nursery.rs"), "the caller's, not ours");
    }
}

#[test]
fn a_nursery_can_be_given_to_tokio_spawn() {
    for rt in runtimes() {
        let task = rt.spawn(scope_tokio::nursery(async |n| {
            let inner = scope_core::nursery(async |n| {
                // Inherited by one that names no runtime.
                assert_eq!(n.runtime().unwrap().name(), "tokio");
                Ok(n.spawner())
            })
            .await?;
            assert!(inner.run(async {}).unwrap_err().is_closed());
            n.spawn(async { Ok(()) });
            Ok(())
        }));
        rt.block_on(task).unwrap().unwrap();
    }
}

#[test]
fn roots_of_one_runtime_share_a_handle_and_those_of_two_do_not() {
    let [one, two] = runtimes();
    let handle = |rt: &Runtime| rt.block_on(scope_tokio::nursery(async |n| Ok(n.runtime()?))).unwrap();
    assert!(handle(&one).same(&handle(&one)));
    assert!(!handle(&one).same(&handle(&two)));
    let inner = one.block_on(scope_tokio::nursery(async |n| {
        let inner = scope_tokio::nursery(async |inner| Ok(inner.runtime()?)).await?;
        assert!(inner.same(&n.runtime()?));
        Ok(())
    }));
    inner.unwrap();
}

#[test]
fn another_runtime_around_is_not_inherited() {
    let [one, two] = runtimes();
    let of_one = rt::Handle::new(TokioRuntime::new(one.handle().clone()));
    two.block_on(async {
        scope_core::nursery(async |n| {
            assert!(n.runtime()?.same(&of_one));
            let here = scope_tokio::nursery(async |n| Ok(n.runtime()?)).await?;
            let here: &TokioRuntime = here.downcast_ref().unwrap();
            assert_eq!(here.handle().id(), two.handle().id());
            Ok(())
        })
        .runtime(of_one.clone())
        .await
        .unwrap();
    });
}

#[test]
fn outside_of_tokio_a_parallel_child_is_refused_by_name() {
    let mut root = Box::pin(scope_tokio::nursery(async |n| {
        n.spawn(async { Ok(()) });
        Ok(())
    }));
    let Poll::Ready(ended) = root.as_mut().poll(&mut Context::from_waker(Waker::noop())) else {
        panic!("nothing to wait for");
    };
    let error = ended.unwrap_err();
    assert!(matches!(error.cause(), Cause::Refused(why) if why.is_no_runtime()), "{error:?}");
}

#[test]
fn a_deadline_goes_by_tokios_clock() {
    paused().block_on(async {
        let before = tokio::time::Instant::now();
        let ended = scope_tokio::nursery(async |_| std::future::pending::<Result<(), Failure>>().await).timeout(LONG);
        assert!(ended.await.unwrap_err().is_timed_out());
        assert!(before.elapsed() >= LONG);
    });
}

#[test]
fn a_cancelled_scope_waits_for_its_parallel_children() {
    struct Count(Arc<AtomicUsize>);
    impl Drop for Count {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }
    for rt in runtimes() {
        let dropped = Arc::new(AtomicUsize::new(0));
        let ended = rt.block_on(scope_tokio::nursery(async |n| {
            for _ in 0..100 {
                let count = Count(dropped.clone());
                n.spawn(async move {
                    let _count = count;
                    std::future::pending().await
                });
            }
            n.canceller().cancel_for(CancelCause::Signal, "SIGINT");
            std::future::pending::<Result<(), Failure>>().await
        }));
        assert_eq!(ended.unwrap_err().reason().unwrap().cause(), CancelCause::Signal);
        assert_eq!(dropped.load(Ordering::SeqCst), 100);
    }
}

/// Spawns, as a foreign task, a nursery whose finalizer waits for `release`, and aborts it half-way.
async fn orphan(release: oneshot::Receiver<()>, cleaned: Arc<AtomicUsize>) {
    let (opened, is_open) = oneshot::channel();
    let task = tokio::spawn(
        scope_tokio::nursery(async move |n| {
            n.finalizer("tidy", move |_| async move {
                let _ = release.await;
                cleaned.fetch_add(1, Ordering::SeqCst);
                Ok(())
            });
            let _ = opened.send(());
            std::future::pending::<Result<(), Failure>>().await
        })
        .named("orphan")
        .cleanup_budget(2 * LONG),
    );
    is_open.await.unwrap();
    task.abort();
    assert!(task.await.unwrap_err().is_cancelled());
}

#[test]
fn run_waits_for_what_was_dropped_with_no_scope_around_it() {
    for rt in runtimes() {
        let cleaned = Arc::new(AtomicUsize::new(0));
        let (release, released) = oneshot::channel();
        let root = scope_tokio::nursery(async |_| {
            orphan(released, cleaned.clone()).await;
            let so_far = cleaned.load(Ordering::SeqCst);
            // On one thread this runs only after the root has ended.
            tokio::spawn(async move {
                tokio::task::yield_now().await;
                release.send(()).unwrap();
            });
            Ok(so_far)
        });
        assert_eq!(scope_tokio::run_on(&rt, root).unwrap(), 0);
        assert_eq!(cleaned.load(Ordering::SeqCst), 1);
    }
}

fn fails() -> Result<(), Failure> {
    panic!("expected by this test")
}

#[test]
fn run_waits_for_it_also_when_the_body_panics() {
    for rt in runtimes() {
        let cleaned = Arc::new(AtomicUsize::new(0));
        let (release, released) = oneshot::channel();
        let there = cleaned.clone();
        let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let root = scope_tokio::nursery(async |_| {
                orphan(released, there).await;
                tokio::spawn(async move { release.send(()).unwrap() });
                fails()
            });
            scope_tokio::run_on(&rt, root)
        }));
        assert_eq!(*panicked.unwrap_err().downcast::<&str>().unwrap(), "expected by this test");
        assert_eq!(cleaned.load(Ordering::SeqCst), 1);
    }
}

#[test]
fn settle_waits_within_its_budget_and_names_what_is_left() {
    paused().block_on(async {
        scope_tokio::settle(Duration::ZERO).await.expect("nothing is left in a fresh runtime");
        let cleaned = Arc::new(AtomicUsize::new(0));
        let (release, released) = oneshot::channel();
        orphan(released, cleaned.clone()).await;
        let before = tokio::time::Instant::now();
        let left = scope_tokio::settle(LONG).await.unwrap_err();
        assert!(before.elapsed() >= LONG);
        assert_eq!(left.scopes().len(), 1);
        assert_eq!(left.scopes()[0].name(), Some("orphan"));
        let text = left.to_string();
        assert!(text.contains("orphan") && text.contains("nursery.rs"), "{text}");
        release.send(()).unwrap();
        scope_tokio::settle(LONG).await.unwrap();
        assert_eq!(cleaned.load(Ordering::SeqCst), 1);
    });
}

#[test]
fn a_runtime_that_shuts_down_aborts_children_and_refuses_new_ones() {
    for rt in runtimes() {
        let here = Builder::new_current_thread().enable_all().build().unwrap();
        let of_rt = rt::Handle::new(TokioRuntime::new(rt.handle().clone()));
        let mut rt = Some(rt);
        let polled = Arc::new(AtomicUsize::new(0));
        let ended = here.block_on(
            scope_core::nursery(async |n| {
                let (started, is_started) = oneshot::channel();
                n.spawn(async move {
                    let _ = started.send(());
                    std::future::pending().await
                });
                let running = rt.take().unwrap();
                // A current-thread runtime runs only when it is driven.
                let driver = std::thread::spawn(move || {
                    let _ = running.block_on(is_started);
                    drop(running);
                });
                driver.join().unwrap();
                let spawner: Spawner = n.spawner();
                let polled = polled.clone();
                let refused = spawner.run(async move {
                    polled.fetch_add(1, Ordering::SeqCst);
                });
                assert!(refused.unwrap_err().is_shut_down());
                Ok(())
            })
            .runtime(of_rt),
        );
        let error = ended.unwrap_err();
        assert!(error.leaves().iter().any(|leaf| matches!(leaf.cause(), Cause::Aborted)), "{error:?}");
        assert_eq!(polled.load(Ordering::SeqCst), 0);
    }
}
