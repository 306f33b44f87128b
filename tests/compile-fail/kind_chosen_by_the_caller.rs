//! The kind of a nursery is its function's: nobody turns a `Send` one into one for children that are not.
use std::rc::Rc;

use scope_core::{Failure, Local, Nursery, checkpoint, nursery};

fn main() {
    let _ = nursery(async |n: &Nursery<'_, '_, Failure, Local>| {
        let rc = Rc::new(1);
        n.spawn_local(async move {
            checkpoint().await;
            println!("{rc}");
            Ok(())
        });
        Ok(())
    });
}
