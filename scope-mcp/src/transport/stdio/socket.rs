use std::io;
use std::os::fd::OwnedFd;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_io::{AsyncRead, AsyncWrite};
use rustix::net::{RecvFlags, SendFlags};
use scope_core::rt::{Handle, Interest, Io};

/// A socket that others may share: it is never set to non-blocking, each single operation is.
pub(super) struct Socket(Box<dyn Io>);

impl Socket {
    /// # Errors
    /// What the system or the runtime's reactor says.
    pub(super) fn new(rt: &Handle, fd: OwnedFd) -> io::Result<Socket> {
        rt.watch(fd).map(Socket)
    }
}

impl AsyncRead for Socket {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        self.0.poll_io(Interest::Read, cx, &mut |fd| {
            let received = rustix::io::retry_on_intr(|| rustix::net::recv(fd, &mut *buf, RecvFlags::DONTWAIT))?;
            Ok(received.0)
        })
    }
}

impl AsyncWrite for Socket {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.0.poll_io(Interest::Write, cx, &mut |fd| {
            Ok(rustix::io::retry_on_intr(|| rustix::net::send(fd, buf, SendFlags::DONTWAIT))?)
        })
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    /// Not shut down: others may still write to it.
    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
