//! What can be set for a run.

use std::time::Duration;

use crate::driver;
use crate::error::Report;
use crate::runtime::TestRuntime;

/// The environment variable that repeats one seed, with every step printed.
pub const SEED_VARIABLE: &str = "SCOPE_TEST_SEED";

/// A run, before it starts.
///
/// ```
/// use scope_test::Config;
///
/// let error = Config::new(3).try_block_on(async |_| std::future::pending::<()>().await).into_result().unwrap_err();
/// assert!(error.is_deadlock());
/// assert_eq!(error.seed(), 3);
/// ```
#[derive(Clone, Debug)]
#[must_use = "a configuration does nothing until it runs something"]
pub struct Config {
    pub(crate) seed: u64,
    pub(crate) step_limit: u64,
    pub(crate) hang_limit: Duration,
    pub(crate) trace_limit: usize,
    pub(crate) blocking_threads: bool,
    pub(crate) print: bool,
}

impl Config {
    /// The defaults, with `seed`. The steps are printed if `SCOPE_TEST_SEED` names the same seed.
    ///
    /// # Panics
    /// If `SCOPE_TEST_SEED` is set to something other than a number (decimal, or hexadecimal after `0x`).
    pub fn new(seed: u64) -> Self {
        Config {
            seed,
            step_limit: 10_000_000,
            hang_limit: Duration::from_secs(30),
            trace_limit: 10_000,
            blocking_threads: false,
            print: seed_to_repeat() == Some(seed),
        }
    }

    /// After how many steps the run fails: 10 million by default. It catches a task that wakes itself for ever.
    pub fn step_limit(mut self, steps: u64) -> Self {
        self.step_limit = steps;
        self
    }

    /// For how long, in real time, a run with nothing to do waits for threads at work
    /// ([`TestRuntime::outside`], [`Config::blocking_threads`]): 30 seconds by default.
    pub fn hang_limit(mut self, limit: Duration) -> Self {
        self.hang_limit = limit;
        self
    }

    /// How many events the [`Trace`](crate::Trace) keeps, the last ones: 10 000 by default.
    pub fn trace_limit(mut self, events: usize) -> Self {
        self.trace_limit = events;
        self
    }

    /// Runs blocking work on real threads, one for each. By default it runs on the run's own thread, each as one step,
    /// so that the seed decides all; there, work that waits for a task of the same run would wait for ever.
    ///
    /// A run that ends well has waited for these threads; one that fails leaves them to themselves.
    pub fn blocking_threads(mut self, on: bool) -> Self {
        self.blocking_threads = on;
        self
    }

    /// Prints every step to standard error as it is taken, as `SCOPE_TEST_SEED` does.
    pub fn print_steps(mut self, on: bool) -> Self {
        self.print = on;
        self
    }

    /// Runs the future that `root` makes, and all the tasks spawned meanwhile, on the calling thread.
    ///
    /// # Panics
    /// As [`block_on`](crate::block_on).
    #[track_caller]
    pub fn block_on<T>(self, root: impl AsyncFnOnce(TestRuntime) -> T) -> T {
        match self.try_block_on(root).into_result() {
            Ok(value) => value,
            Err(error) => panic!("{error}"),
        }
    }

    /// As [`Config::block_on`], and reports how it went.
    ///
    /// # Panics
    /// With the panic of the root, a task or blocking work, after everything left has been dropped.
    pub fn try_block_on<T>(self, root: impl AsyncFnOnce(TestRuntime) -> T) -> Report<T> {
        driver::drive(self, root)
    }
}

/// What `SCOPE_TEST_SEED` says.
#[track_caller]
pub(crate) fn seed_to_repeat() -> Option<u64> {
    let text = std::env::var_os(SEED_VARIABLE)?;
    let number = text.to_str().and_then(parse);
    assert!(
        number.is_some(),
        "{SEED_VARIABLE} is {text:?}: it takes one seed, as a decimal number or a hexadecimal one after 0x"
    );
    number
}

fn parse(text: &str) -> Option<u64> {
    match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    }
}

/// Runs the future that `root` makes, and all the tasks spawned meanwhile, on the calling thread, in an order that
/// `seed` decides.
///
/// The root need be neither `Send` nor `'static`. It may be any function that takes a [`TestRuntime`] and returns a
/// future: `async |rt| …`, or `|rt: TestRuntime| async move { … }`.
///
/// Before it returns, the runtime's orphan root has [settled](scope_core::rt::Handle::settled): what the root dropped
/// before its end, with no scope around it, has been cleaned up. Then everything left in the run has been dropped, in an
/// order that the seed decides too.
///
/// # Panics
/// * With the panic of the root, of a task or of blocking work; the run stops there.
/// * With the text of a [`RunError`](crate::RunError): a deadlock; tasks, blocking work, scopes, finalizers or armed timers
///   left when the root has ended; the [step limit](Config::step_limit); the [hang limit](Config::hang_limit).
///
/// In each case the seed has been printed, and how to repeat the run.
#[track_caller]
pub fn block_on<T>(seed: u64, root: impl AsyncFnOnce(TestRuntime) -> T) -> T {
    Config::new(seed).block_on(root)
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn seeds_are_decimal_or_hexadecimal() {
        assert_eq!(parse("17"), Some(17));
        assert_eq!(parse("0x1f"), Some(31));
        assert_eq!(parse("18446744073709551615"), Some(u64::MAX));
        for bad in ["", "x", "-1", "0x", "1 2", "18446744073709551616"] {
            assert_eq!(parse(bad), None, "{bad:?}");
        }
    }
}
