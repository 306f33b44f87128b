//! What is left, read from the system by the tests themselves.

use std::fs;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use scope_process::{OwnerId, PipeReader, Process};

/// State and parent of a process, if there is one.
pub(crate) fn state(pid: u32) -> Option<(char, u32)> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    Some((fields.next()?.chars().next()?, fields.next()?.parse().ok()?))
}

/// For people: what a process is, and what it does.
pub(crate) fn shown(pid: u32) -> String {
    let command = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    format!("{pid} {:?} {}", state(pid), String::from_utf8_lossy(&command).replace('\0', " "))
}

fn all() -> Vec<u32> {
    let entries = fs::read_dir("/proc").unwrap();
    entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok()).collect()
}

/// The processes of a group, and what they do.
pub(crate) fn in_group(group: u32) -> Vec<(u32, char)> {
    let of_group = |pid: u32| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
        let state = fields.next()?.chars().next()?;
        (fields.nth(1)?.parse() == Ok(group)).then_some((pid, state))
    };
    all().into_iter().filter_map(of_group).collect()
}

/// The live processes with exactly this variable in their environment.
pub(crate) fn with_variable(variable: &str) -> Vec<u32> {
    carrying(|entry| entry == variable.as_bytes())
}

/// The live processes with a variable of this name in their environment.
pub(crate) fn with_name(name: &str) -> Vec<u32> {
    carrying(|entry| entry.strip_prefix(name.as_bytes()).is_some_and(|rest| rest.starts_with(b"=")))
}

fn carrying(is_it: impl Fn(&[u8]) -> bool) -> Vec<u32> {
    let carries = |pid: u32| {
        let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        environment.split(|b| *b == 0).any(&is_it)
    };
    let alive = |pid: u32| state(pid).is_some_and(|(state, _)| state != 'Z' && state != 'X');
    all().into_iter().filter(|pid| carries(*pid) && alive(*pid)).collect()
}

/// The live processes marked as belonging to one child.
pub(crate) fn of_child(number: u64) -> Vec<u32> {
    with_variable(&format!("{}={number}", OwnerId::of_this_host().variable()))
}

/// Children of this process, dead or alive, but its guardian: that one is always there.
pub(crate) fn children() -> Vec<u32> {
    let own = std::process::id();
    let is_child = |pid: &u32| state(*pid).is_some_and(|(_, parent)| parent == own);
    let guardian = scope_process::guardian_id();
    all().into_iter().filter(|pid| is_child(pid) && Some(*pid) != guardian).collect()
}

/// Waits, yielding, until `is_so`: for what a drop leaves to the moments after it.
pub(crate) fn soon(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !is_so() {
        assert!(Instant::now() < deadline, "{what}: not in a minute");
        std::thread::yield_now();
    }
}

/// How many descriptors this process has open.
pub(crate) fn descriptors() -> usize {
    fs::read_dir("/proc/self/fd").unwrap().count()
}

/// A child under observation.
pub(crate) struct Suspect {
    pid: u32,
    number: u64,
    /// Whoever inherited standard output holds the other end, with or without a marker, in whatever group.
    stdout: PipeReader,
}

impl Suspect {
    pub(crate) fn new(process: &mut Process) -> Suspect {
        Suspect { pid: process.id(), number: process.number(), stdout: process.take_stdout().unwrap() }
    }

    /// What it prints next.
    pub(crate) async fn says(&mut self, line: &str) {
        assert_eq!(self.line().await, line);
    }

    pub(crate) async fn line(&mut self) -> String {
        let mut said = Vec::new();
        while said.last() != Some(&b'\n') {
            let mut byte = [0];
            assert_eq!(self.stdout.read(&mut byte).await.unwrap(), 1, "it ended, having said {said:?}");
            said.push(byte[0]);
        }
        String::from_utf8_lossy(&said).trim().to_owned()
    }

    /// Fails if anything is left of it: a process by marker, a zombie, or anyone who still holds its standard output.
    pub(crate) fn assert_gone(&self) {
        assert_eq!(of_child(self.number), [], "processes left");
        assert!(state(self.pid).is_none_or(|(_, parent)| parent != std::process::id()), "not reaped");
        // A child that another test is just starting has a copy too, until it becomes its program.
        soon("nobody holds its standard output", || self.is_silent());
    }

    /// The same of one that was dropped: the rest of it is ended in the moments after.
    pub(crate) fn assert_gone_soon(&self) {
        soon("nothing is left of it", || {
            of_child(self.number).is_empty()
                && state(self.pid).is_none_or(|(_, parent)| parent != std::process::id())
                && self.is_silent()
        });
    }

    /// Whether nobody holds its standard output any more. Who dies loses its environment first, its descriptors after.
    pub(crate) fn is_silent(&self) -> bool {
        let mut buf = [0; 4096];
        loop {
            // Not through the reactor: what counts is how it is now.
            match rustix::io::read(self.stdout.as_fd(), &mut buf) {
                Ok(0) => return true,
                Ok(_) => {}
                Err(rustix::io::Errno::WOULDBLOCK) => return false,
                Err(e) => panic!("{e}"),
            }
        }
    }
}
