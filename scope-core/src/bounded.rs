//! Bounded spawning: at most so many children at once.

use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::deposit::Fails;
use crate::error::SpawnError;
use crate::failure::Fault;
use crate::nursery::{Local, Nursery, Sendable};
use crate::places::{Permit, Places};
use crate::raw::frame;
use crate::scope_ref::ScopeRef;
use crate::spawner::Spawns;
use crate::task::{self, TaskRef, at_checkpoint};
use crate::tracked::{OrCut, Own, Tracked};
use crate::waits::At;

/// A view of a nursery, or of a spawner, that lets at most so many children run at once: [`Spawns::bounded`].
///
/// Spawning waits for a place, first come, first served; a place is free again when the child's future has been destroyed.
/// What is spawned into the nursery by other ways does not count. Clones share the places.
pub struct Bounded<S> {
    spawns: S,
    bound: Arc<Bound>,
}

/// The bound of one view.
pub(crate) struct Bound {
    id: u64,
    limit: usize,
    free: Arc<Places>,
    location: &'static Location<'static>,
}

impl Bound {
    pub(crate) fn new(limit: usize, location: &'static Location<'static>) -> Result<Arc<Self>, ZeroBound> {
        static IDS: AtomicU64 = AtomicU64::new(1);
        if limit == 0 {
            return Err(ZeroBound::new(location));
        }
        let id = IDS.fetch_add(1, Ordering::Relaxed);
        Ok(Arc::new(Bound { id, limit, free: Places::new(limit), location }))
    }

    pub(crate) fn id(&self) -> u64 {
        self.id
    }

    /// Waits for a place of the bounded view of `scope`.
    pub(crate) async fn take(&self, scope: &ScopeRef) -> Result<Permit, BoundedError> {
        if let Some(place) = self.free.try_take() {
            return Ok(place);
        }
        if frame::here_holds_place(self.id) {
            let why = Why::OwnPlace { here: task::current(), limit: self.limit, location: self.location };
            return Err(BoundedError { scope: scope.clone(), why });
        }
        Ok(at_checkpoint(At::Place, self.free.take()).await)
    }
}

impl<S: Spawns> Bounded<S> {
    pub(crate) fn new(spawns: S, limit: usize, location: &'static Location<'static>) -> Result<Self, ZeroBound> {
        Ok(Bounded { spawns, bound: Bound::new(limit, location)? })
    }

    /// How many children may run at once.
    pub fn limit(&self) -> usize {
        self.bound.limit
    }

    /// Waits for a place, and spawns a parallel child.
    ///
    /// # Errors
    /// [`BoundedError`]: all places are taken and the caller holds one of them, so that it would wait for itself; or the child
    /// could not be spawned. The future is dropped then, unpolled.
    ///
    /// # Cancel safety
    /// Dropped before it is ready, the future is dropped, unpolled, and no place is taken.
    #[track_caller]
    pub fn spawn_erased<F>(&self, future: F) -> impl Future<Output = Result<(), BoundedError>> + use<'_, S, F>
    where
        F: Future<Output = Result<(), S::Error>> + Send + 'static,
    {
        let location = Location::caller();
        async move {
            let place = self.spawns.place();
            let scope = place.scope().clone();
            let permit = self.bound.take(scope.id()).await?;
            let task = place.task(location);
            let own = Arc::new(Own::new(task.clone(), scope.clone(), self.bound.id));
            let tracked = Tracked::new(holding(future, permit), own);
            place
                .spawn_with(task, OrCut(Fails::<S::Error>::new()), tracked)
                .map_err(|error| BoundedError { scope: scope.id().clone(), why: Why::Refused(error) })
        }
    }
}

/// Runs `future` with a place, which is given back when it has been destroyed: also where it is never polled, for then these
/// are destroyed in the order in which they are named.
pub(crate) async fn holding<F: Future>(future: F, permit: Permit) -> F::Output {
    let _permit = permit;
    future.await
}

/// The same, and gives the place away with the value: it is given back when that has been read.
pub(crate) async fn holding_until_read<F, T, E>(future: F, permit: Permit) -> Result<(T, Permit), E>
where
    F: Future<Output = Result<T, E>>,
{
    let value = future.await?;
    Ok((value, permit))
}

