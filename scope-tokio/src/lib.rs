//! scope-core on tokio.

mod alarm;
mod launch;
mod runtime;
#[cfg(unix)]
mod signals;
mod timer;
#[cfg(unix)]
mod watch;

pub use runtime::TokioRuntime;
#[cfg(unix)]
pub use signals::{Signal, Signals};
