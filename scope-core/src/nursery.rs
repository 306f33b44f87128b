//! The nursery: a scope with children, which is not left before they have ended.

mod named;
mod opening;

use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::panic::Location;
use std::time::{Duration, Instant};

use crate::cancel::Canceller;
use crate::deposit::{Fails, Handled, Runs};
use crate::error::SpawnError;
use crate::failure::{Failure, Fault};
use crate::finalizer::{Exit, Finalizer};
use crate::handle::{self, TaskHandle};
use crate::name::Name;
use crate::origin::{Kind, LazyScope, Origin};
use crate::raw::{self, local::Locals};
use crate::reason::{CancelCause, CancelReason};
use crate::record::{Record, RecordCause};
use crate::scope_ref::ScopeRef;
use crate::spawner::{Place, Spawner, Spawns};
use crate::start::{self, Start, Started, Starting};
use crate::task::TaskRef;
use crate::tracked::{OrCut, Tracked};
use crate::violation::Policy;

pub use named::Named;
pub use opening::{
    Fallible, Mode, Unfailing, nursery, nursery_infallible, nursery_local, try_nursery, try_nursery_local,
};

/// The kind of nursery whose same-task children are `Send`, so that its future is too.
#[derive(Debug)]
pub struct Sendable(());

/// The kind of nursery whose same-task children need not be `Send`: [`nursery_local`].
#[derive(Debug)]
pub struct Local(PhantomData<*const ()>);

