//! Holding a server so that nobody in it gets out: not by `setsid`, not by a double fork, not with an empty environment.
//!
//! Where the host may make a cgroup below its own, the server gets one. Else a *shim* comes between host and server: a
//! subreaper. Neither needs a privilege of its own, or a program that could be missing.
//!
//! ```text
//! let mut inside = prepare(Means::Any, owner, number)?;
//! inside.arm(&mut command);                  // with process_group(0)
//! let child = command.spawn()?;              // dropping `inside` undoes all after a failure
//! inside.started(leader);
//! …                                          // end_fd, members: who is there, and has the server ended
//! inside.kill()?; inside.wait_empty(deadline); inside.remove()?;
//! ```
//!
//! # With the shim
//! The leader, whose number is the group's and whom the host waits for, is the shim; the server is its child. So the
//! leader ends later than the server: when everybody in there has, and as the server did. The shim itself is in a group
//! of its own: no signal to the server's reaches it, and whatever it is, the group's number is held by the unreaped leader.
//! As the server ends the others are left alone; `kill`, a drop and the end of the host have the shim kill them all.
//!
//! # Limits
//! * Ending by the shim who starts itself again and again is a race, which it does not give up. A cgroup has no such race
//!   from Linux 5.14 on.
//! * Neither stands up to malice. Where the host may make a cgroup, a server of the same user may move itself to another;
//!   and it may kill the shim, after which orphans are init's.
//! * The shim cannot kill who has changed its user (`sudo`). A cgroup can.
//! * Both make a start slower, and the more so the more memory the host has: see [`raw`](crate::raw). Entering a cgroup
//!   can wait for the whole system besides, up to 20 ms where many come and go.
//! * The shim is a copy of the host, which gives back the memory that it does not need. It shows up as `scope-shim` in
//!   lists of processes, with the host's command line or none; a server's parent is the shim, not the host.

use std::fmt;

#[cfg(target_os = "linux")]
mod cgroup;
#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "linux")]
mod shim;
#[cfg(target_os = "linux")]
pub(crate) use linux::{Containment, prepare};

#[cfg(not(target_os = "linux"))]
mod elsewhere;
#[cfg(not(target_os = "linux"))]
pub(crate) use elsewhere::{Containment, prepare};

#[cfg(all(test, target_os = "linux"))]
mod tests;

/// What to hold a server by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Means {
    /// A cgroup where one can be made, else a shim.
    Any,
    /// A cgroup, or nothing.
    #[cfg_attr(not(test), allow(dead_code, reason = "for tests; elsewhere than on Linux there is no difference"))]
    Cgroup,
    /// A shim, whether a cgroup could be made or not.
    #[cfg_attr(not(test), allow(dead_code, reason = "for tests: users have no reason to prefer it"))]
    Shim,
}

/// Why a server cannot be held, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Uncontained(String);

impl fmt::Display for Uncontained {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Uncontained {}
