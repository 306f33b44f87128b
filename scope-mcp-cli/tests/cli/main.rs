//! The program `scope-mcp` as its users meet it: real processes, on both runtimes.

mod bad_input;
mod demo;
mod host;
mod output;
mod reading;
mod signals;
mod terminal;
mod wire;
