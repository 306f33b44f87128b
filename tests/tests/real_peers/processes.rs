//! What runs on this machine, as /proc tells it: the tests' own eyes, which share nothing with the code they watch.

use std::fmt;
use std::fs;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// A process, told apart from a later one with the same number by when it started.
#[derive(Clone, Debug)]
pub(crate) struct Process {
    pub(crate) pid: i32,
    pub(crate) parent: i32,
    state: char,
    started: u64,
    command: String,
}

impl fmt::Display for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (parent {}, state {}): {}", self.pid, self.parent, self.state, self.command)
    }
}

impl Process {
    fn read(pid: i32) -> Option<Self> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The name stands in brackets and may hold brackets and blanks itself.
        let (_, rest) = stat.rsplit_once(") ")?;
        let fields: Vec<&str> = rest.split(' ').collect();
        let command = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        Some(Process {
            pid,
            parent: fields.get(1)?.parse().ok()?,
            state: fields.first()?.chars().next()?,
            started: fields.get(19)?.parse().ok()?,
            command: String::from_utf8_lossy(&command).replace('\0', " "),
        })
    }

    /// Whether these are one process, seen at two times perhaps.
    pub(crate) fn same(&self, other: &Process) -> bool {
        self.pid == other.pid && self.started == other.started
    }

    /// Whether it is still there: running, or dead and not reaped by us. A dead one whose reaping is up to someone
    /// else (init, when its parent has died) does not count.
    pub(crate) fn is_left(&self) -> bool {
        Process::read(self.pid).is_some_and(|now| {
            now.same(self) && (!matches!(now.state, 'Z' | 'X') || now.parent == std::process::id() as i32)
        })
    }

    /// Whether it has been stopped by a signal.
    fn is_stopped(&self) -> bool {
        Process::read(self.pid).is_some_and(|now| now.same(self) && now.state == 'T')
    }

    fn signal(&self, signal: Signal) {
        // Gone already is fine: then there is nobody to tell.
        if let Some(pid) = Pid::from_raw(self.pid).filter(|_| self.is_left()) {
            let _ = kill_process(pid, signal);
        }
    }
}

/// All processes that were started with `mark` as the name of a variable in their environment. No zombies: those have
/// no environment any more.
pub(crate) fn marked(mark: &str) -> Vec<Process> {
    let variable = format!("{mark}=");
    let mut processes = all();
    processes.retain(|one| {
        fs::read(format!("/proc/{}/environ", one.pid)).is_ok_and(|environment| {
            let mut variables = environment.split(|byte| *byte == 0);
            variables.any(|one| one.starts_with(variable.as_bytes()))
        })
    });
    processes
}

/// The process `pid`, its children, theirs, and so on, whatever their environment says.
pub(crate) fn tree(pid: i32) -> Vec<Process> {
    let (mut inside, mut outside): (Vec<_>, Vec<_>) = all().into_iter().partition(|one| one.pid == pid);
    loop {
        let is_child = |one: &Process| inside.iter().any(|parent| parent.pid == one.parent);
        let (more, rest): (Vec<_>, Vec<_>) = outside.into_iter().partition(is_child);
        if more.is_empty() {
            return inside;
        }
        inside.extend(more);
        outside = rest;
    }
}

fn all() -> Vec<Process> {
    let entries = fs::read_dir("/proc").expect("/proc should be readable: these tests look into it");
    entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok()).filter_map(Process::read).collect()
}

/// Kills all that are marked, again and again until there are none. For when a test has failed, and with it perhaps what
/// should have ended them.
pub(crate) fn kill_marked(mark: &str) {
    let until = Instant::now() + Duration::from_secs(10);
    loop {
        let left = marked(mark);
        if left.is_empty() || Instant::now() > until {
            return;
        }
        left.iter().for_each(|one| one.signal(Signal::KILL));
        // They are nobody's children here, so nothing but /proc tells of their end, and that by being asked.
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// How many of `processes` lie between this one and its first ancestor that is not among them.
pub(crate) fn depth(process: &Process, processes: &[Process]) -> usize {
    match processes.iter().find(|other| other.pid == process.parent) {
        Some(parent) => 1 + depth(parent, processes),
        None => 0,
    }
}

/// Processes that stand still for as long as this lives.
pub(crate) struct Stopped(Vec<Process>);

impl Stopped {
    /// Stops them all, and returns when they have stopped.
    pub(crate) fn all(processes: Vec<Process>) -> Self {
        let stopped = Stopped(processes);
        stopped.0.iter().for_each(|one| one.signal(Signal::STOP));
        let until = Instant::now() + Duration::from_secs(30);
        while !stopped.0.iter().all(Process::is_stopped) {
            assert!(Instant::now() < until, "the server did not stop when told to");
            std::thread::yield_now();
        }
        stopped
    }
}

impl Drop for Stopped {
    fn drop(&mut self) {
        self.0.iter().for_each(|one| one.signal(Signal::CONT));
    }
}
