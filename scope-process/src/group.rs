//! One child and all that it has started: who they are, and signals to them.
//!
//! # Invariants
//! 1. A signal goes to the group's *number* only under the lock and while [`Leader::pins`] holds: the number cannot be a
//!    stranger's then.
//! 2. The leader is reaped under the lock, last, by [`Group::reap`], and nowhere else.
//! 3. The guardian forgets the group's number before the leader is reaped.
//! 4. A single process is signalled through a pidfd, after it has been looked at again with the pidfd open.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::process::{Child, ExitStatus};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::process::{Pid, Signal};

use crate::OwnerId;
use crate::containment::Containment;
use crate::exit::{self, ExitWatch};
use crate::scan::{self, Straggler, Target};
use crate::sweep::{self, Swept};
use crate::{keeper, orphans};

pub(crate) struct Group {
    /// The leader's number, and the group's.
    pub(crate) pid: Pid,
    /// The number of the child, by which its marker tells it from its siblings.
    pub(crate) number: u64,
    pub(crate) exit: Arc<ExitWatch>,
    /// The leader is a shim, which ends later than the server.
    outlives_server: bool,
    pub(crate) is_contained: bool,
    /// Held for as long as a look or a sweep takes: not to be waited for on a thread that runs tasks.
    leader: Mutex<Leader>,
}

pub(crate) struct Leader {
    pid: Pid,
    /// `None` once it is reaped, or left to [`orphans`].
    child: Option<Child>,
    contained: Option<Containment>,
    /// How it ended, once it is reaped.
    status: Option<ExitStatus>,
    /// Those of its own that were told to end and may be this host's to reap, where orphans become its children.
    foundlings: Vec<OwnedFd>,
}

impl Leader {
    /// Whether the leader, alive or dead, still holds its number. Not if someone else has reaped it: a loop that waits
    /// for any child, or the kernel where SIGCHLD is ignored.
    pub(crate) fn pins(&self) -> bool {
        self.child.is_some() && exit::peek(self.pid).is_ok()
    }

    fn signal_group(&self, signal: Signal) {
        if self.pins() {
            // An error says that there is nobody, or nobody that may be signalled: the scan tells.
            let _ = rustix::process::kill_process_group(self.pid, signal);
        }
    }

    pub(crate) fn kill(&self) {
        self.signal_group(Signal::KILL);
        if let Some(contained) = &self.contained {
            // Whom it does not reach, the look that follows may.
            let _ = contained.kill();
        }
    }

    /// Who is in the containment, beside the server itself.
    pub(crate) fn contained(&self) -> Vec<u32> {
        let Some(contained) = &self.contained else { return Vec::new() };
        let server = contained.server().map(|pid| pid.as_raw_pid().unsigned_abs());
        let mut members = contained.members().unwrap_or_default();
        members.retain(|pid| Some(*pid) != server);
        members
    }

    /// Whether `pid` dies with the containment, once that is killed, whoever it belongs to.
    pub(crate) fn dooms(&self, pid: u32) -> bool {
        let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
        self.contained.as_ref().zip(pid).is_some_and(|(contained, pid)| contained.dooms(pid))
    }

    /// Blocks until the containment is empty and the leader itself has ended, or `deadline`.
    pub(crate) fn wait_contained(&self, deadline: Instant) -> bool {
        self.contained.as_ref().is_none_or(|contained| contained.wait_empty(deadline))
    }
}

/// What a look at the group found.
#[derive(Debug, Default)]
pub(crate) struct Survey {
    /// Whom it found, beside the leader.
    pub(crate) found: Vec<Straggler>,
    /// A pidfd for each, as far as there are any.
    pub(crate) fds: Vec<OwnedFd>,
    pub(crate) leader_ended: bool,
    /// Whether there may be somebody that a scan would have found.
    pub(crate) in_doubt: bool,
    pub(crate) error: Option<io::Error>,
}

impl Survey {
    pub(crate) fn is_empty(&self) -> bool {
        self.leader_ended && self.found.is_empty() && !self.in_doubt
    }

    pub(crate) fn left(&self) -> usize {
        self.found.len() + usize::from(!self.leader_ended)
    }
}

impl Group {
    pub(crate) fn new(child: Child, pid: Pid, number: u64, exit: ExitWatch, contained: Option<Containment>) -> Group {
        let outlives_server = contained.as_ref().is_some_and(|contained| contained.server().is_some());
        let is_contained = contained.is_some();
        let leader = Leader { pid, child: Some(child), contained, status: None, foundlings: Vec::new() };
        Group { pid, number, exit: Arc::new(exit), outlives_server, is_contained, leader: Mutex::new(leader) }
    }

