//! M5: a server is started, agrees upon a revision, and is ended.

use scope_mcp::Client;

use super::echo::Era;
use super::host::{Host, On};
use super::sdk::Transport;
use super::server::Server;
use super::{ours, raw, sdk};
use crate::bench::{Bench, Goal, Peer};

pub(super) fn benches() -> Vec<Bench> {
    let goals = &[Goal::Over("raw", 2e6)];
    vec![
        Bench { name: "M5", case: "2025-11-25", sizes: &[1], peers: |_| peers(Era::Legacy), goals },
        Bench { name: "M5", case: "2026-07-28", sizes: &[1], peers: |_| peers(Era::Modern), goals },
    ]
}

fn peers(era: Era) -> Vec<Peer> {
    vec![
        Peer::whole("scope", move || {
            let host = Host::new(On::TokioCt);
            move || {
                let done = host.block_on(scope_tokio::nursery(async move |n| {
                    let client = Client::open(n, ours::spec(Server::Raw), ours::options(era)).await?;
                    Ok(client.close().await?)
                }));
                let report = done.expect("the server can be opened and closed");
                let process = report.process.as_ref().expect("it is a process");
                assert!(process.is_polite() && process.is_complete(), "{report}");
            }
        }),
        Peer::whole("raw", move || move || raw::Client::open(Server::Raw, era).close()),
        Peer::whole("rmcp", move || {
            let host = Host::new(On::TokioCt);
            move || {
                let ended = host.block_on(async move {
                    let client = sdk::open(Transport::Rmcps, Server::Raw, era).await;
                    client.cancel().await
                });
                ended.expect("its task does not panic");
            }
        }),
    ]
}
