//! M7: what connections hold in the host that nobody uses, and what they leave when they are closed.
//!
//! Each is a process. They are opened by this program once more, in a process of its own, whose memory is not yet that of
//! other benches.

use std::process::Command;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use clap::ValueEnum;
use rustix::param::page_size;
use scope_mcp::Client;
use serde::{Deserialize, Serialize};
use tokio::runtime::Builder;

use super::echo::Era;
use super::sdk::{Running, Transport};
use super::server::Server;
use super::{ours, sdk};
use crate::bench::{Bench, Goal, Peer};
use crate::heap;
use crate::measure::Meter;

const CONNECTIONS: &[usize] = &[1000];

/// Whose connections.
#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum Whose {
    /// Ours.
    Scope,
    /// rmcp's.
    Rmcp,
}

/// How this program is told to open them.
const SUBCOMMAND: &str = "idle";

/// What all connections together take.
#[derive(Clone, Copy, Default, Serialize, Deserialize)]
struct Taken {
    opening: Duration,
    closing: Duration,
    /// Bytes on the heap while they are open.
    heap: usize,
    /// Bytes of memory while they are open.
    rss: usize,
    /// Bytes on the heap when they have been closed.
    left: usize,
}

pub(super) fn benches() -> Vec<Bench> {
    let bench =
        |case, peers: fn(usize) -> Vec<Peer>, goals| Bench { name: "M7", case, sizes: CONNECTIONS, peers, goals };
    let most = &[Goal::Bytes(64.0 * 1024.0)];
    vec![
        bench("heap", |n| peers(n, |taken, meter| meter.held(taken.opening, taken.heap)), most),
        bench("RSS", |n| peers(n, |taken, meter| meter.held(taken.opening, taken.rss)), most),
        bench("left", |n| peers(n, |taken, meter| meter.held(taken.closing, taken.left)), &[Goal::Bytes(0.0)]),
    ]
}

fn peers(n: usize, figure: fn(Taken, &mut Meter)) -> Vec<Peer> {
    let peer = |name, whose: Whose| {
        Peer::metered(name, move || {
            let taken = taken(whose, n);
            move |meter| figure(taken, meter)
        })
    };
    vec![peer("scope", Whose::Scope), peer("rmcp", Whose::Rmcp)]
}

/// Found out once: it takes seconds.
fn taken(whose: Whose, n: usize) -> Taken {
    static TAKEN: [OnceLock<Taken>; 2] = [OnceLock::new(), OnceLock::new()];
    *TAKEN[whose as usize].get_or_init(|| {
        let program = std::env::current_exe().expect("this program is a file");
        let which = whose.to_possible_value().expect("none is hidden");
        let output = Command::new(program).args([SUBCOMMAND, which.get_name(), &n.to_string()]).output();
        let output = output.expect("this program can be started again");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).expect("it prints what it has found")
    })
}

/// Opens `n` connections, closes them, and prints what they have taken.
pub(crate) fn run(whose: Whose, n: usize) {
    let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
    let taken = match whose {
        Whose::Scope => {
            let found = scope_tokio::nursery_local(async |home| {
                let open = async || -> Client {
                    let opened = Client::open(home, ours::spec(Server::Raw), ours::options(Era::Legacy)).await;
                    opened.expect("the server can be opened")
                };
                let close = async |client: Client| drop(client.close().await.expect("nothing cuts its clean-up"));
                Ok(take(n, open, close).await)
            });
            runtime.block_on(found).expect("no child fails")
        }
        Whose::Rmcp => {
            let open = || sdk::open(Transport::Rmcps, Server::Raw, Era::Legacy);
            let close = async |client: Running| drop(client.cancel().await.expect("its task does not panic"));
            runtime.block_on(take(n, open, close))
        }
    };
    println!("{}", serde_json::to_string(&taken).expect("it is JSON"));
}

async fn take<C>(n: usize, open: impl AsyncFn() -> C, close: impl AsyncFn(C)) -> Taken {
    // What a process has once it has had a connection.
    close(open().await).await;
    let mut connections = Vec::with_capacity(n);
    let (heap_before, rss_before) = (heap::held(), rss());
    let begun = Instant::now();
    for _ in 0..n {
        connections.push(open().await);
    }
    let opening = begun.elapsed();
    let (heap_open, rss_open) = (heap::held(), rss());
    let begun = Instant::now();
    for connection in connections.drain(..) {
        close(connection).await;
    }
    let closing = begun.elapsed();
    Taken {
        opening,
        closing,
        heap: heap_open - heap_before,
        rss: rss_open.saturating_sub(rss_before),
        left: heap::held().saturating_sub(heap_before),
    }
}

/// Bytes of memory that this process has.
fn rss() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").expect("there is /proc");
    let pages = statm.split_ascii_whitespace().nth(1).and_then(|pages| pages.parse::<usize>().ok());
    pages.expect("the second number is the resident size") * page_size()
}
