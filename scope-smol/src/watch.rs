//! A descriptor on async-io's reactor.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};

use async_io::Async;
use scope_core::rt::{Drained, Interest, Io};

pub(crate) struct Watched {
    fd: Async<OwnedFd>,
    /// The last attempt to read has left nothing, so that the next begins by waiting.
    drained: AtomicBool,
}

impl Watched {
    pub(crate) fn new(fd: Async<OwnedFd>) -> Watched {
        Watched { fd, drained: AtomicBool::new(false) }
    }
}

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
                Interest::Read => ready!(self.fd.poll_readable(cx)),
                Interest::Write => ready!(self.fd.poll_writable(cx)),
            };
            if let Err(e) = ready {
                return Poll::Ready(Err(e));
            }
        }
    }

    fn poll_drain(
        &self,
        cx: &mut Context<'_>,
        op: &mut dyn FnMut(BorrowedFd<'_>) -> io::Result<Drained>,
    ) -> Poll<io::Result<usize>> {
        if self.drained.load(Ordering::Relaxed) {
            if let Err(e) = ready!(self.fd.poll_readable(cx)) {
                return Poll::Ready(Err(e));
            }
            self.drained.store(false, Ordering::Relaxed);
        }
        self.poll_io(Interest::Read, cx, &mut |fd| {
            let drained = op(fd)?;
            self.drained.store(drained.all, Ordering::Relaxed);
            Ok(drained.count)
        })
    }

    fn fd(&self) -> BorrowedFd<'_> {
        self.fd.get_ref().as_fd()
    }
}
