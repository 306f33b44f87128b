//! A descriptor on tokio's reactor.

use std::future::Future;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::pin::pin;
use std::task::{Context, Poll, ready};

use scope_core::rt::{Drained, Interest, Io};
use tokio::io::unix::AsyncFd;
use tokio::task::coop::consume_budget;

pub(crate) struct Watched(pub(crate) AsyncFd<OwnedFd>);

impl Watched {
    fn poll(
        &self,
        interest: Interest,
        cx: &mut Context<'_>,
        op: &mut dyn FnMut(BorrowedFd<'_>) -> io::Result<Drained>,
    ) -> Poll<io::Result<usize>> {
        // There is room as a rule, and then it need not be asked for. Who does nothing but write leaves a turn to others
        // all the same.
        if interest == Interest::Write {
            ready!(pin!(consume_budget()).poll(cx));
            match op(self.fd()) {
                Err(full) if full.kind() == io::ErrorKind::WouldBlock => {}
                done => return Poll::Ready(done.map(|drained| drained.count)),
            }
        }
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
            // Only the readiness that was seen before the attempt is cleared: what has come since stays.
            match op(self.fd()) {
                Err(empty) if empty.kind() == io::ErrorKind::WouldBlock => guard.clear_ready(),
                Ok(Drained { count, all: true }) => {
                    guard.clear_ready();
                    return Poll::Ready(Ok(count));
                }
                done => return Poll::Ready(done.map(|drained| drained.count)),
            }
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
