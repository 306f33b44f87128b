//! Finding processes of ours in `/proc`: by their group or by the [marker](crate::OwnerId) in their environment.
//!
//! What a scan cannot see: processes of other users (their environment is not readable), daemons that have cleared
//! their environment and left the group, work handed to a service that was running before. A process that starts others
//! all the time can be missed by one scan; whoever ends processes scans until nothing is found.
//!
//! Scanning is blocking work: some 5 to 10 ms for 700 processes.

use std::collections::BTreeSet;
use std::fmt;

use rustix::process::Pid;

use crate::OwnerId;
use crate::name::Visible;

/// A live process that belongs to a host or to one child of it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Straggler {
    /// Its number.
    pub pid: u32,
    /// Its process group.
    pub group: u32,
    /// Its name as the kernel knows it: 15 bytes of it, and its own to choose. The command line is left out on purpose:
    /// people pass secrets in it.
    pub comm: String,
    /// Its state, one letter as in `ps`: `S` sleeping, `R` running, `T` stopped, `D` in the kernel, not to be woken.
    pub state: char,
    /// Which child of the host it comes from, if its marker could be read.
    pub child: Option<u64>,
}

/// `4242 node`, control characters escaped.
impl fmt::Display for Straggler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.pid, Visible(&self.comm))
    }
}

/// What is looked for: who carries the marker, of one child or of any; and who is in one of the groups.
///
/// A marker that [spares daemons](crate::Reach::Session) counts only in the host's own session.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    /// `SCOPE_OWNER_…=`
    #[cfg_attr(not(target_os = "linux"), allow(dead_code))]
    variable: Vec<u8>,
    /// `None`: any.
    children: Option<BTreeSet<u64>>,
    groups: BTreeSet<u32>,
    /// Those who had ended before they are looked for, and could not have started anybody since.
    #[cfg_attr(not(target_os = "linux"), allow(dead_code))]
    ended: BTreeSet<i32>,
}

impl Target {
    pub(crate) fn all_of(owner: OwnerId) -> Target {
        let variable = format!("{}=", owner.variable()).into_bytes();
        Target { variable, children: None, groups: BTreeSet::new(), ended: BTreeSet::new() }
    }

    pub(crate) fn children_of(owner: OwnerId, children: impl IntoIterator<Item = u64>) -> Target {
        Target { children: Some(children.into_iter().collect()), ..Target::all_of(owner) }
    }

    /// Also those in `groups`. Only for a group whose number cannot be another's.
    pub(crate) fn or_in(mut self, groups: impl IntoIterator<Item = Pid>) -> Target {
        self.groups.extend(groups.into_iter().map(|group| group.as_raw_pid().unsigned_abs()));
        self
    }

    /// Without `pid`, if that has ended already.
    pub(crate) fn but_ended(mut self, pid: Option<Pid>) -> Target {
        self.ended.extend(pid.map(Pid::as_raw_pid));
        self
    }

    /// What this or `other` describes; both of children.
    pub(crate) fn or(mut self, other: Target) -> Target {
        self.children =
            self.children.zip(other.children).map(|(some, others)| some.into_iter().chain(others).collect());
        self.groups.extend(other.groups);
        self.ended.extend(other.ended);
        self
    }
}

/// All live processes that carry this host's marker. Zombies are not among them.
///
/// # Errors
/// `/proc` could not be read: not mounted, no descriptor left. `Unsupported` where there is none (macOS).
pub fn marked() -> std::io::Result<Vec<Straggler>> {
    marked_by(OwnerId::of_this_host())
}

/// All live processes that carry `owner`'s marker. Zombies are not among them.
///
/// # Errors
/// As [`marked`].
pub fn marked_by(owner: OwnerId) -> std::io::Result<Vec<Straggler>> {
    find(&Target::all_of(owner))
}

#[cfg(target_os = "linux")]
mod known;
#[cfg(target_os = "linux")]
pub(crate) use linux::{dead_children, describe, find, look};

#[cfg(not(target_os = "linux"))]
pub(crate) use elsewhere::{dead_children, describe, find, look};

#[cfg(target_os = "linux")]
mod linux {
    use std::fmt::Write;
    use std::io;
    use std::mem::MaybeUninit;
    use std::time::Duration;

