//! 1 plain, 7 inside `tokio::spawn`, 10 `?` in the body and in the children.

use std::num::ParseIntError;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use scope_core::{ScopeError, Spawns, nursery};

use super::harness::{assert_send, everywhere, on_runtimes, spawned_on_tokio, turn};

async fn p01_plain() -> Result<usize, ScopeError> {
    nursery(async |n| {
        let done = Arc::new(AtomicUsize::new(0));
        for _ in 0..3 {
            let done = done.clone();
            n.spawn_local(async move {
                turn().await;
                done.fetch_add(1, Ordering::Relaxed);
                Ok(())
            });
        }
        while done.load(Ordering::Relaxed) < 3 {
            turn().await;
        }
        Ok(done.load(Ordering::Relaxed) + 4)
    })
    .await
}

#[test]
fn p01_plain_gives_what_its_body_gives() {
    assert_send(&p01_plain());
    everywhere(async || p01_plain().await.unwrap(), 7);
}

async fn p01_empty() -> u8 {
    nursery(async |_| Ok(1)).await.unwrap()
}

#[test]
fn p01_empty_nursery() {
    assert_send(&p01_empty());
    everywhere(p01_empty, 1);
}

async fn p01_parallel() -> usize {
    let done = Arc::new(AtomicUsize::new(0));
    nursery(async |n| {
        for _ in 0..3 {
            let done = done.clone();
            n.spawn_erased(async move {
                turn().await;
                done.fetch_add(1, Ordering::Relaxed);
                Ok(())
            });
        }
        Ok(())
    })
    .await
    .unwrap();
    done.load(Ordering::Relaxed)
}

#[test]
fn p01_parallel_children_have_ended_when_it_returns() {
    assert_send(&p01_parallel());
    on_runtimes(p01_parallel, 3);
}

/// Built inside the `async fn` that is spawned, borrowing from it: what people write in a server's accept loop.
async fn p07_main() -> String {
    let greeting = String::from("hello");
    let name = String::from("scope");
    let mut whole = String::new();
    let one = nursery(async |n| {
        n.spawn_local(async {
            turn().await;
            whole.push_str(&greeting);
            whole.push(' ');
            whole.push_str(&name);
            Ok(())
        });
        turn().await;
        Ok(1)
    })
    .await
    .unwrap();
    format!("{whole} {one}")
}

#[test]
fn p07_inside_tokio_spawn() {
    assert_send(&p07_main());
    assert_eq!(spawned_on_tokio(p07_main()), "hello scope 1");
    // The nursery's future itself, not inside another one.
    assert_eq!(spawned_on_tokio(nursery(async |_| Ok(2))).unwrap(), 2);
    let direct = nursery(async |n| {
        n.spawn_local(async {
            turn().await;
            Ok(())
        });
        Ok(3)
    });
    assert_eq!(spawned_on_tokio(direct).unwrap(), 3);
}

async fn p10_question_marks(text: &'static str) -> Result<i32, ScopeError> {
    let mut second = 0;
    let first = nursery(async |n| {
        n.spawn_local(async {
            turn().await;
            let (_, right) = text.split_once(',').ok_or("no comma")?;
            second = right.parse()?;
            Ok(())
        });
        let (left, _) = text.split_once(',').ok_or("no comma")?;
        let left: i32 = left.parse()?;
        turn().await;
        Ok(left)
    })
    .await?;
    Ok(first + second)
}

#[test]
fn p10_question_mark_in_body_and_children() {
    assert_send(&p10_question_marks("1,2"));
    everywhere(async || p10_question_marks("40,2").await.unwrap(), 42);

    everywhere(async || p10_question_marks("x,2").await.unwrap_err().find::<ParseIntError>().is_some(), true);
    everywhere(async || p10_question_marks("1,y").await.unwrap_err().find::<ParseIntError>().is_some(), true);
    // The body fails before the child's first poll: nobody lost, nobody invented.
    everywhere(async || p10_question_marks("1").await.unwrap_err().leaves().len(), 1);
}
