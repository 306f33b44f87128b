//! A descriptor on tokio's reactor.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::task::{Context, Poll, ready};

use scope_core::rt::{Interest, Io};
use tokio::io::unix::AsyncFd;

pub(crate) struct Watched(pub(crate) AsyncFd<OwnedFd>);

impl Io for Watched {
    fn poll_io(
        &self,
        interest: Interest,
        cx: &mut Context<'_>,
        op: &mut dyn FnMut(BorrowedFd<'_>) -> io::Result<usize>,
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
                        done => done,
                    });
                }
            };
            // Clears the readiness on WouldBlock, and only then.
            if let Ok(done) = guard.try_io(|fd| op(fd.as_fd())) {
                return Poll::Ready(done);
            }
        }
    }

    fn fd(&self) -> BorrowedFd<'_> {
        self.0.get_ref().as_fd()
    }
}
