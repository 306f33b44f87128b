//! M3: long messages, said and heard, one at a time.

use std::sync::Arc;

use serde_json::value::{RawValue, to_raw_value};

use super::echo::{Connection, Echo as _, Era, RAW_TOOL, TOOL};
use super::host::On;
use super::ours::Ours;
use super::raw;
use super::sdk::{Sdk, Transport};
use super::server::Server;
use crate::bench::{Bench, Goal, Peer};

/// rmcp drops a line beyond 16 MiB without a word: what is around the message must fit in, too.
const AROUND: usize = 1024;

const SIZES: &[usize] = &[1 << 20, 16 << 20];

type Peers = fn(usize) -> Vec<Peer>;

pub(super) fn benches() -> Vec<Bench> {
    let bench = |case, peers: Peers, goals| Bench { name: "M3", case, sizes: SIZES, peers, goals };
    let near_raw = &[Goal::Ratio("raw", 1.0 / 0.8)];
    let twice_rmcp = &[Goal::Ratio("rmcp", 0.5)];
    vec![
        bench("raw, client", |n| vec![unread(n, Server::Raw, TOOL), by_hand(n)], near_raw),
        bench("raw, both", |n| vec![unread(n, Server::ScopeCt, RAW_TOOL), by_hand(n)], near_raw),
        bench("typed, client", |n| typed(n, Server::Raw, Server::Raw), twice_rmcp),
        bench("typed, both", |n| typed(n, Server::ScopeCt, Server::RmcpCt), twice_rmcp),
    ]
}

fn message(n: usize) -> String {
    "x".repeat(n - AROUND)
}

/// Results as they come, parameters as they are.
fn unread(n: usize, server: Server, tool: &'static str) -> Peer {
    Peer::metered("scope", move || {
        let ours = Ours::open(On::TokioCt, server, Era::Legacy);
        let message = serde_json::json!({ "name": tool, "arguments": { "message": message(n) } });
        let params: Box<RawValue> = to_raw_value(&message).expect("it is JSON");
        move |meter| {
            let (client, params) = (Arc::clone(ours.client()), params.clone());
            let future = async move { client.request_raw("tools/call", Some(params)).await };
            meter.start();
            let result = ours.host().block_on(future);
            meter.stop();
            assert!(result.expect("the server answers").get().len() > n - AROUND);
            meter.units(1);
        }
    })
}

fn by_hand(n: usize) -> Peer {
    Peer::metered("raw", move || {
        let mut client = raw::Client::open(Server::Raw, Era::Legacy);
        let message = message(n);
        move |meter| {
            meter.start();
            client.calls(1, 1, &message, &mut Vec::with_capacity(1));
            meter.stop();
            meter.units(1);
        }
    })
}

fn typed(n: usize, ours: Server, rmcps: Server) -> Vec<Peer> {
    vec![
        called("scope", n, move || Ours::open(On::TokioCt, ours, Era::Legacy)),
        called("rmcp", n, move || Sdk::open(On::TokioCt, Transport::Rmcps, rmcps, Era::Legacy)),
    ]
}

/// As small calls are made.
fn called<C: Connection>(name: &'static str, n: usize, open: impl FnOnce() -> C + 'static) -> Peer {
    Peer::metered(name, move || {
        let connection = open();
        let message: Arc<str> = message(n).into();
        move |meter| {
            let (client, message) = (Arc::clone(connection.client()), Arc::clone(&message));
            meter.start();
            connection.host().block_on(async move { client.echo(&message).await });
            meter.stop();
            meter.units(1);
        }
    })
}
