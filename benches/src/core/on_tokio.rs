//! Runtimes of tokio, and running something on them.

use std::sync::Arc;

use scope_core::rt;
use scope_tokio::TokioRuntime;
use tokio::runtime::{Builder, Runtime};

/// A runtime whose tasks run on the calling thread.
pub(crate) fn current_thread() -> Arc<Runtime> {
    Arc::new(Builder::new_current_thread().enable_all().build().expect("a runtime"))
}

/// A runtime with four worker threads.
pub(crate) fn four_threads() -> Arc<Runtime> {
    Arc::new(Builder::new_multi_thread().worker_threads(4).enable_all().build().expect("a runtime"))
}

/// A handle of it, with children as they are run where nothing else is asked for.
pub(crate) fn usual_on(runtime: &Runtime) -> rt::Handle {
    rt::Handle::new(TokioRuntime::new(runtime.handle().clone()))
}

/// The same with a task of tokio's for each child.
pub(crate) fn own_on(runtime: &Runtime) -> rt::Handle {
    rt::Handle::new(TokioRuntime::new(runtime.handle().clone()).with_own_tasks())
}
