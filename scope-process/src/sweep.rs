//! Killing what is left of one child, or of several at once, until one look finds nobody.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use crate::OwnerId;
use crate::exit;
use crate::group::{Group, Leader, Told, pid_of, tell};
use crate::orphans;
use crate::scan::{self, Straggler, Target};
use rustix::process::Signal;
use std::sync::MutexGuard;

/// How many of the killed are kept in mind, by a descriptor each, until they are this host's to reap.
const FOUNDLINGS: usize = 256;

/// What killing one child came to.
#[derive(Debug, Default)]
pub(crate) struct Swept {
    /// Whom it found and killed, beside the leader.
    pub(crate) killed: Vec<Straggler>,
    /// Who is left, the leader included.
    pub(crate) survivors: Vec<Straggler>,
    pub(crate) ran_out: bool,
    pub(crate) error: Option<io::Error>,
}

/// One of those that are swept.
struct Sweeping<'a> {
    group: &'a Group,
    leader: MutexGuard<'a, Leader>,
    found: Vec<Straggler>,
    /// Nobody is left, or nobody that may be signalled.
    over: bool,
    swept: Swept,
}

/// Kills the groups and whoever carries their markers or is contained with them, until nobody is left or `limit` is over.
/// No group may be there twice. Blocking, for a few milliseconds as a rule.
pub(crate) fn sweep(groups: &[&Group], limit: Duration) -> Vec<Swept> {
    let now = Instant::now();
    let deadline = now.checked_add(limit).unwrap_or(now + Duration::from_secs(86400));
    // The only place where several of these locks are held. It is the keeper or has one of them, so that there is no
    // circle to wait in.
    let mut all: Vec<Sweeping<'_>> = groups
        .iter()
        .map(|group| {
            let leader = group.leader();
            Sweeping { group, leader, found: Vec::new(), over: false, swept: Swept::default() }
        })
        .collect();
    let numbers = groups.iter().map(|group| group.number);
    let pinned = all.iter().filter(|one| one.leader.pins()).map(|one| one.group.pid);
    let target = Target::children_of(OwnerId::of_this_host(), numbers).or_in(pinned);
    for one in &mut all {
        one.leader.kill();
    }
    // The look that follows would otherwise find those that are dying already.
    let soon = deadline.min(now + Duration::from_millis(20));
    for one in &all {
        one.group.exit.wait_blocking(soon);
    }
    let mut foundlings: Vec<OwnedFd> = Vec::new();
    while all.iter().any(|one| !one.over) {
        if let Err(e) = look(&mut all, &target) {
            let copy = || io::Error::new(e.kind(), e.to_string());
            all.iter_mut().for_each(|one| one.swept.error = Some(copy()));
            break;
        }
        let left = deadline.saturating_duration_since(Instant::now());
        let mut killed = Vec::new();
        for one in all.iter_mut().filter(|one| !one.over) {
            one.kill_found(&target, &mut killed, left.is_zero());
        }
        let fds: Vec<_> = killed.iter().flatten().map(AsFd::as_fd).collect();
        exit::wait_all(&fds, left.min(Duration::from_millis(50)));
        if fds.len() < killed.len() {
            // No pidfds here: the killed are given the time to die.
            std::thread::sleep(left.min(Duration::from_millis(1)));
        }
        // One that dies before its parent has comes here when that does; and one may take longer to die.
        foundlings.extend(killed.into_iter().flatten());
        foundlings.retain(|fd| !orphans::reap_foundling(fd.as_fd()));
        foundlings.truncate(if orphans::come_here() { FOUNDLINGS } else { 0 });
    }
    // Nobody is left who could be the parent of one.
    foundlings.retain(|fd| !orphans::reap_foundling(fd.as_fd()));
    all.into_iter().map(|one| one.conclude(&target, deadline)).collect()
}

/// Finds who is left of those that are not over.
fn look(all: &mut [Sweeping<'_>], target: &Target) -> io::Result<()> {
    let found = scan::find(target)?;
    for one in all.iter_mut().filter(|one| !one.over) {
        one.found = one.group.its_own(&one.leader, &found);
    }
    Ok(())
}

impl Sweeping<'_> {
    fn kill_found(&mut self, target: &Target, killed: &mut Vec<Option<std::os::fd::OwnedFd>>, is_late: bool) {
        let mut denied = 0;
        for straggler in &self.found {
            match tell(straggler, target, &self.leader, &[Signal::KILL]) {
                Told::Sent(fd) => {
                    killed.push(fd);
                    if self.swept.killed.iter().all(|known| known.pid != straggler.pid) {
                        self.swept.killed.push(straggler.clone());
                    }
                }
                Told::Gone => {}
                // Its cgroup needs no such right: it is dying.
                Told::Denied
                    if self.leader.dooms(straggler.pid) || self.leader.contained().contains(&straggler.pid) => {}
                // Of those who have died since, nothing tells where they were.
                Told::Denied if pid_of(straggler.pid).and_then(scan::describe).is_none() => {}
                Told::Denied => denied += 1,
            }
        }
        if denied == self.found.len() || is_late {
            self.over = true;
            self.swept.ran_out = denied < self.found.len();
            self.swept.survivors = std::mem::take(&mut self.found);
        }
    }

    fn conclude(mut self, target: &Target, deadline: Instant) -> Swept {
        let ended = self.group.exit.wait_blocking(deadline) && self.leader.wait_contained(deadline);
        if !ended {
            self.swept.ran_out = true;
            self.swept.survivors.extend(scan::look(self.group.pid, target));
        }
        self.swept
    }
}
