//! Which process group a process is in.

use rustix::io::Errno;
use rustix::process::Pid;

/// The number of the group of process `pid`, as this program's namespace has it: 0 for a kernel thread, and for who is in
/// a group from outside. (rustix has this call too, and takes the 0 for impossible.)
///
/// # Errors
/// There is no such process, or a security module forbids to ask.
pub(crate) fn group_of(pid: Pid) -> rustix::io::Result<u32> {
    // SAFETY: a number goes in and a number comes out; no memory is involved.
    let group = unsafe { libc::getpgid(pid.as_raw_pid()) };
    // The call has failed just before in this thread, if it has, so that `errno` is its.
    u32::try_from(group).map_err(|_| Errno::from_io_error(&std::io::Error::last_os_error()).unwrap_or(Errno::INVAL))
}
