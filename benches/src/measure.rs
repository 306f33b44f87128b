//! How one operation is measured: in rounds that alternate between us and the peers, so that a machine that is busy for a
//! while is so for all; the minimum is what to trust.

use std::alloc::System;
use std::time::{Duration, Instant};

use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// One of those that are compared.
pub(crate) struct Peer<'a> {
    pub(crate) name: &'static str,
    /// Does the operation once, with everything that belongs to it.
    pub(crate) operation: Box<dyn FnMut() + 'a>,
}

impl<'a> Peer<'a> {
    pub(crate) fn new(name: &'static str, operation: impl FnMut() + 'a) -> Self {
        Peer { name, operation: Box::new(operation) }
    }
}

/// What one peer took for one unit: an operation, or one of the `n` children in it.
pub(crate) struct Row {
    pub(crate) bench: &'static str,
    pub(crate) n: usize,
    pub(crate) peer: &'static str,
    pub(crate) ns_min: f64,
    pub(crate) ns_median: f64,
    pub(crate) allocs: f64,
    pub(crate) bytes: f64,
}

const ROUNDS: usize = 40;
const ROUND: Duration = Duration::from_millis(5);

/// Measures `peers` doing the same thing to `n` units per operation.
pub(crate) fn compare(bench: &'static str, n: usize, mut peers: Vec<Peer<'_>>) -> Vec<Row> {
    let repeats: Vec<usize> = peers
        .iter_mut()
        .map(|peer| {
            (peer.operation)();
            let start = Instant::now();
            (peer.operation)();
            let once = start.elapsed().max(Duration::from_nanos(10));
            usize::try_from(ROUND.as_nanos() / once.as_nanos()).unwrap_or(1).clamp(1, 100_000)
        })
        .collect();
    let mut times = vec![Vec::with_capacity(ROUNDS); peers.len()];
    for _ in 0..ROUNDS {
        for (at, peer) in peers.iter_mut().enumerate() {
            let start = Instant::now();
            for _ in 0..repeats[at] {
                (peer.operation)();
            }
            times[at].push(start.elapsed().as_nanos() as f64 / (repeats[at] * n) as f64);
        }
    }
    let mut rows = Vec::new();
    for (peer, mut times) in peers.iter_mut().zip(times) {
        times.sort_by(f64::total_cmp);
        let region = Region::new(ALLOCATOR);
        (peer.operation)();
        let change = region.change();
        rows.push(Row {
            bench,
            n,
            peer: peer.name,
            ns_min: times[0],
            ns_median: times[times.len() / 2],
            allocs: change.allocations as f64 / n as f64,
            bytes: change.bytes_allocated as f64 / n as f64,
        });
    }
    rows
}
