//! scope-core on async-executor and async-io: smol without the name.

mod executor;
mod runtime;
mod timer;
#[cfg(unix)]
mod watch;

pub use runtime::SmolRuntime;
