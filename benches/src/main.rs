//! Benches: us and our peers in one process, in interleaved rounds.
//!
//! ```text
//! cargo run --release -p benches -- core [--only NAME] [--json]
//! cargo run --release -p benches -- mcp [--only NAME] [--json]
//! cargo run --release -p benches -- count [--only NAME] [--json] [--without-events PROGRAM]
//! cargo run --release -p benches -- check
//! cargo run --release -p benches -- one NAME PEER N [--case CASE] [--times TIMES]
//! ```

mod bench;
mod check;
mod core;
mod count;
mod heap;
mod mcp;
mod measure;
mod table;

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use bench::{Bench, Goal};
use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(about = "Measures our crates beside what people use instead")]
struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Nurseries, children, cancellation, services: P1 to P9.
    Core(Selection),
    /// Clients and servers, as processes: M1 to M7.
    Mcp(Selection),
    /// Instructions instead of times, by valgrind: at each bench's smallest size.
    Count {
        #[command(flatten)]
        selection: Selection,
        /// The same program built without events, for P8: `RUSTFLAGS='--cfg scope_no_events' cargo build --release -p benches
        /// --target-dir target/no-events`.
        #[arg(long, value_name = "PROGRAM")]
        without_events: Option<PathBuf>,
    },
    /// Does everything once, and holds allocations against the goals.
    Check,
    /// One operation of one peer, for an instruction counter. Prints how many units were done.
    One {
        /// The bench: P1 to P9, M1 to M7.
        name: String,
        /// The peer, as in the table; ours is "scope".
        peer: String,
        /// How many units the operation has.
        n: usize,
        /// The case, as in the table; the bench's first without it.
        #[arg(long)]
        case: Option<String>,
        /// How many times it is done: two of them differ by what is done, without what it takes to begin.
        #[arg(long, default_value_t = 1)]
        times: u32,
    },
    /// One of the servers that the others call.
    #[command(hide = true)]
    Serve { which: mcp::Server },
    /// Connections that do nothing.
    #[command(hide = true)]
    Idle { whose: mcp::Whose, n: usize },
}

#[derive(clap::Args)]
struct Selection {
    /// Only the bench of this name.
    #[arg(long)]
    only: Option<String>,
    /// One JSON object per line instead of a table.
    #[arg(long)]
    json: bool,
}

fn main() -> ExitCode {
    keep_freed_memory();
    match Args::parse().what {
        What::Core(selection) => all(&core::benches(), &selection),
        What::Mcp(selection) => all(&mcp::benches(), &selection),
        What::Count { selection, without_events } => count(&selection, without_events.as_deref()),
        What::Check => {
            let missed = check::check(&every_bench());
            missed.iter().for_each(|missed| eprintln!("MISSED: {missed}"));
            ExitCode::from(u8::from(!missed.is_empty()))
        }
        What::One { name, peer, n, case, times } => one(&every_bench(), &name, &peer, n, case.as_deref(), times),
        What::Serve { which } => which.run(),
        What::Idle { whose, n } => {
            mcp::idle(whose, n);
            ExitCode::SUCCESS
        }
    }
}

/// glibc gives memory back to the system when much is freed, so that whoever frees all its children in one piece would pay
/// for page faults in the next round. It stops that once a large block has been freed, as in any program that has run for a
/// while.
fn keep_freed_memory() {
    drop(std::hint::black_box(Vec::<u8>::with_capacity(31 << 20)));
}

fn every_bench() -> Vec<Bench> {
    core::benches().into_iter().chain(mcp::benches()).collect()
}

/// Those that were asked for. Says so where there is none of that name.
fn selected<'a>(benches: &'a [Bench], selection: &Selection) -> Vec<&'a Bench> {
    let is_selected = |bench: &&Bench| selection.only.as_deref().is_none_or(|only| only == bench.name);
    let selected: Vec<_> = benches.iter().filter(is_selected).collect();
    if selected.is_empty() {
        let mut names: Vec<_> = benches.iter().map(|bench| bench.name).collect();
        names.dedup();
        eprintln!("there is no such bench here; there are {}", names.join(", "));
    }
    selected
}

fn all(benches: &[Bench], selection: &Selection) -> ExitCode {
    let benches = selected(benches, selection);
    let mut printer = table::Printer::new(selection.json);
    for bench in &benches {
        for &n in bench.sizes {
            printer.print(bench, &measure::compare(bench, n));
        }
    }
    ExitCode::from(if benches.is_empty() { 2 } else { 0 })
}

fn count(selection: &Selection, without_events: Option<&Path>) -> ExitCode {
    let every = every_bench();
    let benches = selected(&every, selection);
    let mut printer = table::Printer::new(selection.json);
    let mut failed = false;
    for bench in &benches {
        let Some(&n) = bench.sizes.iter().min() else { continue };
        let without = without_events.filter(|_| bench.goals.iter().any(|goal| matches!(goal, Goal::Events(_))));
        let counted = count::compare(bench, n);
        let without = without.map(|program| count::per_unit(program, bench, table::US, n)).transpose();
        match (counted, without) {
            (Ok(counted), Ok(without)) => printer.print_counted(bench, n, &counted, without),
            (Err(error), _) | (_, Err(error)) => {
                eprintln!("{} {}: {error}", bench.name, bench.case);
                failed = true;
                if error.kind() == ErrorKind::NotFound {
                    break;
                }
            }
        }
    }
    ExitCode::from(if benches.is_empty() { 2 } else { u8::from(failed) })
}

fn one(benches: &[Bench], name: &str, peer: &str, n: usize, case: Option<&str>, times: u32) -> ExitCode {
    let found = benches.iter().find(|bench| bench.name == name && case.is_none_or(|case| case == bench.case));
    let Some(bench) = found else {
        eprintln!("there is no such bench; there are:");
        for bench in benches {
            eprintln!("  {} --case {:?}", bench.name, bench.case);
        }
        return ExitCode::from(2);
    };
    let mut peers = (bench.peers)(n);
    let Some(at) = peers.iter().position(|candidate| candidate.name == peer) else {
        let names: Vec<_> = peers.iter().map(|peer| peer.name).collect();
        eprintln!("{name} has no peer {peer:?}; it has {}", names.join(", "));
        return ExitCode::from(2);
    };
    println!("{}", measure::times((peers.swap_remove(at).prepare)(), n, times));
    ExitCode::SUCCESS
}
