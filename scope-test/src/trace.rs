//! What happened in a run, step by step: the same bytes for the same seed.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::panic::Location;
use std::time::Duration;

/// The number of a task in its run, in the order of spawning. The root is 0.
///
/// Blocking work is numbered in the same row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TaskNumber(pub(crate) u64);

impl TaskNumber {
    /// The future given to the run itself.
    pub const ROOT: TaskNumber = TaskNumber(0);

    /// The bare number.
    pub const fn get(self) -> u64 {
        self.0
    }
}

impl fmt::Display for TaskNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            0 => f.write_str("root"),
            n => write!(f, "task {n}"),
        }
    }
}

/// One line of a [`Trace`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    /// How many steps had been picked by then.
    pub(crate) step: u64,
    /// Virtual time since the start.
    pub(crate) at: Duration,
    pub(crate) what: What,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum What {
    Spawned { task: TaskNumber, by: Option<TaskNumber>, at: Option<&'static Location<'static>> },
    Polled { task: TaskNumber },
    Blocking { task: TaskNumber },
    Ended { task: TaskNumber },
    Panicked { task: TaskNumber },
    Dropped { task: TaskNumber },
    Fired { timer: u64, set_by: Option<TaskNumber> },
    Advanced { by: Duration },
}

impl What {
    /// A tag and two numbers that tell any two apart, for the fingerprint.
    fn words(self) -> [u64; 3] {
        match self {
            What::Spawned { task, by, .. } => [1, task.0, by.map_or(0, |by| by.0 + 1)],
            What::Polled { task } => [2, task.0, 0],
            What::Blocking { task } => [3, task.0, 0],
            What::Ended { task } => [4, task.0, 0],
            What::Panicked { task } => [5, task.0, 0],
            What::Dropped { task } => [6, task.0, 0],
            What::Fired { timer, .. } => [7, timer, 0],
            What::Advanced { by } => [8, by.as_secs(), u64::from(by.subsec_nanos())],
        }
    }
}

/// The names of tasks, by number.
pub(crate) type Names = BTreeMap<u64, Box<str>>;

/// A task with its name, if it has one.
pub(crate) struct Named<'a>(pub(crate) TaskNumber, pub(crate) &'a Names);

impl fmt::Display for Named<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)?;
        match self.1.get(&self.0.0) {
            Some(name) => write!(f, " {name:?}"),
            None => Ok(()),
        }
    }
}

/// An entry as a line.
struct Line<'a>(&'a Entry, &'a Names);

impl fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Line(entry, names) = self;
        let named = |task| Named(task, names);
        write!(f, "#{} +{:?} ", entry.step, entry.at)?;
        match entry.what {
            What::Spawned { task, by, at } => {
                match by {
                    Some(by) => write!(f, "{} spawned {}", named(by), named(task))?,
                    None => write!(f, "{} was spawned from outside", named(task))?,
                }
                at.map_or(Ok(()), |at| write!(f, " at {at}"))
            }
            What::Polled { task } => write!(f, "{} is polled", named(task)),
            What::Blocking { task } => write!(f, "{} runs as blocking work", named(task)),
            What::Ended { task } => write!(f, "{} ended", named(task)),
            What::Panicked { task } => write!(f, "{} panicked", named(task)),
            What::Dropped { task } => write!(f, "{} is dropped at the end of the run", named(task)),
            What::Fired { timer, set_by: Some(by) } => write!(f, "timer {timer} fires, set by {}", named(by)),
            What::Fired { timer, set_by: None } => write!(f, "timer {timer} fires, set from outside"),
            What::Advanced { by } => write!(f, "time is advanced by {by:?}"),
        }
    }
}

