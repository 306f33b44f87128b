//! How one operation is measured: in rounds that alternate between us and the peers, so that a machine that is busy for a
//! while is so for all. The minimum is what to trust.

use std::time::{Duration, Instant};

use crate::bench::{Bench, Operation};
use crate::heap::{self, Allocated};

/// Rounds per peer: many for what is short, fewer for what takes long.
const ROUNDS: std::ops::RangeInclusive<u32> = 3..=40;
/// What a round is to take, by repeating what is shorter.
const ROUND: Duration = Duration::from_millis(5);
/// What the rounds of one peer may take together, if the fewest do not take longer.
const PEER: Duration = Duration::from_secs(2);

/// What an operation took: time and allocations of the whole process between [`start`](Self::start) and
/// [`stop`](Self::stop), summed over repeats.
#[derive(Default)]
pub(crate) struct Meter {
    taken: Duration,
    allocs: usize,
    bytes: usize,
    latencies: Vec<u64>,
    /// How many units were done, where an operation does not do as many as its size says.
    units: usize,
    started: Option<(Option<Allocated>, Instant)>,
}

impl Meter {
    /// What comes before is the operation's preparation.
    pub(crate) fn start(&mut self) {
        let allocated = heap::allocated();
        self.started = Some((allocated, Instant::now()));
    }

    /// What comes after is the operation's tidying up.
    ///
    /// # Panics
    /// If it was not started.
    pub(crate) fn stop(&mut self) {
        let now = Instant::now();
        let (before, at) = self.started.take().expect("a meter is started before it is stopped");
        self.taken += now - at;
        if let (Some(before), Some(after)) = (before, heap::allocated()) {
            self.allocs += after.times - before.times;
            self.bytes += after.bytes - before.bytes;
        }
    }

    /// The operation has measured itself: threads that run beside each other, say.
    pub(crate) fn took(&mut self, time: Duration) {
        self.taken += time;
    }

    /// The operation has found out what is held, and how long it took until it was.
    pub(crate) fn held(&mut self, after: Duration, bytes: usize) {
        self.taken += after;
        self.bytes += bytes;
    }

    /// The operation has done so many units, whatever its size.
    pub(crate) fn units(&mut self, count: usize) {
        self.units += count;
    }

    /// Notes what each of the operation's units took, where its size says only how many of them overlap.
    pub(crate) fn overlapping(&mut self, units: impl IntoIterator<Item = Duration>) {
        for took in units {
            self.latency(took);
            self.units(1);
        }
    }

    /// Notes what one of the operation's units took from its begin to its end, where units overlap.
    pub(crate) fn latency(&mut self, took: Duration) {
        self.latencies.push(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX));
    }

    /// How many units were measured in so many operations of `n`, unless they counted them.
    fn units_of(&self, n: usize, operations: u32) -> f64 {
        match self.units {
            0 => f64::from(operations) * n as f64,
            counted => counted as f64,
        }
    }
}

/// What one peer took for one unit.
pub(crate) struct Row {
    pub(crate) bench: &'static str,
    pub(crate) case: &'static str,
    pub(crate) n: usize,
    pub(crate) peer: &'static str,
    pub(crate) ns_min: f64,
    pub(crate) ns_median: f64,
    /// The latency that 99 of 100 units did not exceed, where it was noted, in the round in which it was lowest.
    pub(crate) ns_p99: Option<f64>,
    /// Not a number where allocations are not counted, as are bytes.
    pub(crate) allocs: f64,
    pub(crate) bytes: f64,
}

struct Measured {
    peer: &'static str,
    operation: Operation,
    repeats: u32,
    rounds: u32,
    times: Vec<f64>,
    /// What the last round did.
    units: f64,
    /// Of the round that allocated least: what else runs in the process may add to one, never take away.
    allocs: (usize, usize),
    p99: Option<u64>,
}

