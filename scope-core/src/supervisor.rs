//! Children whose failures are values: whoever supervises them decides, and siblings live.

use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::panic::Location;
use std::sync::Arc;

use crate::adopt;
use crate::collect::{Collected, Expected, Made};
use crate::deposit::{Deposit, End};
use crate::error::{Cause, PanicPayload};
use crate::failure::{Failure, Fault};
use crate::name::Name;
use crate::nursery::{Local, Nursery, Sendable};
use crate::raw::frame::Here;
use crate::reason::{CancelCause, CancelReason};
use crate::record::RecordCause;
use crate::spawner::Spawns;
use crate::task::TaskRef;

/// Children whose outcomes, failures and panics too, are handed to whoever supervises them: [`Spawns::supervisor`]. A child
/// that fails cancels nobody.
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
/// use scope_core::Spawns;
///
/// # block_on(async {
/// let good = scope_core::nursery(async |n| {
///     let mut children = n.supervisor();
///     for number in 1..=4 {
///         children.spawn_local(async move { if number % 2 == 0 { Ok(number) } else { Err("odd")? } });
///     }
///     let mut good = Vec::new();
///     while let Some(child) = children.next().await {
///         good.extend(child.into_result().ok());
///     }
///     Ok(good)
/// })
/// .await?;
/// assert_eq!(good, [2, 4]);
/// # Ok::<(), scope_core::ScopeError>(())
/// # })
/// # .unwrap();
/// ```
///
/// # What drop does
/// No failure is lost: those that were not read fail the scope, and so does a child that fails later.
pub struct Supervisor<S: Spawns, T> {
    spawns: S,
    collected: Arc<Collected<Ended<T, S::Error>>>,
}

type Ended<T, E> = Made<Result<T, Cause<E>>>;

/// A child that has ended.
pub struct Supervised<T, E: Fault = Failure> {
    task: TaskRef,
    result: Result<T, Cause<E>>,
}

impl<T, E: Fault> Supervised<T, E> {
    /// The child.
    pub fn task(&self) -> &TaskRef {
        &self.task
    }

    /// How it ended.
    pub fn result(&self) -> &Result<T, Cause<E>> {
        &self.result
    }

    /// How it ended, by value: its value; or its error, its panic, that it was cancelled, or dropped by the runtime.
    ///
    /// # Errors
    /// What went wrong.
    pub fn into_result(self) -> Result<T, Cause<E>> {
        self.result
    }
}

impl<T: fmt::Debug, E: Fault> fmt::Debug for Supervised<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Supervised").field("task", &self.task).field("result", &self.result).finish()
    }
}

/// Where the outcome of such a child goes.
struct Supervises<T, E: Fault> {
    expected: Expected<Ended<T, E>>,
    error: PhantomData<fn() -> E>,
}

impl<T, E: Fault> Deposit<Result<T, E>> for Supervises<T, E> {
    fn deposit(self, here: Here<'_>, task: &TaskRef, end: End<Result<T, E>>) {
        let result = match end {
            End::Done(Ok(value)) => Ok(value),
            End::Done(Err(error)) => Err(Cause::Failed(error)),
            End::Panicked(payload) => Err(Cause::Panicked(PanicPayload::new(payload))),
            End::Aborted => Err(Cause::Aborted),
            End::Cancelled => {
                let scope = here.make();
                let reason = scope.reason().unwrap_or_else(|| {
                    CancelReason::new(CancelCause::Dropped, Name::new(""), scope.id().clone(), scope.id().location())
                });
                Err(Cause::Cancelled(reason))
            }
            // The scope, or who spawned it, has been told.
            End::Refused | End::Recorded => return,
        };
        if let Err(unread) = self.expected.leave(Made::by(task, here, result)) {
            fail_with(unread);
        }
    }
}

/// A failure that nobody has read is the scope's.
fn fail_with<T, E: Fault>(unread: Ended<T, E>) {
    if matches!(unread.as_ref(), Some(Ok(_)) | None) {
        return;
    }
    let (scope, task) = (unread.scope().clone(), unread.task().clone());
    let cause = match unread.take() {
        Some(Err(Cause::Failed(error))) => RecordCause::failed(error),
        Some(Err(Cause::Panicked(payload))) => RecordCause::Panicked(payload),
        Some(Err(Cause::Aborted)) => RecordCause::Aborted,
        _ => return,
    };
    adopt::record_now(&scope, &task, cause);
}

impl<S: Spawns, T> Supervisor<S, T> {
    pub(crate) fn new(spawns: S) -> Self {
        Supervisor { spawns, collected: Collected::new() }
    }

    fn supervises(&self) -> Supervises<T, S::Error> {
        Supervises { expected: self.collected.expect(), error: PhantomData }
    }

    /// Spawns a parallel child, and says which.
    #[track_caller]
    pub fn spawn_erased<F>(&self, future: F) -> S::Answer<TaskRef>
    where
        F: Future<Output = Result<T, S::Error>> + Send + 'static,
        T: Send + 'static,
    {
        let place = self.spawns.place();
        let task = place.task(Location::caller());
        let result = place.spawn_with(task.clone(), self.supervises(), future);
        self.spawns.answer(task, result)
    }

    /// The next child that has ended; `None` when no child runs and none is left to read. Children may be added after that.
    ///
    /// # Cancel safety
    /// Dropped before it is ready, nothing is lost.
    pub async fn next(&mut self) -> Option<Supervised<T, S::Error>> {
        let made = self.collected.next().await?;
        let task = made.task().clone();
        made.take().map(|result| Supervised { task, result })
    }

    /// How many children run, or have ended and were not read.
    pub fn len(&self) -> usize {
        self.collected.len()
    }

    /// Whether no child runs and none is left to read.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<'s, E: Fault, T> Supervisor<&'s Nursery<'s, '_, E, Sendable>, T> {
    /// Adds a same-task child, and says which. It may borrow from outside the nursery.
    #[track_caller]
    pub fn spawn_local<F>(&self, future: F) -> TaskRef
    where
        F: Future<Output = Result<T, E>> + Send + 's,
        T: Send + 's,
    {
        add(self, Location::caller(), future)
    }
}

impl<'s, E: Fault, T> Supervisor<&'s Nursery<'s, '_, E, Local>, T> {
    /// Adds a same-task child, and says which. It may borrow from outside the nursery.
    #[track_caller]
    pub fn spawn_local<F>(&self, future: F) -> TaskRef
    where
        F: Future<Output = Result<T, E>> + 's,
        T: 's,
    {
        add(self, Location::caller(), future)
    }
}

/// The methods that call this check that the future is `Send` where the nursery is.
fn add<'s, E: Fault, K, T, F>(
    supervisor: &Supervisor<&'s Nursery<'s, '_, E, K>, T>,
    location: &'static Location<'static>,
    future: F,
) -> TaskRef
where
    F: Future<Output = Result<T, E>> + 's,
    T: 's,
{
    let mut child = None;
    supervisor.spawns.add(None, location, |task| {
        child = Some(task.clone());
        (future, supervisor.supervises(), task)
    });
    child.unwrap_or_else(|| unreachable!("`add` calls the closure"))
}

impl<S: Spawns, T> Drop for Supervisor<S, T> {
    fn drop(&mut self) {
        for unread in self.collected.close() {
            fail_with(unread);
        }
    }
}

impl<S: Spawns, T> fmt::Debug for Supervisor<S, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Supervisor").field("len", &self.collected.len()).finish_non_exhaustive()
    }
}