    use rustix::fs::{Mode, OFlags, RawDir, SeekFrom};
    use rustix::io::Errno;
    use rustix::process::Pid;

    use super::known::Listing;
    use super::{Straggler, Target};
    use crate::marker::Mark;
    use crate::raw;

    /// All live processes that `target` describes, but never the caller itself.
    pub(crate) fn find(target: &Target) -> io::Result<Vec<Straggler>> {
        let proc = rustix::fs::open("/proc", OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
        // An empty folder has nobody in it either, and in that of another pid namespace the numbers are others'.
        let own = rustix::fs::readlinkat(&proc, "self", Vec::new()).ok();
        if own.and_then(|own| number(own.to_bytes())) != Some(rustix::process::getpid()) {
            return Err(io::Error::other("/proc is not mounted, or does not show this program's own processes"));
        }
        let mut space = [MaybeUninit::uninit(); 8192];
        let mut seen = Look::new(target);
        let mut listing = Listing::new();
        let mut found = Vec::new();
        for _ in 0..PASSES {
            rustix::fs::seek(&proc, SeekFrom::Start(0))?;
            seen.lost = false;
            let mut entries = RawDir::new(&proc, &mut space);
            let mut unsure = Vec::new();
            while let Some(entry) = entries.next() {
                let entry = entry?;
                let Some(pid) = number(entry.file_name().to_bytes()) else { continue };
                match listing.add(pid, entry.ino(), target.children.as_ref()) {
                    None => continue,
                    Some(true) if !seen.may_be_in_group(pid) => continue,
                    Some(_) => {}
                }
                match seen.at(pid) {
                    Seen::Ours(straggler) => found.push(straggler),
                    Seen::Unsure => unsure.push(pid),
                    Seen::No => {}
                }
                if let Some(child) = seen.child {
                    listing.descends_from(child);
                }
            }
            listing.end_pass();
            found.extend(unsure.into_iter().filter_map(|pid| seen.again(pid)));
            if !seen.lost {
                break;
            }
        }
        listing.keep();
        match seen.refused {
            // Silence would be taken for "nobody there".
            Some(e) => Err(e.into()),
            None => Ok(found),
        }
    }

    /// The process `pid`, if it is alive and what `target` describes.
    pub(crate) fn look(pid: Pid, target: &Target) -> Option<Straggler> {
        Look::new(target).again(pid)
    }

    /// The process `pid`, whosever it is, if it is alive.
    pub(crate) fn describe(pid: Pid) -> Option<Straggler> {
        let stat = Stat::parse(&std::fs::read(format!("/proc/{pid}/stat")).ok()?).filter(Stat::is_alive)?;
        let pid = pid.as_raw_pid().unsigned_abs();
        Some(Straggler { pid, group: stat.group, comm: stat.comm, state: stat.state, child: None })
    }

    /// The children of this process that have ended and are not reaped.
    pub(crate) fn dead_children() -> Vec<Pid> {
        let own = rustix::process::getpid().as_raw_pid().unsigned_abs();
        let is_dead_child = |pid: &Pid| {
            let stat = std::fs::read(format!("/proc/{pid}/stat")).ok().and_then(|text| Stat::parse(&text));
            stat.is_some_and(|stat| stat.parent == own && !stat.is_alive())
        };
        let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
        entries.filter_map(|entry| number(entry.file_name().as_encoded_bytes())).filter(is_dead_child).collect()
    }

    /// Who was listed and had ended before it was looked at may have started another, who was not listed yet. So those
    /// are looked for who have come since; but not for ever, where processes come and go all the time.
    const PASSES: u32 = 16;

    /// How long one process may keep us in doubt.
    const LONGEST_EXEC: Duration = Duration::from_millis(100);

    enum Seen {
        Ours(Straggler),
        /// It has no environment, but will have: it is becoming another program.
        Unsure,
        No,
    }

    struct Look<'a> {
        target: &'a Target,
        variable: memchr::memmem::Finder<'a>,
        own: Pid,
        path: String,
        buf: Vec<u8>,
        /// Which child of this host the last one comes from, if its marker says so.
        child: Option<u64>,
        /// The descriptors ran out on the way.
        refused: Option<Errno>,
        /// Somebody ended before it could be told whose it was.
        lost: bool,
    }

