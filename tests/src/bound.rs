//! A bound on every test, so that a hang is a failure with a name.

use std::panic::resume_unwind;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

/// How long a case may take, all seeds together, before it counts as hung. Real time, and generous: a loaded machine
/// is no failure. The longest (400 000 nested scopes, unoptimized) takes 5 s alone, 20 s under the sanitizer, and several
/// times that where others have the processors.
pub const HANG_BOUND: Duration = Duration::from_secs(300);

/// Runs `test` on a thread of its own.
///
/// # Panics
/// With what `test` panicked with; and when it has not ended within [`HANG_BOUND`], naming `name`. Its thread is left
/// behind then: nothing can end it, and the process is about to.
pub fn within_bound(name: &str, test: impl FnOnce() + Send + 'static) {
    let (ended, wait) = mpsc::channel::<()>();
    let thread = thread::Builder::new()
        .name(name.to_owned())
        .spawn(move || {
            // Dropped when `test` returns or unwinds: either way the other end hears of it.
            let _ended = ended;
            test();
        })
        .expect("the machine has a thread left for a test");
    if let Err(mpsc::RecvTimeoutError::Timeout) = wait.recv_timeout(HANG_BOUND) {
        panic!("{name} hangs: it has not ended within {HANG_BOUND:?}");
    }
    if let Err(panic) = thread.join() {
        resume_unwind(panic);
    }
}

#[cfg(test)]
mod tests {
    use super::within_bound;

    #[test]
    #[should_panic(expected = "boom")]
    fn a_panic_comes_through() {
        within_bound("a_panic_comes_through", || panic!("boom"));
    }
}
