//! The same for a parallel child.
use std::rc::Rc;

use scope_core::{Spawns, nursery};

fn main() {
    let _ = nursery(async |n| {
        drop(n.spawn_erased_with_handle(async { Ok(Rc::new(1)) }));
        Ok(())
    });
}
