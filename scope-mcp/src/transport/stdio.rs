//! This process's own standard streams, whatever they are, without changing them for those who share them.

mod pump;
mod socket;

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_io::{AsyncRead, AsyncWrite};
use rustix::fs::{FileType, Mode, OFlags};
use scope_core::rt::{self, Handle};
use scope_process::{PipeReader, PipeWriter};

use super::Stream;
use socket::Socket;

/// This process's standard input and output, for a server that a host has started.
///
/// Messages go through the runtime's reactor: no thread is woken for one. The two streams may be shared with other
/// processes, a terminal with the shell, and what is set on a shared stream is set for all: so none is made non-blocking.
/// A pipe and a terminal are opened anew; on a socket, which is what hosts in Node use, each operation is made not to
/// block. What allows neither (a file, `/dev/null`, a terminal of another user's) gets a thread of its own, which moves
/// bytes to and from a pipe, whose size is all that it holds.
///
/// Nothing else may read the standard input or write to the standard output while this lives: `println!` breaks a message
/// in two. Log to standard error. Called twice, it gives two streams that take each other's bytes.
///
/// A host that no longer reads is an error of kind [`BrokenPipe`](io::ErrorKind::BrokenPipe), as long as this program
/// ignores SIGPIPE, which Rust programs do.
///
/// # What closing and dropping do
/// Descriptors 0 and 1 stay open: they are the process's. Closing the writer waits until a thread that writes, if there is
/// one, has written all it was given; dropping it does not wait.
///
/// # Errors
/// `NotConnected`: no runtime is known where this is called, which is in a task of a nursery that an adapter has opened.
/// Else what the system or the runtime's reactor says: a stream is closed, no descriptor or thread is to be had.
pub fn stdio() -> io::Result<Stream> {
    let rt = rt::current().map_err(|error| io::Error::new(io::ErrorKind::NotConnected, error))?;
    let (input, output) = stdio_parts(&rt)?;
    Ok(Stream::new(input, output))
}

/// As [`stdio`], on a runtime that is known otherwise, and each stream for itself.
///
/// # Errors
/// As [`stdio`], without the first.
pub fn stdio_parts(rt: &Handle) -> io::Result<(StdioReader, StdioWriter)> {
    Ok((input(rt, rustix::stdio::stdin())?, output(rt, rustix::stdio::stdout())?))
}

/// This process's standard input: [`stdio_parts`].
pub type StdioReader = Box<dyn AsyncRead + Send + Sync + Unpin>;

/// This process's standard output: [`stdio_parts`].
pub type StdioWriter = Box<dyn AsyncWrite + Send + Sync + Unpin>;

fn input(rt: &Handle, fd: BorrowedFd<'_>) -> io::Result<StdioReader> {
    if is_socket(fd)? {
        return Ok(Box::new(Socket::new(rt, duplicate(fd)?)?));
    }
    if let Some(own) = open_anew(fd, OFlags::RDONLY)
        && let Ok(pipe) = PipeReader::new(rt, own)
    {
        return Ok(Box::new(pipe));
    }
    Ok(Box::new(PipeReader::new(rt, pump::from(duplicate(fd)?)?)?))
}

fn output(rt: &Handle, fd: BorrowedFd<'_>) -> io::Result<StdioWriter> {
    if is_socket(fd)? {
        return Ok(Box::new(Socket::new(rt, duplicate(fd)?)?));
    }
    if let Some(own) = open_anew(fd, OFlags::WRONLY)
        && let Ok(pipe) = PipeWriter::new(rt, own)
    {
        return Ok(Box::new(pipe));
    }
    let (into, written) = pump::to(duplicate(fd)?)?;
    Ok(Box::new(Pumped { into: Some(PipeWriter::new(rt, into)?), written: PipeReader::new(rt, written)? }))
}

/// What a thread writes for us.
struct Pumped {
    /// Until it is closed.
    into: Option<PipeWriter>,
    /// Ends when the thread does; nothing else ever comes from it.
    written: PipeReader,
}

impl Pumped {
    fn open(&mut self) -> io::Result<&mut PipeWriter> {
        self.into.as_mut().ok_or_else(|| io::ErrorKind::BrokenPipe.into())
    }
}

impl AsyncWrite for Pumped {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.open()?.poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.open()?.poll_write_vectored(cx, bufs)
    }

    /// The thread keeps nothing back.
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.into = None;
        ready!(self.written.poll_read(cx, &mut [0]))?;
        Poll::Ready(Ok(()))
    }
}

fn is_socket(fd: BorrowedFd<'_>) -> io::Result<bool> {
    Ok(FileType::from_raw_mode(rustix::fs::fstat(fd)?.st_mode) == FileType::Socket)
}

fn duplicate(fd: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    Ok(rustix::io::fcntl_dupfd_cloexec(fd, 3)?)
}

/// The same pipe or terminal once more, with flags of its own. `None` where that cannot be: only Linux opens what a
/// descriptor refers to, others duplicate the descriptor; and a file opened anew would begin at its beginning.
fn open_anew(fd: BorrowedFd<'_>, access: OFlags) -> Option<OwnedFd> {
    let kind = FileType::from_raw_mode(rustix::fs::fstat(fd).ok()?.st_mode);
    let reopens = kind == FileType::Fifo || (kind == FileType::CharacterDevice && rustix::termios::isatty(fd));
    if !cfg!(target_os = "linux") || !reopens {
        return None;
    }
    let flags = access | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOCTTY;
    rustix::fs::open(format!("/proc/self/fd/{}", fd.as_raw_fd()), flags, Mode::empty()).ok()
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::os::fd::AsFd;

    use super::*;

    fn is_blocking(fd: impl AsFd) -> bool {
        !rustix::fs::fcntl_getfl(fd).unwrap().contains(OFlags::NONBLOCK)
    }

    #[test]
    fn a_pipe_and_a_terminal_are_opened_anew_and_left_as_they_were() {
        use rustix::pty::{OpenptFlags, grantpt, ioctl_tiocgptpeer, openpt, unlockpt};
        let (reader, writer) = io::pipe().unwrap();
        let controller = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&controller).and_then(|()| unlockpt(&controller)).unwrap();
        let terminal = ioctl_tiocgptpeer(&controller, OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        for (fd, access) in [
            (reader.as_fd(), OFlags::RDONLY),
            (writer.as_fd(), OFlags::WRONLY),
            (terminal.as_fd(), OFlags::RDONLY),
            (terminal.as_fd(), OFlags::WRONLY),
        ] {
            let own = open_anew(fd, access).unwrap();
            assert!(!is_blocking(&own) && is_blocking(fd));
        }
    }

    #[test]
    fn what_cannot_be_waited_for_is_not_opened_anew() {
        for path in ["/dev/null", "/proc/self/exe"] {
            assert!(open_anew(std::fs::File::open(path).unwrap().as_fd(), OFlags::RDONLY).is_none(), "{path}");
        }
    }
}
