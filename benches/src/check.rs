//! Everything once, so that no bench rots, and the goals that no machine changes: allocations.

use crate::bench::{Bench, Goal};
use crate::measure;

/// The most units an operation has here.
const FEW: usize = 1000;

/// Runs each peer of each bench at its smallest size. What missed a goal, line by line.
pub(crate) fn check(benches: &[Bench]) -> Vec<String> {
    let mut missed = Vec::new();
    for bench in benches {
        let Some(&smallest) = bench.sizes.iter().min() else { continue };
        let n = smallest.min(FEW);
        for peer in (bench.peers)(n) {
            let name = peer.name;
            eprintln!("{} {} {n} {name}", bench.name, bench.case);
            let allocs = measure::allocations((peer.prepare)(), n);
            let most = bench.goals.iter().find_map(|goal| match goal {
                Goal::Allocs(most) if name == crate::table::US => Some(*most),
                _ => None,
            });
            if let Some(most) = most
                && allocs > most
            {
                let (bench, case) = (bench.name, bench.case);
                missed.push(format!("{bench} {case}: {allocs} allocations for one of {n}, at most {most} expected"));
            }
        }
    }
    missed
}
