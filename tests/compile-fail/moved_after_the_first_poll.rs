//! A nursery's future is not `Unpin`, also where all it is made of is: children point into it.
use std::future::{Ready, ready};
use std::pin::Pin;

use scope_core::{Failure, Nursery, nursery};

fn body<'s, 'env>(_: &'s Nursery<'s, 'env>) -> Ready<Result<(), Failure>> {
    ready(Ok(()))
}

fn main() {
    let mut whole = nursery(body);
    let _ = Pin::new(&mut whole);
}
