//! What the program can do, a file each.

mod call;
mod check;
mod demo;
mod list;
mod prompt;
mod raw;
mod read;

use scope_core::Nursery;

use crate::app::App;
use crate::args::Command;
use crate::exit::{Code, Stop};

/// Runs `command` in the scope `n`.
pub(crate) async fn run<'s>(app: &App, n: &'s Nursery<'s, '_>, command: Command) -> Result<Code, Stop> {
    match command {
        Command::Demo { plant_survivor } => demo::run(app, plant_survivor).await,
        Command::List { what, server, timeout, json } => {
            list::run(app, n, what, server.as_deref(), timeout.duration, json).await
        }
        Command::Call { target, arguments, timeout, json } => {
            call::run(app, n, &target, arguments.0, timeout.duration, json).await
        }
        Command::Read { server, uri, output, raw, timeout, json } => {
            let form = read::Form::asked_for(json, raw, output);
            read::run(app, n, &server, &uri, form, timeout.duration).await
        }
        Command::Prompt { server, prompt, arguments, timeout, json } => {
            prompt::run(app, n, &server, &prompt, arguments, timeout.duration, json).await
        }
        Command::Check { report, timeout } => check::run(app, n, timeout.duration, report).await,
        Command::Raw { server, method, params, timeout } => {
            raw::run(app, n, &server, &method, params.map(|params| params.0), timeout.duration).await
        }
        Command::ServeBundled => unreachable!("it is no client's command, and runs without any of this"),
    }
}
