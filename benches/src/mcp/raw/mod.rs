//! The floor: a client and a server made by hand, with blocking pipes, lines, and nothing else.

mod client;
mod lines;
mod server;

pub(super) use client::Client;
pub(super) use server::serve;

/// A text beyond this is not copied to be written together with what is around it.
const LONG: usize = 64 * 1024;
