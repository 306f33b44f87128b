//! The child lives until the nursery ends, and so does its loan, also after the await that may have finished it.
use scope_core::{checkpoint, nursery};

fn main() {
    let mut count = 0;
    let _ = nursery(async |n| {
        n.spawn_local(async {
            count += 1;
            Ok(())
        });
        checkpoint().await;
        Ok(count)
    });
}
