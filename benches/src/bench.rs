//! What is compared: a bench, its peers, the goal.

use crate::measure::Meter;

/// One thing that we and our peers do, at several sizes.
pub(crate) struct Bench {
    /// `P1` to `P9`, `M1` to `M7`.
    pub(crate) name: &'static str,
    /// Where or how, if the bench has several ways: `tokio ct`.
    pub(crate) case: &'static str,
    /// How many units one operation has.
    pub(crate) sizes: &'static [usize],
    /// Us, named `scope`, and our peers.
    pub(crate) peers: fn(usize) -> Vec<Peer>,
    /// What our figures are to reach at each size.
    pub(crate) goals: &'static [Goal],
}

/// One of those that are compared.
pub(crate) struct Peer {
    pub(crate) name: &'static str,
    /// Begins what the operation needs (a runtime, a process), once.
    pub(crate) prepare: Box<dyn FnOnce() -> Operation>,
}

/// Does what is measured once, to all units.
pub(crate) enum Operation {
    /// Measured from its begin to its end, repeated if it is short.
    Whole(Box<dyn FnMut()>),
    /// Starts and stops the meter itself.
    Metered(Box<dyn FnMut(&mut Meter)>),
}

impl Peer {
    /// A peer whose operation is measured from its begin to its end.
    pub(crate) fn whole<F: FnMut() + 'static>(name: &'static str, prepare: impl FnOnce() -> F + 'static) -> Self {
        Peer { name, prepare: Box::new(|| Operation::Whole(Box::new(prepare()))) }
    }

    /// A peer whose operation starts and stops the meter itself.
    pub(crate) fn metered<F>(name: &'static str, prepare: impl FnOnce() -> F + 'static) -> Self
    where
        F: FnMut(&mut Meter) + 'static,
    {
        Peer { name, prepare: Box::new(|| Operation::Metered(Box::new(prepare()))) }
    }
}

/// What our figure is to reach.
#[derive(Clone, Copy)]
pub(crate) enum Goal {
    /// Our minimal time is at most this many times that of the peer.
    Ratio(&'static str, f64),
    /// Our p99 latency is at most this many times that of the peer.
    P99(&'static str, f64),
    /// Our minimal time is at most this many times that at the smallest size.
    Flat(f64),
    /// We take at most this many allocations per unit.
    Allocs(f64),
    /// We take at most this many times the peer's instructions per unit: judged by `count`.
    Instructions(&'static str, f64),
    /// We take at most this many instructions per unit: judged by `count`.
    Ir(f64),
    /// We take at most this many bytes per unit.
    Bytes(f64),
    /// We take at most this part more instructions than where there are no events: judged by `count`.
    Events(f64),
    /// Our minimal time is at most this many nanoseconds.
    Ns(f64),
    /// Our minimal time is at most that of the peer and this many nanoseconds.
    Over(&'static str, f64),
}
