//! Real servers, as people install and start them, from npm, from PyPI, and one on rmcp: everything that a host does in a
//! session's life. And real clients, as visitors of a server of ours. Each on each runtime, and then nothing may be left
//! running.
//!
//! A harness of its own, so that a skip is seen: where a peer is not installed, a line says so and how to install it.
//! `SCOPE_REQUIRE_PEERS=1` turns that into a failure. See CONTRIBUTING.md. The program itself is also a server and a
//! client.

mod guests;
mod host;
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

use guests::GUESTS;
use peers::PEERS;
use processes::kill_marked;
use visit::Runtime;
use wire::Wire;

/// Far more than a visit takes, on a machine that does much else. Only against hanging for ever.
const PATIENCE: Duration = Duration::from_secs(300);

fn main() -> ExitCode {
    let words: Vec<String> = env::args().collect();
    match &words[1..] {
        [first, ..] if first == peers::SERVES_RMCP => return peers::serve_rmcp(),
        [first, rest @ ..] if first == guests::VISITS_WITH_RMCP => return guests::visit_with_rmcp(rest),
        [first, rest @ ..] if first == host::SERVES => return host::serve(rest),
        _ => {}
    }
    let arguments = Arguments::from_args();
    let trials: Vec<Trial> = meetings()
        .into_iter()
        .map(|meeting| {
            let name = meeting.name.clone();
            let Some(reason) = meeting.missing.clone() else {
                return Trial::test(name, move || meeting.happens());
            };
            let trial = without(name, &reason);
            // Said before the run, because afterwards the libtest-like lines are between this one and the reader.
            if !required() && !arguments.list && !arguments.is_filtered_out(&trial) {
                eprintln!("SKIPPED real peer {}: {reason}", trial.name());
            }
            trial
        })
        .collect();
    libtest_mimic::run(&arguments, trials).exit_code()
}

/// One of our sides and one peer, on one runtime.
struct Meeting {
    name: String,
    /// Why it cannot be.
    missing: Option<String>,
    /// The variable in the environment of all processes of it.
    mark: String,
    what: Box<dyn FnOnce() + Send>,
    wire: Wire,
}

fn meetings() -> Vec<Meeting> {
    let mut meetings = Vec::new();
    for runtime in Runtime::ALL {
        for peer in PEERS {
            for &era in peer.eras() {
                let wire = Wire::default();
                meetings.push(Meeting {
                    name: format!("{}::{}::{era}", runtime.name(), peer.name()),
                    missing: peer.origin().find().err(),
                    mark: visit::mark(peer, era, runtime),
                    what: Box::new({
                        let wire = wire.clone();
                        move || visit::run(peer, era, runtime, &wire)
                    }),
                    wire,
                });
            }
        }
        for guest in &GUESTS {
            for &era in guest.eras {
                meetings.push(Meeting {
                    name: format!("{}::{}_visits::{era}", runtime.name(), guest.name),
                    missing: guest.find().err(),
                    mark: guests::mark(guest, era, runtime),
                    what: Box::new(move || guest.visits(era, runtime)),
                    wire: Wire::default(),
                });
            }
        }
    }
    meetings
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

impl Meeting {
    /// In a thread of its own, so that one that hangs fails, and shows how far it came. One that failed may have left
    /// processes, whose end was under test: those are ended here.
    fn happens(self) -> Result<(), Failed> {
        let Meeting { name, mark, what, wire, .. } = self;
        let (done, ended) = mpsc::channel();
        let thread = thread::Builder::new().name(name).spawn(move || {
            what();
            let _ = done.send(());
        })?;
        let why = match ended.recv_timeout(PATIENCE) {
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
        kill_marked(&mark);
        Err(format!("{why}\n{wire}").into())
    }
}
