//! Nurseries on smol: whose executor it is. What is the same on every runtime stands in tests/tests/adapters.

use std::num::NonZero;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::thread::{self, ThreadId};

use async_executor::Executor;
use futures_lite::future::block_on;
use scope_core::rt;
use scope_smol::{SmolRuntime, SpawnExt};

fn smol(handle: &rt::Handle) -> &SmolRuntime {
    handle.downcast_ref().unwrap()
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
