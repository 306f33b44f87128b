//! A thread that outlives the nursery cannot have a reference to it, even if it ends before what the nursery borrows.
use scope_core::nursery;

fn main() {
    std::thread::scope(|threads| {
        let _ = nursery(async |n| {
            threads.spawn(|| n.spawn_local(async { Ok(()) }));
            Ok(())
        });
    });
}
