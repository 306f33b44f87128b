//! The figures, for people and for programs.

use crate::bench::{Bench, Goal};
use crate::measure::Row;

/// The name of our own peer in every bench.
const US: &str = "scope";

/// Prints rows as soon as there are some.
pub(crate) struct Printer {
    json: bool,
    headed: bool,
}

impl Printer {
    pub(crate) fn new(json: bool) -> Self {
        Printer { json, headed: false }
    }

    /// Prints what was measured of one bench at one size.
    pub(crate) fn print(&mut self, bench: &Bench, rows: &[Row]) {
        if self.json {
            rows.iter().for_each(print_json);
            return;
        }
        if !self.headed {
            self.headed = true;
            println!(
                "| {:<5} | {:<12} | {:>7} | {:<22} | {:>10} | {:>10} | {:>10} | {:>7} | {:>9} | {:>7} | goal |",
                "bench", "case", "n", "peer", "ns min", "ns median", "ns p99", "allocs", "bytes", "ratio"
            );
            println!("|---|---|--:|---|--:|--:|--:|--:|--:|--:|---|");
        }
        let us = rows.iter().find(|row| row.peer == US);
        for row in rows {
            // Our figure in units of theirs: below one, we are faster.
            let ratio = us.map_or(f64::NAN, |us| us.ns_min / row.ns_min);
            let goals: Vec<String> =
                us.map_or(Vec::new(), |us| bench.goals.iter().filter_map(|goal| verdict(*goal, us, row)).collect());
            println!(
                "| {:<5} | {:<12} | {:>7} | {:<22} | {:>10.1} | {:>10.1} | {:>10} | {:>7.2} | {:>9.1} | {:>7.2} | {} |",
                row.bench,
                row.case,
                row.n,
                row.peer,
                row.ns_min,
                row.ns_median,
                row.ns_p99.map_or(String::new(), |p99| format!("{p99:.0}")),
                row.allocs,
                row.bytes,
                ratio,
                goals.join(", ")
            );
        }
    }
}

/// What `goal` says about `row`, if it is about that peer.
fn verdict(goal: Goal, us: &Row, row: &Row) -> Option<String> {
    let (said, reached) = match goal {
        Goal::Ratio(peer, most) if peer == row.peer => (format!("≤ {most:.2} ×"), us.ns_min <= most * row.ns_min),
        Goal::P99(peer, most) if peer == row.peer => (
            format!("p99 ≤ {most:.2} ×"),
            us.ns_p99.zip(row.ns_p99).is_some_and(|(ours, theirs)| ours <= most * theirs),
        ),
        Goal::Over(peer, ns) if peer == row.peer => (format!("≤ + {ns} ns"), us.ns_min <= row.ns_min + ns),
        Goal::Allocs(most) if row.peer == US => (format!("≤ {most} allocs"), us.allocs <= most),
        Goal::Bytes(most) if row.peer == US => (format!("≤ {most} bytes"), us.bytes <= most),
        Goal::Ns(most) if row.peer == US => (format!("≤ {most} ns"), us.ns_min <= most),
        _ => return None,
    };
    Some(format!("{said}: {}", if reached { "reached" } else { "MISSED" }))
}

fn print_json(row: &Row) {
    let mut object = serde_json::json!({
        "bench": row.bench, "case": row.case, "n": row.n, "peer": row.peer,
        "ns_min": row.ns_min, "ns_median": row.ns_median, "allocs": row.allocs, "bytes": row.bytes,
    });
    if let Some(p99) = row.ns_p99 {
        object["ns_p99"] = p99.into();
    }
    println!("{object}");
}