    impl<'a> Look<'a> {
        fn new(target: &'a Target) -> Self {
            let variable = memchr::memmem::Finder::new(&target.variable);
            let own = rustix::process::getpid();
            Look {
                target,
                variable,
                own,
                path: String::new(),
                buf: Vec::with_capacity(8192),
                child: None,
                refused: None,
                lost: false,
            }
        }

        /// Looks until it is sure. Between two programs of an exec a process has no environment, and whoever is taken
        /// for a stranger then escapes.
        fn again(&mut self, pid: Pid) -> Option<Straggler> {
            let mut pause = Duration::from_micros(100);
            let mut paused = Duration::ZERO;
            loop {
                match self.at(pid) {
                    Seen::Ours(straggler) => return Some(straggler),
                    Seen::No => return None,
                    // So long for an exec: it waits for a drive, say. It cannot be waited for here.
                    Seen::Unsure if paused > LONGEST_EXEC => return None,
                    Seen::Unsure => std::thread::sleep(pause),
                }
                paused += pause;
                pause = (pause * 2).min(Duration::from_millis(2));
            }
        }

        /// Whether it is in one of the groups, as far as can be told.
        fn may_be_in_group(&self, pid: Pid) -> bool {
            match raw::group_of::group_of(pid) {
                Ok(group) => self.target.groups.contains(&group),
                Err(error) => error != Errno::SRCH,
            }
        }

        fn at(&mut self, pid: Pid) -> Seen {
            self.child = None;
            if pid == self.own || self.target.ended.contains(&pid.as_raw_pid()) {
                return Seen::No;
            }
            let group = raw::group_of::group_of(pid);
            match group {
                // A kernel thread, or one who came into this namespace with a group from outside. A host's children are
                // each started with a group of their own.
                Ok(0) if self.target.children.is_some() => return Seen::No,
                Err(Errno::SRCH) => {
                    self.lost = true;
                    return Seen::No;
                }
                Ok(_) | Err(_) => {}
            }
            let environment = self.read(pid, "environ");
            let is_bare = environment && self.buf.is_empty();
            // `None` if it is gone, or another user's, who could still be in the group.
            let mark = if environment { self.mark() } else { None };
            let wanted = |mark: Option<Mark>| match (&self.target.children, mark) {
                (None, _) => true,
                (Some(children), mark) => mark.is_some_and(|mark| children.contains(&mark.child)),
            };
            let marked = mark.is_some_and(wanted);
            // The marker of another host has other numbers.
            self.child = mark.flatten().filter(|_| self.target.children.is_some()).map(|mark| mark.child);
            let is_elsewhere = group.is_ok_and(|group| !self.target.groups.contains(&group));
            let is_stranger = !marked && is_elsewhere && !is_bare;
            // Twice the cost of all the rest, so not without need.
            if is_stranger || !self.read(pid, "stat") {
                return Seen::No;
            }
            let Some(stat) = Stat::parse(&self.buf).filter(Stat::is_alive) else {
                self.lost = true;
                return Seen::No;
            };
            let in_group = self.target.groups.contains(&stat.group);
            let mark = mark.flatten();
            let spared = mark.is_some_and(|mark| mark.spares_daemons) && self.own_session() != Some(stat.session);
            match marked && !spared || in_group {
                true => Seen::Ours(Straggler {
                    pid: pid.as_raw_pid().unsigned_abs(),
                    group: stat.group,
                    comm: stat.comm,
                    state: stat.state,
                    child: mark.map(|mark| mark.child),
                }),
                false if is_bare && !stat.is_bare => Seen::Unsure,
                false => Seen::No,
            }
        }

        /// Not `getsid`: in a container the session may have begun outside, and its number, zero, is none for rustix.
        fn own_session(&mut self) -> Option<u32> {
            self.read(self.own, "stat").then(|| Stat::parse(&self.buf))?.map(|stat| stat.session)
        }

        /// The value of the marker in the environment just read, if there is one; and if it is one of ours.
        fn mark(&self) -> Option<Option<Mark>> {
            let at = self.variable.find_iter(&self.buf).find(|&at| at == 0 || self.buf[at - 1] == 0)?;
            let value = self.buf[at + self.target.variable.len()..].split(|&b| b == 0).next()?;
            Some(std::str::from_utf8(value).ok().and_then(|value| value.parse().ok()))
        }

