//! What we read and write, held against the official schemas and examples.
//!
//! They are no part of this project: where they are not beside it, every test here is skipped, and says so.
//! `MCP_SCHEMA_DIR` says where they are instead.

mod by_hand;
mod client;
mod examples;
mod judged;
mod legacy_client;
mod modern_client;
mod pair;
mod served;
mod server;
mod wire;

use libtest_mimic::{Arguments, Completion, Trial};
use scope_mcp_judge::{Schemas, folder};

fn main() {
    let arguments = Arguments::from_args();
    let folder = folder();
    if let Err(reason) = &folder
        && !arguments.list
    {
        eprintln!("SKIPPED the schemas: {reason}");
    }
    let mut trials = Vec::new();
    let schemas = folder.as_deref().ok().map(Schemas::load);
    trials.extend(examples::trials(folder.as_deref().ok(), schemas.as_ref()));
    trials.extend(legacy_client::trials(schemas.as_ref()));
    trials.extend(modern_client::trials(schemas.as_ref()));
    trials.extend(served::trials(schemas.as_ref()));
    trials.extend(pair::trials(schemas.as_ref()));
    if let Err(reason) = &folder {
        trials = trials.into_iter().map(|trial| skipped(trial.name(), reason)).collect();
    }
    libtest_mimic::run(&arguments, trials).exit();
}

fn skipped(name: &str, reason: &str) -> Trial {
    let reason = reason.to_owned();
    Trial::ignorable_test(name, || Ok(Completion::ignored_with(reason)))
}
