//! The servers, and one client, that the tests talk to: this program, started with `peer` and the name of one.

mod plain;
pub(crate) mod sdk;

use std::process::ExitCode;

pub(crate) fn run(kind: &str, arguments: &[String]) -> ExitCode {
    match kind {
        "rmcp-on-ours" => sdk::serve(true),
        "rmcp-on-rmcps" => sdk::serve(false),
        "rmcp-client-on-ours" => sdk::ask(),
        other => plain::run(other, arguments),
    }
    ExitCode::SUCCESS
}

/// The command that starts one of them.
pub(crate) fn command(kind: &str, arguments: &[&str]) -> tokio::process::Command {
    let mut command = tokio::process::Command::new(std::env::current_exe().unwrap());
    command.arg("peer").arg(kind).args(arguments);
    command
}
