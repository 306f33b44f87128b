//! `conformance-server`: offers what the scenarios of the conformance suite ask a server for, on its standard input and
//! output.

mod media;
mod offers;
mod questions;
mod tasks;
mod tools;

use std::process::ExitCode;

use clap::Parser;
use conformance::Runtime;
use scope_core::Failure;
use scope_mcp::transport::stdio;
use scope_mcp::{ServeEnding, ServeOptions, Server};

/// Offers what the scenarios of the conformance suite ask a server for, on standard input and output.
#[derive(Debug, Parser)]
struct Args {
    /// The runtime to run on
    #[arg(long, default_value = "tokio")]
    runtime: Runtime,
}

fn main() -> ExitCode {
    let ended = match Args::parse().runtime {
        Runtime::Tokio => scope_tokio::run(async |_| serve().await),
        Runtime::Smol => scope_smol::run(async |_| serve().await),
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("conformance-server: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn serve() -> Result<(), Failure> {
    let server = Server::builder("conformance-server", env!("CARGO_PKG_VERSION")).logging();
    let server = tasks::add(questions::add(offers::add(tools::add(server)))).build()?;
    let report = server.serve(stdio()?, ServeOptions::default()).await?;
    match report.ending {
        ServeEnding::ClientEnded => Ok(()),
        _ => Err(report.to_string().into()),
    }
}
