//! What could not be guaranteed here.

use std::fmt;
use std::sync::atomic::{AtomicU8, Ordering};

/// Something that [`close`](crate::Process::close) or the end of the host usually guarantees, and could not for this
/// process, for want of something on this system. Its text says what, and why.
///
/// Told with `tracing`, as a warning, once for each kind in a host's life, and in each
/// [`CloseReport`](crate::CloseReport::shortfalls).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Shortfall {
    /// There is no guardian: should the host be killed, its processes are left to notice the end of their input.
    Unguarded(String),
    /// There are no pidfds: the end of a process is asked for again and again, up to 32 ms late, and a number that has
    /// just become another's could be hit.
    NoPidfd,
    /// The processes could not be looked through: whoever has left the group is not found.
    Unscanned(String),
    /// Neither a cgroup nor a subreaper could be had: a daemon that clears its environment escapes.
    Uncontained(String),
}

impl Shortfall {
    /// Warns of it, if nobody has been warned of its kind.
    pub(crate) fn warn_once(&self) {
        static WARNED: AtomicU8 = AtomicU8::new(0);
        let kind = match self {
            Shortfall::Unguarded(_) => 1,
            Shortfall::NoPidfd => 2,
            Shortfall::Unscanned(_) => 4,
            Shortfall::Uncontained(_) => 8,
        };
        if WARNED.fetch_or(kind, Ordering::Relaxed) & kind == 0 {
            tracing::warn!(target: "scope_process", "{self}");
        }
    }
}

impl fmt::Display for Shortfall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Shortfall::Unguarded(why) => {
                write!(f, "no guardian ({why}): if this program is killed, what it started may go on")
            }
            Shortfall::NoPidfd => f.write_str(
                "no pidfds here (Linux 5.3 or newer has them, unless a sandbox refuses): the end of a process is seen up \
                 to 32 ms late",
            ),
            Shortfall::Unscanned(why) => write!(f, "could not look for what it left behind: {why}"),
            Shortfall::Uncontained(why) => {
                write!(f, "not contained: {why}; a daemon that clears its environment would escape")
            }
        }
    }
}
