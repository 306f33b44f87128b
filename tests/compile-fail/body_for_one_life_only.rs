//! A body that takes the nursery's life for that of what it borrows would let a child borrow the nursery for longer than
//! it lives: a body is for every shorter life.
use scope_core::{Failure, Nursery, nursery};

async fn body<'env>(n: &'env Nursery<'env, 'env>) -> Result<(), Failure> {
    n.spawn_local(async { Ok(()) });
    Ok(())
}

fn main() {
    let _ = nursery(body);
    let _ = nursery(async |n| body(n).await);
}
