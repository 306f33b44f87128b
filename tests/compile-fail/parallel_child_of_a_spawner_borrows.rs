//! Nor through a spawner, which outlives the nursery.
use scope_core::{Spawns, nursery};

fn main() {
    let words = vec![String::from("a")];
    let _ = nursery(async |n| {
        let words = &words;
        n.spawner().spawn_erased(async move {
            println!("{}", words.len());
            Ok(())
        })?;
        Ok(())
    });
}
