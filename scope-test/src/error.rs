//! How a run can fail on its own account, beyond a panic of the test.

use std::fmt;
use std::panic::Location;
use std::time::Duration;

use scope_core::TaskRef;

use crate::random::Choice;
use crate::trace::{TaskNumber, Trace};

/// A run that failed as a whole: a deadlock, work left behind, or a limit reached.
///
/// Its text says which, with the seed, the tasks concerned, and how to repeat the run. [`block_on`](crate::block_on)
/// and its like panic with it; [`Config::try_block_on`](crate::Config::try_block_on) hands it out.
#[derive(Debug)]
pub struct RunError(pub(crate) Box<Details>);

#[derive(Debug)]
pub(crate) struct Details {
    pub(crate) kind: Kind,
    pub(crate) place: Place,
    /// Parked, leaked or unfinished, in the order of their numbers.
    pub(crate) tasks: Vec<TaskInfo>,
    /// Armed timers.
    pub(crate) timers: Vec<TimerInfo>,
    /// The last events, already as text.
    pub(crate) last: Vec<String>,
    /// The live scopes of the run, as text.
    pub(crate) scopes: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Deadlock,
    Leaked,
    StepLimit(u64),
    Stalled { outside: usize, limit: Duration },
}

/// Where in which run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    pub(crate) seed: u64,
    pub(crate) steps: u64,
    pub(crate) at: Duration,
}

#[derive(Clone, Debug)]
pub(crate) struct TaskInfo {
    pub(crate) number: TaskNumber,
    /// With its number.
    pub(crate) name: String,
    pub(crate) spawned_by: Option<String>,
    pub(crate) spawned_in: u64,
    pub(crate) spawned_at: Option<&'static Location<'static>>,
    pub(crate) polls: u64,
    pub(crate) last_step: u64,
    pub(crate) blocking: bool,
    pub(crate) ready: bool,
}

#[derive(Clone, Debug)]
pub(crate) struct TimerInfo {
    pub(crate) timer: u64,
    pub(crate) due: Duration,
    pub(crate) set_by: Option<String>,
    pub(crate) set_in: Option<TaskRef>,
}

/// More would drown the rest of the report.
const LISTED: usize = 40;

impl RunError {
    /// Nothing could ever happen again.
    pub fn is_deadlock(&self) -> bool {
        self.0.kind == Kind::Deadlock
    }

    /// The root ended, and tasks, blocking work, scopes, finalizers or armed timers were left.
    pub fn is_leak(&self) -> bool {
        self.0.kind == Kind::Leaked
    }

    /// The run took more steps than [`Config::step_limit`](crate::Config::step_limit) allows.
    pub fn is_step_limit(&self) -> bool {
        matches!(self.0.kind, Kind::StepLimit(_))
    }

    /// Work on another thread neither ended nor woke anything for
    /// [`Config::hang_limit`](crate::Config::hang_limit) of real time.
    pub fn is_stalled(&self) -> bool {
        matches!(self.0.kind, Kind::Stalled { .. })
    }

    /// The seed that repeats it.
    pub fn seed(&self) -> u64 {
        self.0.place.seed
    }

    /// The tasks concerned: parked in a deadlock, left behind in a leak, alive when a limit was reached.
    pub fn tasks(&self) -> impl Iterator<Item = TaskNumber> {
        self.0.tasks.iter().map(|task| task.number)
    }
}

