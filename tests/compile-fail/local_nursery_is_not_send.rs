//! A nursery whose children need not be `Send` stays on its thread.
use scope_core::nursery_local;

fn assert_send<T: Send>(_: T) {}

fn main() {
    assert_send(nursery_local(async |_| Ok(())));
}
