//! Children that were killed and have not died in the time given: stuck in the kernel, on a dead network drive, say.
//!
//! They have been reported as survivors. What is left to do is to reap them when they do die, and the starts and ends
//! of other children are when that is looked for.

use std::os::fd::BorrowedFd;
use std::process::Child;
use std::sync::{Mutex, PoisonError};

use rustix::process::{Pid, WaitId, WaitIdOptions};

static ORPHANS: Mutex<Vec<Child>> = Mutex::new(Vec::new());

pub(crate) fn adopt(child: Child) {
    ORPHANS.lock().unwrap_or_else(PoisonError::into_inner).push(child);
}

pub(crate) fn reap() {
    let mut orphans = ORPHANS.lock().unwrap_or_else(PoisonError::into_inner);
    // An error means that there is no such child any more.
    orphans.retain_mut(|child| matches!(child.try_wait(), Ok(None)));
}

/// Whether processes that lose their parent become this host's children: it is PID 1, or a subreaper.
#[cfg(target_os = "linux")]
pub(crate) fn come_here() -> bool {
    std::process::id() == 1 || rustix::process::child_subreaper().is_ok_and(|reaper| reaper.is_some())
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn come_here() -> bool {
    std::process::id() == 1
}

/// Reaps one that was killed and has become this host's child, as happens where the host is PID 1 or has been made a
/// subreaper. It is nobody's else to wait for: std never knew of it. False if it has not become that yet, or never will, or
/// has not died.
#[cfg(target_os = "linux")]
pub(crate) fn reap_foundling(pidfd: BorrowedFd<'_>) -> bool {
    let reaped = rustix::process::waitid(WaitId::PidFd(pidfd), WaitIdOptions::EXITED | WaitIdOptions::NOHANG);
    matches!(reaped, Ok(Some(_)))
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn reap_foundling(_: BorrowedFd<'_>) -> bool {
    false
}

/// The same for whoever is left, dead, of a group whose leader has just been reaped.
pub(crate) fn reap_group(group: Pid) {
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG;
    while let Ok(Some(_)) = rustix::process::waitid(WaitId::Pgid(Some(group)), options) {}
}

/// The same for a dead child of this host's that std never knew of.
pub(crate) fn reap_one(pid: Pid) {
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG;
    let _ = rustix::process::waitid(WaitId::Pid(pid), options);
}
