use std::time::Duration;

/// How long each step of ending a process may take before the next, harsher one.
///
/// The defaults come to 4 s together, less than the 5 s that a scope gives its clean-up unless told otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Budgets {
    /// After its standard input was closed, which is the polite request. Default: 2 s. Zero: it is closed, and SIGTERM
    /// follows at once.
    pub after_eof: Duration,
    /// After SIGTERM. Default: 1 s. Zero: there is no SIGTERM, SIGKILL is next.
    pub after_term: Duration,
    /// For SIGKILL to take effect, on everything that is found. Default: 1 s. Nobody can refuse this signal, but the
    /// kernel needs a moment to carry it out: less than [`MIN_AFTER_KILL`](Budgets::MIN_AFTER_KILL), zero too, counts as
    /// that much.
    pub after_kill: Duration,
}

impl Budgets {
    /// The least time for SIGKILL: 1 s. A bound, not a wait: a few milliseconds of it are used, unless the machine is
    /// overloaded, and then giving up early would only leave something behind.
    pub const MIN_AFTER_KILL: Duration = Duration::from_secs(1);

    /// No time at all: SIGKILL at once.
    pub const NONE: Budgets =
        Budgets { after_eof: Duration::ZERO, after_term: Duration::ZERO, after_kill: Duration::ZERO };

    /// Sets [`after_eof`](Budgets::after_eof).
    #[must_use]
    pub const fn with_after_eof(self, after_eof: Duration) -> Budgets {
        Budgets { after_eof, ..self }
    }

    /// Sets [`after_term`](Budgets::after_term).
    #[must_use]
    pub const fn with_after_term(self, after_term: Duration) -> Budgets {
        Budgets { after_term, ..self }
    }

    /// Sets [`after_kill`](Budgets::after_kill).
    #[must_use]
    pub const fn with_after_kill(self, after_kill: Duration) -> Budgets {
        Budgets { after_kill, ..self }
    }

    pub(crate) fn for_kill(&self) -> Duration {
        self.after_kill.max(Budgets::MIN_AFTER_KILL)
    }
}

impl Default for Budgets {
    fn default() -> Self {
        Budgets {
            after_eof: Duration::from_secs(2),
            after_term: Duration::from_secs(1),
            after_kill: Duration::from_secs(1),
        }
    }
}
