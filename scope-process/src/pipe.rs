//! The parent's ends of a child's pipes, non-blocking and watched by the runtime.

use std::fmt;
use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::mem;
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

/// After so many reads that emptied the pipe it is tried again whether more follows at once, where it did not.
const LOOK_AGAIN: u8 = 64;

/// What is tried then.
const TRIES: u8 = 2;

/// So many reads in a row do without the runtime's reactor. Timers wait for that, and other descriptors.
const IN_A_ROW: u8 = 8;

/// What a read without the reactor saves, in reads that find nothing: somewhat more, in fact.
const WORTH: u8 = 3;

/// So many of those are made before it is given up.
const MOST: u8 = 12;

/// The reading end of a child's standard output or standard error. Dropping it closes it; a child that goes on writing
/// then gets SIGPIPE.
pub struct PipeReader {
    io: Box<dyn Io>,
    /// It gives less than it is asked for only if it has no more. A terminal gives one line at a time.
    is_pipe: bool,
    following: Following,
    /// The same, for who has written.
    answering: Following,
}

/// Whether more is there as soon as what was there has been read and answered. A peer that is woken by an answer on this
/// very processor often runs at once, and has said more before we have come back from writing: then the runtime need not be
/// asked whether there is something.
#[derive(Debug)]
struct Following {
    /// How many tries may still be in vain.
    credit: u8,
    /// The next read is one.
    tries: bool,
    /// Reads since the last try; or, where there is credit, since the reactor had its turn.
    reads: u8,
}

/// It is expected at first: many conversations are short.
impl Default for Following {
    fn default() -> Self {
        Following { credit: MOST, tries: false, reads: 0 }
    }
}

impl Following {
    /// Something was read.
    fn found(&mut self) {
        if mem::take(&mut self.tries) {
            self.credit = (self.credit + WORTH).min(MOST);
        }
    }

    /// There was nothing.
    fn missed(&mut self) {
        if mem::take(&mut self.tries) {
            self.credit -= 1;
            self.reads = 0;
        }
    }

    /// All there was has been read. Whether the next read is to be tried without the reactor.
    fn try_next(&mut self) -> bool {
        self.reads += 1;
        let expects = self.credit > 0;
        let turn = self.reads >= if expects { IN_A_ROW } else { LOOK_AGAIN };
        if turn {
            self.reads = 0;
            self.credit = self.credit.max(TRIES);
        }
        self.tries = expects != turn;
        self.tries
    }
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
        watch(rt, fd).map(|io| PipeReader {
            io,
            is_pipe,
            following: Following::default(),
            answering: Following::default(),
        })
    }

    /// Reads what is there, up to the length of `buf`; 0 is the end.
    ///
    /// # Errors
    /// What the system says; also once the runtime that watches the pipe has shut down.
    pub fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        let PipeReader { io, is_pipe, following, .. } = self;
        io.poll_drain(cx, &mut |fd| {
            let count = uninterrupted(|| rustix::io::read(fd, &mut *buf)).inspect_err(|_| following.missed())?;
            following.found();
            let is_empty = *is_pipe && count > 0 && count < buf.len();
            Ok(Drained { count, all: is_empty && !following.try_next() })
        })
    }

    /// Reads what is there, whether or not the runtime has been told of it by now. `WouldBlock` where there is nothing.
    pub(crate) fn read_now(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        uninterrupted(|| rustix::io::read(self.io.fd(), &mut *buf))
    }

    /// Reads what the child has answered already, for one who has just written to it: without waiting, and without asking the
    /// runtime whether there is something. `None` where there is nothing; where it has been in vain too often of late, so that
    /// it is not tried; and at the end or after an error, which [`poll_read`](PipeReader::poll_read) tells.
    ///
    /// Nobody is woken for what comes later who would not have been without. Now and then it is not tried although the last
    /// ones were not in vain, so that who waits for nothing else leaves a turn to others.
    pub fn read_ahead(&mut self, buf: &mut [u8]) -> Option<usize> {
        if !self.answering.try_next() {
            return None;
        }
        let count = self.read_now(buf).ok().filter(|count| *count > 0);
        match count {
            Some(_) => self.answering.found(),
            None => self.answering.missed(),
        }
        count
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
        self.widen_for(buf.len());
        self.io.poll_io(Interest::Write, cx, &mut |fd| uninterrupted(|| rustix::io::write(fd, buf)))
    }

    fn widen_for(&mut self, len: usize) {
        if len > USUAL && !self.widened {
            self.widen();
        }
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
        self.widen_for(bufs.iter().map(|buf| buf.len()).max().unwrap_or(0));
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
