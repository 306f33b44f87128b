//! A descriptor on async-io's reactor.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::task::{Context, Poll, ready};

use async_io::Async;
use scope_core::rt::{Interest, Io};

pub(crate) struct Watched(pub(crate) Async<OwnedFd>);

impl Io for Watched {
    fn poll_io(
        &self,
        interest: Interest,
        cx: &mut Context<'_>,
        op: &mut dyn FnMut(BorrowedFd<'_>) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        loop {
            match op(self.fd()) {
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
                done => return Poll::Ready(done),
            }
            // Level-triggered: what became ready between the attempt and here is reported as well.
            let ready = match interest {
                Interest::Read => ready!(self.0.poll_readable(cx)),
                Interest::Write => ready!(self.0.poll_writable(cx)),
            };
            if let Err(e) = ready {
                return Poll::Ready(Err(e));
            }
        }
    }

    fn fd(&self) -> BorrowedFd<'_> {
        self.0.get_ref().as_fd()
    }
}
