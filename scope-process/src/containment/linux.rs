//! A cgroup or a shim, whichever can be had.

use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::{Command, ExitStatus};
use std::time::Instant;

use rustix::process::Pid;

use super::cgroup::Cgroup;
use super::shim::Shim;
use super::{Means, Uncontained};
use crate::OwnerId;

pub(crate) enum Containment {
    Cgroup(Cgroup),
    Shim(Shim),
}

/// Makes what will hold the child `number` of `owner`.
///
/// Blocks: for some 0.2 ms with a cgroup, and the first time for the fork of a child that tries to enter one.
///
/// # Errors
/// Why nothing will hold it.
pub(crate) fn prepare(means: Means, owner: OwnerId, number: u64) -> Result<Containment, Uncontained> {
    let cgroup = match means {
        Means::Shim => Err("not asked for".to_owned()),
        Means::Any | Means::Cgroup => Cgroup::new(owner, number),
    };
    let no_cgroup = match cgroup {
        Ok(cgroup) => return Ok(Containment::Cgroup(cgroup)),
        Err(why) => why,
    };
    if means == Means::Cgroup {
        return Err(Uncontained(format!("no cgroup of its own ({no_cgroup})")));
    }
    let no_shim = match Shim::new() {
        Ok(shim) => return Ok(Containment::Shim(shim)),
        Err(why) => why,
    };
    Err(Uncontained(format!("no cgroup of its own ({no_cgroup}), and no subreaper ({no_shim})")))
}

impl Containment {
    /// Has the child of `command` start inside. The command must make it the leader of a group (`process_group(0)`), and
    /// is good for one start. The start fails if it cannot get inside.
    pub(crate) fn arm(&self, command: &mut Command) {
        match self {
            Containment::Cgroup(cgroup) => cgroup.arm(command),
            Containment::Shim(shim) => shim.arm(command),
        }
    }

    /// To be told of the start, right after it: the number of std's child. Drop the command then, too: it holds
    /// descriptors that are the child's.
    pub(crate) fn started(&mut self, leader: Pid) {
        match self {
            Containment::Cgroup(cgroup) => cgroup.started(leader),
            Containment::Shim(shim) => shim.started(leader),
        }
    }

    /// A descriptor that is readable from when the server itself has ended, if that is not when the leader does.
    pub(crate) fn end_fd(&self) -> io::Result<Option<OwnedFd>> {
        match self {
            Containment::Cgroup(_) => Ok(None),
            Containment::Shim(shim) => shim.end_fd().map(Some),
        }
    }

    /// The server's own number, if it is not the leader.
    pub(crate) fn server(&self) -> Option<Pid> {
        match self {
            Containment::Cgroup(_) => None,
            Containment::Shim(shim) => shim.server(),
        }
    }

    /// How the server itself ended, once it has, if it is not the leader. The leader ends in the same way later.
    pub(crate) fn status(&self) -> Option<ExitStatus> {
        match self {
            Containment::Cgroup(_) => None,
            Containment::Shim(shim) => shim.status(),
        }
    }

    /// The live processes inside, beside the leader: with a shim the server is one of them. Blocks for some
    /// milliseconds with a shim, like a scan.
    pub(crate) fn members(&self) -> io::Result<Vec<u32>> {
        match self {
            Containment::Cgroup(cgroup) => cgroup.members(),
            Containment::Shim(shim) => shim.members(),
        }
    }

    /// Whether `pid` is inside and dies with all the others, whoever it belongs to.
    pub(crate) fn dooms(&self, pid: Pid) -> bool {
        match self {
            Containment::Cgroup(cgroup) => cgroup.holds(pid),
            Containment::Shim(_) => false,
        }
    }

    /// Has everybody inside killed, the leader too. Does not wait for that.
    pub(crate) fn kill(&self) -> io::Result<()> {
        match self {
            Containment::Cgroup(cgroup) => cgroup.kill(),
            Containment::Shim(shim) => shim.kill(),
        }
    }

    /// Blocks until nobody alive is left inside, or `deadline`. `false` also if that cannot be known: the shim was
    /// killed.
    pub(crate) fn wait_empty(&self, deadline: Instant) -> bool {
        match self {
            Containment::Cgroup(cgroup) => cgroup.wait_empty(deadline),
            Containment::Shim(shim) => shim.wait_empty(deadline),
        }
    }

    /// Where to write `1` into `cgroup.kill`, and what to remove, when the host is gone. The shim sees that by itself.
    pub(crate) fn cgroup_path(&self) -> Option<&Path> {
        match self {
            Containment::Cgroup(cgroup) => Some(cgroup.path()),
            Containment::Shim(_) => None,
        }
    }

    /// Removes what was made, if nobody is left inside. Dropping it without that has them killed, and then removes it.
    ///
    /// # Errors
    /// Somebody is left.
    pub(crate) fn remove(&mut self) -> io::Result<()> {
        match self {
            Containment::Cgroup(cgroup) => cgroup.remove(),
            Containment::Shim(_) => Ok(()),
        }
    }
}
