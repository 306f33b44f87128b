use std::fmt;
use std::process::ExitStatus;
use std::sync::Arc;

use crate::error::Gone;
use crate::visible::Visible;

/// How a connection ended, and what became of the server.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct CloseReport {
    /// The server's name.
    pub server: Arc<str>,
    /// Why it ended.
    pub ending: Ending,
    /// How the process ended, which signals it took, and whether anything is left. `None` if none was started here.
    pub process: Option<scope_process::CloseReport>,
    /// The last lines of its standard error, oldest first, as it wrote them.
    pub stderr_tail: Vec<String>,
    /// How many lines of standard error came before those.
    pub stderr_dropped: u64,
    /// Calls that had no answer by then.
    pub unanswered: usize,
    /// What went over the wire.
    pub traffic: Traffic,
}

/// Why a connection ended.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Ending {
    /// It was asked to, or the last handle was dropped.
    Closed,
    /// The server went first.
    Lost(Gone),
    /// It could not be opened; the text says why.
    NotOpened(String),
    /// Its scope was cancelled; the text says why.
    Cancelled(String),
    /// Something in the connection itself failed or panicked.
    Failed(String),
}

/// What went over the wire.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Traffic {
    /// Messages sent.
    pub sent: u64,
    /// Messages received.
    pub received: u64,
    /// Lines received that were no message: text, broken JSON, lines beyond the limit.
    pub noise: u64,
    /// Answers that nobody waited for: late ones, as a rule.
    pub strays: u64,
    /// Requests of the server that got no answer, because it did not read what it was sent.
    pub unanswered_requests: u64,
}

impl CloseReport {
    /// How the process ended, if it has, and nobody else reaped it.
    pub fn exit_status(&self) -> Option<ExitStatus> {
        self.process.as_ref()?.status()
    }

    /// Whether it ended by itself when it was asked to, needed no signal, and left nothing behind.
    pub fn is_polite(&self) -> bool {
        matches!(self.ending, Ending::Closed) && self.process.as_ref().is_none_or(scope_process::CloseReport::is_polite)
    }

    /// Whether nothing of it is left running, as far as anyone can tell.
    pub fn is_complete(&self) -> bool {
        self.process.as_ref().is_none_or(scope_process::CloseReport::is_complete)
    }
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Ending::Closed => f.write_str("closed"),
            Ending::Lost(gone) => write!(f, "lost: {gone}"),
            Ending::NotOpened(why) => write!(f, "not opened: {}", Visible::new(why, 1000)),
            Ending::Cancelled(why) => write!(f, "cancelled: {}", Visible::new(why, 1000)),
            Ending::Failed(why) => write!(f, "failed: {}", Visible::new(why, 1000)),
        }
    }
}

/// `{}` is one line; `{:#}` adds the steps of ending the process.
impl fmt::Display for CloseReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.ending)?;
        match &self.process {
            Some(process) if f.alternate() => write!(f, "; {process:#}"),
            Some(process) => write!(f, "; {process}"),
            None if matches!(self.ending, Ending::NotOpened(_)) => f.write_str("; no process was started"),
            None => Ok(()),
        }
    }
}
