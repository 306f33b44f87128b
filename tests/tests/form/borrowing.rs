//! 2 one child borrows `&mut` a local, 3 many borrow `&`, 5 a nested nursery borrows the outer body's locals, 9 the body
//! returns a borrowed value, 11 a borrowed channel between children.

use std::sync::atomic::{AtomicUsize, Ordering};

use scope_core::nursery;

use super::harness::{assert_send, everywhere, turn};

async fn p02_one_child_borrows_mutably() -> Vec<i32> {
    let mut numbers = vec![3, 1, 2];
    nursery(async |n| {
        n.spawn_local(async {
            numbers.push(0);
            turn().await;
            numbers.sort_unstable();
            Ok(())
        });
        turn().await;
        Ok(())
    })
    .await
    .unwrap();
    // Borrowed no longer.
    numbers.push(9);
    numbers
}

#[test]
fn p02_one_child_borrows_a_local_mutably() {
    assert_send(&p02_one_child_borrows_mutably());
    everywhere(p02_one_child_borrows_mutably, vec![0, 1, 2, 3, 9]);
}

async fn p02_disjoint() -> (String, String) {
    let mut pair = (String::new(), String::new());
    nursery(async |n| {
        let (left, right) = (&mut pair.0, &mut pair.1);
        n.spawn_local(async {
            turn().await;
            left.push('l');
            Ok(())
        });
        n.spawn_local(async {
            turn().await;
            right.push('r');
            Ok(())
        });
        Ok(())
    })
    .await
    .unwrap();
    pair
}

#[test]
fn p02_two_children_borrow_two_halves_mutably() {
    assert_send(&p02_disjoint());
    everywhere(p02_disjoint, ("l".to_owned(), "r".to_owned()));
}

async fn p03_many_borrow_shared() -> usize {
    let words = vec![String::from("one"), String::from("three"), String::from("eleven")];
    let total = AtomicUsize::new(0);
    nursery(async |n| {
        for word in &words {
            let total = &total;
            n.spawn_local(async move {
                turn().await;
                total.fetch_add(word.len(), Ordering::Relaxed);
                Ok(())
            });
        }
        // The body reads what they read, beside them.
        turn().await;
        Ok(words.len())
    })
    .await
    .unwrap()
        + total.into_inner()
}

#[test]
fn p03_many_children_borrow_shared() {
    assert_send(&p03_many_borrow_shared());
    everywhere(p03_many_borrow_shared, 3 + 14);
}

async fn p05_nested_borrows_outer_body() -> u32 {
    let base = 10;
    nursery(async |outer| {
        outer.spawn_local(async {
            turn().await;
            Ok(())
        });
        let mut sum = base;
        let addends = [1, 2, 3];
        let count = nursery(async |inner| {
            inner.spawn_local(async {
                for addend in &addends {
                    turn().await;
                    sum += addend;
                }
                Ok(())
            });
            // A sibling outside, from inside.
            outer.spawn_local(async {
                turn().await;
                Ok(())
            });
            Ok(1)
        })
        .await?;
        Ok(sum + count)
    })
    .await
    .unwrap()
}

#[test]
fn p05_a_nested_nursery_borrows_the_outer_bodys_locals() {
    assert_send(&p05_nested_borrows_outer_body());
    everywhere(p05_nested_borrows_outer_body, 17);
}

async fn p05_nested_in_a_child() -> Vec<u8> {
    let mut log = Vec::new();
    nursery(async |outer| {
        outer.spawn_local(async {
            let local = [1, 2];
            nursery(async |inner| {
                inner.spawn_local(async {
                    turn().await;
                    log.extend_from_slice(&local);
                    Ok(())
                });
                Ok(())
            })
            .await?;
            log.push(3);
            Ok(())
        });
        Ok(())
    })
    .await
    .unwrap();
    log
}

#[test]
fn p05_a_nested_nursery_in_a_child_borrows_the_childs_locals() {
    assert_send(&p05_nested_in_a_child());
    everywhere(p05_nested_in_a_child, vec![1, 2, 3]);
}

async fn p09_longest<'a>(words: &'a [String], visited: &mut usize) -> &'a str {
    nursery(async |n| {
        n.spawn_local(async {
            for _ in words {
                turn().await;
                *visited += 1;
            }
            Ok(())
        });
        let longest = words.iter().max_by_key(|word| word.len()).ok_or("no words")?;
        turn().await;
        Ok(longest.as_str())
    })
    .await
    .unwrap()
}

#[test]
fn p09_the_body_returns_a_borrowed_value() {
    let program = async || {
        let words = ["a", "abc", "ab"].map(String::from);
        let mut visited = 0;
        let longest = p09_longest(&words, &mut visited).await;
        (longest.to_owned(), visited)
    };
    assert_send(&program());
    everywhere(program, ("abc".to_owned(), 3));
}

async fn p11_channel_between_children() -> Vec<i32> {
    let (sender, receiver) = async_channel::bounded::<i32>(1);
    let mut got = Vec::new();
    nursery(async |n| {
        n.spawn_local(async {
            for number in 1..=4 {
                sender.send(number).await?;
            }
            sender.close();
            Ok(())
        });
        n.spawn_local(async {
            while let Ok(number) = receiver.recv().await {
                got.push(number);
            }
            Ok(())
        });
        Ok(())
    })
    .await
    .unwrap();
    assert!(receiver.is_empty());
    got
}

#[test]
fn p11_a_borrowed_channel_between_children() {
    assert_send(&p11_channel_between_children());
    everywhere(p11_channel_between_children, vec![1, 2, 3, 4]);
}
