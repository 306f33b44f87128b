//! A parallel child is `Send`.
use std::rc::Rc;

use scope_core::{Spawns, checkpoint, nursery};

fn main() {
    let _ = nursery(async |n| {
        let rc = Rc::new(1);
        n.spawn_erased(async move {
            checkpoint().await;
            println!("{rc}");
            Ok(())
        });
        Ok(())
    });
}
