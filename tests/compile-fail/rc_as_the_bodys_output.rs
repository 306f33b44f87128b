//! The body's future is `Send`, its output is not, and the nursery keeps it while it waits for the children.
use std::rc::Rc;

use scope_core::nursery;

fn assert_send<T: Send>(_: T) {}

fn main() {
    assert_send(nursery(async |_| Ok(Rc::new(1))));
}
