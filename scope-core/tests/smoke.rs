//! The core with no runtime at all: same-task children only.
use std::cell::RefCell;
use std::future::Future;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use scope_core::{Cause, nursery, nursery_infallible, nursery_local, try_nursery};

fn block_on<T>(future: impl Future<Output = T>) -> T {
    let mut future = std::pin::pin!(future);
    let mut cx = Context::from_waker(Waker::noop());
    for _ in 0..10_000 {
        if let Poll::Ready(out) = future.as_mut().poll(&mut cx) {
            return out;
        }
    }
    panic!("it hangs");
}

fn assert_send<T: Send>(t: T) -> T {
    t
}

#[test]
fn children_borrow_from_outside() {
    let mut count = 0;
    let list = [1, 2, 3];
    let total = block_on(assert_send(nursery(async |n| {
        n.spawn_local(async {
            count += 1;
            Ok(())
        });
        n.spawn_local(async {
            scope_core::checkpoint().await;
            Ok(())
        });
        Ok(list.iter().sum::<i32>())
    })))
    .unwrap();
    assert_eq!((count, total), (1, 6));
}

#[test]
fn a_childs_error_cancels_the_rest_and_comes_out() {
    let error = block_on(
        nursery(async |n| {
            n.task("bad").spawn_local(async { Err(std::io::Error::other("disk on fire"))? });
            n.spawn_local(async { std::future::pending().await });
            std::future::pending::<()>().await;
            Ok(())
        })
        .named("main"),
    )
    .unwrap_err();
    assert!(matches!(error.cause(), Cause::Failed(_)));
    assert_eq!(error.to_string(), "main > bad: disk on fire");
    assert!(error.find::<std::io::Error>().is_some());
}

#[test]
fn a_child_spawns_siblings() {
    let hits = std::sync::Mutex::new(0);
    block_on(nursery(async |n| {
        n.spawn_local(async {
            n.spawn_local(async {
                *hits.lock().unwrap() += 1;
                Ok(())
            });
            Ok(())
        });
        Ok(())
    }))
    .unwrap();
    assert_eq!(*hits.lock().unwrap(), 1);
}

#[test]
fn local_children_need_not_be_send() {
    let shared = Rc::new(RefCell::new(0));
    block_on(nursery_local(async |n| {
        for _ in 0..3 {
            let shared = shared.clone();
            n.spawn_local(async move {
                *shared.borrow_mut() += 1;
                Ok(())
            });
        }
        Ok(())
    }))
    .unwrap();
    assert_eq!(*shared.borrow(), 3);
}

#[test]
fn typed_and_infallible() {
    let error = block_on(try_nursery(async |n: &scope_core::Nursery<std::io::Error>| {
        n.spawn_local(async { Err(std::io::Error::from(std::io::ErrorKind::BrokenPipe)) });
        Ok(())
    }))
    .unwrap_err();
    assert!(matches!(error.cause(), Cause::Failed(e) if e.kind() == std::io::ErrorKind::BrokenPipe));
    let sum = block_on(nursery_infallible(async |n| {
        n.run_local(async {});
        7
    }));
    assert_eq!(sum, 7);
}

#[test]
fn spawning_in_parallel_without_a_runtime_says_what_to_do() {
    use scope_core::Spawns;
    let error = block_on(nursery(async |n| {
        n.spawn_erased(async { Ok(()) });
        Ok(())
    }))
    .unwrap_err();
    assert!(error.to_string().contains("scope_tokio::run"), "{error}");
}
