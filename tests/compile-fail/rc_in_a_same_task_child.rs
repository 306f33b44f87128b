//! A same-task child of the nursery that may be `Send` is `Send` itself.
use std::rc::Rc;

use scope_core::{checkpoint, nursery};

fn main() {
    let _ = nursery(async |n| {
        let rc = Rc::new(1);
        n.spawn_local(async move {
            checkpoint().await;
            println!("{rc}");
            Ok(())
        });
        Ok(())
    });
}
