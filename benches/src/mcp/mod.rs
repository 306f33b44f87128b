//! MCP beside a peer made by hand, which is the floor, and beside rmcp. Servers are child processes, on pipes.
//!
//! Figures are for one call. Where calls overlap, `n` is how many are in flight.

mod calls;
mod echo;
mod host;
mod lanes;
mod ours;
mod raw;
mod sdk;
mod server;

pub(crate) use server::Server;

use crate::bench::Bench;

pub(crate) fn benches() -> Vec<Bench> {
    calls::benches()
}