/// The scope as its body sees it: what children are spawned into.
///
/// `'s` is the scope's own lifetime, which nothing of it outlives; `'env` is that of what same-task children may borrow
/// from outside. `E` is what children fail with, and `K` tells [`Sendable`] from [`Local`].
///
/// # Spawning
/// `spawn_local` and its kin stay in the runtime's task: they may borrow from outside the nursery and need no runtime.
/// `spawn_erased` and its kin run in parallel, on the runtime, and are `'static`; an adapter's `spawn` does the same with
/// one allocation less. A child that cannot be spawned fails the nursery with [`Cause::Refused`](crate::Cause::Refused).
pub struct Nursery<'s, 'env: 's, E: Fault = Failure, K = Sendable> {
    pub(crate) scope: LazyScope,
    pub(crate) locals: Locals,
    #[expect(clippy::type_complexity, reason = "invariant in both lifetimes")]
    marks: PhantomData<(fn(&'s ()) -> &'s (), fn(&'env ()) -> &'env (), fn(E) -> E, K)>,
}

impl<E: Fault, K> Nursery<'_, '_, E, K> {
    pub(crate) fn new(location: &'static Location<'static>) -> Self {
        Nursery {
            scope: LazyScope::new(Origin::new(Kind::Nursery, location)),
            locals: Locals::new(),
            marks: PhantomData,
        }
    }

    /// Whether nobody has asked for its scope, or added a same-task child.
    pub(crate) fn is_untouched(&self) -> bool {
        self.scope.get().is_none() && self.locals.queue().is_none()
    }
}

/// Same-task children of a nursery that may move between threads.
impl<'s, 'env, E: Fault> Nursery<'s, 'env, E, Sendable> {
    /// Adds a same-task child. It may borrow from outside the nursery. It is polled when the nursery is polled next.
    #[track_caller]
    pub fn spawn_local<F>(&'s self, future: F)
    where
        F: Future<Output = Result<(), E>> + Send + 's,
    {
        self.add(None, Location::caller(), |task| (future, Fails::<E>::new(), task));
    }

    /// The same for a child whose error converts into the nursery's.
    #[track_caller]
    pub fn spawn_local_into<F, X>(&'s self, future: F)
    where
        F: Future<Output = Result<(), X>> + Send + 's,
        X: Into<E>,
    {
        self.add(None, Location::caller(), |task| (future, Fails::<E>::new(), task));
    }

    /// The same for a child that cannot fail.
    #[track_caller]
    pub fn run_local<F>(&'s self, future: F)
    where
        F: Future<Output = ()> + Send + 's,
    {
        self.add(None, Location::caller(), |task| (future, Runs, task));
    }

    /// The same for a child whose value is wanted. Its error is the nursery's.
    #[track_caller]
    pub fn spawn_local_with_handle<F, T>(&'s self, future: F) -> TaskHandle<T>
    where
        F: Future<Output = Result<T, E>> + Send + 's,
        T: Send + 's,
    {
        self.add_with_handle(None, Location::caller(), future)
    }

    /// Adds a same-task child that reports when it is ready, and waits for that: `n.start_local(async |started| ..).await?`.
    ///
    /// # Errors
    /// [`StartError`](crate::StartError), as [`start_erased`](Spawns::start_erased).
    ///
    /// # Cancel safety
    /// Dropped before it is ready, the child is cancelled; the nursery waits for its end.
    #[track_caller]
    pub fn start_local<F, Fut, T>(&'s self, child: F) -> Start<T, E>
    where
        F: FnOnce(Started<T>) -> Fut,
        Fut: Future<Output = Result<(), E>> + Send + 's,
        T: Send + 's,
    {
        self.add_start(None, Location::caller(), child)
    }
}

/// Same-task children of a nursery that stays on its thread.
impl<'s, 'env, E: Fault> Nursery<'s, 'env, E, Local> {
    /// Adds a same-task child. It may borrow from outside the nursery. It is polled when the nursery is polled next.
    #[track_caller]
    pub fn spawn_local<F>(&'s self, future: F)
    where
        F: Future<Output = Result<(), E>> + 's,
    {
        self.add(None, Location::caller(), |task| (future, Fails::<E>::new(), task));
    }

    /// The same for a child whose error converts into the nursery's.
    #[track_caller]
    pub fn spawn_local_into<F, X>(&'s self, future: F)
    where
        F: Future<Output = Result<(), X>> + 's,
        X: Into<E>,
    {
        self.add(None, Location::caller(), |task| (future, Fails::<E>::new(), task));
    }

    /// The same for a child that cannot fail.
    #[track_caller]
    pub fn run_local<F>(&'s self, future: F)
    where
        F: Future<Output = ()> + 's,
    {
        self.add(None, Location::caller(), |task| (future, Runs, task));
    }

    /// The same for a child whose value is wanted. Its error is the nursery's.
    #[track_caller]
    pub fn spawn_local_with_handle<F, T>(&'s self, future: F) -> TaskHandle<T>
    where
        F: Future<Output = Result<T, E>> + 's,
        T: 's,
    {
        self.add_with_handle(None, Location::caller(), future)
    }

    /// Adds a same-task child that reports when it is ready, and waits for that: `n.start_local(async |started| ..).await?`.
    ///
    /// # Errors
    /// [`StartError`](crate::StartError), as [`start_erased`](Spawns::start_erased).
    ///
    /// # Cancel safety
    /// Dropped before it is ready, the child is cancelled; the nursery waits for its end.
    #[track_caller]
    pub fn start_local<F, Fut, T>(&'s self, child: F) -> Start<T, E>
    where
        F: FnOnce(Started<T>) -> Fut,
        Fut: Future<Output = Result<(), E>> + 's,
        T: 's,
    {
        self.add_start(None, Location::caller(), child)
    }
}

impl<'s, 'env, E: Fault, K> Nursery<'s, 'env, E, K> {
    fn add_with_handle<F, T>(
        &'s self,
        name: Option<Name>,
        location: &'static Location<'static>,
        future: F,
    ) -> TaskHandle<T>
    where
        F: Future<Output = Result<T, E>> + 's,
        T: 's,
    {
        let mut kept = None;
        self.add(name, location, |task| {
            let (slot, handle) = handle::pair(task.clone(), self.scope.make().clone());
            kept = Some(handle);
            let tracked = Tracked::new(future, slot.cell());
            (tracked, OrCut(Handled { slot, error: PhantomData::<fn() -> E> }), task)
        });
        kept.unwrap_or_else(|| unreachable!("`add` calls the closure"))
    }

    fn add_start<F, Fut, T>(&'s self, name: Option<Name>, location: &'static Location<'static>, child: F) -> Start<T, E>
    where
        F: FnOnce(Started<T>) -> Fut,
        Fut: Future<Output = Result<(), E>> + 's,
        T: 's,
    {
        let mut kept = None;
        self.add(name, location, |task| {
            let (cell, start) = start::pair(task.clone(), self.scope.make().clone());
            kept = Some(start);
            (Tracked::new(child(Started::new(cell.clone())), cell.clone()), OrCut(Starting::new(cell)), task)
        });
        kept.unwrap_or_else(|| unreachable!("`add` calls the closure"))
    }

    /// The methods that call this check that the future is `Send` where the nursery is.
    pub(crate) fn add<F, D>(
        &'s self,
        name: Option<Name>,
        location: &'static Location<'static>,
        make: impl FnOnce(TaskRef) -> (F, D, TaskRef),
    ) where
        F: Future + 's,
        D: crate::deposit::Deposit<F::Output> + 's,
    {
        let (future, deposit, task) = make(TaskRef::fresh(name, location));
        if let Err(task) = raw::local::add(self, task, future, deposit) {
            let scope = self.scope.make();
            self.refuse(SpawnError::closed(scope.id().clone()).of_task(task), location);
        }
    }

    fn refuse(&self, error: SpawnError, location: &'static Location<'static>) {
        let scope = self.scope.make();
        let path = error.task().map_or_else(|| scope.own_path(), |task| scope.child_path(task));
        let task = error.task().cloned();
        let record = Record { path, location, task, cause: RecordCause::Refused(error), secondary: false };
        scope.fail(record, true);
    }

    /// A handle that spawns parallel children from anywhere: `'static`, `Clone`, `Send`.
    pub fn spawner(&self) -> Spawner<E> {
        Spawner::new(self.scope.make().clone())
    }

    /// A handle that cancels the scope from anywhere, and tells when it has been cancelled.
    pub fn canceller(&self) -> Canceller {
        Canceller::new(self.scope.make().clone())
    }

    /// Cancels the scope: the body and every child end at their next await point, or at the one they wait at. The first
    /// reason wins. Never blocks.
    #[track_caller]
    pub fn cancel(&self, text: impl Into<Name>) {
        self.scope.make().cancel(CancelCause::Explicit, text.into(), Location::caller());
    }

    /// Whether the scope, or one around it, has been cancelled.
    pub fn is_cancelled(&self) -> bool {
        self.scope.is_cancelled()
    }

    /// Why it has been cancelled, if it has.
    pub fn reason(&self) -> Option<CancelReason> {
        self.scope.make().reason()
    }

    /// Moves the deadline, earlier or later, or takes it away. A scope that has been cancelled stays so.
    pub fn set_deadline(&self, at: Option<Instant>) {
        self.scope.make().set_deadline(at);
    }

    /// The scope's own deadline.
    pub fn deadline(&self) -> Option<Instant> {
        match self.scope.get() {
            Some(scope) => scope.deadline(),
            None => self.scope.origin.deadline,
        }
    }

    /// The scope, as others may refer to it.
    pub fn scope(&self) -> ScopeRef {
        self.scope.make().id().clone()
    }

    /// The runtime that this scope's parallel children, timers and processes use.
    ///
    /// # Errors
    /// [`NoRuntime`](crate::rt::NoRuntime) where none is known.
    pub fn runtime(&self) -> Result<crate::rt::Handle, crate::rt::NoRuntime> {
        self.scope.runtime().cloned().ok_or(crate::rt::NoRuntime::new())
    }

    /// Adds an async finalizer: run exactly once when the body and all children have ended, the last added first, shielded
    /// from cancellation, within the scope's [clean-up budget](crate::NurseryFuture::cleanup_budget).
    ///
    /// One that overruns its part of the budget is dropped and named in the error; the others still run. Where no runtime
    /// is known there is no clock, and no budget.
    #[track_caller]
    pub fn finalizer<F, Fut>(&self, name: impl Into<Name>, finalizer: F)
    where
        F: FnOnce(Exit) -> Fut + Send + 'static,
        Fut: Future<Output = Result<(), Failure>> + Send + 'static,
    {
        self.add_finalizer(name.into(), Location::caller(), None, finalizer);
    }

    /// The same, with a bound of its own: `share` at the most, and never more than the budget leaves it.
    #[track_caller]
    pub fn finalizer_within<F, Fut>(&self, share: Duration, name: impl Into<Name>, finalizer: F)
    where
        F: FnOnce(Exit) -> Fut + Send + 'static,
        Fut: Future<Output = Result<(), Failure>> + Send + 'static,
    {
        self.add_finalizer(name.into(), Location::caller(), Some(share), finalizer);
    }

    fn add_finalizer<F, Fut>(
        &self,
        name: Name,
        location: &'static Location<'static>,
        share: Option<Duration>,
        finalizer: F,
    ) where
        F: FnOnce(Exit) -> Fut + Send + 'static,
        Fut: Future<Output = Result<(), Failure>> + Send + 'static,
    {
        let scope = self.scope.make();
        if let Err(refused) = Finalizer::add(scope, name.clone(), location, share, finalizer) {
            // The scope has closed, so this is called by a destructor that runs while its future is dropped: run at once, as
            // what a dropped scope leaves.
            crate::adopt::run_at_once(scope, Finalizer::new(name, location, share, refused.into_inner()));
        }
    }

    /// What a broken rule does in this scope and further in, beside the [event](crate::event).
    pub fn set_policy(&self, policy: Policy) {
        self.scope.make().set_policy(policy);
    }

    /// Names the next child: `n.task("reader").spawn_local(..)`.
    pub fn task(&'s self, name: impl Into<Name>) -> Named<'s, 'env, E, K> {
        Named { nursery: self, name: name.into() }
    }
}

impl<E: Fault, K> Spawns for Nursery<'_, '_, E, K> {
    type Error = E;
    type Answer<T> = T;

    fn place(&self) -> Place<'_, E> {
        Place::new(self.scope.make(), None)
    }

    #[track_caller]
    fn answer<T>(&self, spawned: T, result: Result<(), SpawnError>) -> T {
        if let Err(error) = result {
            self.refuse(error, Location::caller());
        }
        spawned
    }
}

impl<E: Fault, K> fmt::Debug for Nursery<'_, '_, E, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Nursery")
            .field("name", &self.scope.origin.name)
            .field("opened", &format_args!("{}", self.scope.origin.location))
            .finish_non_exhaustive()
    }
}
