//! The servers that are called: this program once more, as child processes.

use std::process::{Command, ExitCode, Stdio};

use clap::ValueEnum;

use super::host::On;
use super::{ours, raw, sdk};

/// How this program is told to be a server.
const SUBCOMMAND: &str = "serve";

/// Which server it is.
#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum Server {
    /// Made by hand.
    Raw,
    /// Ours, on tokio, current-thread.
    ScopeCt,
    /// Ours, on tokio, multi-thread.
    ScopeMt,
    /// rmcp's, current-thread.
    RmcpCt,
    /// rmcp's, multi-thread.
    RmcpMt,
}

impl Server {
    /// The program and its arguments.
    pub(super) fn command(self) -> (String, [String; 2]) {
        let program = std::env::current_exe().expect("this program is a file");
        let program = program.into_os_string().into_string().expect("its path is text");
        let which = self.to_possible_value().expect("none is hidden").get_name().to_owned();
        (program, [SUBCOMMAND.to_owned(), which])
    }

    /// To be started with both streams piped.
    pub(super) fn piped(self) -> Command {
        let (program, arguments) = self.command();
        let mut command = Command::new(program);
        command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped());
        command
    }

    /// Is that server, until its input ends.
    pub(crate) fn run(self) -> ExitCode {
        let served = match self {
            Server::Raw => raw::serve(),
            Server::ScopeCt => ours::serve(On::TokioCt),
            Server::ScopeMt => ours::serve(On::TokioMt),
            Server::RmcpCt => sdk::serve(On::TokioCt),
            Server::RmcpMt => sdk::serve(On::TokioMt),
        };
        match served {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("the server has failed: {error}");
                ExitCode::FAILURE
            }
        }
    }
}
