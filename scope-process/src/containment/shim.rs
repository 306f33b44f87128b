//! A subreaper between the host and one server: what loses its parent in there becomes its child, and it ends last.
//!
//! Its life, and why it is as it is: [`raw::shim`](crate::raw::shim). This is the host's side of it.

use std::collections::HashMap;
use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, ExitStatus};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::net::RecvFlags;
use rustix::process::Pid;

use crate::exit;
use crate::raw::shim::{self, EMPTY, Ends};

pub(crate) struct Shim {
    /// The host's end of the control socket. What the shim has written is looked at, not read: it stays readable.
    control: UnixStream,
    /// The shim's own ends, until it has them.
    ends: Mutex<Option<Ends>>,
    shim: Option<Pid>,
    server: Option<Pid>,
    /// A host that forked has a copy of this; the server is not the copy's to end.
    host: u32,
}

impl Shim {
    /// # Errors
    /// No descriptor is left, or there is no `/proc` to know the members by.
    pub(crate) fn new() -> io::Result<Shim> {
        std::fs::metadata("/proc/self/stat")?;
        let (control, other) = UnixStream::pair()?;
        control.set_nonblocking(true)?;
        let host = exit::pidfd(rustix::process::getpid())?;
        let ends = Ends { control: above_streams(other)?, host: host.map(above_streams).transpose()? };
        let host = std::process::id();
        Ok(Shim { control, ends: Mutex::new(Some(ends)), shim: None, server: None, host })
    }

    pub(crate) fn arm(&self, command: &mut Command) {
        let ends = self.ends.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(ends) = ends {
            shim::on_start(command, ends);
        }
    }

    pub(crate) fn started(&mut self, leader: Pid) {
        self.shim = Some(leader);
        let mut number = [0; 4];
        // It was written before `spawn` returned.
        if self.control.read_exact(&mut number).is_ok() {
            self.server = Pid::from_raw(i32::from_ne_bytes(number).max(0));
        }
    }

    pub(crate) fn end_fd(&self) -> io::Result<OwnedFd> {
        Ok(self.control.try_clone()?.into())
    }

    pub(crate) fn server(&self) -> Option<Pid> {
        self.server
    }

    pub(crate) fn status(&self) -> Option<ExitStatus> {
        let (told, len) = self.told();
        let (status, _) = told.get(..len)?.split_first_chunk()?;
        Some(ExitStatus::from_raw(i32::from_ne_bytes(*status)))
    }

    /// What the shim has told since the start: how the server ended, and whether everybody has.
    fn told(&self) -> ([u8; 5], usize) {
        let mut told = [0; 5];
        let flags = RecvFlags::PEEK | RecvFlags::DONTWAIT;
        let len = rustix::io::retry_on_intr(|| rustix::net::recv(&self.control, &mut told[..], flags));
        let len = len.map_or(0, |(len, _)| len);
        (told, len)
    }

    pub(crate) fn members(&self) -> io::Result<Vec<u32>> {
        match self.shim {
            Some(shim) => descendants(shim),
            None => Ok(Vec::new()),
        }
    }

    pub(crate) fn kill(&self) -> io::Result<()> {
        match self.control.shutdown(std::net::Shutdown::Write) {
            // The shim has ended.
            Err(e) if e.kind() == io::ErrorKind::NotConnected => Ok(()),
            other => other,
        }
    }

    pub(crate) fn wait_empty(&self, deadline: Instant) -> bool {
        let Some(shim) = self.shim else {
            return true;
        };
        let left = || deadline.saturating_duration_since(Instant::now());
        let ended = match exit::pidfd(shim) {
            Ok(Some(fd)) => exit::wait_all(&[fd.as_fd()], left()),
            // Asked for again and again, where there is nothing to wait on. An error: there is no such child any more.
            Ok(None) => loop {
                match exit::peek(shim) {
                    Ok(None) if left().is_zero() => break false,
                    Ok(None) => std::thread::sleep(Duration::from_millis(1)),
                    Ok(Some(_)) | Err(_) => break true,
                }
            },
            Err(e) => rustix::io::Errno::from_io_error(&e) == Some(rustix::io::Errno::SRCH),
        };
        // Killed by somebody, it has not told, and whoever was in there has got out.
        ended && matches!(self.told(), (told, 5) if told[4] == EMPTY)
    }
}

impl Drop for Shim {
    fn drop(&mut self) {
        // Copies of the socket may be open elsewhere: who watches it has one.
        if std::process::id() == self.host {
            let _ = self.kill();
        }
    }
}

/// Not in the place of a standard stream: there it would be replaced in the child, if the host runs without them.
fn above_streams(fd: impl Into<OwnedFd>) -> io::Result<OwnedFd> {
    Ok(rustix::io::fcntl_dupfd_cloexec(fd.into(), 10)?)
}

/// All live processes below `root`, by the parents they name. One that changes its parent at that moment can be missed.
fn descendants(root: Pid) -> io::Result<Vec<u32>> {
    let mut children: HashMap<u32, Vec<(u32, bool)>> = HashMap::new();
    for entry in std::fs::read_dir("/proc")? {
        let name = entry?.file_name();
        let Some(pid) = name.to_str().and_then(|name| name.parse::<u32>().ok()) else {
            continue;
        };
        // It may have gone in the meantime.
        if let Some((parent, alive)) = std::fs::read(format!("/proc/{pid}/stat")).ok().as_deref().and_then(parent) {
            children.entry(parent).or_default().push((pid, alive));
        }
    }
    let mut found = Vec::new();
    let mut next = vec![root.as_raw_pid().unsigned_abs()];
    while let Some(pid) = next.pop() {
        for (child, alive) in children.remove(&pid).unwrap_or_default() {
            next.push(child);
            found.extend(alive.then_some(child));
        }
    }
    Ok(found)
}

/// The parent of whose `/proc/PID/stat` this is, and whether it is alive. A process whose first thread has ended looks
/// like a zombie while others run.
fn parent(stat: &[u8]) -> Option<(u32, bool)> {
    let close = memchr::memrchr(b')', stat)?;
    let mut fields = std::str::from_utf8(stat.get(close + 1..)?).ok()?.split_ascii_whitespace();
    let state = fields.next()?;
    let parent = fields.next()?.parse().ok()?;
    let threads: u32 = fields.nth(15)?.parse().ok()?;
    Some((parent, !matches!(state, "Z" | "X" | "x") || threads > 1))
}
