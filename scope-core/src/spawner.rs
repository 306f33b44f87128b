//! Spawning parallel children: from a nursery, from a handle on one, and for adapters.

use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::panic::Location;
use std::sync::Arc;

use crate::acquire::{self, Acquire};
use crate::bounded::{Bounded, ZeroBound};
use crate::cancel::Canceller;
use crate::deposit::{Deposit, End, Fails, Handled, Runs, Serves};
use crate::enter::Entered;
use crate::error::SpawnError;
use crate::event::{self, EventKind};
use crate::failure::{Failure, Fault};
use crate::finalizer::{Exit, Finalizer, NotAdded};
use crate::handle::{self, TaskHandle};
use crate::name::Name;
use crate::raw::child::{self, Room};
use crate::raw::counted::Counted;
use crate::raw::frame::{self, Here};
use crate::results::{BoundedResults, Results};
use crate::rt::{self, Refused};
use crate::scope::{Part, Scope};
use crate::scope_ref::ScopeRef;
use crate::service::{self, Service, ServiceError, ServiceHandle};
use crate::start::{self, Start, Started, Starting};
use crate::supervisor::Supervisor;
use crate::task::TaskRef;
use crate::tracked::{OrCut, Tracked};

/// A handle on a nursery that spawns parallel children into it: `'static`, `Clone`, `Send`. It keeps the nursery open for
/// nobody: once that has ended, spawning is refused.
///
/// A child's parent for cancellation is the nursery, whoever spawns it.
pub struct Spawner<E: Fault = Failure> {
    scope: Arc<Scope>,
    name: Option<Name>,
    error: PhantomData<fn(E) -> E>,
}

impl<S: Spawns> Spawns for &S {
    type Error = S::Error;
    type Answer<T> = S::Answer<T>;

    fn place(&self) -> Place<'_, S::Error> {
        S::place(self)
    }

    #[track_caller]
    fn answer<T>(&self, spawned: T, result: Result<(), SpawnError>) -> S::Answer<T> {
        S::answer(self, spawned, result)
    }
}

impl<E: Fault> Spawner<E> {
    /// Adds an async finalizer to the scope, as [`Nursery::finalizer`](crate::Nursery::finalizer).
    ///
    /// # Errors
    /// [`NotAdded`] where the scope has closed; the finalizer comes back in it.
    #[track_caller]
    pub fn finalizer<F, Fut>(&self, name: impl Into<Name>, finalizer: F) -> Result<(), NotAdded<F>>
    where
        F: FnOnce(Exit) -> Fut + Send + 'static,
        Fut: Future<Output = Result<(), Failure>> + Send + 'static,
    {
        Finalizer::add(&self.scope, name.into(), Location::caller(), None, finalizer)
    }

    /// Runs `body`, code of a task that this framework does not know (a handler that a server calls, say), as a child of the
    /// scope: the scope waits for it, and cancels it like any child; scopes that it leaves behind, when the foreign task is
    /// dropped, are adopted by the scope.
    ///
    /// # Errors
    /// [`EnterError`](crate::EnterError) where the scope has closed, and `body` was not run, or where it was cancelled, and
    /// `body` was cut short.
    ///
    /// # Panics
    /// A panic of `body` is resumed in the foreign task; the scope goes on.
    ///
    /// # Cancel safety
    /// Dropping it drops `body`. Forgotten after its first poll, it has not ended: the scope waits for it, for ever.
    #[track_caller]
    pub fn enter<F: Future>(&self, body: F) -> Entered<F> {
        Entered::new(self.scope.clone(), self.name.clone(), Location::caller(), body)
    }

    pub(crate) fn new(scope: Arc<Scope>) -> Self {
        Spawner { scope, name: None, error: PhantomData }
    }

    /// One that gives its children this name.
    pub fn task(&self, name: impl Into<Name>) -> Self {
        Spawner { scope: self.scope.clone(), name: Some(name.into()), error: PhantomData }
    }

    /// The scope that the children are of.
    pub fn scope(&self) -> &ScopeRef {
        self.scope.id()
    }

    /// A handle that cancels the scope.
    pub fn canceller(&self) -> Canceller {
        Canceller::new(self.scope.clone())
    }