        /// Reads a file of the process `pid`; `false` if it cannot be: it may vanish at any time.
        fn read(&mut self, pid: Pid, file: &str) -> bool {
            match self.try_read(pid, file) {
                Ok(()) => true,
                Err(errno) => {
                    match errno {
                        Errno::MFILE | Errno::NFILE | Errno::NOMEM => self.refused = Some(errno),
                        Errno::NOENT | Errno::SRCH => self.lost = true,
                        _ => {}
                    }
                    false
                }
            }
        }

        fn try_read(&mut self, pid: Pid, file: &str) -> rustix::io::Result<()> {
            self.buf.clear();
            self.path.clear();
            let _ = write!(self.path, "/proc/{pid}/{file}");
            // std asks for the size before it reads, which these files do not have.
            let file = rustix::fs::open(&*self.path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
            loop {
                self.buf.reserve(4096);
                let room = rustix::buffer::spare_capacity(&mut self.buf);
                match rustix::io::read(&file, room) {
                    Ok(0) => return Ok(()),
                    Ok(_) | Err(Errno::INTR) => {}
                    Err(e) => return Err(e),
                }
            }
        }
    }

    fn number(name: &[u8]) -> Option<Pid> {
        if !name.first()?.is_ascii_digit() {
            return None;
        }
        Pid::from_raw(std::str::from_utf8(name).ok()?.parse().ok()?)
    }

    /// Of the flags in `stat` (PF_KTHREAD). The group does not tell: where it is from outside this namespace, it is 0 as
    /// well.
    const KERNEL_THREAD: u32 = 0x0020_0000;

    /// What we want of `/proc/PID/stat`.
    #[derive(Debug, PartialEq)]
    struct Stat {
        comm: String,
        state: char,
        parent: u32,
        group: u32,
        session: u32,
        threads: u32,
        /// It was given an empty environment, or is a kernel thread, which has none; one that has none yet was not.
        is_bare: bool,
    }

    impl Stat {
        fn parse(text: &[u8]) -> Option<Stat> {
            // `pid (comm) state ppid pgrp …`: the name may hold anything, brackets and blanks too.
            let open = memchr::memchr(b'(', text)?;
            let close = memchr::memrchr(b')', text)?;
            let comm = String::from_utf8_lossy(text.get(open + 1..close)?).into_owned();
            let mut fields = std::str::from_utf8(text.get(close + 1..)?).ok()?.split_ascii_whitespace();
            let state = fields.next()?.chars().next()?;
            let parent = fields.next()?.parse().ok()?;
            let group = fields.next()?.parse().ok()?;
            let session = fields.next()?.parse().ok()?;
            let flags: u32 = fields.nth(2)?.parse().ok()?;
            let threads = fields.nth(10)?.parse().ok()?;
            let mut place = |skip| fields.nth(skip).and_then(|field| field.parse::<u64>().ok());
            // Where the code ends, and where the environment begins and ends. An exec sets the first last: before that,
            // the others are zero, or those of an environment that is being put there.
            let (code, begin, end) = (place(6), place(22), place(0));
            let is_empty = code.is_some_and(|code| code > 1) && begin.is_some_and(|begin| begin != 0) && begin == end;
            let is_bare = is_empty || flags & KERNEL_THREAD != 0;
            Some(Stat { comm, state, parent, group, session, threads, is_bare })
        }

        /// A process whose first thread has ended looks like a zombie while others run.
        fn is_alive(&self) -> bool {
            !matches!(self.state, 'Z' | 'X' | 'x') || self.threads > 1
        }
    }

    #[cfg(test)]
    mod tests {
        use super::*;
        use crate::OwnerId;

        #[test]
        fn a_stat_is_read_whatever_the_name_holds() {
            let line = b"42 (a) R (b\n) S 1 7 8 34816 42 4194560 1 2 3 4 5 6 7 8 20 0 3 0 900 1 2";
            let stat = Stat::parse(line).unwrap();
            let expected = Stat {
                comm: "a) R (b\n".into(),
                state: 'S',
                parent: 1,
                group: 7,
                session: 8,
                threads: 3,
                is_bare: false,
            };
            assert_eq!(stat, expected);
            for end in 0..line.len() - 12 {
                // Cut short anywhere: an answer or none, but no panic.
                let _ = Stat::parse(&line[..end]);
            }
        }

