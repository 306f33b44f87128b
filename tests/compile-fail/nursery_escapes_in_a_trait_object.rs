//! Nor behind a trait of somebody's own.
use scope_core::{Nursery, nursery};

trait Spawn {
    fn go(&self);
}

impl<'s, 'env> Spawn for &'s Nursery<'s, 'env> {
    fn go(&self) {
        self.spawn_local(async { Ok(()) });
    }
}

fn smuggle<'x>(to: &mut Vec<Box<dyn Spawn + Send + 'x>>) {
    let _ = nursery(async |n| {
        to.push(Box::new(n));
        Ok(())
    });
}

fn main() {
    smuggle(&mut Vec::new());
}
