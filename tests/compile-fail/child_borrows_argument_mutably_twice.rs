//! Two children cannot borrow the same thing mutably.
use scope_core::nursery;

fn main() {
    let mut count = 0;
    let _ = nursery(async |n| {
        n.spawn_local(async {
            count += 1;
            Ok(())
        });
        n.spawn_local(async {
            count += 2;
            Ok(())
        });
        Ok(())
    });
}
