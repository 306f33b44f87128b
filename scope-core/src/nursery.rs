//! The nursery: a scope with children, which is not left before they have ended.

use std::convert::Infallible;
use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::panic::Location;
use std::time::{Duration, Instant};

use crate::cancel::Canceller;
use crate::deposit::{Fails, Handled, Runs};
use crate::error::ScopeError;
use crate::failure::{Failure, Fault};
use crate::finalizer::{Exit, Finalizer};
use crate::handle::{self, TaskHandle};
use crate::name::Name;
use crate::origin::{Kind, LazyScope, Origin};
use crate::raw::host::NurseryFuture;
use crate::raw::local::Locals;
use crate::reason::{CancelCause, CancelReason};
use crate::record::{Record, RecordCause};
use crate::scope_ref::ScopeRef;
use crate::spawner::{Place, Spawner, Spawns};
use crate::start::{self, Start, Started, Starting};
use crate::task::TaskRef;
use crate::tracked::{OrCut, Tracked};
use crate::violation::Policy;

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
    fn new(location: &'static Location<'static>) -> Self {
        Nursery {
            scope: LazyScope::new(Origin::new(Kind::Nursery, location)),
            locals: Locals::new(),
            marks: PhantomData,
        }
    }
}

/// Opens a nursery around `body`: it returns when the body and every child have ended, their futures and outputs have
/// been destroyed, and the finalizers have run.
///
/// ```
/// # fn block_on<T>(future: impl Future<Output = T>) -> T {
/// #     let mut future = std::pin::pin!(future);
/// #     let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
/// #     loop {
/// #         if let std::task::Poll::Ready(out) = future.as_mut().poll(&mut cx) {
/// #             return out;
/// #         }
/// #     }
/// # }
/// # block_on(async {
/// let mut squares = [0; 3];
/// let count = scope_core::nursery(async |n| {
///     let mut count = 0;
///     for (number, square) in squares.iter_mut().enumerate() {
///         n.spawn_local(async move {
///             *square = number * number;
///             Ok(())
///         });
///         count += 1;
///     }
///     Ok(count)
/// })
/// .await?;
/// assert_eq!((count, squares), (3, [0, 1, 4]));
/// # Ok::<(), scope_core::ScopeError>(())
/// # })
/// # .unwrap();
/// ```
///
/// Write the body as `async |n| { .. }`: a plain closure that returns an async block (`|n| async move { .. }`) cannot
/// name how long it borrows `n`, and the compiler's message for that is not clear.
///
/// # Errors
/// A [`ScopeError`]: the first failure of the body or of a child cancels all the others; when they have ended it comes out
/// with whatever else failed. A nursery whose body was cut short by a cancellation of its own says so.
///
/// # Panics
/// A panic of the body or of a child cancels the others likewise and is resumed when they have ended, if it was the first
/// thing that went wrong.
///
/// # Cancel safety
/// See [`NurseryFuture`].
#[track_caller]
pub fn nursery<'env, F, B, T>(body: F) -> NurseryFuture<'env, F, B, Failure, Sendable, Fallible>
where
    F: for<'s> AsyncFnOnce(&'s Nursery<'s, 'env>) -> Result<T, Failure>,
    F: FnOnce(&'env Nursery<'env, 'env>) -> B,
    B: Future<Output = Result<T, Failure>>,
{
    NurseryFuture::new(|body, n| body(n), body, Nursery::new(Location::caller()))
}

/// [`nursery()`] with an error type of the caller's own: `try_nursery(async |n: &Nursery<io::Error>| ..)`.
///
/// # Errors
/// As [`nursery()`]'s, with the children's errors as they are.
///
/// # Panics
/// As [`nursery()`].
#[track_caller]
pub fn try_nursery<'env, F, B, T, E>(body: F) -> NurseryFuture<'env, F, B, E, Sendable, Fallible>
where
    E: Fault,
    F: for<'s> AsyncFnOnce(&'s Nursery<'s, 'env, E>) -> Result<T, E>,
    F: FnOnce(&'env Nursery<'env, 'env, E>) -> B,
    B: Future<Output = Result<T, E>>,
{
    NurseryFuture::new(|body, n| body(n), body, Nursery::new(Location::caller()))
}

/// [`nursery()`] for bodies and children that cannot fail: no `Result` anywhere.
///
/// # Panics
/// As [`nursery()`]; also when there is no value to return: the body was cut short by a cancellation of this nursery
/// itself, or a child could not be spawned or was dropped by the runtime.
#[track_caller]
pub fn nursery_infallible<'env, F, B, T>(body: F) -> NurseryFuture<'env, F, B, Infallible, Sendable, Unfailing>
where
    F: for<'s> AsyncFnOnce(&'s Nursery<'s, 'env, Infallible>) -> T,
    F: FnOnce(&'env Nursery<'env, 'env, Infallible>) -> B,
    B: Future<Output = T>,
{
    NurseryFuture::new(|body, n| body(n), body, Nursery::new(Location::caller()))
}

/// [`nursery()`] whose same-task children need not be `Send`. Its future is not `Send` either.
///
/// # Errors
/// As [`nursery()`].
///
/// # Panics
/// As [`nursery()`].
#[track_caller]
pub fn nursery_local<'env, F, B, T>(body: F) -> NurseryFuture<'env, F, B, Failure, Local, Fallible>
where
    F: for<'s> AsyncFnOnce(&'s Nursery<'s, 'env, Failure, Local>) -> Result<T, Failure>,
    F: FnOnce(&'env Nursery<'env, 'env, Failure, Local>) -> B,
    B: Future<Output = Result<T, Failure>>,
{
    NurseryFuture::new(|body, n| body(n), body, Nursery::new(Location::caller()))
}

/// [`nursery_local`] with an error type of the caller's own.
///
/// # Errors
/// As [`try_nursery`].
///
/// # Panics
/// As [`nursery()`].
#[track_caller]
pub fn try_nursery_local<'env, F, B, T, E>(body: F) -> NurseryFuture<'env, F, B, E, Local, Fallible>
where
    E: Fault,
    F: for<'s> AsyncFnOnce(&'s Nursery<'s, 'env, E, Local>) -> Result<T, E>,
    F: FnOnce(&'env Nursery<'env, 'env, E, Local>) -> B,
    B: Future<Output = Result<T, E>>,
{
    NurseryFuture::new(|body, n| body(n), body, Nursery::new(Location::caller()))
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for super::Fallible {}
    impl Sealed for super::Unfailing {}
}

/// How a body's output becomes the nursery's. Sealed.
pub trait Mode<O, E: Fault>: sealed::Sealed {
    /// What the body returns when all is well.
    type Value;
    /// What the nursery returns.
    type Output;
    #[doc(hidden)]
    fn split(output: O) -> Result<Self::Value, E>;
    #[doc(hidden)]
    fn finish(result: Result<Self::Value, ScopeError<E>>) -> Self::Output;
}

/// The body returns a `Result`.
#[derive(Debug)]
pub struct Fallible(());

/// The body returns a value.
#[derive(Debug)]
pub struct Unfailing(());

impl<T, E: Fault> Mode<Result<T, E>, E> for Fallible {
    type Value = T;
    type Output = Result<T, ScopeError<E>>;

    fn split(output: Result<T, E>) -> Result<T, E> {
        output
    }

    fn finish(result: Result<T, ScopeError<E>>) -> Self::Output {
        result
    }
}

impl<T> Mode<T, Infallible> for Unfailing {
    type Value = T;
    type Output = T;

    fn split(output: T) -> Result<T, Infallible> {
        Ok(output)
    }

    fn finish(result: Result<T, ScopeError<Infallible>>) -> T {
        result.unwrap_or_else(|error| panic!("a nursery that cannot fail has no value to return: {error}"))
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
        let spawned = task.clone();
        if crate::raw::local::add(self, task, future, deposit) {
            if crate::event::observed() {
                let kind = crate::event::EventKind::Spawned;
                crate::event::tell(kind, self.scope.make(), Some(spawned), location);
            }
        } else {
            let scope = self.scope.make();
            self.refuse(crate::SpawnError::closed(scope.id().clone()).of_task(spawned), location);
        }
    }

    fn refuse(&self, error: crate::SpawnError, location: &'static Location<'static>) {
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
    /// from cancellation, within the scope's [clean-up budget](NurseryFuture::cleanup_budget).
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

    fn place(&self) -> Place<E> {
        Place::new(self.scope.make().clone(), None)
    }

    #[track_caller]
    fn answer<T>(&self, spawned: T, result: Result<(), crate::SpawnError>) -> T {
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

/// Spawns a child with a name: [`Nursery::task`].
pub struct Named<'s, 'env, E: Fault = Failure, K = Sendable> {
    nursery: &'s Nursery<'s, 'env, E, K>,
    name: Name,
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

    fn place(&self) -> Place<E> {
        Place::new(self.nursery.scope.make().clone(), Some(self.name.clone()))
    }

    #[track_caller]
    fn answer<T>(&self, spawned: T, result: Result<(), crate::SpawnError>) -> T {
        self.nursery.answer(spawned, result)
    }
}

impl<E: Fault, K> fmt::Debug for Named<'_, '_, E, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Named").field("name", &self.name).field("nursery", self.nursery).finish()
    }
}
