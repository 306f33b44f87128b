//! A cgroup of its own for one server (version 2, also beside version 1): below the host's own, with no limits set.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::fs::{CWD, Mode, OFlags};
use rustix::io::Errno;
use rustix::process::{Pid, Signal};

use crate::raw::enter;
use crate::{OwnerId, exit};

pub(crate) struct Cgroup {
    path: PathBuf,
    /// `cgroup.procs`, open for writing, until the child has it.
    procs: Mutex<Option<OwnedFd>>,
    leader: Option<Pid>,
    removed: bool,
    /// A host that forked has a copy of this; the cgroup is not the copy's to remove.
    host: u32,
}

/// How often a kernel without `cgroup.kill` is asked again whom to kill. Who is in there is frozen: nobody new comes.
const ROUNDS: usize = 16;

/// How long a cgroup may still be in use after the last process in it has died.
const TIME_TO_GO: Duration = Duration::from_millis(100);

impl Cgroup {
    /// # Errors
    /// What is in the way, for people.
    pub(crate) fn new(owner: OwnerId, number: u64) -> Result<Cgroup, String> {
        let own = own().ok_or("there is no cgroup2 file system that shows the host's own")?;
        may_enter(&own, owner)?;
        Cgroup::below(&own, &format!("scope-{owner}-{number}"))
    }

    fn below(parent: &Path, name: &str) -> Result<Cgroup, String> {
        let path = parent.join(name);
        fs::create_dir(&path).map_err(|e| format!("cannot make {}: {e}", path.display()))?;
        let host = std::process::id();
        // From here on it is removed if anything fails.
        let made = Cgroup { path, procs: Mutex::new(None), leader: None, removed: false, host };
        match fs::read_to_string(made.path.join("cgroup.type")) {
            Ok(kind) if kind.trim() == "domain" => {}
            Ok(kind) => return Err(format!("one in {} would be {}", parent.display(), kind.trim())),
            Err(e) => return Err(format!("cannot tell what {} is: {e}", made.path.display())),
        }
        let procs = open(&made.path.join("cgroup.procs"), OFlags::WRONLY)
            // Not in the place of a standard stream: there it would be replaced in the child.
            .and_then(|procs| rustix::io::fcntl_dupfd_cloexec(procs, 10))
            .map_err(|e| format!("cannot move a process to {}: {e}", made.path.display()))?;
        *made.procs() = Some(procs);
        Ok(made)
    }

    fn procs(&self) -> MutexGuard<'_, Option<OwnedFd>> {
        self.procs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn arm(&self, command: &mut Command) {
        let procs = self.procs().take();
        if let Some(procs) = procs {
            enter::on_start(command, procs);
        }
    }

    pub(crate) fn started(&mut self, leader: Pid) {
        self.leader = Some(leader);
    }

    pub(crate) fn members(&self) -> io::Result<Vec<u32>> {
        let leader = self.leader.map(|leader| leader.as_raw_pid().unsigned_abs());
        let mut found: Vec<u32> = self.all()?.into_iter().map(|pid| pid.as_raw_pid().unsigned_abs()).collect();
        found.retain(|pid| Some(*pid) != leader);
        Ok(found)
    }

    /// Everybody alive in it, and in those that somebody in there has made below.
    fn all(&self) -> io::Result<Vec<Pid>> {
        let mut found = Vec::new();
        for folder in self.tree()? {
            match fs::read_to_string(folder.join("cgroup.procs")) {
                // 0 is said of those that this host cannot see: they are in a namespace further out.
                Ok(list) => found.extend(list.lines().filter_map(|pid| Pid::from_raw(pid.parse::<i32>().ok()?.max(0)))),
                Err(e) if gone(&e) => {}
                Err(e) => return Err(e),
            }
        }
        Ok(found)
    }

    /// It, and all below: each before what is in it.
    fn tree(&self) -> io::Result<Vec<PathBuf>> {
        let mut found = vec![self.path.clone()];
        let mut at = 0;
        while let Some(folder) = found.get(at) {
            at += 1;
            match fs::read_dir(folder) {
                Ok(entries) => {
                    let folders = entries.flatten().filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
                    found.extend(folders.map(|entry| entry.path()).collect::<Vec<_>>());
                }
                Err(e) if gone(&e) => {}
                Err(e) => return Err(e),
            }
        }
        Ok(found)
    }

