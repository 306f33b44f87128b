//! scope-core on async-executor and async-io: smol without the name.

mod executor;
mod runtime;
#[cfg(unix)]
mod signals;
mod timer;
#[cfg(unix)]
mod watch;

pub use runtime::SmolRuntime;
#[cfg(unix)]
pub use signals::{Signal, Signals};
