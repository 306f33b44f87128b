//! What runs on this machine, as /proc tells it. It shares nothing with the code under test.

use std::fmt;
use std::fs;
use std::path::Path;

/// A process, as it was when it was looked at.
#[derive(Clone, Debug)]
pub(crate) struct Process {
    pub(crate) pid: i32,
    pub(crate) parent: i32,
    pub(crate) state: char,
    /// The words of its command line; its name, when it has none any more.
    pub(crate) words: Vec<String>,
}

impl Process {
    pub(crate) fn read(pid: i32) -> Option<Self> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The name stands in brackets and may hold brackets and blanks itself.
        let (before, rest) = stat.rsplit_once(") ")?;
        let (_, name) = before.split_once('(')?;
        let mut fields = rest.split(' ');
        let state = fields.next()?.chars().next()?;
        let parent = fields.next()?.parse().ok()?;
        let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let mut words: Vec<String> = String::from_utf8_lossy(&line).split_terminator('\0').map(str::to_owned).collect();
        if words.is_empty() {
            words.push(name.to_owned());
        }
        Some(Process { pid, parent, state, words })
    }

    /// Whether it has ended, and only its parent's interest is left.
    pub(crate) fn is_zombie(&self) -> bool {
        matches!(self.state, 'Z' | 'X')
    }

    /// Whether it is one of the servers in `server`, or was started by one of them.
    pub(crate) fn is_server(&self) -> bool {
        self.words.get(1).is_some_and(|word| word == "--server")
    }
}

impl fmt::Display for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Process { pid, parent, state, .. } = self;
        write!(f, "{pid} (parent {parent}, state {state}):")?;
        for (i, word) in self.words.iter().enumerate() {
            let name = Path::new(word).file_name().filter(|_| i == 0);
            let word: String =
                name.map_or(word.as_str().into(), |name| name.to_string_lossy()).chars().take(60).collect();
            write!(f, " {}", word.escape_debug())?;
        }
        Ok(())
    }
}

/// The numbers of all processes.
fn numbers() -> impl Iterator<Item = i32> {
    let entries = fs::read_dir("/proc").expect("/proc should be readable: these tests look into it");
    entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
}

/// All live processes with `mark` in their environment, or on their command line: a process can lose the one.
pub(crate) fn marked(mark: &str) -> Vec<i32> {
    let has = |pid: i32, file: &str| {
        fs::read(format!("/proc/{pid}/{file}")).is_ok_and(|bytes| {
            // Whole words, and whole values.
            let mut words = bytes.split(|byte| *byte == 0);
            words.any(|word| {
                word.strip_suffix(mark.as_bytes()).is_some_and(|rest| rest.is_empty() || rest.ends_with(b"="))
            })
        })
    };
    // Both files of a zombie are empty.
    numbers().filter(|pid| has(*pid, "environ") || has(*pid, "cmdline")).collect()
}

/// What this process has as children that have ended, and has not reaped.
pub(crate) fn zombies_of(parent: i32) -> Vec<Process> {
    numbers().filter_map(Process::read).filter(|one| one.parent == parent && one.is_zombie()).collect()
}

/// What each descriptor of a process leads to. It may not be ours to ask any more: then none.
pub(crate) fn descriptors(pid: i32) -> Vec<String> {
    let Ok(entries) = fs::read_dir(format!("/proc/{pid}/fd")) else { return Vec::new() };
    entries.filter_map(|entry| Some(fs::read_link(entry.ok()?.path()).ok()?.display().to_string())).collect()
}

/// The memory that is this process's own, in KiB.
pub(crate) fn own_memory(pid: i32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("the process lives");
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).expect("a kernel since 4.5 says it");
    let number = line.trim().trim_end_matches("kB").trim();
    number.parse().expect("a number of KiB")
}
