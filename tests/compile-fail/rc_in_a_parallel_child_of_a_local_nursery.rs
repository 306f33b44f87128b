//! A parallel child of a nursery that stays on its thread is `Send` all the same.
use std::rc::Rc;

use scope_core::{Spawns, checkpoint, nursery_local};

fn main() {
    let _ = nursery_local(async |n| {
        let rc = Rc::new(1);
        n.spawn_erased(async move {
            checkpoint().await;
            println!("{rc}");
            Ok(())
        });
        Ok(())
    });
}
