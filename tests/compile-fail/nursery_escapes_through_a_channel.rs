//! Nor through a channel whose other end is outside.
use std::sync::mpsc::channel;

use scope_core::nursery;

fn main() {
    let (give, take) = channel();
    let _ = nursery(async |n| {
        give.send(n)?;
        Ok(())
    });
    take.recv().unwrap().spawn_local(async { Ok(()) });
}