    pub(crate) fn leader(&self) -> MutexGuard<'_, Leader> {
        self.leader.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn target(&self, leader: &Leader) -> Target {
        let (pins, has_ended) = match leader.child.is_some().then(|| exit::peek(self.pid)) {
            Some(Ok(status)) => (true, status.is_some()),
            _ => (false, false),
        };
        let target = Target::children_of(OwnerId::of_this_host(), [self.number]);
        target.or_in(pins.then_some(self.pid)).but_ended(has_ended.then_some(self.pid))
    }

    /// Of those `found`, perhaps for others too, the ones that are this child's, and those in its containment; but not the
    /// leader.
    pub(crate) fn its_own(&self, leader: &Leader, found: &[Straggler]) -> Vec<Straggler> {
        let server = leader.contained.as_ref().and_then(Containment::server);
        let server = server.map(|pid| pid.as_raw_pid().unsigned_abs());
        let pins = leader.pins();
        let is_own = |one: &&Straggler| {
            (one.child == Some(self.number) || one.group == self.raw_pid() && pins)
                && one.pid != self.raw_pid()
                && Some(one.pid) != server
        };
        let mut own: Vec<_> = found.iter().filter(is_own).cloned().collect();
        for pid in leader.contained() {
            if own.iter().all(|known| known.pid != pid) {
                own.extend(pid_of(pid).and_then(scan::describe));
            }
        }
        own
    }

    /// How the server ended, once it has. Never waits: in the middle of being ended, one with a shim may have ended and
    /// not be known to have.
    pub(crate) fn status(&self) -> Option<ExitStatus> {
        if let Some(status) = self.reaped() {
            return status;
        }
        let of_leader = || exit::peek(self.pid).ok().flatten();
        if !self.outlives_server {
            return of_leader();
        }
        match self.leader.try_lock() {
            Ok(leader) => leader.contained.as_ref().map_or(leader.status, Containment::status),
            Err(_) => of_leader(),
        }
    }

    /// How the leader ended, if it is not to be reaped any more; `None` inside if somebody else has reaped it, or still
    /// has to. Never waits.
    pub(crate) fn reaped(&self) -> Option<Option<ExitStatus>> {
        let leader = self.leader.try_lock().ok()?;
        leader.child.is_none().then_some(leader.status)
    }

    pub(crate) fn raw_pid(&self) -> u32 {
        self.pid.as_raw_pid().unsigned_abs()
    }

    /// What a look for this one has to find, and whether the leader had ended before.
    pub(crate) fn wanted(&self) -> (Target, bool) {
        let leader = self.leader();
        (self.target(&leader), self.exit.has_ended())
    }

    /// The same; `None` while somebody else looks for it or ends it.
    pub(crate) fn try_wanted(&self) -> Option<(Target, bool)> {
        let leader = self.leader.try_lock().ok()?;
        Some((self.target(&leader), self.exit.has_ended()))
    }

    /// Concludes from a look for [`wanted`](Group::wanted), perhaps for others too, who is left. If that is nobody it reaps
    /// the leader; if there is anybody and `terminate` is set, it sends them SIGTERM. Blocking.
    pub(crate) fn survey(&self, looked: &io::Result<Vec<Straggler>>, leader_ended: bool, terminate: bool) -> Survey {
        let mut leader = self.leader();
        // One that ended later may have started somebody after the look.
        let mut survey = Survey { leader_ended, ..Survey::default() };
        match looked {
            Ok(found) => survey.found = self.its_own(&leader, found),
            Err(e) => {
                // Where zombies answer, this is always so; then killing what is not there does no harm.
                survey.in_doubt = leader.pins() && rustix::process::test_kill_process_group(self.pid).is_ok();
                survey.error = Some(io::Error::new(e.kind(), e.to_string()));
                survey.found = self.its_own(&leader, &[]);
            }
        }
        if survey.is_empty() {
            // A subreaper follows the last of them.
            survey.in_doubt = !leader.wait_contained(Instant::now() + FOLLOWS);
            drop(leader);
            if survey.is_empty() {
                self.reap();
            }
            return survey;
        }
        let target = self.target(&leader);
        // CONT after TERM: who is stopped, by the terminal say, takes no signal but these two and KILL.
        let signals = [Signal::TERM, Signal::CONT];
        if terminate {
            signals.iter().for_each(|signal| leader.signal_group(*signal));
        }
        for straggler in &survey.found {
            // The group has been told.
            let told = straggler.group == self.raw_pid() && leader.pins();
            let signals = if terminate && !told { &signals[..] } else { &[] };
            if let Told::Sent(Some(fd)) = tell(straggler, &target, &leader, signals) {
                survey.fds.push(fd);
            }
        }
        if terminate && orphans::come_here() {
            leader.foundlings.extend(survey.fds.iter().filter_map(|fd| fd.try_clone().ok()));
        }
        survey
    }

