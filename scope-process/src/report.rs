//! What ending a process found out.

use std::fmt;
use std::process::ExitStatus;
use std::time::Duration;

use crate::{ProcessName, Shortfall, Straggler};

/// How a process ended. Of the process itself; what it left behind is told by [`CloseReport::stragglers`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Ended {
    /// It had ended before anything was asked of it.
    BeforeClose,
    /// By itself, after its standard input had been closed.
    AtEndOfInput,
    /// After SIGTERM.
    AtTerm,
    /// By SIGKILL, after it had ignored the rest or was given no time for it.
    AtKill,
    /// By SIGKILL, as it was dropped or ended at once.
    InDrop,
    /// It has not: see [`CloseReport::survivors`].
    NotYet,
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Ended::BeforeClose => "had ended before",
            Ended::AtEndOfInput => "ended at the end of its input",
            Ended::AtTerm => "ended at SIGTERM",
            Ended::AtKill => "was killed",
            Ended::InDrop => "was killed when it was dropped",
            Ended::NotYet => "has not ended",
        })
    }
}

/// A signal that was sent to a process and its group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Sent {
    /// SIGTERM, with a SIGCONT behind it: one who is stopped would not see it otherwise.
    Term,
    /// SIGKILL.
    Kill,
}

impl fmt::Display for Sent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Sent::Term => "SIGTERM",
            Sent::Kill => "SIGKILL",
        })
    }
}

/// One step of ending a process.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Step {
    /// What was done.
    pub action: Action,
    /// How long it took, with the waiting.
    pub took: Duration,
    /// How many processes were known to be left after it, the process itself among them. Who has left the group is not
    /// known before the first scan.
    pub left: usize,
}

/// What is done in a [`Step`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Action {
    /// Standard input was closed, and the end of the process waited for.
    EndInput,
    /// All processes were looked through for what belongs to this one.
    Scan,
    /// SIGTERM and SIGCONT were sent, and the end of all waited for.
    Terminate,
    /// SIGKILL was sent, as often as anything was left.
    Kill,
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Action::EndInput => "end of input",
            Action::Scan => "scan",
            Action::Terminate => "SIGTERM",
            Action::Kill => "SIGKILL",
        })
    }
}

/// How a process ended, and what that took.
///
/// `{}` is one line; `{:#}` has a line for each step too.
#[derive(Clone, Debug)]
pub struct CloseReport {
    pub(crate) name: ProcessName,
    pub(crate) pid: u32,
    pub(crate) log: Log,
}

/// What is known so far.
#[derive(Clone, Debug, Default)]
pub(crate) struct Log {
    pub(crate) ended: Option<Ended>,
    pub(crate) status: Option<ExitStatus>,
    pub(crate) input_ended: bool,
    pub(crate) sent: Vec<Sent>,
    pub(crate) steps: Vec<Step>,
    pub(crate) stragglers: Vec<Straggler>,
    pub(crate) survivors: Vec<Straggler>,
    pub(crate) ran_out: bool,
    pub(crate) shortfalls: Vec<Shortfall>,
}

impl Log {
    /// To be called each time the process was looked at; the first time it was found to have ended counts.
    pub(crate) fn notice(&mut self, has_ended: bool) {
        if has_ended && self.ended.is_none() {
            self.ended = Some(match self.sent.last() {
                Some(Sent::Kill) => Ended::AtKill,
                Some(Sent::Term) => Ended::AtTerm,
                None if self.input_ended => Ended::AtEndOfInput,
                None => Ended::BeforeClose,
            });
        }
    }

    pub(crate) fn sent(&mut self, signal: Sent) {
        if !self.sent.contains(&signal) {
            self.sent.push(signal);
        }
    }

    /// Adds those that are not known yet.
    pub(crate) fn found(&mut self, stragglers: &[Straggler]) {
        for straggler in stragglers {
            if self.stragglers.iter().all(|known| known.pid != straggler.pid) {
                self.stragglers.push(straggler.clone());
            }
        }
    }

    pub(crate) fn unscanned(&mut self, error: &std::io::Error) {
        if self.unscanned_because().is_none() {
            let shortfall = Shortfall::Unscanned(error.to_string());
            shortfall.warn_once();
            self.shortfalls.push(shortfall);
        }
    }

