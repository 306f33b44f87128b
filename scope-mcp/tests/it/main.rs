//! A client and a server that is a process, good or bad, on every runtime. After each test nothing of it is left.

mod bad_servers;
mod calls;
mod closing;
mod opening;
mod sending;
mod support;
mod watching;
