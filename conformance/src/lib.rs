//! What the two programs have in common: each runs on the runtime that it is told.

use clap::ValueEnum;

/// A runtime to run on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Runtime {
    /// tokio, on several threads.
    Tokio,
    /// smol, on several threads.
    Smol,
}