impl Measured {
    fn new(peer: &'static str, operation: Operation) -> Self {
        let times = Vec::new();
        Measured { peer, operation, repeats: 1, rounds: 1, times, units: 0.0, allocs: (usize::MAX, 0), p99: None }
    }

    fn round(&mut self) -> Meter {
        let mut meter = Meter::default();
        match &mut self.operation {
            Operation::Whole(operation) => {
                meter.start();
                for _ in 0..self.repeats {
                    operation();
                }
                meter.stop();
            }
            Operation::Metered(operation) => {
                for _ in 0..self.repeats {
                    operation(&mut meter);
                }
            }
        }
        meter
    }
}

/// How many allocations one unit takes once the operation has been done before; of a few rounds, the least.
pub(crate) fn allocations(operation: Operation, n: usize) -> f64 {
    let mut measured = Measured::new("", operation);
    let mut once = || {
        let meter = measured.round();
        meter.allocs as f64 / meter.units_of(n, 1)
    };
    (0..4).map(|_| once()).skip(1).fold(f64::INFINITY, f64::min)
}

/// Measures all peers of `bench` doing the same thing to `n` units per operation.
pub(crate) fn compare(bench: &Bench, n: usize) -> Vec<Row> {
    let mut measured: Vec<Measured> = (bench.peers)(n)
        .into_iter()
        .map(|peer| {
            let mut measured = Measured::new(peer.name, (peer.prepare)());
            measured.round();
            let start = Instant::now();
            let taken = measured.round().taken.max(Duration::from_nanos(10));
            let whole = start.elapsed();
            let repeats = u32::try_from(ROUND.as_nanos() / taken.as_nanos()).unwrap_or(u32::MAX).clamp(1, 200_000);
            let affordable = u32::try_from(PEER.as_nanos() / whole.as_nanos().max(1)).unwrap_or(u32::MAX);
            measured.repeats = repeats.min(affordable.max(1));
            let one_round = whole * measured.repeats;
            let fits = u32::try_from(PEER.as_nanos() / one_round.as_nanos().max(1)).unwrap_or(u32::MAX);
            measured.rounds = fits.clamp(*ROUNDS.start(), *ROUNDS.end());
            measured
        })
        .collect();
    for round in 0..*ROUNDS.end() {
        for peer in measured.iter_mut().filter(|peer| round < peer.rounds) {
            let meter = peer.round();
            peer.units = meter.units_of(n, peer.repeats);
            peer.times.push(meter.taken.as_nanos() as f64 / peer.units);
            peer.allocs = peer.allocs.min((meter.allocs, meter.bytes));
            peer.p99 = peer.p99.into_iter().chain(p99(meter.latencies)).min();
        }
    }
    measured.into_iter().map(|peer| row(bench, n, peer)).collect()
}

fn p99(mut latencies: Vec<u64>) -> Option<u64> {
    latencies.sort_unstable();
    latencies.get(latencies.len() * 99 / 100).copied()
}

fn row(bench: &Bench, n: usize, mut peer: Measured) -> Row {
    peer.times.sort_by(f64::total_cmp);
    let counted = |count| if heap::allocated().is_some() { count as f64 / peer.units } else { f64::NAN };
    Row {
        bench: bench.name,
        case: bench.case,
        n,
        peer: peer.peer,
        ns_min: peer.times[0],
        ns_median: peer.times[peer.times.len() / 2],
        ns_p99: peer.p99.map(|ns| ns as f64),
        allocs: counted(peer.allocs.0),
        bytes: counted(peer.allocs.1),
    }
}

/// Does the operation of one peer so many times, for a counter of instructions. How many units that were.
pub(crate) fn times(operation: Operation, n: usize, times: u32) -> f64 {
    let mut meter = Meter::default();
    match operation {
        Operation::Whole(mut operation) => (0..times).for_each(|_| operation()),
        Operation::Metered(mut operation) => (0..times).for_each(|_| operation(&mut meter)),
    }
    meter.units_of(n, times)
}
