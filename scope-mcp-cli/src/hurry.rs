//! The second Ctrl-C: whatever is left of the servers is killed, so that the closing has nothing to wait for.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

/// Kills what this program has started, again and again until this is dropped: one that is being started right now is
/// killed next time.
#[derive(Debug)]
pub(crate) struct Hurry {
    over: Arc<AtomicBool>,
}

const EVERY: Duration = Duration::from_millis(20);

impl Hurry {
    pub(crate) fn start() -> Self {
        scope_process::kill_all();
        let over = Arc::new(AtomicBool::new(false));
        let until = over.clone();
        // Without a thread, what is started right now gets the time that it would have had.
        _ = thread::Builder::new().name("hurry".into()).spawn(move || {
            while !until.load(Ordering::Relaxed) {
                thread::sleep(EVERY);
                scope_process::kill_all();
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
