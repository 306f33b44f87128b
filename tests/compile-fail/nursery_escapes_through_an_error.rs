//! Nor in an error.
use scope_core::{Nursery, nursery};

#[derive(Debug)]
struct Carries<'s, 'env>(&'s Nursery<'s, 'env>);

impl std::fmt::Display for Carries<'_, '_> {
    fn fmt(&self, _: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        Ok(())
    }
}

impl std::error::Error for Carries<'_, '_> {}

fn main() {
    let _ = nursery(async |n| -> Result<(), _> { Err(Carries(n))? });
}
