//! Running one test on every runtime, within a bounded time, and looking for what it left running.

use std::sync::mpsc;
use std::time::{Duration, Instant};

use scope_core::{Nursery, ScopeError};
use scope_mcp::{Client, ClientOptions, OpenError, ServerSpec};
use scope_process::Budgets;

use crate::peer;

/// Longer than any test may take on a slow machine.
const HANG: Duration = Duration::from_secs(90);

/// The variable by which a test's processes are found again.
const TAG: &str = "SCOPE_MCP_TEST";

/// Defines a test, to be listed in `main`, that runs on every runtime: `async fn name(n, test) { .. }`, with `n` a nursery and `test` a [`Test`].
macro_rules! on_every_runtime {
    ($(#[$doc:meta])* async fn $name:ident($n:ident, $test:ident) $body:block) => {
        $(#[$doc])*
        pub(crate) fn $name() {
            const $test: $crate::support::Test = $crate::support::Test(stringify!($name));
            async fn body($n: &::scope_core::Nursery<'_, '_>) -> Result<(), ::scope_core::Failure> {
                $body
                Ok(())
            }
            $test.run("tokio", || ::scope_tokio::run(body));
            $test.run("tokio, current thread", || ::scope_tokio::run_current_thread(body));
            $test.run("smol", || ::scope_smol::run(body));
            $test.run("smol, current thread", || ::scope_smol::run_current_thread(body));
        }
    };
}
pub(crate) use on_every_runtime;

/// One test, by its name.
#[derive(Clone, Copy)]
pub(crate) struct Test(pub(crate) &'static str);

impl Test {
    /// The test's server, of that kind. It gets little time to end, so that those who do not are ended soon.
    pub(crate) fn peer(self, kind: &str) -> ServerSpec {
        let this = std::env::current_exe().expect("the path of this program");
        self.program(this.to_str().expect("a UTF-8 path")).arg(peer::FLAG).arg(kind)
    }

    /// A server that is a shell script.
    pub(crate) fn script(self, script: &str) -> ServerSpec {
        self.program("sh").arg("-c").arg(script)
    }

    pub(crate) fn program(self, command: &str) -> ServerSpec {
        let soon = Duration::from_millis(300);
        let budgets = Budgets::default().with_after_eof(soon).with_after_term(soon);
        ServerSpec::new("peer", command).env(TAG, self.tag()).budgets(budgets)
    }

    /// Has its process found by [`left`](Test::left).
    pub(crate) fn tag_command(self, command: &mut std::process::Command) {
        command.env(TAG, self.tag());
    }

    pub(crate) fn run(self, runtime: &'static str, test: impl FnOnce() -> Result<(), ScopeError> + Send + 'static) {
        let (done, wait) = mpsc::channel();
        let thread = std::thread::spawn(move || {
            let result = test();
            // Sent even if nobody waits any more.
            let _ = done.send(());
            result
        });
        if wait.recv_timeout(HANG) == Err(mpsc::RecvTimeoutError::Timeout) {
            panic!("{} on {runtime}: not done after {HANG:?}", self.0);
        }
        match thread.join() {
            Ok(Ok(())) => {}
            Ok(Err(error)) => panic!("{} on {runtime}: {error:#}", self.0),
            Err(panic) => {
                eprintln!("{} on {runtime}: panicked", self.0);
                std::panic::resume_unwind(panic);
            }
        }
        let left = self.left();
        assert!(left.is_empty(), "{} on {runtime}: left running: {left:?}", self.0);
    }

    /// Not that of an earlier run, which may have been killed in the middle.
    fn tag(self) -> String {
        format!("{}-{}", std::process::id(), self.0)
    }

    /// The processes of this test that are running. Found by their environment, with nothing that scope-process knows.
    pub(crate) fn left(self) -> Vec<u32> {
        let tag = format!("{TAG}={}", self.tag());
        let processes = std::fs::read_dir("/proc").into_iter().flatten().flatten();
        processes
            .filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok())
            .filter(|pid| {
                let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
                environment.split(|byte| *byte == 0).any(|variable| variable == tag.as_bytes())
            })
            .collect()
    }
}

/// Time-outs long enough never to matter, except where a test sets one.
pub(crate) fn options() -> ClientOptions {
    ClientOptions::default().open_timeout(HANG).call_timeout(HANG)
}

/// Asserts that people are told so.
#[track_caller]
pub(crate) fn assert_says(it: impl std::fmt::Display, what: &str) {
    let text = it.to_string();
    assert!(text.contains(what), "{text:?} does not say {what:?}");
}

/// Opens a server with those.
pub(crate) async fn open(n: &Nursery<'_, '_>, spec: ServerSpec) -> Result<Client, OpenError> {
    Client::open(n, spec, options()).await
}

/// Asserts that something took no longer than a user would wait.
pub(crate) struct Clock(Instant);

impl Clock {
    pub(crate) fn start() -> Self {
        Clock(Instant::now())
    }

    #[track_caller]
    pub(crate) fn assert_within(&self, seconds: u64) {
        let took = self.0.elapsed();
        assert!(took < Duration::from_secs(seconds), "took {took:?}");
    }
}
