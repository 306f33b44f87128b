//! What only the deterministic runtime has: seeds, and a choice of where blocking work runs.

use std::sync::Mutex;

use scope_core::{Failure, Spawns, nursery};
use scope_tests::{Journal, SEEDS};

/// That the other tests prove something: the seeds do find different orders, and the same seed the same one.
///
/// Fails if: the runtime, or a nursery on it, always takes its children in the same order.
#[test]
fn n01_seeds_find_different_orders() {
    let orders = Mutex::new(std::collections::BTreeMap::new());
    for _ in 0..2 {
        scope_test::for_each_seed(0..SEEDS, async |runtime| {
            let journal = Journal::new();
            nursery(async |n| -> Result<(), Failure> {
                for name in ["a", "b", "c"] {
                    let journal = journal.clone();
                    n.spawn_erased(async move {
                        journal.add(name);
                        Ok(())
                    });
                }
                Ok(())
            })
            .runtime(runtime.handle())
            .await
            .expect("nothing fails");
            let order = journal.lines();
            let mut orders = orders.lock().expect("no panic");
            assert_eq!(*orders.entry(runtime.seed()).or_insert_with(|| order.clone()), order, "one seed, one order");
        });
    }
    let orders = orders.into_inner().expect("no panic");
    let distinct: std::collections::BTreeSet<_> = orders.values().collect();
    assert_eq!(distinct.len(), 6, "all orders of three: {distinct:?}");
}
