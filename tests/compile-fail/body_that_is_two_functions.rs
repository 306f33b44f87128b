//! The bound's two halves are of one function: a body cannot be one thing for every life and another for the longest.
use scope_core::{Failure, Nursery, nursery};

fn both<'env, F, G, B>(every: F, one: G)
where
    F: for<'s> AsyncFnOnce(&'s Nursery<'s, 'env>) -> Result<(), Failure>,
    G: FnOnce(&'env Nursery<'env, 'env>) -> B,
    B: Future<Output = Result<(), Failure>>,
{
    drop(every);
    let _ = nursery(one);
}

fn main() {
    let mut slot = None;
    both(async |_| Ok(()), |n| {
        slot = Some(n);
        async { Ok(()) }
    });
}
