//! A nursery comes from its function alone.
use scope_core::Nursery;

fn main() {
    let made: Nursery<'_, '_> = Default::default();
    let copied = |n: &Nursery<'_, '_>| -> Nursery<'static, 'static> { n.clone() };
    drop((made, copied));
}