    /// The runtime that the children run on.
    ///
    /// # Errors
    /// [`NoRuntime`](rt::NoRuntime) where none is known.
    pub fn runtime(&self) -> Result<rt::Handle, rt::NoRuntime> {
        self.scope.runtime().cloned().ok_or(rt::NoRuntime::new())
    }
}

impl<E: Fault> Clone for Spawner<E> {
    fn clone(&self) -> Self {
        Spawner { scope: self.scope.clone(), name: self.name.clone(), error: PhantomData }
    }
}

impl<E: Fault> fmt::Debug for Spawner<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Spawner").field("scope", self.scope.id()).field("name", &self.name).finish()
    }
}

impl<E: Fault> Spawns for Spawner<E> {
    type Error = E;
    type Answer<T> = Result<T, SpawnError>;

    fn place(&self) -> Place<'_, E> {
        Place::new(&self.scope, self.name.clone())
    }

    fn answer<T>(&self, spawned: T, result: Result<(), SpawnError>) -> Result<T, SpawnError> {
        result.map(|()| spawned)
    }
}

/// What parallel children can be spawned into: a [`Nursery`](crate::Nursery), a named task of it, a [`Spawner`].
///
/// The methods here box the child's future, so that they work on any runtime. An adapter's `spawn`, `spawn_into`, `run`
/// and `spawn_with_handle` do the same without.
///
/// A child that cannot be spawned (the scope has closed, the runtime has shut down, no runtime is known) is dropped,
/// unpolled; a nursery then fails with that error, a spawner returns it.
pub trait Spawns {
    /// What the children fail with.
    type Error: Fault;

    /// What the spawning methods return: `T` itself from a nursery, which has the error; a `Result` from a spawner.
    type Answer<T>;

    /// For adapters: where the child goes.
    fn place(&self) -> Place<'_, Self::Error>;

    /// For adapters: what to return.
    #[track_caller]
    fn answer<T>(&self, spawned: T, result: Result<(), SpawnError>) -> Self::Answer<T>;

    /// Spawns a parallel child on whatever runtime the scope has.
    #[track_caller]
    fn spawn_erased<F>(&self, future: F) -> Self::Answer<()>
    where
        F: Future<Output = Result<(), Self::Error>> + Send + 'static,
    {
        self.answer((), self.place().spawn(Erased, future))
    }

    /// The same for a child whose error converts into the scope's.
    #[track_caller]
    fn spawn_erased_into<F, X>(&self, future: F) -> Self::Answer<()>
    where
        F: Future<Output = Result<(), X>> + Send + 'static,
        X: Into<Self::Error> + 'static,
    {
        self.answer((), self.place().spawn_into(Erased, future))
    }

