//! The handle of a child of a local nursery goes where its output may go.
use std::rc::Rc;

use scope_core::nursery_local;

fn assert_send<T: Send>(_: &T) {}

fn main() {
    let _ = nursery_local(async |n| {
        let handle = n.spawn_local_with_handle(async { Ok(Rc::new(1)) });
        assert_send(&handle);
        drop(handle);
        Ok(())
    });
}
