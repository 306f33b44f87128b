//! An output that borrows from outside may leave with its handle, but not outlive what it borrows.
use scope_core::nursery;

fn main() {
    let handle = {
        let text = String::from("short");
        let whole = nursery(async |n| Ok(n.spawn_local_with_handle(async { Ok(text.as_str()) })));
        let mut whole = std::pin::pin!(whole);
        let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
        whole.as_mut().poll(&mut cx)
    };
    drop(handle);
}
