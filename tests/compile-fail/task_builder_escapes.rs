//! What names a child borrows the nursery like everything else.
use scope_core::nursery;

fn main() {
    let mut slot = None;
    let _ = nursery(async |n| {
        slot = Some(n.task("later"));
        Ok(())
    });
    slot.unwrap().spawn_local(async { Ok(()) });
}