    /// The same for a child that cannot fail.
    #[track_caller]
    fn run_erased<F>(&self, future: F) -> Self::Answer<()>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.answer((), self.place().run(Erased, future))
    }

    /// The same for a child whose value is wanted. Its error is the scope's.
    #[track_caller]
    fn spawn_erased_with_handle<F, T>(&self, future: F) -> Self::Answer<TaskHandle<T>>
    where
        F: Future<Output = Result<T, Self::Error>> + Send + 'static,
        T: Send + 'static,
    {
        let (handle, result) = self.place().spawn_with_handle(Erased, future);
        self.answer(handle, result)
    }

    /// Spawns a child that reports when it is ready, and waits for that: `n.start_erased(async |started| ..).await?`.
    ///
    /// # Errors
    /// [`StartError`](crate::StartError): the child failed, panicked, was cancelled or ended before it had reported, or was
    /// not spawned. Nobody else is told of it: the scope goes on. What goes wrong later is the scope's, as for any child.
    ///
    /// # Cancel safety
    /// Dropped before it is ready, the child is cancelled; the scope waits for its end.
    #[track_caller]
    fn start_erased<F, Fut, T>(&self, child: F) -> Start<T, Self::Error>
    where
        F: FnOnce(Started<T>) -> Fut,
        Fut: Future<Output = Result<(), Self::Error>> + Send + 'static,
        T: Send + 'static,
    {
        self.place().start(Erased, child)
    }

    /// Acquires a resource, and registers its release as a finalizer of the scope: either both or neither, whatever is
    /// cancelled or dropped in between.
    ///
    /// `acquiring` runs to its end as a child of the scope, shielded from cancellation. `release` is called like a
    /// [finalizer](crate::Nursery::finalizer), with the resource.
    ///
    /// # Errors
    /// [`AcquireError`](crate::AcquireError): `acquiring` failed or panicked, or could not be started. An error that nobody
    /// waits for any more is recorded in the scope, and cancels nobody.
    ///
    /// # Cancel safety
    /// Dropped before it is ready, the acquiring goes on, and the resource is released with the scope.
    #[track_caller]
    fn acquire<R, A, F, Fut>(&self, name: impl Into<Name>, acquiring: A, release: F) -> Acquire<R>
    where
        R: Send + Sync + 'static,
        A: Future<Output = Result<R, Failure>> + Send + 'static,
        F: FnOnce(Arc<R>, Exit) -> Fut + Send + 'static,
        Fut: Future<Output = Result<(), Failure>> + Send + 'static,
    {
        acquire::acquire(self.place(), name.into(), Location::caller(), acquiring, release)
    }

    /// A view of the scope that lets at most `limit` children run at once: spawning in it waits for a place.
    ///
    /// # Errors
    /// [`ZeroBound`] where `limit` is 0: no child could ever run.
    #[track_caller]
    fn bounded(self, limit: usize) -> Result<Bounded<Self>, ZeroBound>
    where
        Self: Sized,
    {
        Bounded::new(self, limit, Location::caller())
    }

    /// Children whose values are wanted one by one, in the order in which they finish.
    fn results<T>(self) -> Results<Self, T>
    where
        Self: Sized,
    {
        Results::new(self)
    }

    /// [`results`](Spawns::results) of at most `limit` children that run or whose value has not been read.
    ///
    /// # Errors
    /// [`ZeroBound`] where `limit` is 0.
    #[track_caller]
    fn results_bounded<T>(self, limit: usize) -> Result<BoundedResults<Self, T>, ZeroBound>
    where
        Self: Sized,
    {
        BoundedResults::new(self, limit, Location::caller())
    }

    /// Children whose failures are handed to whoever supervises them, as values: siblings live.
    fn supervisor<T>(self) -> Supervisor<Self, T>
    where
        Self: Sized,
    {
        Supervisor::new(self)
    }

    /// Starts a service in the scope, and does not wait for it to open.
    ///
    /// The service ends when a handle asks for it, when the last handle is dropped, when the body and all other children of
    /// the scope have ended, or when the scope is cancelled; the scope waits for its end. A failure of the service cancels
    /// nobody: those who ask are told.
    #[track_caller]
    fn serve<S: Service>(&self, service: S) -> Self::Answer<ServiceHandle<S>> {
        let (handle, result) = service::serve(self.place(), service, Location::caller());
        self.answer(handle, result)
    }

    /// Starts a service in the scope, and waits until it is open.
    ///
    /// # Errors
    /// [`ServiceError`] with the cause when it could not be opened, or not started.
    ///
    /// # Cancel safety
    /// Dropped before it is ready, the service is asked to end, and the scope waits for that.
    #[track_caller]
    fn open<S: Service>(
        &self,
        service: S,
    ) -> impl Future<Output = Result<ServiceHandle<S>, ServiceError>> + Send + use<Self, S> {
        // A service that was not started says why to those who wait for it.
        let (handle, _) = service::serve(self.place(), service, Location::caller());
        service::opened(handle)
    }
}

/// For adapters: gives a child, as the concrete future it is, to a runtime.
pub trait Launch {
    /// Runs `task` to its end, detached, on `runtime`, which is the scope's.
    ///
    /// # Errors
    /// [`LaunchError`]; `task` has been dropped then, unpolled.
    fn launch<F>(self, runtime: &rt::Handle, task: F) -> Result<(), LaunchError>
    where
        F: Future<Output = ()> + Send + 'static;
}

/// For adapters: why a child was not launched.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum LaunchError {
    /// The runtime has shut down.
    Refused(Refused),
    /// The scope runs on another runtime than this adapter's.
    OtherRuntime,
}

impl From<Refused> for LaunchError {
    fn from(refused: Refused) -> Self {
        LaunchError::Refused(refused)
    }
}

/// The launch that works on any runtime: it boxes.
struct Erased;

