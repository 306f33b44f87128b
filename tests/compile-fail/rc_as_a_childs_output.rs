//! The future is `Send`, its output is not: the handle could be read on another thread than the one that made it.
use std::rc::Rc;

use scope_core::nursery;

fn main() {
    let _ = nursery(async |n| {
        drop(n.spawn_local_with_handle(async { Ok(Rc::new(1)) }));
        Ok(())
    });
}
