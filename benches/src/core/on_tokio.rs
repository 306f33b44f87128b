//! Runtimes of tokio, and running something on them.

use std::sync::Arc;

use tokio::runtime::{Builder, Runtime};

/// A runtime whose tasks run on the calling thread.
pub(crate) fn current_thread() -> Arc<Runtime> {
    Arc::new(Builder::new_current_thread().enable_all().build().expect("a runtime"))
}

/// A runtime with four worker threads.
pub(crate) fn four_threads() -> Arc<Runtime> {
    Arc::new(Builder::new_multi_thread().worker_threads(4).enable_all().build().expect("a runtime"))
}