impl fmt::Display for RunError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.kind {
            Kind::Deadlock => writeln!(
                f,
                "deadlock: no task is ready, no timer is set, and no outside thread is known to be at work"
            )?,
            Kind::Leaked => writeln!(f, "leak: the root has ended and this was left behind")?,
            Kind::StepLimit(limit) => {
                writeln!(
                    f,
                    "the run took more than {limit} steps (Config::step_limit): a task that wakes itself for ever?"
                )?;
            }
            Kind::Stalled { outside, limit } => writeln!(
                f,
                "stalled: nothing came from {outside} outside thread(s) at work for {limit:?} of real time \
                 (Config::hang_limit), while nothing else could go on"
            )?,
        }
        writeln!(f, "  {}", self.0.place)?;
        for task in self.0.tasks.iter().take(LISTED) {
            writeln!(f, "  {task}")?;
        }
        if self.0.tasks.len() > LISTED {
            writeln!(f, "  and {} more tasks", self.0.tasks.len() - LISTED)?;
        }
        for timer in self.0.timers.iter().take(LISTED) {
            writeln!(f, "  {timer}")?;
        }
        if self.0.timers.len() > LISTED {
            writeln!(f, "  and {} more timers", self.0.timers.len() - LISTED)?;
        }
        if !self.0.scopes.is_empty() {
            writeln!(f, "  the scopes:")?;
            for line in self.0.scopes.lines().take(LISTED) {
                writeln!(f, "    {line}")?;
            }
            if let more @ 1.. = self.0.scopes.lines().count().saturating_sub(LISTED) {
                writeln!(f, "    and {more} more lines")?;
            }
        }
        if !self.0.last.is_empty() {
            writeln!(f, "  the last events:")?;
            for line in &self.0.last {
                writeln!(f, "    {line}")?;
            }
        }
        if self.0.kind == Kind::Deadlock {
            writeln!(
                f,
                "  if another thread was to wake one of these, let it hold a TestRuntime::outside guard while it works"
            )?;
        }
        write!(f, "  {}", Repeat(self.0.place.seed))
    }
}

impl std::error::Error for RunError {}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "seed {}, after {} steps, at virtual time +{:?}", self.seed, self.steps, self.at)
    }
}

impl fmt::Display for TaskInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        f.write_str(match (self.blocking, self.ready) {
            (true, _) => " (blocking work, not begun)",
            (false, true) => " (ready)",
            (false, false) => " (parked)",
        })?;
        if self.number != TaskNumber::ROOT {
            match &self.spawned_by {
                Some(by) => write!(f, ", spawned by {by} in step {}", self.spawned_in)?,
                None => write!(f, ", spawned from outside by step {}", self.spawned_in)?,
            }
            if let Some(at) = self.spawned_at {
                write!(f, " at {at}")?;
            }
        }
        if !self.blocking {
            match self.polls {
                0 => f.write_str(", never polled")?,
                1 => write!(f, ", polled once, in step {}", self.last_step)?,
                n => write!(f, ", polled {n} times, last in step {}", self.last_step)?,
            }
        }
        Ok(())
    }
}

impl fmt::Display for TimerInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "timer {}, due at +{:?}", self.timer, self.due)?;
        match &self.set_by {
            Some(by) => write!(f, ", set by {by}")?,
            None => f.write_str(", set from outside")?,
        }
        match &self.set_in {
            Some(task) => write!(f, ", in {task} (spawned at {})", task.location()),
            None => Ok(()),
        }
    }
}

/// How to repeat a run.
pub(crate) struct Repeat(pub(crate) u64);

impl fmt::Display for Repeat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "to repeat it, with every step printed: {}={} cargo test", crate::SEED_VARIABLE, self.0)?;
        // The test harness names its threads after the tests, unless it has only one.
        if let Some(name) = std::thread::current().name().filter(|name| *name != "main") {
            write!(f, " {name} -- --nocapture")?;
        }
        Ok(())
    }
}

/// How a run went: [`Config::try_block_on`](crate::Config::try_block_on).
#[derive(Debug)]
pub struct Report<T> {
    pub(crate) result: Result<T, RunError>,
    pub(crate) trace: Trace,
    pub(crate) steps: u64,
    pub(crate) elapsed: Duration,
    pub(crate) first_choices: (Vec<Choice>, bool),
}

impl<T> Report<T> {
    /// What the root returned, or why the run as a whole failed.
    pub fn result(&self) -> Result<&T, &RunError> {
        self.result.as_ref()
    }

    /// As [`Report::result`], by value.
    ///
    /// # Errors
    /// Why the run as a whole failed.
    pub fn into_result(self) -> Result<T, RunError> {
        self.result
    }

    /// What happened.
    pub fn trace(&self) -> &Trace {
        &self.trace
    }

    /// How many steps were taken: polls of tasks, and pieces of blocking work.
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// How much virtual time went by.
    pub fn elapsed(&self) -> Duration {
        self.elapsed
    }
}
