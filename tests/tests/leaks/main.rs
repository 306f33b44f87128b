//! Nothing is left running: every way a host can end meets every way a server can resist, for every client. `kinds` has
//! them, and the cells that cannot exist with their reasons.
//!
//! A harness of its own, for it prints a table, and because this binary is the hosts and the servers as well: started
//! with `--host`, `--again` or `--server`. One cell alone, with what its host says if it fails:
//!
//! ```sh
//! cargo test -p scope-tests --test leaks -- --exact tokio::polite::close
//! ```
//!
//! With `--table`, rmcp on its own child process is measured as well, which takes two minutes more, and the tables are
//! printed in Markdown too. Our part stands in the README, which is compared; rmcp's is of one such run, with its date.

mod cycles;
mod dice;
mod host;
mod kills;
mod kinds;
mod matrix;
mod npx;
mod oracle;
mod proc;
mod readme;
mod running;
mod server;
mod table;

use std::env;
use std::io;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::thread;

use libtest_mimic::{Arguments, Completion, Failed, Trial};
use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM};

use kinds::{Cell, Client, Server};
use table::Table;

const TABLE: &str = "--table";

fn main() -> ExitCode {
    let words: Vec<String> = env::args().skip(1).collect();
    match words.first().map(String::as_str) {
        Some("--host") => {
            host::main(&words[1..]);
            return ExitCode::SUCCESS;
        }
        Some("--again") => {
            host::main_again(&words[1..]);
            return ExitCode::SUCCESS;
        }
        Some("--server") => server::main(&words[1..]),
        _ => {}
    }
    test()
}

fn test() -> ExitCode {
    let mut words: Vec<String> = env::args().collect();
    let with_peer = words.iter().any(|word| word == TABLE);
    words.retain(|word| word != TABLE);
    let mut arguments = Arguments::from_iter(words);
    if arguments.test_threads.is_none() {
        // The cells wait, most of the time; but who has a second to clean up must get a processor in it.
        arguments.test_threads = Some(thread::available_parallelism().map_or(1, usize::from).max(4));
    }
    let missing = npx::find().err();
    let table = Arc::new(Table::default());
    let trials = trials(with_peer, missing.as_deref(), &table);
    if !arguments.list {
        let npx = format!("::{}::", Server::Npx.name());
        let skipped = trials.iter().filter(|trial| trial.name().contains(&npx) && !arguments.is_filtered_out(trial));
        if let (Some(reason), cells @ 1.., false) = (&missing, skipped.count(), npx::is_required()) {
            eprintln!("SKIPPED {cells} cells of the matrix with the real server {}: {reason}", Server::Npx.name());
        }
        eprintln!("who is left is asked of {}", oracle::describe());
    }
    if env::var_os("SCOPE_LEAKS").is_some_and(|value| value == "off") {
        eprintln!("SKIPPED everything about processes left running: switched off; to enable: unset SCOPE_LEAKS");
        return ExitCode::SUCCESS;
    }
    if let Err(error) = default_signals() {
        eprintln!("the signals' default effect cannot be restored: {error}");
        return ExitCode::FAILURE;
    }
    let conclusion = libtest_mimic::run(&arguments, trials);
    print!("{table}");
    let markdown = table.markdown(Client::OURS);
    if with_peer {
        println!("\n{markdown}\n{}", table.markdown(&[Client::RmcpOwn]));
    } else if !conclusion.has_failed() && table.is_complete(Client::OURS, missing.map(|_| Server::Npx)) {
        return match readme::check(&markdown) {
            Ok(()) => conclusion.exit_code(),
            Err(what) => {
                eprintln!("\n{what}");
                ExitCode::FAILURE
            }
        };
    }
    conclusion.exit_code()
}

/// A shell that starts this in the background has it ignore SIGINT, and every program it starts. What is handled is
/// back to its default in these. Here the handlers do what the default is.
fn default_signals() -> io::Result<()> {
    for signal in [SIGHUP, SIGINT, SIGQUIT, SIGTERM] {
        signal_hook::flag::register_conditional_default(signal, Arc::new(AtomicBool::new(true)))?;
    }
    Ok(())
}

fn trials(with_peer: bool, missing: Option<&str>, table: &Arc<Table>) -> Vec<Trial> {
    let mut trials = Vec::new();
    for cell in Cell::all().filter(|cell| (with_peer || cell.client.is_ours()) && cell.impossible().is_none()) {
        let table = Arc::clone(table);
        trials.push(match missing.filter(|_| cell.server == Server::Npx) {
            Some(reason) => without(cell.name(), reason),
            None => Trial::test(cell.name(), move || test_cell(cell, &table)),
        });
    }
    for client in [Client::Tokio, Client::Smol] {
        trials.push(Trial::test(format!("cycles::{}", client.name()), move || cycles::run(client)));
    }
    trials.extend(kills::rounds().map(|(name, client, round)| Trial::test(name, move || kills::run(client, round))));
    trials
}

/// What stands for a cell whose server is not here.
fn without(name: String, reason: &str) -> Trial {
    let reason = reason.to_owned();
    Trial::ignorable_test(name, move || {
        if npx::is_required() {
            Err(format!("SCOPE_REQUIRE_PEERS is set, but {reason}").into())
        } else {
            Ok(Completion::ignored_with(reason))
        }
    })
}

fn test_cell(cell: Cell, table: &Table) -> Result<(), Failed> {
    let left = matrix::run(cell)?;
    table.enter(cell, &left);
    if !cell.client.is_ours() || left.is_nothing() || cell.is_known_limit(&left) {
        Ok(())
    } else {
        Err(left.to_string().into())
    }
}
