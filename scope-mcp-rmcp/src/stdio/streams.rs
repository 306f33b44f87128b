//! How each kind of stream is used without changing it for those who share it.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};

use rustix::fs::{FileType, Mode, OFlags};
use scope_core::rt::Handle;
use scope_process::{PipeReader, PipeWriter};

use super::pump;
use crate::stream::{Input, Output, Socket};

/// # Errors
/// What the system or the reactor says.
pub(super) fn input(rt: &Handle, fd: BorrowedFd<'_>) -> io::Result<Input> {
    if is_socket(fd)? {
        return Socket::new(rt, duplicate(fd)?).map(Input::Socket);
    }
    if let Some(own) = open_anew(fd, OFlags::RDONLY)
        && let Ok(pipe) = PipeReader::new(rt, own)
    {
        return Ok(Input::Pipe(pipe));
    }
    Ok(Input::Pipe(PipeReader::new(rt, pump::from(duplicate(fd)?)?)?))
}

/// With it, what ends when all has been written, if that is not known otherwise.
///
/// # Errors
/// What the system or the reactor says.
pub(super) fn output(rt: &Handle, fd: BorrowedFd<'_>) -> io::Result<(Output, Option<PipeReader>)> {
    if is_socket(fd)? {
        return Ok((Output::Socket(Socket::new(rt, duplicate(fd)?)?), None));
    }
    if let Some(own) = open_anew(fd, OFlags::WRONLY)
        && let Ok(pipe) = PipeWriter::new(rt, own)
    {
        return Ok((Output::Pipe(pipe), None));
    }
    let (into, written) = pump::to(duplicate(fd)?)?;
    Ok((Output::Pipe(PipeWriter::new(rt, into)?), Some(PipeReader::new(rt, written)?)))
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
