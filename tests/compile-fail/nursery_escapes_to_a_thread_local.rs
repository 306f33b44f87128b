//! Nor in a thread-local, where only what is `'static` fits.
use std::cell::Cell;

use scope_core::{Nursery, nursery};

thread_local! {
    static ESCAPED: Cell<Option<&'static Nursery<'static, 'static>>> = const { Cell::new(None) };
}

fn main() {
    let _ = nursery(async |n| {
        ESCAPED.set(Some(n));
        Ok(())
    });
}