    pub(crate) fn kill(&self) -> io::Result<()> {
        match self.set("cgroup.kill", b"1") {
            // It is younger than the rest. (Or the cgroup is gone; then nobody is found in it.)
            Err(Errno::NOENT) => self.kill_each(),
            Err(Errno::NODEV) => Ok(()),
            other => Ok(other?),
        }
    }

    /// Not `fs::write`, which would make a file that is not there, and is told something else than that it is not.
    fn set(&self, file: &str, value: &[u8]) -> rustix::io::Result<()> {
        rustix::io::write(open(&self.path.join(file), OFlags::WRONLY)?, value).map(drop)
    }

    /// For kernels before 5.14.
    fn kill_each(&self) -> io::Result<()> {
        // SIGKILL reaches who is frozen, and nobody starts anybody in the meantime. A kernel before 5.2 cannot.
        let frozen = self.set("cgroup.freeze", b"1").is_ok();
        for _ in 0..ROUNDS {
            let found = self.all()?;
            if found.is_empty() {
                break;
            }
            found.into_iter().for_each(|pid| self.kill_one(pid));
        }
        if frozen {
            let _ = self.set("cgroup.freeze", b"0");
        }
        Ok(())
    }

    fn kill_one(&self, pid: Pid) {
        let fd = match exit::pidfd(pid) {
            Ok(fd) => fd,
            Err(e) if Errno::from_io_error(&e) == Some(Errno::SRCH) => return,
            Err(_) => None,
        };
        // With the pidfd open: the number may have been given to another since it was read.
        if !self.holds(pid) {
            return;
        }
        let _ = match fd {
            Some(fd) => rustix::process::pidfd_send_signal(fd, Signal::KILL),
            None => rustix::process::kill_process(pid, Signal::KILL),
        };
    }

    /// Whether that process is in it, or in one below; also while it dies, when it is no member any more.
    pub(crate) fn holds(&self, pid: Pid) -> bool {
        let place = fs::read(format!("/proc/{pid}/cgroup")).unwrap_or_default();
        let name = self.path.file_name().unwrap_or_default().as_bytes();
        memchr::memmem::find(&place, name).is_some()
    }

