//! Nor the nursery: it takes a spawner or a canceller along.
use scope_core::{Spawns, nursery};

fn main() {
    let _ = nursery(async |n| {
        n.spawn_erased(async {
            n.cancel("from another thread");
            Ok(())
        });
        Ok(())
    });
}
