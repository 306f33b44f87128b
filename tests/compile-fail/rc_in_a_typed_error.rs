//! An error of a nursery is `Send`: a parallel child may have made it.
use std::rc::Rc;

use scope_core::{Nursery, try_nursery};

#[derive(Debug)]
struct Held(Rc<u8>);

impl std::fmt::Display for Held {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl std::error::Error for Held {}

fn main() {
    let _ = try_nursery(async |_: &Nursery<'_, '_, Held>| Ok(()));
}
