//! MCP beside a peer made by hand, which is the floor, and beside rmcp. Servers are child processes, on pipes.
//!
//! Figures are for one call. Where calls overlap, `n` is how many are in flight.

mod calls;
mod echo;
mod host;
mod idle;
mod lanes;
mod ours;
mod payload;
mod raw;
mod sdk;
mod server;
mod start;

pub(crate) use idle::{Whose, run as idle};
pub(crate) use server::Server;

use crate::bench::Bench;

pub(crate) fn benches() -> Vec<Bench> {
    [calls::benches(), payload::benches(), start::benches(), idle::benches()].into_iter().flatten().collect()
}
