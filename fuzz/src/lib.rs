//! Hostile input for scope-mcp, by seed: lines of real conversations ([`corpus`]), made worse ([`mutate`](mod@mutate)),
//! are given to what reads them.
//!
//! A *run* is one conversation of up to [`LINES`] inputs; an *input* is one line. Everything in a run follows from its
//! seed. What must hold: nothing panics, every call ends, the books balance, and what is [held](heap) stays within a
//! bound, at every time.

pub mod client;
pub mod codec;
pub mod corpus;
pub mod heap;
pub mod mutate;
pub mod random;
pub mod server;
pub mod talk;
pub mod written;

use std::collections::BTreeMap;

/// A run has no more inputs than this.
pub const LINES: usize = 200;

/// What runs have done.
#[derive(Clone, Debug, Default)]
pub struct Done {
    /// Lines given.
    pub inputs: u64,
    /// The most bytes that were seen on the heap in a run, beside those before it.
    pub most_held: usize,
    /// What came of it, and how often: input that only ever has one outcome finds nothing.
    pub outcomes: BTreeMap<&'static str, u64>,
}

impl Done {
    /// Counts one of them.
    pub fn count(&mut self, outcome: &'static str, times: u64) {
        *self.outcomes.entry(outcome).or_default() += times;
    }

    /// Takes the figures of another run in.
    pub fn add(&mut self, other: &Done) {
        self.inputs += other.inputs;
        self.most_held = self.most_held.max(other.most_held);
        for (outcome, times) in &other.outcomes {
            self.count(outcome, *times);
        }
    }
}
