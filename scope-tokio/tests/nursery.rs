//! Nurseries on tokio: whose runtime and whose clock. What is the same on every runtime stands in tests/tests/adapters.

use std::task::{Context, Poll, Waker};
use std::time::Duration;

use scope_core::{Cause, Failure, Nursery, rt};
use scope_tokio::{SpawnExt, TokioRuntime};
use tokio::runtime::{self, Builder, Handle, Runtime, RuntimeFlavor};
use tokio::sync::oneshot;
use tokio::task;

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

/// The runtime and the task of tokio's that two children find themselves in.
async fn where_two_run(n: &Nursery<'_, '_>) -> Result<[(runtime::Id, task::Id); 2], Failure> {
    let child = n.spawn_with_handle(async { Ok((Handle::current().id(), task::id())) });
    let other = n.spawn_with_handle(async { Ok((Handle::current().id(), task::id())) });
    Ok([child.await?, other.await?])
}

#[test]
fn parallel_children_are_tasks_of_the_runtime() {
    for rt in runtimes() {
        let id = rt.handle().id();
        let [child, other] = scope_tokio::run_on(&rt, scope_tokio::nursery(where_two_run)).unwrap();
        assert_eq!((child.0, other.0), (id, id));
        // One thread needs one task for all; on several it may be any of a few.
        if rt.handle().runtime_flavor() == RuntimeFlavor::CurrentThread {
            assert_eq!(child.1, other.1);
        }
    }
}

#[test]
fn parallel_children_are_tasks_of_their_own_where_that_is_asked_for() {
    for rt in runtimes() {
        let id = rt.handle().id();
        let own = rt::Handle::new(TokioRuntime::new(rt.handle().clone()).with_own_tasks());
        let [child, other] = rt.block_on(scope_core::nursery(where_two_run).runtime(own)).unwrap();
        assert_eq!((child.0, other.0), (id, id));
        assert_ne!(child.1, other.1);
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
fn settle_waits_by_tokios_clock_for_what_an_aborted_task_left() {
    paused().block_on(async {
        let (opened, is_open) = oneshot::channel();
        let (release, released) = oneshot::channel::<()>();
        let root = scope_tokio::nursery(async move |n| {
            n.finalizer("tidy", move |_| async move { Ok(released.await?) });
            let _ = opened.send(());
            std::future::pending::<Result<(), Failure>>().await
        });
        let task = tokio::spawn(root.named("orphan").cleanup_budget(2 * LONG));
        is_open.await.unwrap();
        task.abort();
        assert!(task.await.unwrap_err().is_cancelled());
        let before = tokio::time::Instant::now();
        let left = scope_tokio::settle(LONG).await.unwrap_err();
        assert!(before.elapsed() >= LONG);
        assert_eq!(left.scopes()[0].name(), Some("orphan"));
        release.send(()).unwrap();
        scope_tokio::settle(LONG).await.unwrap();
    });
}
