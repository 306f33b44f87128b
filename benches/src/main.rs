//! Benches: us and our peers in one process, in interleaved rounds.
//!
//! ```text
//! cargo run --release -p benches -- core [--only NAME] [--json]
//! ```

mod core;
mod measure;
mod table;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(about = "Measures scope-core beside what people use instead")]
struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Nurseries and children.
    Core {
        /// Only the bench of this name.
        #[arg(long)]
        only: Option<String>,
        /// One JSON object per line instead of a table.
        #[arg(long)]
        json: bool,
    },
}

fn main() {
    let What::Core { only, json } = Args::parse().what;
    let rows = core::run(only.as_deref());
    if json {
        table::print_json(&rows);
    } else {
        table::print(&rows);
    }
}
