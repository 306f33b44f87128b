//! `|n| async move { .. }` is not `async |n| { .. }`: its future cannot name the life of `n`.
use scope_core::nursery;

fn main() {
    let _ = nursery(|n| async move {
        n.spawn_local(async { Ok(()) });
        Ok(())
    });
}
