//! Our server: asked line by line, as any client may ask it, on every runtime.

mod asking;
mod bad_lines;
mod bad_peers;
mod bad_requests;
mod bad_ways;
mod eras;
mod quick;
mod running;
mod tasks;
mod wire;
