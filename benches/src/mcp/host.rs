//! The runtimes that clients run on.

use std::sync::Arc;

use async_executor::Executor;
use tokio::runtime::{Builder, Handle, Runtime};

/// Which runtime, and how.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum On {
    TokioCt,
    TokioMt,
    /// One thread.
    Smol,
}

/// A runtime that runs what it is given, when it is.
pub(super) enum Host {
    Tokio(Runtime),
    Smol(Arc<Executor<'static>>),
}

/// Spawns on a [`Host`], from within.
#[derive(Clone)]
pub(super) enum Spawn {
    Tokio(Handle),
    Smol(Arc<Executor<'static>>),
}

/// What was spawned.
pub(super) enum Task<T> {
    Tokio(tokio::task::JoinHandle<T>),
    Smol(async_executor::Task<T>),
}

impl Host {
    pub(super) fn new(on: On) -> Host {
        match on {
            On::TokioCt => Host::Tokio(Builder::new_current_thread().enable_all().build().expect("a runtime")),
            On::TokioMt => {
                Host::Tokio(Builder::new_multi_thread().worker_threads(4).enable_all().build().expect("a runtime"))
            }
            On::Smol => Host::Smol(Arc::new(Executor::new())),
        }
    }

    /// Runs `future` as a task, and waits for it.
    pub(super) fn block_on<T: Send + 'static>(&self, future: impl Future<Output = T> + Send + 'static) -> T {
        let task = self.spawn().spawn(future);
        match self {
            Host::Tokio(runtime) => runtime.block_on(task.join()),
            Host::Smol(executor) => async_io::block_on(executor.run(task.join())),
        }
    }

    pub(super) fn spawn(&self) -> Spawn {
        match self {
            Host::Tokio(runtime) => Spawn::Tokio(runtime.handle().clone()),
            Host::Smol(executor) => Spawn::Smol(Arc::clone(executor)),
        }
    }
}

impl Spawn {
    pub(super) fn spawn<T: Send + 'static>(&self, future: impl Future<Output = T> + Send + 'static) -> Task<T> {
        match self {
            Spawn::Tokio(handle) => Task::Tokio(handle.spawn(future)),
            Spawn::Smol(executor) => Task::Smol(executor.spawn(future)),
        }
    }
}

impl<T> Task<T> {
    /// What it came to.
    pub(super) async fn join(self) -> T {
        match self {
            Task::Tokio(task) => task.await.expect("a bench does not panic"),
            Task::Smol(task) => task.await,
        }
    }
}
