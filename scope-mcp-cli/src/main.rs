//! The program `scope-mcp`: opens MCP servers, uses them, and leaves nothing running.
//!
//! Only this file names a runtime: it starts the one that was asked for, and gives it a future that knows of none.

mod app;
mod args;
mod bundled;
mod commands;
mod config;
mod content;
mod exit;
mod hurry;
mod names;
mod open;
mod position;
mod progress;
mod sanitize;
mod stderr;
mod stdout;
mod survivor;
mod table;
mod wire;

use std::process::ExitCode;

use clap::Parser as _;

use crate::app::App;
use crate::args::{Cli, Command, Runtime};
use crate::exit::{Code, Stop};
use crate::stdout::Stdout;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return end(args::refused(&error)),
    };
    end(match cli.command {
        Command::ServeBundled => bundled::run(cli.common.runtime),
        _ => run(cli),
    })
}

fn end(outcome: Result<Code, Stop>) -> ExitCode {
    let code = outcome.unwrap_or_else(|stop| {
        stop.lines().iter().for_each(stderr::say);
        stop.code
    });
    stderr::finish();
    code.into()
}

fn run(cli: Cli) -> Result<Code, Stop> {
    stderr::start_log(cli.common.log.0);
    let (stdout, written) = Stdout::start().map_err(|error| Stop::server(format!("cannot start a thread: {error}")))?;
    let app = App::new(&cli, stdout)?;
    let command = cli.command;
    let ran = match cli.common.runtime {
        Runtime::Tokio => scope_tokio::run(async |_| {
            let mut signals = scope_tokio::Signals::new()?;
            Ok(app::drive(app, command, written, async || signals.next().await.to_string()).await)
        }),
        Runtime::Smol => scope_smol::run(async |_| {
            let mut signals = scope_smol::Signals::new()?;
            Ok(app::drive(app, command, written, async || signals.next().await.to_string()).await)
        }),
    };
    ran.map_err(|error| Stop::server(error.to_string()))
}