    fn unscanned_because(&self) -> Option<&str> {
        self.shortfalls.iter().find_map(|shortfall| match shortfall {
            Shortfall::Unscanned(why) => Some(why.as_str()),
            _ => None,
        })
    }

    pub(crate) fn step(&mut self, action: Action, took: Duration, left: usize) {
        self.steps.push(Step { action, took, left });
    }
}

impl CloseReport {
    /// The process's name.
    pub fn name(&self) -> &ProcessName {
        &self.name
    }

    /// The process's number, which may be another's by now.
    pub fn id(&self) -> u32 {
        self.pid
    }

    /// How the process itself ended.
    pub fn ended(&self) -> Ended {
        self.log.ended.unwrap_or(Ended::NotYet)
    }

    /// Its exit code or the signal that ended it. `None` if it has not ended, and if someone else in this host reaped it
    /// (SIGCHLD is ignored here, or somebody waits for any child).
    pub fn status(&self) -> Option<ExitStatus> {
        self.log.status
    }

    /// The signals sent, to the process or to what it left behind, in order.
    pub fn signals(&self) -> &[Sent] {
        &self.log.sent
    }

    /// What was done, in order.
    pub fn steps(&self) -> &[Step] {
        &self.log.steps
    }

    /// The processes beside this one that had to be told to end or were killed: its children, and those that had left
    /// its group.
    pub fn stragglers(&self) -> &[Straggler] {
        &self.log.stragglers
    }

    /// The processes that could not be ended: stuck in the kernel, or another user's. The process itself may be among
    /// them.
    pub fn survivors(&self) -> &[Straggler] {
        &self.log.survivors
    }

    /// Whether the time for killing ran out with something left.
    pub fn ran_out_of_time(&self) -> bool {
        self.log.ran_out
    }

    /// Why nobody could look for what had left the process's group, if so.
    pub fn unscanned(&self) -> Option<&str> {
        self.log.unscanned_because()
    }

    /// What could not be guaranteed for this process on this system, and why. Empty, as a rule.
    pub fn shortfalls(&self) -> &[Shortfall] {
        &self.log.shortfalls
    }

    /// All steps together.
    pub fn took(&self) -> Duration {
        self.log.steps.iter().map(|step| step.took).sum()
    }

    /// Whether it ended by itself, at the end of its input or before, and left nothing behind.
    pub fn is_polite(&self) -> bool {
        matches!(self.ended(), Ended::BeforeClose | Ended::AtEndOfInput)
            && self.log.sent.is_empty()
            && self.is_complete()
    }

    /// Whether nothing is left, as far as anyone can tell.
    pub fn is_complete(&self) -> bool {
        self.ended() != Ended::NotYet
            && self.log.survivors.is_empty()
            && !self.log.ran_out
            && self.unscanned().is_none()
    }
}

impl fmt::Display for CloseReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (pid {}) {}", self.name, self.pid, self.ended())?;
        if let Some(status) = self.status() {
            write!(f, ", {status}")?;
        }
        write!(f, ", after {}", Millis(self.took()))?;
        list(f, "; left behind and ended: ", &self.log.stragglers)?;
        list(f, "; NOT ended: ", &self.log.survivors)?;
        for shortfall in self.shortfalls() {
            write!(f, "; {shortfall}")?;
        }
        if f.alternate() {
            for step in self.steps() {
                write!(f, "\n    {:<12} {:>9}  ", step.action, Millis(step.took).to_string())?;
                match step.left {
                    0 => f.write_str("nothing left")?,
                    n => write!(f, "{n} left")?,
                }
            }
        }
        Ok(())
    }
}

fn list(f: &mut fmt::Formatter<'_>, head: &str, processes: &[Straggler]) -> fmt::Result {
    const SHOWN: usize = 8;
    for (i, process) in processes.iter().take(SHOWN).enumerate() {
        write!(f, "{}{process}", if i == 0 { head } else { ", " })?;
    }
    if processes.len() > SHOWN {
        write!(f, " and {} more", processes.len() - SHOWN)?;
    }
    Ok(())
}

struct Millis(Duration);

impl fmt::Display for Millis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.1} ms", self.0.as_secs_f64() * 1000.0)
    }
}
