//! A thread between a stream that may block and a pipe that a reactor can watch.
//!
//! Each thread ends with the stream or with our end of the pipe, whichever is first: it never blocks in an operation on
//! the stream without having asked before whether it would.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::thread;

use rustix::event::{PollFd, PollFlags};

const CHUNK: usize = 64 * 1024;

/// So much fits into any pipe or terminal that says that it can be written to (`PIPE_BUF`).
const FITS: usize = 4096;

/// Reads `stream` in a thread. What it reads comes out of the pipe that is returned.
///
/// # Errors
/// No descriptor or no thread is to be had.
pub(super) fn from(stream: OwnedFd) -> io::Result<OwnedFd> {
    let (ours, theirs) = pipe()?;
    thread::Builder::new().name("scope-stdin".into()).spawn(move || {
        let mut buffer = vec![0; CHUNK];
        while ready(stream.as_fd(), PollFlags::IN, theirs.as_fd()) {
            match rustix::io::retry_on_intr(|| rustix::io::read(&stream, &mut buffer)) {
                Ok(count) if count > 0 && write_all(theirs.as_fd(), &buffer[..count]).is_ok() => {}
                _ => return,
            }
        }
    })?;
    Ok(ours)
}

/// Writes to `stream`, in a thread, what goes into the first pipe. The second ends when all is written, and when nothing
/// more can be; dropping it stops the thread.
///
/// # Errors
/// No descriptor or no thread is to be had.
pub(super) fn to(stream: OwnedFd) -> io::Result<(OwnedFd, OwnedFd)> {
    let (theirs, ours) = pipe()?;
    let (written, writing) = pipe()?;
    thread::Builder::new().name("scope-stdout".into()).spawn(move || {
        let mut buffer = vec![0; CHUNK];
        while let Ok(count @ 1..) = rustix::io::retry_on_intr(|| rustix::io::read(&theirs, &mut buffer)) {
            for piece in buffer[..count].chunks(FITS) {
                if !ready(stream.as_fd(), PollFlags::OUT, writing.as_fd()) || write_all(stream.as_fd(), piece).is_err()
                {
                    return;
                }
            }
        }
    })?;
    Ok((ours, written))
}

/// Blocks until `stream` is ready. `false` if the other end of `lifeline`, the writing end of a pipe, is closed first.
fn ready(stream: BorrowedFd<'_>, what: PollFlags, lifeline: BorrowedFd<'_>) -> bool {
    let mut polled = [PollFd::from_borrowed_fd(stream, what), PollFd::from_borrowed_fd(lifeline, PollFlags::empty())];
    match rustix::io::retry_on_intr(|| rustix::event::poll(&mut polled, None)) {
        Ok(_) => polled[1].revents().is_empty(),
        Err(_) => false,
    }
}

fn write_all(fd: BorrowedFd<'_>, mut bytes: &[u8]) -> rustix::io::Result<()> {
    while !bytes.is_empty() {
        let count = rustix::io::retry_on_intr(|| rustix::io::write(fd, bytes))?;
        bytes = &bytes[count..];
    }
    Ok(())
}

fn pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    let (reader, writer) = io::pipe()?;
    Ok((reader.into(), writer.into()))
}
