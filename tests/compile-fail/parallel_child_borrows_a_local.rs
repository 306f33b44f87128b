//! A parallel child is `'static`: it borrows nothing from outside the nursery.
use scope_core::{Spawns, nursery};

fn main() {
    let words = vec![String::from("a")];
    let _ = nursery(async |n| {
        n.spawn_erased(async {
            println!("{}", words.len());
            Ok(())
        });
        Ok(())
    });
}
