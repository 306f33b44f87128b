//! A child with a name.

use std::fmt;
use std::future::Future;
use std::panic::Location;

use super::{Local, Nursery, Sendable};
use crate::deposit::{Fails, Runs};
use crate::error::SpawnError;
use crate::failure::{Failure, Fault};
use crate::handle::TaskHandle;
use crate::name::Name;
use crate::spawner::{Place, Spawns};
use crate::start::{Start, Started};

/// Spawns a child with a name: [`Nursery::task`].
pub struct Named<'s, 'env, E: Fault = Failure, K = Sendable> {
    pub(super) nursery: &'s Nursery<'s, 'env, E, K>,
    pub(super) name: Name,
}

impl<'s, E: Fault> Named<'s, '_, E, Sendable> {
    /// As [`Nursery::spawn_local`].
    #[track_caller]
    pub fn spawn_local<F>(self, future: F)
    where
        F: Future<Output = Result<(), E>> + Send + 's,
    {
        self.nursery.add(Some(self.name), Location::caller(), |task| (future, Fails::<E>::new(), task));
    }

    /// As [`Nursery::spawn_local_into`].
    #[track_caller]
    pub fn spawn_local_into<F, X>(self, future: F)
    where
        F: Future<Output = Result<(), X>> + Send + 's,
        X: Into<E>,
    {
        self.nursery.add(Some(self.name), Location::caller(), |task| (future, Fails::<E>::new(), task));
    }

    /// As [`Nursery::run_local`].
    #[track_caller]
    pub fn run_local<F>(self, future: F)
    where
        F: Future<Output = ()> + Send + 's,
    {
        self.nursery.add(Some(self.name), Location::caller(), |task| (future, Runs, task));
    }

    /// As [`Nursery::spawn_local_with_handle`].
    #[track_caller]
    pub fn spawn_local_with_handle<F, T>(self, future: F) -> TaskHandle<T>
    where
        F: Future<Output = Result<T, E>> + Send + 's,
        T: Send + 's,
    {
        self.nursery.add_with_handle(Some(self.name), Location::caller(), future)
    }

    /// As [`Nursery::start_local`].
    #[track_caller]
    pub fn start_local<F, Fut, T>(self, child: F) -> Start<T, E>
    where
        F: FnOnce(Started<T>) -> Fut,
        Fut: Future<Output = Result<(), E>> + Send + 's,
        T: Send + 's,
    {
        self.nursery.add_start(Some(self.name), Location::caller(), child)
    }
}

impl<'s, E: Fault> Named<'s, '_, E, Local> {
    /// As [`Nursery::spawn_local`].
    #[track_caller]
    pub fn spawn_local<F>(self, future: F)
    where
        F: Future<Output = Result<(), E>> + 's,
    {
        self.nursery.add(Some(self.name), Location::caller(), |task| (future, Fails::<E>::new(), task));
    }

    /// As [`Nursery::spawn_local_with_handle`].
    #[track_caller]
    pub fn spawn_local_with_handle<F, T>(self, future: F) -> TaskHandle<T>
    where
        F: Future<Output = Result<T, E>> + 's,
        T: 's,
    {
        self.nursery.add_with_handle(Some(self.name), Location::caller(), future)
    }

    /// As [`Nursery::start_local`].
    #[track_caller]
    pub fn start_local<F, Fut, T>(self, child: F) -> Start<T, E>
    where
        F: FnOnce(Started<T>) -> Fut,
        Fut: Future<Output = Result<(), E>> + 's,
        T: 's,
    {
        self.nursery.add_start(Some(self.name), Location::caller(), child)
    }
}

impl<E: Fault, K> Spawns for Named<'_, '_, E, K> {
    type Error = E;
    type Answer<T> = T;

    fn place(&self) -> Place<'_, E> {
        Place::new(self.nursery.scope.make(), Some(self.name.clone()))
    }

    #[track_caller]
    fn answer<T>(&self, spawned: T, result: Result<(), SpawnError>) -> T {
        self.nursery.answer(spawned, result)
    }
}

impl<E: Fault, K> fmt::Debug for Named<'_, '_, E, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Named").field("name", &self.name).field("nursery", self.nursery).finish()
    }
}
