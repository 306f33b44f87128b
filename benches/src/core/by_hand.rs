//! Polling without a runtime.

use std::pin::pin;
use std::task::{Context, Poll, Waker};

/// Polls a future that needs no runtime to its end, whether it was woken or not.
pub(crate) fn poll_through<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    let mut cx = Context::from_waker(Waker::noop());
    loop {
        if let Poll::Ready(out) = future.as_mut().poll(&mut cx) {
            return out;
        }
    }
}