        #[test]
        fn an_empty_environment_is_told_from_one_that_is_not_there_yet() {
            let parse = |code: u64, environment: &str| {
                let (before, between) = ("0 ".repeat(6), "0 ".repeat(22));
                let line =
                    format!("42 (a) S 1 7 8 0 0 0 1 2 3 4 5 6 7 8 20 0 3 {before}{code} {between}{environment} 0");
                Stat::parse(line.as_bytes()).unwrap()
            };
            assert!(parse(130, "140 140").is_bare);
            assert!(!parse(130, "140 150").is_bare);
            assert!(!parse(0, "0 0").is_bare);
            // Its place is known, and it is about to grow.
            assert!(!parse(0, "140 140").is_bare);
            // A kernel thread, and one in a group from outside, between two programs.
            let flagged = |flags: u32| {
                let line = format!("42 (a) S 1 0 0 0 0 {flags} 1 2 3 4 5 6 7 8 20 0 3 {}", "0 ".repeat(40));
                Stat::parse(line.as_bytes()).unwrap()
            };
            assert!(flagged(KERNEL_THREAD | 0x40).is_bare && !flagged(0x40).is_bare);
            // The real thing: a process with an empty environment, and ourselves.
            let mut bare = std::process::Command::new("/bin/cat");
            let mut bare = bare.env_clear().stdin(std::process::Stdio::piped()).spawn().unwrap();
            let stat = |pid: &str| Stat::parse(&std::fs::read(format!("/proc/{pid}/stat")).unwrap()).unwrap();
            let deadline = std::time::Instant::now() + Duration::from_secs(60);
            while !stat(&bare.id().to_string()).is_bare {
                assert!(std::time::Instant::now() < deadline, "it is never seen to be bare");
                std::thread::yield_now();
            }
            assert!(!stat("self").is_bare);
            drop(bare.stdin.take());
            bare.wait().unwrap();
        }

        #[test]
        fn a_zombie_with_threads_is_alive() {
            let stat = |state, threads| Stat {
                comm: String::new(),
                state,
                parent: 1,
                group: 1,
                session: 1,
                threads,
                is_bare: false,
            };
            assert!(stat('S', 1).is_alive());
            assert!(stat('Z', 2).is_alive());
            assert!(!stat('Z', 1).is_alive());
            assert!(!stat('X', 0).is_alive());
        }

        #[test]
        fn a_marker_counts_only_as_a_variable_of_its_own() {
            let owner = OwnerId::of_this_host();
            let target = Target::children_of(owner, [12]);
            let mark = |environment: String| {
                let mut look = Look::new(&target);
                look.buf = environment.into_bytes();
                look.mark()
            };
            let name = owner.variable();
            let all = |child| Some(Some(Mark { child, spares_daemons: false }));
            assert_eq!(mark(format!("A=1\0{name}=12\0B=2\0")), all(12));
            assert_eq!(mark(format!("{name}=12")), all(12));
            assert_eq!(mark(format!("{name}=s12")), Some(Some(Mark { child: 12, spares_daemons: true })));
            assert_eq!(mark(format!("A=1\0{name}=\0")), Some(None));
            assert_eq!(mark(format!("A={name}=12\0B=2\0")), None);
            assert_eq!(mark(format!("A={name}=12\0{name}=13\0")), all(13));
            assert_eq!(mark(String::new()), None);
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod elsewhere {
    use std::io;

    use rustix::process::Pid;

    use super::{Straggler, Target};

    /// There is no `/proc` to read the marker from.
    pub(crate) fn find(target: &Target) -> io::Result<Vec<Straggler>> {
        let _ = (&target.children, &target.groups);
        Err(io::ErrorKind::Unsupported.into())
    }

    pub(crate) fn look(_: Pid, _: &Target) -> Option<Straggler> {
        None
    }

    pub(crate) fn describe(_: Pid) -> Option<Straggler> {
        None
    }

    pub(crate) fn dead_children() -> Vec<Pid> {
        Vec::new()
    }
}