    pub(crate) fn wait_empty(&self, deadline: Instant) -> bool {
        let events = match open(&self.path.join("cgroup.events"), OFlags::RDONLY) {
            Ok(events) => events,
            Err(e) => return e == Errno::NOENT,
        };
        let mut pause = Duration::from_micros(250);
        loop {
            let mut text = [0; 256];
            match rustix::io::pread(&events, &mut text[..], 0) {
                Ok(len) => {
                    let mut lines = text.get(..len).unwrap_or_default().split(|byte| *byte == b'\n');
                    if lines.any(|line| line == b"populated 0") {
                        return true;
                    }
                }
                Err(e) => return e == Errno::NODEV,
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            // The kernel tells of a change, but of a second one within 10 ms only when these are over: so it is
            // asked as well, at first often.
            let limit = Timespec { tv_sec: 0, tv_nsec: left.min(pause).subsec_nanos().into() };
            let mut fds = [PollFd::new(&events, PollFlags::PRI)];
            let _ = rustix::event::poll(&mut fds, Some(&limit));
            pause = (pause * 2).min(Duration::from_millis(500));
        }
    }

    pub(crate) fn remove(&mut self) -> io::Result<()> {
        *self.procs() = None;
        let deadline = Instant::now() + TIME_TO_GO;
        while !self.removed {
            let mut removed = Ok(());
            for folder in self.tree()?.iter().rev() {
                removed = match fs::remove_dir(folder) {
                    Err(e) if e.kind() != io::ErrorKind::NotFound => Err(e),
                    _ => Ok(()),
                };
            }
            match removed {
                Ok(()) => self.removed = true,
                // The dying are still in there for a moment, and there is nothing to wait on.
                Err(e) if e.kind() == io::ErrorKind::ResourceBusy && Instant::now() < deadline && self.is_empty() => {
                    std::thread::sleep(Duration::from_millis(1));
                }
                Err(e) => return Err(e),
            }
        }
        Ok(())
    }

    fn is_empty(&self) -> bool {
        self.wait_empty(Instant::now())
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        if std::process::id() == self.host && !self.removed {
            // As with the shim. Who takes longer to die leaves an empty cgroup behind.
            let _ = self.kill();
            self.wait_empty(Instant::now() + TIME_TO_GO);
            let _ = self.remove();
        }
    }
}

fn open(path: &Path, flags: OFlags) -> rustix::io::Result<OwnedFd> {
    rustix::fs::openat(CWD, path, flags | OFlags::CLOEXEC, Mode::empty())
}

/// The cgroup has been removed, before it was opened or since.
fn gone(e: &io::Error) -> bool {
    matches!(Errno::from_io_error(e), Some(Errno::NOENT | Errno::NODEV))
}

/// Whether a process can be moved into a cgroup below `parent`. Permissions do not tell all of it, so a child tries.
fn may_enter(parent: &Path, owner: OwnerId) -> Result<(), String> {
    /// The last one that it could.
    static GOOD: Mutex<Option<PathBuf>> = Mutex::new(None);
    let mut good = GOOD.lock().unwrap_or_else(PoisonError::into_inner);
    if good.as_deref() == Some(parent) {
        return Ok(());
    }
    let trial = Cgroup::below(parent, &format!("scope-{owner}-trial"))?;
    let procs = trial.procs().take();
    let entered = procs.as_ref().map_or(Ok(()), enter::try_in_a_child);
    entered.map_err(|e| format!("cannot move a process to one below {}: {e}", parent.display()))?;
    *good = Some(parent.to_owned());
    Ok(())
}

/// The folder of the cgroup that this process is in.
fn own() -> Option<PathBuf> {
    let read = |file| fs::read(file).ok();
    own_in(&read("/proc/self/cgroup")?, &read("/proc/self/mountinfo")?)
}

fn own_in(cgroups: &[u8], mounts: &[u8]) -> Option<PathBuf> {
    let own = cgroups.split(|byte| *byte == b'\n').find_map(|line| line.strip_prefix(b"0::"))?;
    let own = Path::new(std::ffi::OsStr::from_bytes(own));
    // `31 23 0:28 ROOT PLACE options … - cgroup2 …`: ROOT of the file system is what is seen at PLACE.
    let shown = |line: &[u8]| {
        let kind = memchr::memmem::find(line, b" - cgroup2 ")?;
        let mut fields = line.get(..kind)?.split(|byte| *byte == b' ').skip(3);
        let (root, place) = (unescaped(fields.next()?), unescaped(fields.next()?));
        Some(place.join(own.strip_prefix(root).ok()?))
    };
    mounts.split(|byte| *byte == b'\n').filter_map(shown).find(|path| path.join("cgroup.procs").exists())
}

/// Blanks and the like in a path are written `\040`.
fn unescaped(field: &[u8]) -> PathBuf {
    let mut path = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((&first, after)) = rest.split_first() {
        let digits = after.get(..3).filter(|_| first == b'\\').and_then(|digits| std::str::from_utf8(digits).ok());
        match digits.and_then(|digits| u8::from_str_radix(digits, 8).ok()) {
            Some(byte) => (path.push(byte), rest = &after[3..]),
            None => (path.push(first), rest = after),
        };
    }
    PathBuf::from(OsString::from_vec(path))
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader};
    use std::os::unix::process::CommandExt;
    use std::process::{Child, Stdio};

    use super::*;
    use crate::marker;

