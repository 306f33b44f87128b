//! A child's output may borrow the nursery; then its handle cannot leave the body.
use scope_core::nursery;

fn main() {
    let _ = nursery(async |n| {
        let handle = n.spawn_local_with_handle(async move { Ok(n) });
        Ok(handle)
    });
}
