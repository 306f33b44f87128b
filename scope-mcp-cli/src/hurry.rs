//! The second Ctrl-C: whatever is left of the servers is killed, so that the closing has nothing to wait for.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

/// Kills what carries this program's marker, again and again until this is dropped: one that is being started right now
/// is found next time.
#[derive(Debug)]
pub(crate) struct Hurry {
    over: Arc<AtomicBool>,
}

const EVERY: Duration = Duration::from_millis(20);

impl Hurry {
    pub(crate) fn start() -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let until = over.clone();
        // A thread, for a scan blocks. Without one, the servers get the time that they would have had.
        _ = thread::Builder::new().name("hurry".into()).spawn(move || {
            while !until.load(Ordering::Relaxed) {
                kill_marked();
                thread::sleep(EVERY);
            }
        });
        Hurry { over }
    }
}

impl Drop for Hurry {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
    }
}

/// A number may change hands between a scan and a signal. So each process is held by a descriptor first, and gets the
/// signal only if a second scan still finds it.
#[cfg(target_os = "linux")]
fn kill_marked() {
    use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

    let scan = || scope_process::marked().unwrap_or_default().into_iter().map(|found| found.pid);
    let held: Vec<_> = scan()
        .filter_map(|pid| {
            let handle = pidfd_open(Pid::from_raw(pid.try_into().ok()?)?, PidfdFlags::empty()).ok()?;
            Some((pid, handle))
        })
        .collect();
    if held.is_empty() {
        return;
    }
    let still: Vec<u32> = scan().collect();
    for (pid, handle) in held {
        if still.contains(&pid) {
            // It fails for one that has just ended.
            _ = pidfd_send_signal(handle, Signal::KILL);
        }
    }
}

/// There is nothing to scan: the servers' groups are ended in the time that they have.
#[cfg(not(target_os = "linux"))]
fn kill_marked() {}
