//! What lines are read from and written to.

use std::io;
use std::os::fd::OwnedFd;
use std::task::{Context, Poll};

use rustix::net::{RecvFlags, SendFlags};
use scope_core::rt::{Handle, Interest, Io};
use scope_process::{PipeReader, PipeWriter};

/// Where lines come from.
pub(crate) enum Input {
    Pipe(PipeReader),
    Socket(Socket),
}

/// Where lines go.
pub(crate) enum Output {
    Pipe(PipeWriter),
    Socket(Socket),
}

/// A socket that others may share: it is never set to non-blocking, each single operation is.
pub(crate) struct Socket(Box<dyn Io>);

impl Socket {
    /// # Errors
    /// What the system or the runtime's reactor says.
    pub(crate) fn new(rt: &Handle, fd: OwnedFd) -> io::Result<Socket> {
        rt.watch(fd).map(Socket)
    }
}

impl Input {
    pub(crate) fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        match self {
            Input::Pipe(pipe) => pipe.poll_read(cx, buf),
            Input::Socket(Socket(io)) => io.poll_io(Interest::Read, cx, &mut |fd| {
                let received = rustix::io::retry_on_intr(|| rustix::net::recv(fd, &mut *buf, RecvFlags::DONTWAIT))?;
                Ok(received.0)
            }),
        }
    }
}

impl Output {
    pub(crate) fn poll_write(&mut self, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match self {
            Output::Pipe(pipe) => pipe.poll_write(cx, buf),
            Output::Socket(Socket(io)) => io.poll_io(Interest::Write, cx, &mut |fd| {
                Ok(rustix::io::retry_on_intr(|| rustix::net::send(fd, buf, SendFlags::DONTWAIT))?)
            }),
        }
    }
}
