//! P4: spawn and join children that do nothing, in one task.
//!
//! What each gives beside that:
//! * ours: children may borrow from outside, their errors and panics cancel the others and come out, each is a task with an
//!   identity;
//! * moro: children may borrow from outside, and each has a handle for its value; a panic goes through all of it;
//! * the collections hold futures and give back their values; errors, panics and what cancels whom are the caller's.
//!
//! In the case "mixed" children may be of any types, as in a nursery or in moro. `FuturesUnordered` holds one type: it is
//! judged against as it is, with one type, and "FU of boxes" is what it takes to hold several. In the case "one type" the
//! values of children of one type are read as they come.

use std::hint::black_box;

use futures_util::future::{BoxFuture, FutureExt as _};
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use scope_core::Spawns as _;

use super::by_hand::poll_through;
use crate::bench::{Bench, Goal, Peer};

pub(crate) fn benches() -> Vec<Bench> {
    let mixed = |sizes, goals| Bench { name: "P4", case: "mixed", sizes, peers: mixed, goals };
    let one_type = |sizes, goals| Bench { name: "P4", case: "one type", sizes, peers: one_type, goals };
    vec![
        // Of ten children, the tenth of an allocation is the nursery's own.
        mixed(&[10], &[Goal::Allocs(1.1), Goal::Ratio("FuturesUnordered", 1.1)]),
        mixed(&[1000, 100_000, 1_000_000], &[Goal::Allocs(1.01), Goal::Ratio("FuturesUnordered", 1.1)]),
        one_type(&[10], &[Goal::Ratio("futures-buffered", 1.5)]),
        one_type(&[1000, 100_000, 1_000_000], &[Goal::Allocs(0.05), Goal::Ratio("futures-buffered", 1.5)]),
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

fn one_type(n: usize) -> Vec<Peer> {
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
