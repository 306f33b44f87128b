//! scope-core on tokio.

mod alarm;
mod blocking;
mod launch;
mod runtime;
#[cfg(unix)]
mod signals;
mod timer;
#[cfg(unix)]
mod watch;

pub use blocking::block_in_place;
pub use runtime::TokioRuntime;
#[cfg(unix)]
pub use signals::{Signal, Signals};