/// What happened in a run, one line for each event: tasks spawned, picked and ended, timers fired, with the number of
/// the step, the virtual time, and the names of tasks.
///
/// ```
/// use scope_core::Spawns;
/// use scope_test::Config;
///
/// let report = Config::new(0).try_block_on(async |_| {
///     scope_test::nursery(async |n| {
///         n.task("fetch").spawn_erased(async { Ok(scope_core::sleep(std::time::Duration::from_secs(5)).await?) });
///         Ok(())
///     })
///     .await
/// });
/// let trace = report.trace().to_string();
/// assert!(trace.contains("#2 +0ns task 1 \"fetch\" is polled\n#2 +5s timer 0 fires, set by task 1 \"fetch\"\n"), "{trace}");
/// ```
///
/// The [`Display`](fmt::Display) form is the same, byte for byte, for the same seed and the same test. Only the last
/// lines are kept, see [`Config::trace_limit`](crate::Config::trace_limit); [`Trace::fingerprint`] covers all.
#[derive(Clone, Debug)]
pub struct Trace {
    entries: VecDeque<Entry>,
    limit: usize,
    names: Names,
    total: u64,
    fingerprint: u64,
}

impl Trace {
    pub(crate) fn new(limit: usize) -> Self {
        // The start value of FNV-1a.
        Trace { entries: VecDeque::new(), limit, names: Names::new(), total: 0, fingerprint: 0xcbf2_9ce4_8422_2325 }
    }

    pub(crate) fn push(&mut self, entry: Entry) {
        self.total += 1;
        let [a, b, c] = entry.what.words();
        for word in [entry.step, entry.at.as_secs(), u64::from(entry.at.subsec_nanos()), a, b, c] {
            for byte in word.to_le_bytes() {
                self.fingerprint = (self.fingerprint ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
            }
        }
        if self.limit == 0 {
            return;
        }
        if self.entries.len() == self.limit {
            self.entries.pop_front();
        }
        self.entries.push_back(entry);
    }

    /// A number over every event of the run, also those no longer kept: two runs with the same fingerprint took the
    /// same steps, up to a collision of a 64-bit hash.
    pub fn fingerprint(&self) -> u64 {
        self.fingerprint
    }

    /// How many events there were, kept or not.
    pub fn len(&self) -> u64 {
        self.total
    }

    /// Whether nothing has happened yet.
    pub fn is_empty(&self) -> bool {
        self.total == 0
    }

    /// Names a task, in all lines about it.
    pub(crate) fn name(&mut self, task: TaskNumber, name: &str) {
        self.names.insert(task.0, name.into());
    }

    pub(crate) fn names(&self) -> &Names {
        &self.names
    }

    pub(crate) fn line<'a>(&'a self, entry: &'a Entry) -> impl fmt::Display + 'a {
        Line(entry, &self.names)
    }

    /// The last `count` events, in the order in which they happened.
    pub(crate) fn last(&self, count: usize) -> impl Iterator<Item = String> {
        let last = self.entries.iter().skip(self.entries.len().saturating_sub(count));
        last.map(|entry| self.line(entry).to_string())
    }
}

impl fmt::Display for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kept = self.entries.len() as u64;
        if kept < self.total {
            writeln!(f, "({} earlier events are not kept)", self.total - kept)?;
        }
        for entry in &self.entries {
            writeln!(f, "{}", self.line(entry))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn polled(step: u64) -> Entry {
        Entry { step, at: Duration::ZERO, what: What::Polled { task: TaskNumber(step) } }
    }

    #[test]
    fn only_the_last_events_are_kept_and_the_fingerprint_covers_all() {
        let (mut short, mut long) = (Trace::new(2), Trace::new(100));
        for step in 0..5 {
            short.push(polled(step));
            long.push(polled(step));
        }
        assert_eq!(short.to_string().lines().count(), 3);
        assert!(short.to_string().starts_with("(3 earlier events are not kept)\n#3 "));
        assert_eq!(long.to_string().lines().count(), 5);
        assert_eq!(short.fingerprint(), long.fingerprint());
        long.push(polled(5));
        assert_ne!(short.fingerprint(), long.fingerprint());
    }
}
