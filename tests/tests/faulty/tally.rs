//! What has come up, so that a test that tests nothing is seen.

use std::collections::BTreeMap;
use std::fmt;

use crate::journal::{All, Outcome};
use crate::plan::{Act, Plan};

#[derive(Debug, Default)]
pub(crate) struct Tally {
    runs: u64,
    counts: BTreeMap<&'static str, u64>,
}

/// All that has to come up, in one run of fifty at least.
const ALL: [&str; 14] = [
    "answered",
    "answered after progress",
    "answered after a question",
    "failed",
    "given up before it was sent",
    "given up while it was handled",
    "timed out before it was sent",
    "timed out while it was handled",
    "not sent",
    "sent, and nobody knows",
    "panicked",
    "refused by a server that closes",
    "connection not opened",
    "lines spoiled and yet answered",
];

impl Tally {
    pub(crate) fn add(&mut self, plan: &Plan, all: &All) {
        self.runs += 1;
        let mut add = |what| *self.counts.entry(what).or_default() += 1;
        if all.opened.is_none() {
            add("connection not opened");
        }
        for call in &plan.calls {
            let Some(seen) = all.calls.get(&call.nonce) else { continue };
            let handled = seen.tool.started > 0;
            match &seen.ended {
                Some((_, Outcome::Answered(_))) => {
                    add("answered");
                    match call.act {
                        Act::Report(..) => add("answered after progress"),
                        Act::Ask(_) => add("answered after a question"),
                        _ => {}
                    }
                    if plan.is_spoiled() {
                        add("lines spoiled and yet answered");
                    }
                }
                Some((_, Outcome::Failed(_))) => add("failed"),
                Some((_, Outcome::GivenUp)) if handled => add("given up while it was handled"),
                Some((_, Outcome::GivenUp)) => add("given up before it was sent"),
                Some((_, Outcome::Error(error))) => {
                    if error.is_timeout() {
                        add(if handled { "timed out while it was handled" } else { "timed out before it was sent" });
                    } else if error.rejection().is_some() {
                        add(if handled { "panicked" } else { "refused by a server that closes" });
                    }
                    if error.is_not_sent() {
                        add("not sent");
                    } else if error.is_sent_unknown() {
                        add("sent, and nobody knows");
                    }
                }
                None => {}
            }
        }
    }

    pub(crate) fn merge(&mut self, other: &Tally) {
        self.runs += other.runs;
        for (what, count) in &other.counts {
            *self.counts.entry(what).or_default() += count;
        }
    }

    /// What has come up too rarely.
    pub(crate) fn missing(&self) -> Vec<&'static str> {
        ALL.into_iter().filter(|what| self.counts.get(what).copied().unwrap_or_default() * 50 < self.runs).collect()
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} runs; calls:", self.runs)?;
        for (what, count) in &self.counts {
            writeln!(f, "{count:>9}  {what}")?;
        }
        Ok(())
    }
}
