//! What is not `Send` still compiles, through the entries for it, and is not `Send` then.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use futures_lite::future::block_on;
use scope_core::{Failure, Nursery, ScopeError, Spawns, nursery, nursery_local, try_nursery_local};

use super::harness::{assert_not_send, assert_send, turn};

async fn local_children() -> Result<u32, ScopeError> {
    let shared = Rc::new(Cell::new(0));
    let borrowed = Cell::new(10);
    let held = shared.clone();
    nursery_local(async |n| {
        for _ in 0..3 {
            let shared = shared.clone();
            let borrowed = &borrowed;
            n.spawn_local(async move {
                turn().await;
                shared.set(shared.get() + 1);
                borrowed.set(borrowed.get() + 1);
                Ok(())
            });
        }
        let in_body = Rc::new(5);
        turn().await;
        turn().await;
        Ok(*in_body)
    })
    .await
    .map(|out| out + held.get() + borrowed.get())
}

#[test]
fn children_and_bodies_that_are_not_send() {
    assert_not_send(&local_children());
    assert_eq!(block_on(local_children()).unwrap(), 5 + 3 + 13);
}

#[test]
fn a_local_set_runs_it_in_tokio() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let set = tokio::task::LocalSet::new();
    let out = runtime.block_on(
        set.run_until(async { tokio::task::spawn_local(async { local_children().await.unwrap() }).await.unwrap() }),
    );
    assert_eq!(out, 21);
}

#[test]
fn smols_local_executor_runs_it() {
    let executor = async_executor::LocalExecutor::new();
    let out = block_on(executor.run(async { executor.spawn(local_children()).await.unwrap() }));
    assert_eq!(out, 21);
}

#[test]
fn local_siblings_spawn_each_other_and_nest() {
    let log = RefCell::new(Vec::new());
    let program = nursery_local(async |n| {
        let log = &log;
        n.spawn_local(async move {
            n.spawn_local(async move {
                turn().await;
                log.borrow_mut().push("sibling");
                Ok(())
            });
            nursery_local(async |inner| {
                inner.spawn_local(async {
                    log.borrow_mut().push("nested");
                    Ok(())
                });
                Ok(())
            })
            .await?;
            log.borrow_mut().push("child");
            Ok(())
        });
        Ok(())
    });
    assert_not_send(&program);
    block_on(program).unwrap();
    let mut log = log.into_inner();
    log.sort_unstable();
    assert_eq!(log, ["child", "nested", "sibling"]);
}

#[test]
fn typed_and_local() {
    let count = Cell::new(0);
    let out = block_on(try_nursery_local(async |n: &Nursery<'_, '_, std::fmt::Error, _>| {
        n.spawn_local(async {
            count.set(count.get() + 1);
            turn().await;
            Err(std::fmt::Error)
        });
        Ok(())
    }));
    assert_eq!(out.unwrap_err().into_failed().unwrap(), std::fmt::Error);
    assert_eq!(count.get(), 1);
}

/// A body that is not `Send` needs no other entry as long as its same-task children are.
async fn only_the_body_is_not_send() -> u32 {
    let mut count = 0;
    let rc = Rc::new(1);
    let out = nursery(async |n| {
        n.spawn_local(async {
            turn().await;
            count += 1;
            Ok(())
        });
        let inner = rc.clone();
        turn().await;
        Ok(*inner)
    })
    .await
    .unwrap();
    out + count
}

#[test]
fn a_body_that_is_not_send_with_children_that_are() {
    assert_not_send(&only_the_body_is_not_send());
    assert_eq!(block_on(only_the_body_is_not_send()), 2);
}

/// Parallel children of a local nursery are `Send`, and so is its spawner.
#[test]
fn a_local_nursery_has_parallel_children_too() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let out: Result<u32, ScopeError> = runtime.block_on(async {
        scope_tokio::nursery(async |_| {
            let home = Rc::new(Cell::new(0));
            let out = nursery_local(async |n| {
                let (give, take) = async_channel::unbounded();
                let (spawner, home) = (n.spawner(), &home);
                assert_send(&spawner);
                for number in 0..4_u32 {
                    let give = give.clone();
                    n.spawn_erased(async move {
                        turn().await;
                        give.send(number).await?;
                        Ok(())
                    });
                }
                drop(give);
                n.spawn_local(async move {
                    while let Ok(number) = take.recv().await {
                        home.set(home.get() + number);
                    }
                    Ok(())
                });
                spawner.spawn_erased(async { Ok::<(), Failure>(()) })?;
                Ok(1)
            })
            .await?;
            Ok(out + home.get())
        })
        .await
    });
    assert_eq!(out.unwrap(), 7);
}