    #[test]
    fn the_own_cgroup_is_found_below_what_is_mounted() {
        let folder = std::env::temp_dir().join(format!("scope cgroup {}", std::process::id()));
        let shown = folder.join("user/own");
        fs::create_dir_all(&shown).unwrap();
        fs::write(shown.join("cgroup.procs"), "").unwrap();
        let place = folder.to_str().unwrap().replace(' ', "\\040");
        let cgroups = |own: &str| format!("1:cpu:/elsewhere\n0::{own}\n").into_bytes();
        let mounts = |root: &str| {
            let other =
                "31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw\n32 31 0:29 / /cpu rw - cgroup cgroup rw,cpu\n";
            format!("{other}41 31 0:38 {root} {place} rw,relatime shared:9 - cgroup2 cgroup2 rw\n").into_bytes()
        };
        let found = |own: &str, root: &str| own_in(&cgroups(own), &mounts(root));
        assert_eq!(found("/user/own", "/").as_ref(), Some(&shown));
        // A part of it is mounted there, as in a container.
        assert_eq!(found("/docker/1/user/own", "/docker/1").as_ref(), Some(&shown));
        assert_eq!(found("/user/own", "/docker/1"), None, "what is mounted does not show it");
        assert_eq!(found("/../user/own", "/docker/1"), None);
        assert_eq!(found("/user/other", "/"), None, "it is not there");
        assert_eq!(own_in(b"1:cpu:/user/own\n", &mounts("/")), None, "version 1 alone");
        assert_eq!(own_in(b"", b""), None);
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn only_what_is_written_as_an_escape_is_read_as_one() {
        let read = |field: &[u8]| unescaped(field).into_os_string().into_vec();
        assert_eq!(read(b"/a\\040b\\134"), b"/a b\\");
        assert_eq!(read(b"/a\\04"), b"/a\\04");
        assert_eq!(read(b"\\999"), b"\\999");
    }

    /// A server in a cgroup, if one can be made here, that has said "up".
    fn started(script: &str) -> Option<(Cgroup, Child)> {
        let mut cgroup = match Cgroup::new(OwnerId::of_this_host(), marker::next_child()) {
            Ok(cgroup) => cgroup,
            Err(why) => {
                println!("SKIPPED: {why}");
                return None;
            }
        };
        let mut command = Command::new("/bin/sh");
        command.args(["-c", script, "sh"]).arg(cgroup.path());
        cgroup.arm(&mut command);
        let spawned = command.process_group(0).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let mut child = spawned.unwrap();
        cgroup.started(Pid::from_child(&child));
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "up\n");
        Some((cgroup, child))
    }

    fn end(mut cgroup: Cgroup, mut child: Child) {
        assert!(cgroup.wait_empty(Instant::now() + Duration::from_secs(60)), "{:?}", cgroup.members());
        child.wait().unwrap();
        cgroup.remove().unwrap();
        assert!(!cgroup.path().exists());
    }

    #[test]
    fn cgroups_made_inside_are_looked_into_and_removed() {
        // Who may make one for a server may make one within.
        let script = "mkdir -p \"$1/a/b\" \"$1/c\"; sleep 1000 & echo $! >\"$1/a/b/cgroup.procs\"; echo up; exec cat";
        let Some((cgroup, child)) = started(script) else { return };
        assert_eq!(cgroup.members().unwrap().len(), 1);
        cgroup.kill().unwrap();
        end(cgroup, child);
    }

    #[test]
    fn one_by_one_is_how_an_older_kernel_has_them_killed() {
        let script = "mkdir \"$1/a\"; i=0; while [ $i -lt 20 ]; do i=$((i+1)); setsid sleep 1000 & done
            echo $! >\"$1/a/cgroup.procs\"; echo up; exec cat";
        let Some((cgroup, child)) = started(script) else { return };
        assert!(cgroup.members().unwrap().len() >= 20);
        cgroup.kill_each().unwrap();
        end(cgroup, child);
    }

    #[test]
    fn nobody_is_killed_for_a_number_that_is_not_inside() {
        let Some((cgroup, child)) = started("echo up; exec cat") else { return };
        let mut other = Command::new("/bin/cat").stdin(Stdio::piped()).spawn().unwrap();
        cgroup.kill_one(Pid::from_child(&other));
        drop(other.stdin.take());
        assert!(other.wait().unwrap().success());
        cgroup.kill().unwrap();
        end(cgroup, child);
    }

    #[test]
    fn a_cgroup_in_use_is_not_removed() {
        let Some((mut cgroup, child)) = started("echo up; exec cat") else { return };
        assert_eq!(cgroup.remove().unwrap_err().kind(), io::ErrorKind::ResourceBusy);
        cgroup.kill().unwrap();
        end(cgroup, child);
    }

    #[test]
    fn a_folder_that_is_no_cgroup_is_refused_and_left_as_it_was() {
        let folder = std::env::temp_dir().join(format!("scope-no-cgroup-{}", std::process::id()));
        fs::create_dir(&folder).unwrap();
        let why = Cgroup::below(&folder, "scope-1").err().unwrap();
        assert!(why.starts_with("cannot tell what") && why.contains("scope-1"), "{why}");
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 0);
        fs::remove_dir(&folder).unwrap();
    }
}
