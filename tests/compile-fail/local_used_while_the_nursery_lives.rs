//! What a nursery borrows is lent until its future is gone.
use scope_core::nursery;

fn main() {
    let mut numbers = vec![1];
    let whole = nursery(async |n| {
        n.spawn_local(async {
            numbers.push(2);
            Ok(())
        });
        Ok(())
    });
    numbers.clear();
    drop(whole);
}
