//! What children may borrow neither grows nor shrinks.
use scope_core::Nursery;

fn shorter<'s, 'a, 'b: 'a>(n: &'s Nursery<'s, 'b>) -> &'s Nursery<'s, 'a>
where
    'a: 's,
{
    n
}

fn longer<'s, 'a: 's, 'b: 'a>(n: &'s Nursery<'s, 'a>) -> &'s Nursery<'s, 'b> {
    n
}

fn main() {
    let _ = (shorter, longer);
}
