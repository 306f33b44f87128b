//! Small calls: M1, our client against the raw server; M2, our client and our server; M6, rmcp on our transport; M4, what
//! one call costs a client.

use super::echo::{Connection, Era, MESSAGE};
use super::host::On;
use super::lanes;
use super::ours::Ours;
use super::raw;
use super::sdk::{Sdk, Transport};
use super::server::Server;
use crate::bench::{Bench, Goal, Peer};

/// How many are in flight.
const IN_FLIGHT: &[usize] = &[1, 16, 256];

/// Half of raw's calls per second.
const HALF_OF_RAW: &[Goal] = &[Goal::Ratio("raw", 2.0)];
/// Three tenths of them.
const SOME_OF_RAW: &[Goal] = &[Goal::Ratio("raw", 1.0 / 0.3)];
const TWICE_RMCP: &[Goal] = &[Goal::Ratio("rmcp", 0.5)];
const THRICE_RMCP: &[Goal] = &[Goal::Ratio("rmcp", 1.0 / 3.0), Goal::P99("rmcp", 0.2)];
const TWELVE_RMCP: &[Goal] = &[Goal::Ratio("rmcp", 1.0 / 12.0), Goal::P99("rmcp", 0.2)];
/// What one call costs a client.
const PER_CALL: &[Goal] = &[Goal::Allocs(10.0), Goal::Ir(5000.0)];

/// How many calls an operation makes, so that its beginning and its end count for little.
fn calls(in_flight: usize) -> usize {
    (in_flight * 32).max(256)
}

type Peers = fn(usize) -> Vec<Peer>;

pub(super) fn benches() -> Vec<Bench> {
    let bench = |name, case, sizes, peers: Peers, goals| Bench { name, case, sizes, peers, goals };
    let m1_ct: Peers = |n| against_raw(n, On::TokioCt);
    let m1_mt: Peers = |n| against_raw(n, On::TokioMt);
    let m2_ct: Peers = |n| both_sides(n, On::TokioCt, Server::ScopeCt, Server::RmcpCt);
    let m2_mt: Peers = |n| both_sides(n, On::TokioMt, Server::ScopeMt, Server::RmcpMt);
    vec![
        bench("M1", "tokio ct", &[1], m1_ct, HALF_OF_RAW),
        bench("M1", "tokio ct", &[16], m1_ct, &[]),
        bench("M1", "tokio ct", &[256], m1_ct, SOME_OF_RAW),
        bench("M1", "tokio mt", &[1], m1_mt, TWICE_RMCP),
        bench("M1", "tokio mt", &[16], m1_mt, &[]),
        bench("M1", "tokio mt", &[256], m1_mt, TWICE_RMCP),
        bench("M1", "smol", IN_FLIGHT, |n| against_raw(n, On::Smol), &[]),
        bench("M2", "tokio ct", &[1], m2_ct, THRICE_RMCP),
        bench("M2", "tokio ct", &[16], m2_ct, &[]),
        bench("M2", "tokio ct", &[256], m2_ct, TWELVE_RMCP),
        bench("M2", "tokio mt", &[1], m2_mt, THRICE_RMCP),
        bench("M2", "tokio mt", &[16], m2_mt, &[]),
        bench("M2", "tokio mt", &[256], m2_mt, TWELVE_RMCP),
        bench("M4", "2025-11-25", &[256], |n| one_thread(n, 1, Era::Legacy), PER_CALL),
        bench("M4", "2026-07-28", &[256], |n| one_thread(n, 1, Era::Modern), PER_CALL),
        bench("M4", "2025-11-25, 16 at once", &[4096], |n| one_thread(n, 16, Era::Legacy), PER_CALL),
        bench("M4", "2026-07-28, 16 at once", &[4096], |n| one_thread(n, 16, Era::Modern), PER_CALL),
        bench("M6", "tokio ct", IN_FLIGHT, |n| other_transport(n, On::TokioCt), &[Goal::Ratio("rmcp", 1.0)]),
        bench("M6", "tokio mt", IN_FLIGHT, |n| other_transport(n, On::TokioMt), &[Goal::Ratio("rmcp", 1.0)]),
    ]
}

/// `n` calls in flight, of clients on `on`.
fn against_raw(n: usize, on: On) -> Vec<Peer> {
    // rmcp needs tokio.
    let rmcp_on = if on == On::Smol { On::TokioCt } else { on };
    vec![
        in_flight("scope", n, move || Ours::open(on, Server::Raw, Era::Legacy)),
        raw_in_flight(n),
        in_flight("rmcp", n, move || Sdk::open(rmcp_on, Transport::Rmcps, Server::Raw, Era::Legacy)),
    ]
}

/// `n` calls in flight, of each client to the server of the same make.
fn both_sides(n: usize, on: On, ours: Server, rmcps: Server) -> Vec<Peer> {
    vec![
        in_flight("scope", n, move || Ours::open(on, ours, Era::Legacy)),
        raw_in_flight(n),
        in_flight("rmcp", n, move || Sdk::open(on, Transport::Rmcps, rmcps, Era::Legacy)),
    ]
}

/// `n` calls in flight, of rmcp's client.
fn other_transport(n: usize, on: On) -> Vec<Peer> {
    vec![
        in_flight("scope", n, move || Sdk::open(on, Transport::Ours, Server::Raw, Era::Legacy)),
        in_flight("rmcp", n, move || Sdk::open(on, Transport::Rmcps, Server::Raw, Era::Legacy)),
    ]
}

/// `n` calls, so many at once, on one thread.
fn one_thread(n: usize, at_once: usize, era: Era) -> Vec<Peer> {
    vec![
        Peer::whole("scope", move || {
            let ours = Ours::open(On::TokioCt, Server::Raw, era);
            move || drop(lanes::calls(&ours, at_once, n))
        }),
        Peer::whole("rmcp", move || {
            let sdk = Sdk::open(On::TokioCt, Transport::Rmcps, Server::Raw, era);
            move || drop(lanes::calls(&sdk, at_once, n))
        }),
    ]
}

/// Calls that are made before those that count, where a pair is fresh.
const WARM_UP: usize = 64;

fn in_flight<C: Connection>(name: &'static str, n: usize, open: impl Fn() -> C + 'static) -> Peer {
    Peer::metered(name, move || {
        let mut connection = open();
        move |meter| {
            if n == 1 {
                // Where the system has put the two programs decides: so each time a pair of its own.
                connection = open();
                lanes::calls(&connection, 1, WARM_UP);
            }
            meter.start();
            let times = lanes::calls(&connection, n, calls(n));
            meter.stop();
            meter.overlapping(times.into_iter().flatten());
        }
    })
}

fn raw_in_flight(n: usize) -> Peer {
    Peer::metered("raw", move || {
        let mut client = raw::Client::open(Server::Raw, Era::Legacy);
        let mut times = Vec::with_capacity(calls(n));
        move |meter| {
            if n == 1 {
                client = raw::Client::open(Server::Raw, Era::Legacy);
                client.calls(1, WARM_UP, MESSAGE, &mut times);
                times.clear();
            }
            meter.start();
            client.calls(n, calls(n), MESSAGE, &mut times);
            meter.stop();
            meter.overlapping(times.drain(..));
        }
    })
}
