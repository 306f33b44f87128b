//! Everything once, so that no bench rots, and the goals that no machine changes: allocations.

use crate::bench::{Bench, Goal, Peer};
use crate::measure;
use crate::table::US;

/// Runs each peer of each bench at its smallest size, or at one that will do. What missed a goal, line by line.
pub(crate) fn check(benches: &[Bench]) -> Vec<String> {
    let mut missed = Vec::new();
    for bench in benches {
        let Some(&smallest) = bench.sizes.iter().min() else { continue };
        let n = enough(bench.name).map_or(smallest, |enough| smallest.min(enough));
        for peer in (bench.peers)(n) {
            eprintln!("{} {} {n} {}", bench.name, bench.case, peer.name);
            missed.extend(missed_by(bench, peer, n));
        }
    }
    missed
}

/// How many units show all there is to see, where they are many.
fn enough(name: &str) -> Option<usize> {
    match name {
        // The smallest of them is a message of some length.
        "M3" => None,
        // Levels, each with all that is further in.
        "P7" => Some(100),
        // These are processes.
        "M7" => Some(20),
        _ => Some(1000),
    }
}

fn missed_by(bench: &Bench, peer: Peer, n: usize) -> Option<String> {
    let most = bench.goals.iter().find_map(|goal| match goal {
        Goal::Allocs(most) if peer.name == US => Some(*most),
        _ => None,
    });
    let operation = (peer.prepare)();
    let Some(most) = most else {
        measure::times(operation, n, 1);
        return None;
    };
    let allocs = measure::allocations(operation, n);
    let (name, case) = (bench.name, bench.case);
    (allocs > most).then(|| format!("{name} {case}: {allocs} allocations for one of {n}, at most {most} expected"))
}