impl Launch for Erased {
    fn launch<F>(self, runtime: &rt::Handle, task: F) -> Result<(), LaunchError>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        Ok(runtime.spawn(Box::pin(task))?)
    }
}

/// That of a service's task.
struct AsService;

impl Launch for AsService {
    fn launch<F>(self, runtime: &rt::Handle, task: F) -> Result<(), LaunchError>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        Ok(runtime.spawn_service(Box::pin(task))?)
    }
}

/// How far a child has come that was [begun](Place::begin).
#[derive(Debug)]
pub enum Begun<T> {
    /// It has ended with that.
    Done(T),
    /// It has ended with nothing: it panicked, which its scope knows, or was cancelled.
    Ended,
    /// It waits, and goes on in the scope's runtime.
    GoesOn,
}

/// For adapters: where a child goes. Each method wraps the future, counts it in, and launches it.
pub struct Place<'s, E: Fault = Failure> {
    scope: &'s Arc<Scope>,
    name: Option<Name>,
    error: PhantomData<fn(E) -> E>,
}

impl<'s, E: Fault> Place<'s, E> {
    pub(crate) fn new(scope: &'s Arc<Scope>, name: Option<Name>) -> Self {
        Place { scope, name, error: PhantomData }
    }

    /// The runtime that the child would run on.
    pub fn runtime(&self) -> Option<&rt::Handle> {
        self.scope.runtime()
    }

    /// As [`Spawns::spawn_erased`].
    ///
    /// # Errors
    /// [`SpawnError`].
    #[track_caller]
    pub fn spawn<F>(self, launch: impl Launch, future: F) -> Result<(), SpawnError>
    where
        F: Future<Output = Result<(), E>> + Send + 'static,
    {
        let task = TaskRef::fresh(self.name, Location::caller());
        spawn(self.scope, task, launch, Fails::<E>::new(), future)
    }

    /// As [`Spawns::spawn_erased_into`].
    ///
    /// # Errors
    /// [`SpawnError`].
    #[track_caller]
    pub fn spawn_into<F, X>(self, launch: impl Launch, future: F) -> Result<(), SpawnError>
    where
        F: Future<Output = Result<(), X>> + Send + 'static,
        X: Into<E> + 'static,
    {
        let task = TaskRef::fresh(self.name, Location::caller());
        spawn(self.scope, task, launch, Fails::<E>::new(), future)
    }

