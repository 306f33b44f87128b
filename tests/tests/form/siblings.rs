//! 4 a child spawns siblings, 12 combinators in the body.

use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use futures_util::stream::{FuturesUnordered, StreamExt};
use futures_util::{FutureExt, future, join, select_biased, try_join};
use scope_core::{Nursery, SpawnError, Spawner, Spawns, nursery};

use super::harness::{assert_send, everywhere, on_runtimes, turn};

async fn p04_children_spawn_siblings() -> Vec<u32> {
    let seen = Mutex::new(Vec::new());
    nursery(async |n| {
        let seen = &seen;
        n.spawn_local(async move {
            for number in 0..3 {
                n.spawn_local(async move {
                    turn().await;
                    seen.lock().unwrap().push(number);
                    if number == 2 {
                        // The last one, while it ends.
                        n.spawn_local(async move {
                            seen.lock().unwrap().push(9);
                            Ok(())
                        });
                    }
                    Ok(())
                });
            }
            Ok(())
        });
        Ok(())
    })
    .await
    .unwrap();
    let mut seen = seen.into_inner().unwrap();
    seen.sort_unstable();
    seen
}

#[test]
fn p04_a_child_spawns_siblings() {
    assert_send(&p04_children_spawn_siblings());
    everywhere(p04_children_spawn_siblings, vec![0, 1, 2, 9]);
}

/// A tree of same-task children, each spawned by the one above it through the nursery.
fn grow<'s, 'env>(n: &'s Nursery<'s, 'env>, leaves: &'env AtomicUsize, depth: u32) {
    n.spawn_local(async move {
        turn().await;
        match depth.checked_sub(1) {
            Some(less) => (0..2).for_each(|_| grow(n, leaves, less)),
            None => _ = leaves.fetch_add(1, Ordering::Relaxed),
        }
        Ok(())
    });
}

#[test]
fn p04_siblings_to_any_depth() {
    let program = async || {
        let leaves = AtomicUsize::new(0);
        nursery(async |n| {
            grow(n, &leaves, 5);
            Ok(())
        })
        .await
        .unwrap();
        leaves.into_inner()
    };
    assert_send(&program());
    everywhere(program, 32);
}

/// The same for parallel children, which cannot borrow the nursery: they take a spawner along.
fn grow_parallel(spawner: &Spawner, leaves: Arc<AtomicUsize>, depth: u32) -> Result<(), SpawnError> {
    let below = spawner.clone();
    spawner.spawn_erased(async move {
        turn().await;
        match depth.checked_sub(1) {
            Some(less) => {
                for _ in 0..2 {
                    grow_parallel(&below, leaves.clone(), less)?;
                }
            }
            None => _ = leaves.fetch_add(1, Ordering::Relaxed),
        }
        Ok(())
    })
}

#[test]
fn p04_parallel_siblings_through_a_spawner() {
    let program = async || {
        let leaves = Arc::new(AtomicUsize::new(0));
        nursery(async |n| {
            grow_parallel(&n.spawner(), leaves.clone(), 5)?;
            Ok(())
        })
        .await
        .unwrap();
        leaves.load(Ordering::Relaxed)
    };
    assert_send(&program());
    on_runtimes(program, 32);
}

async fn p12_combinators() -> Vec<u32> {
    let hits = AtomicUsize::new(0);
    let mut out = nursery(async |n| {
        n.spawn_local(async {
            turn().await;
            hits.fetch_add(1, Ordering::Relaxed);
            Ok(())
        });
        let hit = async |value: u32| {
            turn().await;
            hits.fetch_add(1, Ordering::Relaxed);
            value
        };
        let (a, b) = join!(hit(1), hit(2));

        let mut never = pin!(future::pending::<u32>().fuse());
        let mut quick = pin!(hit(3).fuse());
        let c = select_biased! {
            value = never => value,
            value = quick => value,
        };

        let mut unordered: FuturesUnordered<_> = (4..8).map(&hit).collect();
        let mut rest = Vec::new();
        while let Some(value) = unordered.next().await {
            // Spawned from the middle of a combinator.
            n.spawn_local(async {
                hits.fetch_add(1, Ordering::Relaxed);
                Ok(())
            });
            rest.push(value);
        }
        rest.sort_unstable();

        let (d, e) = try_join!(async { Ok::<_, std::fmt::Error>(hit(8).await) }, async { Ok(hit(9).await) })?;
        Ok([vec![a, b, c], rest, vec![d, e]].concat())
    })
    .await
    .unwrap();
    out.push(hits.into_inner() as u32);
    out
}

#[test]
fn p12_combinators_in_the_body() {
    assert_send(&p12_combinators());
    everywhere(p12_combinators, vec![1, 2, 3, 4, 5, 6, 7, 8, 9, 14]);
}
