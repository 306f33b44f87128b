//! The figures, for people and for programs.

use crate::bench::{Bench, Goal};
use crate::count::Counted;
use crate::measure::Row;

/// The name of our own peer in every bench.
pub(crate) const US: &str = "scope";

/// Ourselves, in the program that was built without events.
const NO_EVENTS: &str = "no events";

/// Prints rows as soon as there are some.
pub(crate) struct Printer {
    json: bool,
    headed: bool,
    /// Of the bench and case that was printed last: our figure at its first size.
    smallest: Option<(&'static str, &'static str, f64)>,
}

impl Printer {
    pub(crate) fn new(json: bool) -> Self {
        Printer { json, headed: false, smallest: None }
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
                "| {:<5} | {:<14} | {:>7} | {:<22} | {:>10} | {:>10} | {:>10} | {:>7} | {:>9} | {:>7} | goal |",
                "bench", "case", "n", "peer", "ns min", "ns median", "ns p99", "allocs", "bytes", "ratio"
            );
            println!("|---|---|--:|---|--:|--:|--:|--:|--:|--:|---|");
        }
        let us = rows.iter().find(|row| row.peer == US);
        let ours = us.map_or(f64::NAN, |us| us.ns_min);
        let smallest = match self.smallest {
            Some((name, case, smallest)) if (name, case) == (bench.name, bench.case) => smallest,
            _ => ours,
        };
        self.smallest = Some((bench.name, bench.case, smallest));
        for row in rows {
            // Our figure in units of theirs: below one, we are faster.
            let ratio = ours / row.ns_min;
            let goals: Vec<String> = us.map_or(Vec::new(), |us| {
                bench.goals.iter().filter_map(|goal| verdict(*goal, us, row, smallest)).collect()
            });
            println!(
                "| {:<5} | {:<14} | {:>7} | {:<22} | {:>10.1} | {:>10.1} | {:>10} | {:>7} | {:>9} | {:>7.2} | {} |",
                row.bench,
                row.case,
                row.n,
                row.peer,
                row.ns_min,
                row.ns_median,
                row.ns_p99.map_or(String::new(), |p99| format!("{p99:.0}")),
                counted(row.allocs, 2),
                counted(row.bytes, 1),
                ratio,
                goals.join(", ")
            );
        }
    }

    /// Prints what was counted of one bench at one size; `without` is our figure where there are no events, if it was asked
    /// for.
    pub(crate) fn print_counted(&mut self, bench: &Bench, n: usize, counted: &[Counted], without: Option<f64>) {
        let us = counted.iter().find(|row| row.peer == US).map_or(f64::NAN, |us| us.instructions);
        if !self.json && !self.headed {
            self.headed = true;
            println!("| bench | case           |       n | peer                   |           Ir |   ratio | goal |");
            println!("|---|---|--:|---|--:|--:|---|");
        }
        let without = without.map(|instructions| Counted { peer: NO_EVENTS, instructions });
        for row in counted.iter().chain(&without) {
            let (name, case, peer, instructions) = (bench.name, bench.case, row.peer, row.instructions);
            if self.json {
                println!(
                    "{}",
                    serde_json::json!({"bench": name, "case": case, "n": n, "peer": peer, "ir": instructions})
                );
                continue;
            }
            let goals: Vec<_> = bench.goals.iter().filter_map(|goal| verdict_on_count(*goal, us, row)).collect();
            println!(
                "| {name:<5} | {case:<14} | {n:>7} | {peer:<22} | {instructions:>12.1} | {:>7.3} | {} |",
                us / instructions,
                goals.join(", ")
            );
        }
    }
}

/// Nothing where nothing was counted.
fn counted(count: f64, digits: usize) -> String {
    if count.is_nan() { String::new() } else { format!("{count:.digits$}") }
}

/// What `goal` says about `row`, if it is about that peer.
fn verdict(goal: Goal, us: &Row, row: &Row, smallest: f64) -> Option<String> {
    let (said, reached) = match goal {
        Goal::Ratio(peer, most) if peer == row.peer => (format!("≤ {most:.2} ×"), us.ns_min <= most * row.ns_min),
        Goal::P99(peer, most) if peer == row.peer => (
            format!("p99 ≤ {most:.2} ×"),
            us.ns_p99.zip(row.ns_p99).is_some_and(|(ours, theirs)| ours <= most * theirs),
        ),
        Goal::Over(peer, ns) if peer == row.peer => (format!("≤ + {ns} ns"), us.ns_min <= row.ns_min + ns),
        Goal::Flat(most) if row.peer == US => (format!("≤ {most} × the first"), us.ns_min <= most * smallest),
        Goal::Allocs(_) | Goal::Bytes(_) if us.allocs.is_nan() => return None,
        Goal::Allocs(most) if row.peer == US => (format!("≤ {most} allocs"), us.allocs <= most),
        Goal::Bytes(most) if row.peer == US => (format!("≤ {most} bytes"), us.bytes <= most),
        Goal::Ns(most) if row.peer == US => (format!("≤ {most} ns"), us.ns_min <= most),
        _ => return None,
    };
    Some(format!("{said}: {}", if reached { "reached" } else { "MISSED" }))
}

/// What `goal` says about a count, if it is about instructions of that peer.
fn verdict_on_count(goal: Goal, us: f64, row: &Counted) -> Option<String> {
    let (said, reached) = match goal {
        Goal::Instructions(peer, most) if peer == row.peer => (format!("≤ {most:.2} ×"), us <= most * row.instructions),
        Goal::Ir(most) if row.peer == US => (format!("≤ {most} instructions"), us <= most),
        Goal::Events(part) if row.peer == NO_EVENTS => {
            (format!("≤ + {} %", part * 100.0), us <= (1.0 + part) * row.instructions)
        }
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
