//! Spawning without a box.

use std::future::Future;

use scope_core::{Launch, LaunchError, Spawns, Start, Started, TaskHandle, rt};

use crate::SmolRuntime;

/// Spawns parallel children on an executor of smol's: from a [`Nursery`](scope_core::Nursery), a named task of it, a
/// [`Spawner`](scope_core::Spawner).
///
/// These do what `spawn_erased` and its kin do, with one allocation less: the child is taken as the future it
/// is. In a scope that runs on another runtime the child is refused, with an error that says so; `spawn_erased` works on
/// any.
pub trait SpawnExt: Spawns {
    /// Spawns a parallel child. Its error is the scope's, and cancels the scope.
    #[track_caller]
    fn spawn<F>(&self, future: F) -> Self::Answer<()>
    where
        F: Future<Output = Result<(), Self::Error>> + Send + 'static,
    {
        self.answer((), self.place().spawn(OnSmol, future))
    }

    /// The same for a child whose error converts into the scope's.
    #[track_caller]
    fn spawn_into<F, X>(&self, future: F) -> Self::Answer<()>
    where
        F: Future<Output = Result<(), X>> + Send + 'static,
        X: Into<Self::Error> + 'static,
    {
        self.answer((), self.place().spawn_into(OnSmol, future))
    }

    /// The same for a child that cannot fail.
    #[track_caller]
    fn run<F>(&self, future: F) -> Self::Answer<()>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.answer((), self.place().run(OnSmol, future))
    }

    /// The same for a child whose value is wanted. Its error is the scope's.
    #[track_caller]
    fn spawn_with_handle<F, T>(&self, future: F) -> Self::Answer<TaskHandle<T>>
    where
        F: Future<Output = Result<T, Self::Error>> + Send + 'static,
        T: Send + 'static,
    {
        let (handle, result) = self.place().spawn_with_handle(OnSmol, future);
        self.answer(handle, result)
    }

    /// Spawns a child that reports when it is ready, and waits for that: as
    /// [`start_erased`](scope_core::Spawns::start_erased).
    ///
    /// # Errors
    /// As `start_erased`.
    ///
    /// # Cancel safety
    /// Dropped before it is ready, the child is cancelled; the scope waits for its end.
    #[track_caller]
    fn start<F, Fut, T>(&self, child: F) -> Start<T, Self::Error>
    where
        F: FnOnce(Started<T>) -> Fut,
        Fut: Future<Output = Result<(), Self::Error>> + Send + 'static,
        T: Send + 'static,
    {
        self.place().start(OnSmol, child)
    }
}

impl<S: Spawns + ?Sized> SpawnExt for S {}

struct OnSmol;

impl Launch for OnSmol {
    fn launch<F>(self, runtime: &rt::Handle, task: F) -> Result<(), LaunchError>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let runtime: &SmolRuntime = runtime.downcast_ref().ok_or(LaunchError::OtherRuntime)?;
        Ok(runtime.launch(task)?)
    }
}