impl<'s, E: Fault> Bounded<&'s Nursery<'s, '_, E, Sendable>> {
    /// Waits for a place, and adds a same-task child. It may borrow from outside the nursery.
    ///
    /// # Errors
    /// [`BoundedError`]: all places are taken and the caller holds one of them. A nursery that has closed fails with that.
    ///
    /// # Cancel safety
    /// As [`spawn_erased`](Bounded::spawn_erased).
    #[track_caller]
    pub fn spawn_local<F>(&self, future: F) -> impl Future<Output = Result<(), BoundedError>>
    where
        F: Future<Output = Result<(), E>> + Send + 's,
    {
        add_local(self.spawns, self.bound.clone(), future, Location::caller())
    }
}

impl<'s, E: Fault> Bounded<&'s Nursery<'s, '_, E, Local>> {
    /// Waits for a place, and adds a same-task child. It may borrow from outside the nursery.
    ///
    /// # Errors
    /// [`BoundedError`]: all places are taken and the caller holds one of them. A nursery that has closed fails with that.
    ///
    /// # Cancel safety
    /// As [`spawn_erased`](Bounded::spawn_erased).
    #[track_caller]
    pub fn spawn_local<F>(&self, future: F) -> impl Future<Output = Result<(), BoundedError>>
    where
        F: Future<Output = Result<(), E>> + 's,
    {
        add_local(self.spawns, self.bound.clone(), future, Location::caller())
    }
}

/// The methods that call this check that the future is `Send` where the nursery is.
async fn add_local<'s, E: Fault, K, F>(
    nursery: &'s Nursery<'s, '_, E, K>,
    bound: Arc<Bound>,
    future: F,
    location: &'static Location<'static>,
) -> Result<(), BoundedError>
where
    F: Future<Output = Result<(), E>> + 's,
{
    let scope = nursery.scope.make().clone();
    let permit = bound.take(scope.id()).await?;
    nursery.add(None, location, |task| {
        let own = Arc::new(Own::new(task.clone(), scope, bound.id));
        (Tracked::new(holding(future, permit), own), OrCut(Fails::<E>::new()), task)
    });
    Ok(())
}

impl<S: Clone> Clone for Bounded<S> {
    fn clone(&self) -> Self {
        Bounded { spawns: self.spawns.clone(), bound: self.bound.clone() }
    }
}

impl<S> fmt::Debug for Bounded<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bounded").field("limit", &self.bound.limit).finish_non_exhaustive()
    }
}

/// A bound of 0 was asked for: no child could ever run.
#[derive(Clone, Copy, Debug)]
pub struct ZeroBound {
    location: &'static Location<'static>,
}

impl ZeroBound {
    pub(crate) fn new(location: &'static Location<'static>) -> Self {
        ZeroBound { location }
    }
}

impl fmt::Display for ZeroBound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "a bound of 0 was asked for at {}: no child could ever run, and whoever spawns one would wait for ever. Give it at \
             least 1",
            self.location
        )
    }
}

impl std::error::Error for ZeroBound {}

/// Why a child was not spawned into a bounded view of a scope.
#[derive(Clone)]
pub struct BoundedError {
    scope: ScopeRef,
    why: Why,
}

#[derive(Clone)]
enum Why {
    OwnPlace { here: Option<TaskRef>, limit: usize, location: &'static Location<'static> },
    Refused(SpawnError),
}

impl BoundedError {
    pub(crate) fn refused(scope: ScopeRef, error: SpawnError) -> Self {
        BoundedError { scope, why: Why::Refused(error) }
    }

    /// Whether all places are taken and the caller, or a task it is a part of, holds one of them: it would wait for itself.
    pub fn is_own_place(&self) -> bool {
        matches!(self.why, Why::OwnPlace { .. })
    }

    /// Why the child could not be spawned, though there was a place.
    pub fn spawn_error(&self) -> Option<&SpawnError> {
        match &self.why {
            Why::Refused(error) => Some(error),
            Why::OwnPlace { .. } => None,
        }
    }

    /// The scope.
    pub fn scope(&self) -> &ScopeRef {
        &self.scope
    }
}

impl fmt::Display for BoundedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scope = &self.scope;
        match &self.why {
            Why::OwnPlace { here, limit, location } => {
                let here = here.as_ref().map_or_else(|| "no task".to_owned(), |task| format!("{task:?}"));
                write!(
                    f,
                    "no child can be spawned into {scope} (opened at {}; bound of {limit} set at {location}) by {here}: all \
                     places are taken, and it holds one of them, so it would wait for itself. Spawn it past the bound, into \
                     the nursery itself, or leave it to the nursery's body",
                    scope.location()
                )
            }
            Why::Refused(error) => error.fmt(f),
        }
    }
}

impl fmt::Debug for BoundedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BoundedError({self})")
    }
}

impl std::error::Error for BoundedError {}
