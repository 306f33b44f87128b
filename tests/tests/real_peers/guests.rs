//! Clients that people use, as visitors of our server. Each is a program that tells on standard output what it was told;
//! here that is compared with what the server has.

mod inspector;
mod rmcp;

use std::env;
use std::process::{Command, Output, Stdio};

use scope_mcp::Era;
use serde_json::Value;

use crate::host;
use crate::peers::{installed, needs, ours};
use crate::processes::marked;
use crate::visit::Runtime;

pub(crate) use rmcp::{VISITS as VISITS_WITH_RMCP, visit as visit_with_rmcp};

/// All of them.
pub(crate) static GUESTS: [Guest; 5] = [
    Guest { name: "python_sdk", eras: &[Era::Legacy, Era::Modern], kind: Kind::Python },
    Guest { name: "typescript_sdk_1", eras: &[Era::Legacy], kind: Kind::TypeScript("v1") },
    Guest { name: "typescript_sdk_2", eras: &[Era::Legacy, Era::Modern], kind: Kind::TypeScript("v2") },
    Guest { name: "inspector", eras: &[Era::Legacy, Era::Modern], kind: Kind::Inspector },
    Guest { name: "rmcp_client", eras: &[Era::Legacy, Era::Modern], kind: Kind::Rmcp },
];

/// A real client.
pub(crate) struct Guest {
    pub(crate) name: &'static str,
    /// Those it speaks.
    pub(crate) eras: &'static [Era],
    kind: Kind,
}

enum Kind {
    /// PyPI `mcp`, with a script of ours.
    Python,
    /// npm `@modelcontextprotocol/sdk` (version 1) or `@modelcontextprotocol/client` (version 2), with a script of ours.
    TypeScript(&'static str),
    /// npm `@modelcontextprotocol/inspector`.
    Inspector,
    /// This program.
    Rmcp,
}

/// What a guest has to tell.
struct Account {
    /// What the server told it.
    told: Value,
    /// What was said on standard error, by the server too.
    stderr: String,
}

/// The name of an environment variable that only this visit's processes have.
pub(crate) fn mark(guest: &Guest, era: Era, runtime: Runtime) -> String {
    format!("SCOPE_REAL_GUEST_{}_{}_{}_{era}", std::process::id(), runtime.name(), guest.name)
}

impl Guest {
    /// Looks for it where `tests/peers/install` puts it.
    ///
    /// # Errors
    /// What is missing, and what to do about it.
    pub(crate) fn find(&self) -> Result<(), String> {
        let modules = installed().join("clients/node_modules/@modelcontextprotocol");
        match self.kind {
            Kind::Python => needs(&[installed().join("python/mcp")], &["python3"]),
            Kind::TypeScript("v1") => needs(&[modules.join("sdk")], &["node"]),
            Kind::TypeScript(_) => needs(&[modules.join("client")], &["node"]),
            Kind::Inspector => needs(&inspector::files(), &[]),
            Kind::Rmcp => needs(&[], &[]),
        }
    }

    /// The whole visit to our server on that runtime.
    ///
    /// # Panics
    /// If anything is not as it should be; the text says what.
    pub(crate) fn visits(&self, era: Era, runtime: Runtime) {
        let mark = mark(self, era, runtime);
        let Account { told, stderr } = self.tells(era, &host::command(runtime), &mark);
        let left = marked(&mark);
        assert!(left.is_empty(), "the visit is over, and still running: {left:?}");
        host::check(told, era, self.not_found(era), self.cannot_tell(era));
        // Our server was told that nobody waits any more.
        let says = |what: &str, line: fn(&str) -> bool| assert!(stderr.lines().any(line), "no {what} in:\n{stderr}");
        says("end of the wait", |line| line.starts_with("wait: cancelled after"));
        if !matches!(self.kind, Kind::Inspector) {
            // It left by itself, and had nothing left to do: whoever is ended by force has no last word. (The inspector is
            // itself ended, in the middle of a call, and how much of that its server sees is chance.)
            says("last word", |line| line == "the client ended it");
        }
    }

    /// The code of the error for a resource that does not exist.
    fn not_found(&self, era: Era) -> i32 {
        match (&self.kind, era) {
            // Whatever it is sent, it says what the newest revision has for that.
            (Kind::TypeScript("v2"), _) | (_, Era::Modern) => -32602,
            (_, Era::Legacy) => -32002,
        }
    }

    /// What it does not do, or does not print.
    fn cannot_tell(&self, era: Era) -> &'static [&'static str] {
        match (&self.kind, era) {
            // These two follow tasks, in one form each.
            (Kind::TypeScript("v1"), _) | (Kind::Rmcp, Era::Modern) => &[],
            // It is a process for each thing asked: so it subscribes to nothing that changes, and takes no call back.
            (Kind::Inspector, _) => &[
                "server",
                "instructions",
                "greet",
                "read_nothing",
                "complete_prompt",
                "complete_template",
                "updated",
                "task",
                "wait",
                "add_after_that",
            ],
            _ => &["task"],
        }
    }

    fn tells(&self, era: Era, server: &[String], mark: &str) -> Account {
        let mut command;
        match self.kind {
            Kind::Inspector => return inspector::tell(era, server, mark),
            Kind::Python => {
                command = Command::new("python3");
                command.arg(ours("clients/python_sdk.py")).env("PYTHONPATH", installed().join("python"));
            }
            Kind::TypeScript(version) => {
                command = Command::new("node");
                command.arg(ours("clients/typescript_sdk.mjs")).arg(version).env("SCOPE_PEERS_DIR", installed());
            }
            Kind::Rmcp => {
                command = Command::new(env::current_exe().expect("this program should know where it is"));
                command.arg(VISITS_WITH_RMCP);
            }
        }
        run(command.arg(era.to_string()).args(server).env(mark, "1"))
    }
}

/// Runs a script to its end.
fn run(command: &mut Command) -> Account {
    let Output { status, stdout, stderr } =
        command.stdin(Stdio::null()).output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let stderr = String::from_utf8_lossy(&stderr).into_owned();
    assert!(status.success(), "{status}; on standard error:\n{stderr}");
    match serde_json::from_slice(&stdout) {
        Ok(told) => Account { told, stderr },
        Err(error) => panic!("{error}: {}\non standard error:\n{stderr}", String::from_utf8_lossy(&stdout)),
    }
}
