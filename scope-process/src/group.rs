//! One child and all that it has started: who they are, and signals to them.
//!
//! # Invariants
//! 1. A signal goes to the group's *number* only under the lock and while [`Leader::pins`] holds: the number cannot be a
//!    stranger's then.
//! 2. The leader is reaped under the lock, last, by [`Group::reap`], and nowhere else.
//! 3. A single process is signalled through a pidfd, after it has been looked at again with the pidfd open.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::process::{Child, ExitStatus};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::process::{Pid, Signal};

use crate::OwnerId;
use crate::exit::{self, ExitWatch};
use crate::orphans;
use crate::scan::{self, Straggler, Target};

pub(crate) struct Group {
    /// The leader's number, and the group's.
    pub(crate) pid: Pid,
    /// The number of the child, by which its marker tells it from its siblings.
    pub(crate) number: u64,
    pub(crate) exit: Arc<ExitWatch>,
    leader: Mutex<Leader>,
}

struct Leader {
    pid: Pid,
    /// `None` once it is reaped, or left to [`orphans`].
    child: Option<Child>,
}

impl Leader {
    /// Whether the leader, alive or dead, still holds its number. Not if someone else has reaped it: a loop that waits
    /// for any child, or the kernel where SIGCHLD is ignored.
    fn pins(&self) -> bool {
        self.child.is_some() && exit::peek(self.pid).is_ok()
    }

    fn signal_group(&self, signal: Signal) {
        if self.pins() {
            // An error says that there is nobody, or nobody that may be signalled: the scan tells.
            let _ = rustix::process::kill_process_group(self.pid, signal);
        }
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

/// What killing came to.
#[derive(Debug, Default)]
pub(crate) struct Swept {
    /// Whom it found and killed, beside the leader.
    pub(crate) killed: Vec<Straggler>,
    /// Who is left, the leader included.
    pub(crate) survivors: Vec<Straggler>,
    pub(crate) ran_out: bool,
    pub(crate) error: Option<io::Error>,
}

impl Group {
    pub(crate) fn new(child: Child, pid: Pid, number: u64, exit: ExitWatch) -> Group {
        let leader = Mutex::new(Leader { pid, child: Some(child) });
        Group { pid, number, exit: Arc::new(exit), leader }
    }

    fn leader(&self) -> MutexGuard<'_, Leader> {
        self.leader.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn target(&self, leader: &Leader) -> Target {
        Target::child_of(OwnerId::of_this_host(), self.number).or_in(leader.pins().then_some(self.pid))
    }

    /// All that is left but the leader. In a function of its own: a caller who can prove that there is nobody need not
    /// pay for the scan.
    fn find_others(&self, target: &Target) -> io::Result<Vec<Straggler>> {
        let mut found = scan::find(target)?;
        found.retain(|straggler| straggler.pid != self.raw_pid());
        Ok(found)
    }

    pub(crate) fn raw_pid(&self) -> u32 {
        self.pid.as_raw_pid().unsigned_abs()
    }

    /// Looks who is left, and if there is anybody and `terminate` is set, sends them SIGTERM. Blocking.
    pub(crate) fn survey(&self, terminate: bool) -> Survey {
        let leader = self.leader();
        let target = self.target(&leader);
        let mut survey = Survey::default();
        match self.find_others(&target) {
            Ok(found) => survey.found = found,
            Err(e) => {
                // Where zombies answer, this is always so; then killing what is not there does no harm.
                survey.in_doubt = leader.pins() && rustix::process::test_kill_process_group(self.pid).is_ok();
                survey.error = Some(e);
            }
        }
        survey.leader_ended = self.exit.has_ended();
        if survey.is_empty() {
            return survey;
        }
        // CONT after TERM: who is stopped, by the terminal say, takes no signal but these two and KILL.
        let signals = [Signal::TERM, Signal::CONT];
        if terminate {
            signals.iter().for_each(|signal| leader.signal_group(*signal));
        }
        for straggler in &survey.found {
            // The group has been told.
            let told = straggler.group == self.raw_pid() && leader.pins();
            let signals = if terminate && !told { &signals[..] } else { &[] };
            if let Told::Sent(Some(fd)) = tell(straggler, &target, signals) {
                survey.fds.push(fd);
            }
        }
        survey
    }

    /// Kills the group and whoever carries the marker, until nobody is left or `limit` is over. Blocking, for a few
    /// milliseconds as a rule.
    pub(crate) fn sweep(&self, limit: Duration) -> Swept {
        let now = Instant::now();
        let deadline = now.checked_add(limit).unwrap_or(now + Duration::from_secs(86400));
        let leader = self.leader();
        let target = self.target(&leader);
        leader.signal_group(Signal::KILL);
        // The scan that follows would otherwise find those that are dying already.
        self.exit.wait_blocking(deadline.min(now + Duration::from_millis(20)));

        let mut swept = Swept::default();
        loop {
            let found = match self.find_others(&target) {
                Ok(found) => found,
                Err(e) => {
                    swept.error = Some(e);
                    break;
                }
            };
            let left = deadline.saturating_duration_since(Instant::now());
            let (mut denied, mut killed) = (0, Vec::new());
            for straggler in &found {
                match tell(straggler, &target, &[Signal::KILL]) {
                    Told::Sent(fd) => {
                        killed.push(fd);
                        if swept.killed.iter().all(|known| known.pid != straggler.pid) {
                            swept.killed.push(straggler.clone());
                        }
                    }
                    Told::Gone => {}
                    Told::Denied => denied += 1,
                }
            }
            if denied == found.len() || left.is_zero() {
                swept.ran_out = denied < found.len();
                swept.survivors = found;
                break;
            }
            let fds: Vec<_> = killed.iter().flatten().map(AsFd::as_fd).collect();
            exit::wait_all(&fds, left.min(Duration::from_millis(50)));
            if fds.len() < killed.len() {
                // No pidfds here: the killed are given the time to die.
                std::thread::sleep(left.min(Duration::from_millis(1)));
            }
        }
        if !self.exit.wait_blocking(deadline) {
            swept.ran_out = true;
            swept.survivors.extend(scan::look(self.pid, &target));
        }
        swept
    }

    /// Reaps the leader, if it has ended; else leaves that to later starts. Nothing may be signalled by number after it,
    /// and nothing is: this is the last step. Its status, if nobody else has reaped it.
    pub(crate) fn reap(&self) -> Option<ExitStatus> {
        let mut leader = self.leader();
        let mut child = leader.child.take()?;
        let status = match child.try_wait() {
            Ok(Some(status)) => Some(status),
            Ok(None) => {
                orphans::adopt(child);
                return None;
            }
            Err(_) => None,
        };
        self.exit.set_reaped();
        orphans::reap();
        status
    }
}

enum Told {
    Sent(Option<OwnedFd>),
    Gone,
    Denied,
}

/// Signals one process that a scan has found, if it is still that one. The pidfd is handed out to wait for its end.
fn tell(straggler: &Straggler, target: &Target, signals: &[Signal]) -> Told {
    let Some(pid) = i32::try_from(straggler.pid).ok().and_then(Pid::from_raw) else {
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
    if scan::look(pid, target).is_none() {
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
