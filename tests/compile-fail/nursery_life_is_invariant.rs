//! Nor is the nursery's own life another's.
use scope_core::Nursery;

fn shorter<'short, 'long: 'short, 'env: 'long>(n: &'long Nursery<'long, 'env>) -> &'short Nursery<'short, 'env> {
    n
}

fn longer<'short, 'long: 'short, 'env: 'long>(n: &'short Nursery<'short, 'env>) -> &'short Nursery<'long, 'env> {
    n
}

fn main() {
    let _ = (shorter, longer);
}
