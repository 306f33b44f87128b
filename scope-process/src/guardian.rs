//! The guardian: a small process that outlives the host for a moment and ends what the host left running.
//!
//! A host that is killed, aborts or calls `process::exit` runs no destructors. But the kernel closes its descriptors, and
//! at the other end of one of them a shell waits for just that. It has a process group of its own and ignores the signals
//! of a terminal, so that what ends the host does not end it. It needs `sh`, and `grep` to see the markers.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use rustix::net::SendFlags;

use crate::OwnerId;
use crate::marker::PREFIX;

const SCRIPT: &str = include_str!("guardian/guardian.sh");

/// The directories of programs; what the host's own `PATH` says is no matter here.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

#[derive(Debug)]
pub(crate) struct Guardian {
    socket: UnixStream,
    child: Child,
    host: u32,
    pub(crate) since: Instant,
}

impl Guardian {
    /// To be called on a thread that lives as long as the host: the kernel tells the guardian when it has ended.
    pub(crate) fn start() -> io::Result<Guardian> {
        Guardian::of(&OwnerId::of_this_host().variable())
    }

    /// For those who have this variable.
    fn of(own: &str) -> io::Result<Guardian> {
        // A socket, not a pipe: writing to one whose reader is gone can be told not to raise SIGPIPE.
        let (socket, end) = UnixStream::pair()?;
        let mut command = Command::new("/bin/sh");
        // Not as an argument: lists of processes would show all of it.
        command.args(["-c", "eval \"$SCOPE_GUARDIAN\"", "scope-guardian", own, &std::process::id().to_string()]);
        // The markers of outer hosts, which may end it with the rest; but not this host's, or it would find itself.
        let outer = std::env::vars_os()
            .filter(|(name, _)| name.as_bytes().starts_with(PREFIX.as_bytes()) && name.as_bytes() != own.as_bytes());
        command.env_clear().envs(outer).env("PATH", PATH).env("LC_ALL", "C").env("SCOPE_GUARDIAN", SCRIPT);
        command.current_dir("/").process_group(0);
        command.stdin(OwnedFd::from(end)).stdout(Stdio::null()).stderr(Stdio::null());
        #[cfg(target_os = "linux")]
        // One that does nothing to a process that has no handler yet: a sign that comes too early is lost, but then there is
        // the end of the socket.
        crate::raw::death_signal::on_start(&mut command, rustix::process::Signal::CONT);
        let child = command.spawn()?;
        Ok(Guardian { socket, child, host: std::process::id(), since: Instant::now() })
    }

    /// Writes lines, or fails: it is gone, or has not read for so long that the socket is full. What counts there is less
    /// the bytes than the calls: some 270 short ones, or one of some 200 KB.
    pub(crate) fn tell(&self, lines: &str) -> io::Result<()> {
        let flags = SendFlags::DONTWAIT | no_signal();
        match rustix::io::retry_on_intr(|| rustix::net::send(&self.socket, lines.as_bytes(), flags))? {
            sent if sent == lines.len() => Ok(()),
            _ => Err(io::ErrorKind::WriteZero.into()),
        }
    }

    /// Readable when it has ended: it never writes.
    pub(crate) fn end(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }
}

#[cfg(not(target_vendor = "apple"))]
fn no_signal() -> SendFlags {
    SendFlags::NOSIGNAL
}

/// There it is an option of the socket, which std sets.
#[cfg(target_vendor = "apple")]
fn no_signal() -> SendFlags {
    SendFlags::empty()
}

/// It is ended: it knows nothing that the next one is not told. Waits until it has, for a moment.
///
/// In a copy that a fork made of the host, nothing is done: it is not the copy's.
impl Drop for Guardian {
    fn drop(&mut self) {
        if std::process::id() == self.host {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader};
    use std::net::Shutdown;
    use std::time::Duration;

    use rustix::event::{PollFd, PollFlags, poll};
    use rustix::process::{Pid, PidfdFlags, pidfd_open};

    use super::*;

    /// Of no host: what others start in this process has another.
    fn mark(name: &str) -> String {
        format!("{PREFIX}TEST_{name}_{}", std::process::id())
    }

    /// Says to it that its host has died, and waits for its end.
    fn see_it_out(mut guardian: Guardian) {
        guardian.socket.shutdown(Shutdown::Both).unwrap();
        guardian.child.wait().unwrap();
    }

    #[test]
    fn the_group_of_a_leader_that_is_marked_is_the_hosts() {
        let mark = mark("LEADER");
        let guardian = Guardian::of(&mark).unwrap();
        let mut leader = Command::new("/bin/sh");
        leader.args(["-c", "env -i sleep 100 <&- >&- & echo $!; exec sleep 100 >&-"]).env(&mark, "1").process_group(0);
        let mut leader = leader.stdout(Stdio::piped()).spawn().unwrap();
        let mut number = String::new();
        BufReader::new(leader.stdout.take().unwrap()).read_line(&mut number).unwrap();
        let unmarked = pidfd_open(Pid::from_raw(number.trim().parse().unwrap()).unwrap(), PidfdFlags::empty()).unwrap();
        see_it_out(guardian);
        let hang = Duration::from_secs(60).try_into().unwrap();
        assert_eq!(poll(&mut [PollFd::new(&unmarked, PollFlags::IN)], Some(&hang)), Ok(1), "it has been left");
        assert!(!leader.wait().unwrap().success());
    }

    #[test]
    fn a_start_that_the_host_did_not_see_through_is_waited_for() {
        let guardian = Guardian::of(&mark("START")).unwrap();
        guardian.tell("new\nold\nnew\n").unwrap();
        let since = Instant::now();
        see_it_out(guardian);
        assert!(since.elapsed() >= Duration::from_millis(500), "{:?}", since.elapsed());
    }
}
