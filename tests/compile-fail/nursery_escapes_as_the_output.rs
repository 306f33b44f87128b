//! Nor as what the body returns, in plain sight or in a closure.
use scope_core::nursery;

fn main() {
    let _ = nursery(async |n| Ok(n));
    let _ = nursery(async |n| Ok(move || n.cancel("from outside")));
    let _ = nursery(async |n| {
        let boxed: Box<dyn Fn() + Send + '_> = Box::new(move || n.cancel("from outside"));
        Ok(boxed)
    });
}
