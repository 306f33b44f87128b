//! A reference to the nursery cannot be left outside its body.
use scope_core::{Nursery, nursery};

fn outer<'s, 'env>(slot: &mut Option<&'s Nursery<'s, 'env>>) {
    let _ = nursery(async |n| {
        *slot = Some(n);
        Ok(())
    });
}

fn main() {
    let mut slot = None;
    outer(&mut slot);
    let mut inferred = None;
    let _ = nursery(async |n| {
        inferred = Some(n);
        Ok(())
    });
}
