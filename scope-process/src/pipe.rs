//! The parent's ends of a child's pipes, non-blocking and watched by the runtime.

use std::fmt;
use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_io::{AsyncRead, AsyncWrite};
use rustix::fs::FileType;
use scope_core::rt::{Drained, Handle, Interest, Io};

/// What a pipe holds, unless it is told otherwise.
const USUAL: usize = 64 * 1024;

/// What one is to hold that has long messages to carry: writer and reader take turns a quarter as often. No more, for what
/// all pipes of a user may hold together is limited.
#[cfg(target_os = "linux")]
const WIDE: usize = 256 * 1024;

/// The reading end of a child's standard output or standard error. Dropping it closes it; a child that goes on writing
/// then gets SIGPIPE.
pub struct PipeReader {
    io: Box<dyn Io>,
    /// It gives less than it is asked for only if it has no more. A terminal gives one line at a time.
    is_pipe: bool,
}

/// The writing end of a child's standard input. Dropping it closes it, which the child sees as the end of its input.
///
/// Writing to a child that has closed its end is an error of kind [`BrokenPipe`](io::ErrorKind::BrokenPipe), as long as
/// the host ignores SIGPIPE. Rust programs do, unless they asked for the signal's default action.
///
/// The first time it is given more in one piece than a pipe holds, it has the pipe hold 256 KiB, if the system allows that.
pub struct PipeWriter {
    io: Box<dyn Io>,
    /// It has been asked to hold more, whatever came of that.
    widened: bool,
}

impl PipeReader {
    /// Watches `fd`, the reading end of any pipe.
    ///
    /// # Errors
    /// What the system or the runtime's reactor says; `Unsupported` from a runtime that has none.
    pub fn new(rt: &Handle, fd: OwnedFd) -> io::Result<PipeReader> {
        let is_pipe = FileType::from_raw_mode(rustix::fs::fstat(&fd)?.st_mode) == FileType::Fifo;
        watch(rt, fd).map(|io| PipeReader { io, is_pipe })
    }

    /// Reads what is there, up to the length of `buf`; 0 is the end.
    ///
    /// # Errors
    /// What the system says; also once the runtime that watches the pipe has shut down.
    pub fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        self.io.poll_drain(cx, &mut |fd| {
            let count = uninterrupted(|| rustix::io::read(fd, &mut *buf))?;
            Ok(Drained { count, all: self.is_pipe && count > 0 && count < buf.len() })
        })
    }

    /// Reads what is there, whether or not the runtime has been told of it by now. `WouldBlock` where there is nothing.
    pub(crate) fn read_now(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        uninterrupted(|| rustix::io::read(self.io.fd(), &mut *buf))
    }

    /// Waits until there is something to read, and reads it; 0 is the end.
    ///
    /// # Errors
    /// As [`poll_read`](PipeReader::poll_read).
    ///
    /// # Cancel safety
    /// Safe: when the future is dropped before it is ready, nothing has been read.
    pub async fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        poll_fn(|cx| self.poll_read(cx, buf)).await
    }
}

impl PipeWriter {
    /// Watches `fd`, the writing end of any pipe.
    ///
    /// # Errors
    /// As [`PipeReader::new`].
    pub fn new(rt: &Handle, fd: OwnedFd) -> io::Result<PipeWriter> {
        watch(rt, fd).map(|io| PipeWriter { io, widened: false })
    }

    /// Writes as much of `buf` as the pipe takes, and says how much.
    ///
    /// # Errors
    /// What the system says: `BrokenPipe` when the child no longer reads; also once the runtime that watches the pipe
    /// has shut down.
    pub fn poll_write(&mut self, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        if buf.len() > USUAL && !self.widened {
            self.widen();
        }
        self.io.poll_io(Interest::Write, cx, &mut |fd| uninterrupted(|| rustix::io::write(fd, buf)))
    }

    #[cold]
    fn widen(&mut self) {
        self.widened = true;
        // Not where it is no pipe, or holds more; where it may not, it does as it is.
        #[cfg(target_os = "linux")]
        if rustix::pipe::fcntl_getpipe_size(self.io.fd()).is_ok_and(|size| size < WIDE) {
            let _ = rustix::pipe::fcntl_setpipe_size(self.io.fd(), WIDE);
        }
    }

    /// As [`poll_write`](PipeWriter::poll_write), from several buffers in one call. No more than the first 1024 of them
    /// are looked at.
    ///
    /// # Errors
    /// As [`poll_write`](PipeWriter::poll_write).
    pub fn poll_write_vectored(&mut self, cx: &mut Context<'_>, bufs: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        // IOV_MAX: more in one call are an error.
        let bufs = &bufs[..bufs.len().min(1024)];
        self.io.poll_io(Interest::Write, cx, &mut |fd| uninterrupted(|| rustix::io::writev(fd, bufs)))
    }

    /// Waits until the pipe takes something of `buf`, and says how much it took.
    ///
    /// # Errors
    /// As [`poll_write`](PipeWriter::poll_write).
    ///
    /// # Cancel safety
    /// Safe: when the future is dropped before it is ready, nothing has been written.
    pub async fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        poll_fn(|cx| self.poll_write(cx, buf)).await
    }

    /// As [`write`](PipeWriter::write), from several buffers in one call.
    ///
    /// # Errors
    /// As [`poll_write`](PipeWriter::poll_write).
    ///
    /// # Cancel safety
    /// As [`write`](PipeWriter::write).
    pub async fn write_vectored(&mut self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        poll_fn(|cx| self.poll_write_vectored(cx, bufs)).await
    }

    /// Writes all of `buf`.
    ///
    /// # Errors
    /// As [`poll_write`](PipeWriter::poll_write). How much was written before the error is not known.
    ///
    /// # Cancel safety
    /// **Not** safe: a part of `buf` may have been written. Keep count with [`write`](PipeWriter::write) where the
    /// future may be dropped.
    pub async fn write_all(&mut self, mut buf: &[u8]) -> io::Result<()> {
        while !buf.is_empty() {
            match self.write(buf).await? {
                0 => return Err(io::ErrorKind::WriteZero.into()),
                n => buf = &buf[n..],
            }
        }
        Ok(())
    }
}

impl AsyncRead for PipeReader {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        PipeReader::poll_read(&mut self, cx, buf)
    }
}

/// Nothing is kept back, so that flushing does nothing. Nor does closing: it is dropping the writer that closes the
/// pipe.
impl AsyncWrite for PipeWriter {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        PipeWriter::poll_write(&mut self, cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        PipeWriter::poll_write_vectored(&mut self, cx, bufs)
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

impl AsFd for PipeReader {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.io.fd()
    }
}

impl AsFd for PipeWriter {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.io.fd()
    }
}

impl fmt::Debug for PipeReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("PipeReader").field(&self.as_fd()).finish()
    }
}

impl fmt::Debug for PipeWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("PipeWriter").field(&self.as_fd()).finish()
    }
}

fn watch(rt: &Handle, fd: OwnedFd) -> io::Result<Box<dyn Io>> {
    // The two ends of a pipe have a flag each: the child's end stays as it is.
    let flags = rustix::fs::fcntl_getfl(&fd)?;
    rustix::fs::fcntl_setfl(&fd, flags | rustix::fs::OFlags::NONBLOCK)?;
    rt.watch(fd)
}

fn uninterrupted(mut op: impl FnMut() -> rustix::io::Result<usize>) -> io::Result<usize> {
    rustix::io::retry_on_intr(&mut op).map_err(io::Error::from)
}
