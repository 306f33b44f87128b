//! v03: with no observer attached, an event costs at most one relaxed load.
//!
//! A test cannot see a load: that it is one, and relaxed, is to be read off `event::observed`, which stands before every
//! event. What a test can see is what an event would need beyond it: memory.

use std::alloc::System;
use std::pin::pin;
use std::sync::{Mutex, MutexGuard, PoisonError};

use scope_core::{event, nursery};
use scope_tests::{Rt, poll_now};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// One case at a time: what is counted, and who observes, is the whole process's.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How many allocations `life` makes. What other threads may add meanwhile, they do not add every time.
async fn allocations(life: impl AsyncFn()) -> usize {
    let mut least = usize::MAX;
    for _ in 0..20 {
        let region = Region::new(ALLOCATOR);
        life().await;
        let change = region.change();
        least = least.min(change.allocations + change.reallocations);
    }
    least
}

/// Two events: opened and closed.
async fn empty() {
    let scope = pin!(nursery(async |_| Ok(())));
    assert!(poll_now(scope).await.is_ready());
}

const CHILDREN: usize = 100;

/// Two events for each child too: spawned and ended.
async fn with_children() {
    let scope = pin!(nursery(async |n| {
        for _ in 0..CHILDREN {
            n.spawn_local(async { Ok(()) });
        }
        Ok(())
    }));
    assert!(poll_now(scope).await.is_ready());
}

/// Fails if: an event is made, or a scope given an identity for it, though nobody wants it.
#[expect(clippy::await_holding_lock, reason = "whoever waits for it is on a thread of its own")]
pub(crate) async fn v03_unobserved_an_event_allocates_nothing<R: Rt>() {
    let _alone = alone();
    let (quiet_empty, quiet_children) = (allocations(empty).await, allocations(with_children).await);
    assert_eq!(quiet_empty, 0, "a whole life of a scope");
    assert!(quiet_children < 2 * CHILDREN, "less than one for each event: {quiet_children}");
    // That the count would have seen it: an event takes one at the least.
    let _observer = event::observe(|_| {});
    let (seen_empty, seen_children) = (allocations(empty).await, allocations(with_children).await);
    assert!(seen_empty >= 2, "{seen_empty}");
    assert!(seen_children >= quiet_children + 2 * CHILDREN, "{seen_children}, unobserved {quiet_children}");
}

/// Fails if: having been observed once costs for ever; or one observer that goes takes the others' events with it.
#[expect(clippy::await_holding_lock, reason = "whoever waits for it is on a thread of its own")]
pub(crate) async fn v03_when_the_last_observer_has_gone_nothing_is_paid_any_more<R: Rt>() {
    let _alone = alone();
    let quiet = allocations(with_children).await;
    let (first, second) = (event::observe(|_| {}), event::observe(|_| {}));
    drop(first);
    assert!(allocations(with_children).await >= quiet + 2 * CHILDREN);
    drop(second);
    assert_eq!(allocations(with_children).await, quiet);
    assert_eq!(allocations(empty).await, 0);
}

/// Fails if: one that has been switched off is paid for until its guard goes.
#[expect(clippy::await_holding_lock, reason = "whoever waits for it is on a thread of its own")]
pub(crate) async fn v03_an_observer_that_was_switched_off_costs_nothing<R: Rt>() {
    let _alone = alone();
    let broken = event::observe(|_| panic!("in an observer"));
    empty().await;
    assert_eq!(allocations(empty).await, 0);
    drop(broken);
}
