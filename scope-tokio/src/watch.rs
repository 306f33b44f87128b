//! A descriptor on tokio's reactor.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::task::{Context, Poll, ready};

use scope_core::rt::{Drained, Interest, Io};
use tokio::io::unix::AsyncFd;

pub(crate) struct Watched(pub(crate) AsyncFd<OwnedFd>);

impl Watched {
    fn poll(
        &self,
        interest: Interest,
        cx: &mut Context<'_>,
        op: &mut dyn FnMut(BorrowedFd<'_>) -> io::Result<Drained>,
    ) -> Poll<io::Result<usize>> {
        loop {
            let ready = match interest {
                Interest::Read => ready!(self.0.poll_read_ready(cx)),
                Interest::Write => ready!(self.0.poll_write_ready(cx)),
            };
            let mut guard = match ready {
                Ok(guard) => guard,
                // The reactor is gone, the descriptor is not: what can be done at once is done.
                Err(gone) => {
                    return Poll::Ready(match op(self.fd()) {
                        Err(e) if e.kind() == io::ErrorKind::WouldBlock => Err(gone),
                        done => done.map(|drained| drained.count),
                    });
                }
            };
            // Clears the readiness on WouldBlock, and only then.
            let Ok(done) = guard.try_io(|fd| op(fd.as_fd())) else { continue };
            if done.as_ref().is_ok_and(|drained| drained.all) {
                // Only the readiness that was seen before the attempt: what has come since stays.
                guard.clear_ready();
            }
            return Poll::Ready(done.map(|drained| drained.count));
        }
    }
}

impl Io for Watched {
    fn poll_io(
        &self,
        interest: Interest,
        cx: &mut Context<'_>,
        op: &mut dyn FnMut(BorrowedFd<'_>) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        self.poll(interest, cx, &mut |fd| op(fd).map(|count| Drained { count, all: false }))
    }

    fn poll_drain(
        &self,
        cx: &mut Context<'_>,
        op: &mut dyn FnMut(BorrowedFd<'_>) -> io::Result<Drained>,
    ) -> Poll<io::Result<usize>> {
        self.poll(Interest::Read, cx, op)
    }

    fn fd(&self) -> BorrowedFd<'_> {
        self.0.get_ref().as_fd()
    }
}
