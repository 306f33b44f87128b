//! `conformance-client`: does as a client what a scenario of the conformance suite asks for, and ends.
//!
//! The suite says in the environment which scenario it runs, and gives the URL of its server as the last argument. What
//! stands before is the bridge from our pipes to that URL, which we start as if it were the server.

mod scenario;

use std::process::ExitCode;

use clap::Parser;
use conformance::Runtime;
use scope_core::{Failure, Nursery};
use scope_mcp::{Client, ServerSpec};

const SCENARIO: &str = "MCP_CONFORMANCE_SCENARIO";

/// Does as a client what a scenario of the conformance suite asks for.
#[derive(Debug, Parser)]
struct Args {
    /// The runtime to run on
    #[arg(long, default_value = "tokio")]
    runtime: Runtime,
    /// The server's command and its arguments
    #[arg(last = true, required = true)]
    server: Vec<String>,
}

fn main() -> ExitCode {
    let args = Args::parse();
    let Ok(scenario) = std::env::var(SCENARIO) else {
        eprintln!("conformance-client: {SCENARIO} has to say which scenario this is; the suite sets it");
        return ExitCode::FAILURE;
    };
    let ended = match args.runtime {
        Runtime::Tokio => scope_tokio::run(async |n| run(n, &args.server, &scenario).await),
        Runtime::Smol => scope_smol::run(async |n| run(n, &args.server, &scenario).await),
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("conformance-client: {scenario}: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(n: &Nursery<'_, '_>, server: &[String], scenario: &str) -> Result<(), Failure> {
    let (command, args) = server.split_first().ok_or("a server's command is missing")?;
    let spec = ServerSpec::new("suite", command).args(args);
    let client = Client::open(n, spec, scenario::options()).await?;
    let done = scenario::play(&client, scenario).await;
    let report = client.close().await?;
    eprintln!("conformance-client: {report}");
    done
}
