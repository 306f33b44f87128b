//! P4: spawn and join children that do nothing, in one task.
//!
//! What each gives beside that:
//! * ours: children may borrow from outside, their errors and panics cancel the others and come out, each is a task with an
//!   identity;
//! * moro: children may borrow from outside, and each has a handle for its value; a panic goes through all of it;
//! * the collections hold futures and give back their values; errors, panics and what cancels whom are the caller's.
//!
//! In the case "mixed" children may be of any types, as in a nursery or in moro. `FuturesUnordered` holds one type: it is
//! judged against as it is, with one type, and "FU of boxes" is what it takes to hold several. In the case "for each" one
//! closure makes the children, at most 64 at once; in the case "results" the values of children of one type are read as they
//! come.

use std::hint::black_box;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_buffered::BufferedStreamExt;
use futures_util::future::{BoxFuture, FutureExt as _};
use futures_util::stream::{FuturesUnordered, StreamExt};
use scope_core::Spawns as _;

use super::by_hand::poll_through;
use crate::bench::{Bench, Goal, Peer};

pub(crate) fn benches() -> Vec<Bench> {
    let mixed = |sizes, goals| Bench { name: "P4", case: "mixed", sizes, peers: mixed, goals };
    let for_each = |sizes, goals| Bench { name: "P4", case: "for each", sizes, peers: for_each, goals };
    let results = |sizes, goals| Bench { name: "P4", case: "results", sizes, peers: results, goals };
    vec![
        // Of ten children, the tenth of an allocation is the nursery's own.
        mixed(&[10], &[Goal::Allocs(1.1), Goal::Ratio("FuturesUnordered", 1.1)]),
        mixed(&[1000, 100_000, 1_000_000], &[Goal::Allocs(1.01), Goal::Ratio("FuturesUnordered", 1.1)]),
        for_each(&[10], &[Goal::Ratio("futures-buffered", 1.5)]),
        for_each(&[1000, 100_000, 1_000_000], &[Goal::Allocs(0.05), Goal::Ratio("futures-buffered", 1.5)]),
        results(&[10], &[Goal::Ratio("futures-buffered", 1.5)]),
        results(&[1000, 100_000, 1_000_000], &[Goal::Allocs(0.05), Goal::Ratio("futures-buffered", 1.5)]),
    ]
}

fn mixed(n: usize) -> Vec<Peer> {
    vec![
        Peer::whole("scope", move || {
            move || {
                let done = poll_through(scope_core::nursery(async |nursery| {
                    for _ in 0..n {
                        nursery.run_local(async {});
                    }
                    Ok(())
                }));
                done.expect("children that do nothing cannot fail");
            }
        }),
        Peer::whole("FuturesUnordered", move || {
            move || {
                poll_through(async {
                    let mut set = FuturesUnordered::new();
                    for _ in 0..n {
                        set.push(async {});
                    }
                    while set.next().await.is_some() {}
                });
            }
        }),
        Peer::whole("FU of boxes", move || {
            move || {
                poll_through(async {
                    let mut set = FuturesUnordered::<BoxFuture<'_, ()>>::new();
                    for _ in 0..n {
                        set.push(async {}.boxed());
                    }
                    while set.next().await.is_some() {}
                });
            }
        }),
        Peer::whole("moro", move || {
            move || {
                poll_through(moro::async_scope!(|scope| {
                    for _ in 0..n {
                        drop(scope.spawn(async {}));
                    }
                }));
            }
        }),
    ]
}

/// How many run at once.
const AT_ONCE: usize = 64;

/// Adds to what all children share.
async fn add(sum: &AtomicUsize, value: usize) {
    // One task: nobody adds in between.
    sum.store(sum.load(Ordering::Relaxed) + value, Ordering::Relaxed);
}

fn for_each(n: usize) -> Vec<Peer> {
    vec![
        Peer::whole("scope", move || {
            move || {
                let sum = AtomicUsize::new(0);
                let child = |value| {
                    let sum = &sum;
                    async move {
                        add(sum, value).await;
                        Ok(())
                    }
                };
                let done = poll_through(scope_core::for_each_concurrent(AT_ONCE, 0..n, child));
                done.expect("these children cannot fail");
                black_box(sum.into_inner());
            }
        }),
        Peer::whole("futures-buffered", move || {
            move || {
                let sum = AtomicUsize::new(0);
                let all = futures_util::stream::iter(0..n);
                poll_through(BufferedStreamExt::for_each_concurrent(all, AT_ONCE, |value| add(&sum, value)));
                black_box(sum.into_inner());
            }
        }),
        Peer::whole("futures", move || {
            move || {
                let sum = AtomicUsize::new(0);
                let all = futures_util::stream::iter(0..n);
                poll_through(StreamExt::for_each_concurrent(all, AT_ONCE, |value| add(&sum, value)));
                black_box(sum.into_inner());
            }
        }),
    ]
}

fn results(n: usize) -> Vec<Peer> {
    vec![
        Peer::whole("scope", move || {
            move || {
                let sum = poll_through(scope_core::nursery(async |nursery| {
                    let mut results = nursery.results();
                    for value in 0..n {
                        results.spawn_local(async move { Ok(value) });
                    }
                    let mut sum = 0;
                    while let Some(value) = results.next().await {
                        sum += value;
                    }
                    Ok(sum)
                }));
                black_box(sum.expect("these children cannot fail"));
            }
        }),
        Peer::whole("futures-buffered", move || {
            move || {
                black_box(poll_through(async {
                    let mut set = futures_buffered::FuturesUnorderedBounded::new(n);
                    for value in 0..n {
                        set.push(async move { value });
                    }
                    let mut sum = 0;
                    while let Some(value) = set.next().await {
                        sum += value;
                    }
                    sum
                }));
            }
        }),
        Peer::whole("f-b, growing", move || {
            move || {
                black_box(poll_through(async {
                    let mut set = futures_buffered::FuturesUnordered::new();
                    for value in 0..n {
                        set.push(async move { value });
                    }
                    let mut sum = 0;
                    while let Some(value) = set.next().await {
                        sum += value;
                    }
                    sum
                }));
            }
        }),
        Peer::whole("FuturesUnordered", move || {
            move || {
                black_box(poll_through(async {
                    let mut set = FuturesUnordered::new();
                    for value in 0..n {
                        set.push(async move { value });
                    }
                    let mut sum = 0;
                    while let Some(value) = set.next().await {
                        sum += value;
                    }
                    sum
                }));
            }
        }),
    ]
}
