//! scope-core on tokio.

mod alarm;
mod launch;
mod runtime;
mod timer;
#[cfg(unix)]
mod watch;

pub use runtime::TokioRuntime;
