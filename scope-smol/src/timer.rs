//! A timer on async-io's reactor, which is the process's and never shuts down.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use scope_core::rt;

pub(crate) struct Timer {
    inner: async_io::Timer,
    // async-io's timer is done after it has fired; ours stays elapsed.
    elapsed: bool,
}

impl Timer {
    pub(crate) fn new(at: Instant) -> Self {
        Timer { inner: async_io::Timer::at(at), elapsed: false }
    }
}

impl rt::Timer for Timer {
    fn poll_elapsed(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if !self.elapsed {
            ready!(Pin::new(&mut self.inner).poll(cx));
            self.elapsed = true;
        }
        Poll::Ready(())
    }

    fn reset(mut self: Pin<&mut Self>, at: Instant) {
        self.elapsed = false;
        self.inner.set_at(at);
    }
}
