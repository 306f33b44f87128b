//! Real servers, as people install and start them: from npm, which `npx` runs as our grandchildren, from PyPI, and one on
//! rmcp. Each on each runtime: everything that a host does in a session's life, and then nothing may be left running.
//!
//! A harness of its own, so that a skip is seen: where a server is not installed, a line says so and how to install it.
//! `SCOPE_REQUIRE_PEERS=1` turns that into a failure. See CONTRIBUTING.md.

mod peers;
mod processes;
mod site;
mod visit;
mod wire;

use std::env;
use std::process::ExitCode;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use libtest_mimic::{Arguments, Completion, Failed, Trial};

use peers::{PEERS, Peer};
use processes::kill_marked;
use visit::Runtime;
use wire::Wire;

/// Far more than a visit takes, on a machine that does much else. Only against hanging for ever.
const PATIENCE: Duration = Duration::from_secs(300);

fn main() -> ExitCode {
    // The server on rmcp is this program, too.
    if env::args_os().nth(1).is_some_and(|first| first == peers::SERVES_RMCP) {
        return peers::serve_rmcp();
    }
    let arguments = Arguments::from_args();
    let mut trials = Vec::new();
    for peer in PEERS {
        let missing = peer.origin().find().err();
        for runtime in Runtime::ALL {
            let name = format!("{}::{}", runtime.name(), peer.name());
            let trial = match &missing {
                None => Trial::test(name, move || visit(peer, runtime)),
                Some(reason) => without(name, reason),
            };
            // Said before the run, because afterwards the libtest-like lines are between this one and the reader.
            if let Some(reason) = missing.as_ref().filter(|_| !required() && !arguments.list)
                && !arguments.is_filtered_out(&trial)
            {
                eprintln!("SKIPPED real peer {}: {reason}", trial.name());
            }
            trials.push(trial);
        }
    }
    libtest_mimic::run(&arguments, trials).exit_code()
}

fn required() -> bool {
    env::var_os("SCOPE_REQUIRE_PEERS").is_some_and(|value| !value.is_empty() && value != "0")
}

/// What stands for a test whose server is not here.
fn without(name: String, reason: &str) -> Trial {
    let reason = reason.to_owned();
    Trial::ignorable_test(name, move || {
        if required() {
            Err(format!("SCOPE_REQUIRE_PEERS is set, but {reason}").into())
        } else {
            Ok(Completion::ignored_with(reason))
        }
    })
}

/// Runs the visit in a thread of its own, so that one that hangs fails, and shows how far it came. A visit that failed
/// may have left its server, whose end was under test: that is ended here.
fn visit(peer: &'static dyn Peer, runtime: Runtime) -> Result<(), Failed> {
    let wire = Wire::default();
    let (done, ended) = mpsc::channel();
    let thread = thread::Builder::new().name(format!("{}-{}", runtime.name(), peer.name())).spawn({
        let wire = wire.clone();
        move || {
            visit::run(peer, runtime, &wire);
            let _ = done.send(());
        }
    })?;
    let what = match ended.recv_timeout(PATIENCE) {
        Ok(()) => return Ok(()),
        Err(mpsc::RecvTimeoutError::Timeout) => format!("no end in sight after {PATIENCE:?}"),
        Err(mpsc::RecvTimeoutError::Disconnected) => match thread.join() {
            Ok(()) => return Ok(()),
            Err(panic) => match panic.downcast::<String>() {
                Ok(text) => *text,
                Err(panic) => match panic.downcast::<&str>() {
                    Ok(text) => (*text).to_owned(),
                    Err(_) => "a panic without a text".to_owned(),
                },
            },
        },
    };
    kill_marked(&visit::mark(peer, runtime));
    Err(format!("{what}\nthe last lines on the wire:\n{wire}").into())
}