    /// As [`Spawns::run_erased`].
    ///
    /// # Errors
    /// [`SpawnError`].
    #[track_caller]
    pub fn run<F>(self, launch: impl Launch, future: F) -> Result<(), SpawnError>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let task = TaskRef::fresh(self.name, Location::caller());
        spawn(self.scope, task, launch, Runs, future)
    }

    /// As [`run`](Place::run), of a child that is polled for the first time before this returns, in a box of its own, and given
    /// to the scope's runtime only if it waits. `make` gives its future where it is to lie, and is dropped where there is to be
    /// none. What the child comes to is given to the caller if it is there by then, and dropped otherwise.
    ///
    /// # Errors
    /// [`SpawnError`].
    ///
    /// # Panics
    /// If `make` does; then there was no child.
    #[track_caller]
    pub fn begin<F>(self, make: impl FnOnce() -> F) -> Result<Begun<F::Output>, SpawnError>
    where
        F: Future<Output: Send> + Send + 'static,
    {
        self.begin_in(&mut Room::default(), make)
    }

    /// As [`begin`](Place::begin), of one of many children that mostly end at once: in `room` the memory of the last one is kept,
    /// and used again for the next of the same type.
    ///
    /// # Errors
    /// [`SpawnError`].
    ///
    /// # Panics
    /// As [`begin`](Place::begin).
    #[track_caller]
    #[inline]
    pub fn begin_in<F>(self, room: &mut Room, make: impl FnOnce() -> F) -> Result<Begun<F::Output>, SpawnError>
    where
        F: Future<Output: Send> + Send + 'static,
    {
        let Place { scope, name, .. } = self;
        let task = TaskRef::fresh(name, Location::caller());
        let Some(runtime) = scope.runtime() else {
            frame::enter(&task, Here::Made(scope), || drop(make));
            return Err(SpawnError::no_runtime(scope.id().clone()).of_task(task));
        };
        let counted = match Counted::admit(scope, Part::Child) {
            Ok(counted) => counted,
            Err(error) => {
                frame::enter(&task, Here::Made(scope), || drop(make));
                return Err(error.of_task(task));
            }
        };
        tell_spawned(scope, &task);
        child::begin(scope, counted, &task, runtime, room, make)
            .map_err(|_| SpawnError::refused(scope.id().clone()).of_task(task))
    }

    /// As [`Spawns::spawn_erased_with_handle`]. The handle of a child that was not spawned says so.
    #[track_caller]
    pub fn spawn_with_handle<F, T>(self, launch: impl Launch, future: F) -> (TaskHandle<T>, Result<(), SpawnError>)
    where
        F: Future<Output = Result<T, E>> + Send + 'static,
        T: Send + 'static,
    {
        let task = TaskRef::fresh(self.name, Location::caller());
        let (slot, handle) = handle::pair(task.clone(), self.scope.clone());
        let tracked = Tracked::new(future, slot.cell());
        let deposit = OrCut(Handled { slot, error: PhantomData::<fn() -> E> });
        let result = spawn(self.scope, task, launch, deposit, tracked);
        (handle, result)
    }

    /// Spawns a child with a deposit of this crate's.
    pub(crate) fn spawn_with<F, D>(self, task: TaskRef, deposit: D, future: F) -> Result<(), SpawnError>
    where
        F: Future + Send + 'static,
        D: Deposit<F::Output> + Send + 'static,
    {
        spawn(self.scope, task, Erased, deposit, future)
    }

    pub(crate) fn scope(&self) -> &'s Arc<Scope> {
        self.scope
    }

    /// A task for its next child.
    pub(crate) fn task(&self, location: &'static Location<'static>) -> TaskRef {
        TaskRef::fresh(self.name.clone(), location)
    }

    /// As [`Spawns::start_erased`].
    #[track_caller]
    pub fn start<F, Fut, T>(self, launch: impl Launch, child: F) -> Start<T, E>
    where
        F: FnOnce(Started<T>) -> Fut,
        Fut: Future<Output = Result<(), E>> + Send + 'static,
        T: Send + 'static,
    {
        let task = self.task(Location::caller());
        let (cell, start) = start::pair(task.clone(), self.scope.clone());
        let tracked = Tracked::new(child(Started::new(cell.clone())), cell.clone());
        let result = spawn(self.scope, task, launch, OrCut(Starting::new(cell)), tracked);
        start.or_refused(result)
    }
}

impl<E: Fault> fmt::Debug for Place<'_, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Place").field("scope", self.scope.id()).field("name", &self.name).finish()
    }
}

/// Starts a service's task.
pub(crate) fn start_service<F>(scope: &Arc<Scope>, task: TaskRef, future: F) -> Result<(), SpawnError>
where
    F: Future<Output = ()> + Send + 'static,
{
    spawn(scope, task, AsService, Serves, future)
}

fn tell_spawned(scope: &Arc<Scope>, task: &TaskRef) {
    if event::observed() {
        event::tell(EventKind::Spawned, scope, Some(task.clone()), task.location());
    }
}

fn spawn<F, D>(scope: &Arc<Scope>, task: TaskRef, launch: impl Launch, deposit: D, future: F) -> Result<(), SpawnError>
where
    F: Future + Send + 'static,
    D: Deposit<F::Output> + Send + 'static,
{
    let counted = match Counted::admit(scope, D::PART) {
        Ok(counted) => counted,
        Err(error) => {
            frame::enter(&task, Here::Made(scope), || {
                drop(future);
                deposit.deposit(Here::Made(scope), &task, End::Refused);
            });
            return Err(error.of_task(task));
        }
    };
    tell_spawned(scope, &task);
    let launched = child::launch(scope, counted, &task, launch, deposit, future);
    if let Ok(true) = launched {
        return Ok(());
    }
    let id = scope.id().clone();
    let error = match (scope.runtime(), launched) {
        (None, _) => SpawnError::no_runtime(id),
        (Some(runtime), Err(LaunchError::OtherRuntime)) => SpawnError::other_runtime(id, runtime.name()),
        _ => SpawnError::refused(id),
    };
    Err(error.of_task(task))
}