    /// Kills the group and whoever carries the marker, until nobody is left or `limit` is over. Blocking, for a few
    /// milliseconds as a rule.
    pub(crate) fn sweep(&self, limit: Duration) -> Swept {
        sweep::sweep(&[self], limit).pop().unwrap_or_default()
    }

    /// Sends SIGKILL, and waits for nothing.
    pub(crate) fn kill(&self) {
        // Whoever holds the lock is looking for what to kill, or at it.
        if let Ok(leader) = self.leader.try_lock() {
            leader.kill();
        }
    }

    /// Reaps the leader, if it has ended; else leaves that to later starts. Nothing may be signalled by number after it,
    /// and nothing is: this is the last step. Its status, if nobody else has reaped it. Blocking: a cgroup may take some
    /// milliseconds to go.
    pub(crate) fn reap(&self) -> Option<ExitStatus> {
        let mut leader = self.leader();
        let Some(mut child) = leader.child.take() else { return leader.status };
        // Before the number can be another's.
        keeper::remove_group(self.pid);
        let mut contained = leader.contained.take();
        if let Some(contained) = &mut contained {
            let path = contained.cgroup_path().map(Path::to_owned);
            // Where somebody survived, the directory is left to the guardian.
            if let (Ok(()), Some(path)) = (contained.remove(), path) {
                keeper::remove_box(&path);
            }
        }
        leader.status = match child.try_wait() {
            Ok(Some(status)) => Some(status),
            Ok(None) => {
                orphans::adopt(child);
                return None;
            }
            Err(_) => None,
        };
        self.exit.set_reaped();
        orphans::reap_group(self.pid);
        if let Some(contained) = contained.filter(|_| orphans::come_here()) {
            // Also who was never seen alive, or ended by itself when its parent had.
            scan::dead_children().into_iter().filter(|pid| contained.dooms(*pid)).for_each(orphans::reap_one);
        }
        for fd in leader.foundlings.drain(..) {
            let _ = orphans::reap_foundling(fd.as_fd());
        }
        orphans::reap();
        leader.status
    }
}

/// How long the leader of a containment may take to follow the last one that was in there.
const FOLLOWS: Duration = Duration::from_secs(1);

pub(crate) fn pid_of(pid: u32) -> Option<Pid> {
    i32::try_from(pid).ok().and_then(Pid::from_raw)
}

pub(crate) enum Told {
    Sent(Option<OwnedFd>),
    Gone,
    Denied,
}

/// Signals one process that a scan has found, if it is still that one. The pidfd is handed out to wait for its end.
pub(crate) fn tell(straggler: &Straggler, target: &Target, leader: &Leader, signals: &[Signal]) -> Told {
    let Some(pid) = pid_of(straggler.pid) else {
        return Told::Gone;
    };
    let fd = match exit::pidfd(pid) {
        Ok(fd) => fd,
        Err(e) if Errno::from_io_error(&e) == Some(Errno::SRCH) => return Told::Gone,
        // No descriptor left: by number, right after the look. That can hit a stranger only if a number comes round in
        // these microseconds; not to kill would be worse.
        Err(_) => None,
    };
    // The number may have been given to another between the scan and the opening. From here on the pidfd stands for
    // whoever is seen now, or for someone dead.
    if scan::look(pid, target).is_none() && !leader.contained().contains(&straggler.pid) {
        return Told::Gone;
    }
    for signal in signals {
        match send(fd.as_ref(), pid, *signal) {
            Ok(()) => {}
            Err(Errno::PERM) => return Told::Denied,
            Err(_) => return Told::Gone,
        }
    }
    Told::Sent(fd)
}

#[cfg(target_os = "linux")]
fn send(fd: Option<&OwnedFd>, pid: Pid, signal: Signal) -> rustix::io::Result<()> {
    match fd {
        Some(fd) => rustix::process::pidfd_send_signal(fd, signal),
        None => rustix::process::kill_process(pid, signal),
    }
}

#[cfg(not(target_os = "linux"))]
fn send(_: Option<&OwnedFd>, pid: Pid, signal: Signal) -> rustix::io::Result<()> {
    rustix::process::kill_process(pid, signal)
}
