//! A child that enters a cgroup before it becomes its program.

use std::io::{self, Read};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::Command;

use rustix::process::{Pid, WaitId, WaitIdOptions};

/// Has `command`'s child write itself into the `cgroup.procs` that is open at `procs`. The start fails if that does.
pub(crate) fn on_start(command: &mut Command, procs: OwnedFd) {
    let hook = move || enter(procs.as_fd()).map_err(io::Error::from);
    // SAFETY: `enter` makes one system call, and allocates nothing: an error is a number.
    unsafe { command.pre_exec(hook) };
}

/// Whether a child can enter: one is started for that, and ends.
///
/// # Errors
/// What the system said to the child, or to the start of it.
pub(crate) fn try_in_a_child(procs: &OwnedFd) -> io::Result<()> {
    let (mut answers, answer) = io::pipe()?;
    let numbers = (procs.as_raw_fd(), answer.as_raw_fd());
    // SAFETY: as `Command` does it, in a program that may have many threads: the child makes system calls only.
    let child = unsafe { libc::fork() };
    if child == 0 {
        // SAFETY: they are open in the parent, so they are here, and this process ends before anything is closed.
        unsafe {
            let (procs, answer) = (BorrowedFd::borrow_raw(numbers.0), BorrowedFd::borrow_raw(numbers.1));
            let errno = enter(procs).map_or_else(|errno| errno.raw_os_error(), |()| 0);
            let _ = rustix::io::write(answer, &errno.to_ne_bytes());
            libc::_exit(0);
        }
    }
    let child = match Pid::from_raw(child.max(0)) {
        Some(child) => child,
        None => return Err(io::Error::last_os_error()),
    };
    drop(answer);
    let mut errno = [0; 4];
    let answered = answers.read_exact(&mut errno);
    // Where SIGCHLD is ignored, there is nothing to reap.
    let _ = rustix::io::retry_on_intr(|| rustix::process::waitid(WaitId::Pid(child), WaitIdOptions::EXITED));
    answered?;
    match i32::from_ne_bytes(errno) {
        0 => Ok(()),
        errno => Err(io::Error::from_raw_os_error(errno)),
    }
}

fn enter(procs: BorrowedFd<'_>) -> rustix::io::Result<()> {
    // "0" is the writer.
    rustix::io::write(procs, b"0").map(drop)
}
