use scope_core::{Fault, Nursery, Service, ServiceHandle, SpawnError, Spawner, Spawns};

/// Where a server can live: a nursery, or a spawner into one.
pub trait Home {
    /// Starts a service there and does not wait for it.
    ///
    /// # Errors
    /// [`SpawnError`] if nothing can be started there any more. A nursery records that itself, and gives a handle that
    /// tells it.
    #[track_caller]
    fn serve<S: Service>(&self, service: S) -> Result<ServiceHandle<S>, SpawnError>;
}

impl<E: Fault, K> Home for Nursery<'_, '_, E, K> {
    #[track_caller]
    fn serve<S: Service>(&self, service: S) -> Result<ServiceHandle<S>, SpawnError> {
        Ok(Spawns::serve(self, service))
    }
}

impl<E: Fault> Home for Spawner<E> {
    #[track_caller]
    fn serve<S: Service>(&self, service: S) -> Result<ServiceHandle<S>, SpawnError> {
        Spawns::serve(self, service)
    }
}
