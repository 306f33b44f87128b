//! M1: our client against the raw server. M4: what one call costs a client.

use super::echo::{Era, MESSAGE};
use super::host::On;
use super::lanes;
use super::ours::Ours;
use super::raw;
use super::sdk::Sdk;
use super::server::Server;
use crate::bench::{Bench, Goal, Peer};

/// How many are in flight.
const IN_FLIGHT: [usize; 3] = [1, 16, 256];

/// How many calls an operation makes, so that its beginning and its end count for little.
fn calls(in_flight: usize) -> usize {
    (in_flight * 32).max(256)
}

pub(super) fn benches() -> Vec<Bench> {
    vec![
        m1("tokio ct", &[1], |n| against_raw(n, On::TokioCt), &[Goal::Ratio("raw", 2.0)]),
        m1("tokio ct", &[16], |n| against_raw(n, On::TokioCt), &[]),
        m1("tokio ct", &[256], |n| against_raw(n, On::TokioCt), &[Goal::Ratio("raw", 1.0 / 0.3)]),
        m1("tokio mt", &IN_FLIGHT, |n| against_raw(n, On::TokioMt), &[Goal::Ratio("rmcp", 0.5)]),
        m1("smol", &IN_FLIGHT, |n| against_raw(n, On::Smol), &[]),
        Bench {
            name: "M4",
            case: "2025-11-25",
            sizes: &[256],
            peers: |n| one_by_one(n, Era::Legacy),
            goals: &[Goal::Allocs(10.0)],
        },
        Bench {
            name: "M4",
            case: "2026-07-28",
            sizes: &[256],
            peers: |n| one_by_one(n, Era::Modern),
            goals: &[Goal::Allocs(10.0)],
        },
    ]
}

fn m1(case: &'static str, sizes: &'static [usize], peers: fn(usize) -> Vec<Peer>, goals: &'static [Goal]) -> Bench {
    Bench { name: "M1", case, sizes, peers, goals }
}

/// Clients on `on`, with `n` calls in flight.
fn against_raw(n: usize, on: On) -> Vec<Peer> {
    vec![
        Peer::metered("scope", move || {
            let ours = Ours::open(on, Server::Raw, Era::Legacy);
            move |meter| {
                meter.start();
                let times = lanes::calls(&ours.host, &ours.client, n, calls(n));
                meter.stop();
                meter.overlapping(times.into_iter().flatten());
            }
        }),
        Peer::metered("raw", move || {
            let mut client = raw::Client::open(Server::Raw, Era::Legacy);
            move |meter| {
                let mut times = Vec::with_capacity(calls(n));
                meter.start();
                client.calls(n, calls(n), MESSAGE, &mut times);
                meter.stop();
                meter.overlapping(times);
            }
        }),
        Peer::metered("rmcp", move || {
            // It needs tokio.
            let sdk = Sdk::open(if on == On::Smol { On::TokioCt } else { on }, Server::Raw, Era::Legacy);
            move |meter| {
                meter.start();
                let times = lanes::calls(&sdk.host, sdk.client(), n, calls(n));
                meter.stop();
                meter.overlapping(times.into_iter().flatten());
            }
        }),
    ]
}

/// `n` calls, one after the other, and nothing else.
fn one_by_one(n: usize, era: Era) -> Vec<Peer> {
    vec![
        Peer::whole("scope", move || {
            let ours = Ours::open(On::TokioCt, Server::Raw, era);
            move || drop(lanes::calls(&ours.host, &ours.client, 1, n))
        }),
        Peer::whole("rmcp", move || {
            let sdk = Sdk::open(On::TokioCt, Server::Raw, era);
            move || drop(lanes::calls(&sdk.host, sdk.client(), 1, n))
        }),
    ]
}
