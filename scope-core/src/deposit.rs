//! Where a child's outcome goes: to its scope, and to its handle if it has one.

use std::any::Any;
use std::marker::PhantomData;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::error::PanicPayload;
use crate::failure::Fault;
use crate::handle::{Lost, Slot};
use crate::raw::frame::Here;
use crate::record::{Record, RecordCause};
use crate::scope::Part;
use crate::task::TaskRef;

/// How a child ended.
pub(crate) enum End<O> {
    Done(O),
    Panicked(Box<dyn Any + Send>),
    /// Dropped at an await point: its scope was cancelled.
    Cancelled,
    /// Dropped by the runtime.
    Aborted,
    /// Never taken by the runtime, never polled.
    Refused,
    /// It failed, and the scope has been told; or its value was given to who began it.
    Recorded,
}

impl<O> End<O> {
    pub(crate) fn map<P>(self, f: impl FnOnce(O) -> P) -> End<P> {
        match self {
            End::Done(output) => End::Done(f(output)),
            End::Panicked(payload) => End::Panicked(payload),
            End::Cancelled => End::Cancelled,
            End::Aborted => End::Aborted,
            End::Refused => End::Refused,
            End::Recorded => End::Recorded,
        }
    }
}

/// Takes the outcome of a child whose future is gone, in the child's frame, before the child is counted out.
pub(crate) trait Deposit<O> {
    /// What the child counts as in its scope.
    const PART: Part = Part::Child;

    /// Whether there is nothing to do at such an end: then [`deposit`](Deposit::deposit) need not be called, and neither it nor
    /// the end has anything to drop.
    fn is_nothing(_end: &End<O>) -> bool {
        false
    }

    /// Does the same where that runs no code of a user: no destructor, no waker. Otherwise nothing, and both come back.
    #[inline(always)]
    fn deposit_quietly(self, _here: Here<'_>, _task: &TaskRef, end: End<O>) -> Result<(), (Self, End<O>)>
    where
        Self: Sized,
    {
        if Self::is_nothing(&end) {
            mem::forget((self, end));
            return Ok(());
        }
        Err((self, end))
    }

    fn deposit(self, here: Here<'_>, task: &TaskRef, end: End<O>);
}

/// Records what ended a child badly in its scope.
pub(crate) fn record(here: Here<'_>, task: &TaskRef, cause: RecordCause) {
    let scope = here.make();
    let path = scope.child_path(task);
    scope.fail(Record { path, location: task.location(), task: Some(task.clone()), cause, secondary: false }, true);
}

/// Records this in the scope; a secondary one cancels nobody.
pub(crate) fn record_as(here: Here<'_>, record: Record) {
    let cancels = !record.secondary;
    here.make().fail(record, cancels);
}

pub(crate) fn record_panic(here: Here<'_>, task: &TaskRef, payload: Box<dyn Any + Send>) {
    record(here, task, RecordCause::Panicked(PanicPayload::new(payload)));
}

pub(crate) fn record_end<E: Fault>(here: Here<'_>, task: &TaskRef, end: End<E>) {
    match end {
        End::Done(error) => record(here, task, RecordCause::failed(error)),
        End::Panicked(payload) => record_panic(here, task, payload),
        End::Aborted => record(here, task, RecordCause::Aborted),
        End::Cancelled | End::Refused | End::Recorded => {}
    }
}

/// Of a child that returns nothing and cannot fail.
pub(crate) struct Runs;

impl Deposit<()> for Runs {
    fn is_nothing(end: &End<()>) -> bool {
        matches!(end, End::Done(()))
    }

    #[inline]
    fn deposit(self, here: Here<'_>, task: &TaskRef, end: End<()>) {
        match end {
            End::Done(()) => {}
            End::Panicked(payload) => record_panic(here, task, payload),
            End::Aborted => record(here, task, RecordCause::Aborted),
            End::Cancelled | End::Refused | End::Recorded => {}
        }
    }
}

/// Of a child whose value is for who begins it, if it is there by then, and for nobody otherwise.
pub(crate) struct Gives;

impl<O> Deposit<O> for Gives {
    fn is_nothing(end: &End<O>) -> bool {
        // Given away.
        matches!(end, End::Recorded)
    }

    fn deposit(self, here: Here<'_>, task: &TaskRef, end: End<O>) {
        Runs.deposit(here, task, end.map(drop));
    }
}

/// The same of a service's task.
pub(crate) struct Serves;

impl Deposit<()> for Serves {
    const PART: Part = Part::Service;

    fn deposit(self, here: Here<'_>, task: &TaskRef, end: End<()>) {
        Runs.deposit(here, task, end);
    }
}

/// Of a child whose error becomes the nursery's `E`.
pub(crate) struct Fails<E>(PhantomData<fn() -> E>);

impl<E> Fails<E> {
    pub(crate) fn new() -> Self {
        Fails(PhantomData)
    }
}

impl<E: Fault, X: Into<E>> Deposit<Result<(), X>> for Fails<E> {
    fn is_nothing(end: &End<Result<(), X>>) -> bool {
        matches!(end, End::Done(Ok(())))
    }

    fn deposit(self, here: Here<'_>, task: &TaskRef, end: End<Result<(), X>>) {
        match end {
            End::Done(Ok(())) => {}
            other => record_end(here, task, other.map(|output| output.err()).transpose(Into::into)),
        }
    }
}

impl<X> End<Option<X>> {
    /// Of a child that is known not to have succeeded: one that has is taken for cancelled, which records nothing.
    fn transpose<E>(self, f: impl FnOnce(X) -> E) -> End<E> {
        match self {
            End::Done(None) => End::Cancelled,
            End::Done(Some(error)) => End::Done(f(error)),
            End::Panicked(payload) => End::Panicked(payload),
            End::Cancelled => End::Cancelled,
            End::Aborted => End::Aborted,
            End::Refused => End::Refused,
            End::Recorded => End::Recorded,
        }
    }
}

/// Of a child with a handle: its value goes there, its error to the nursery.
pub(crate) struct Handled<T, E> {
    pub(crate) slot: Slot<T>,
    pub(crate) error: PhantomData<fn() -> E>,
}

impl<T, E: Fault> Deposit<Result<T, E>> for Handled<T, E> {
    fn deposit(self, here: Here<'_>, task: &TaskRef, end: End<Result<T, E>>) {
        let lost = match end {
            End::Done(Ok(value)) => {
                // Nobody may want it: then it is destroyed here, before the child counts itself out.
                if let Err(payload) = catch_unwind(AssertUnwindSafe(|| self.slot.fill(Ok(value)))) {
                    record_panic(here, task, payload);
                }
                return;
            }
            End::Done(Err(error)) => {
                record_end(here, task, End::Done(error));
                Lost::Failed
            }
            End::Panicked(payload) => {
                record_panic(here, task, payload);
                Lost::Panicked
            }
            End::Aborted => {
                record(here, task, RecordCause::Aborted);
                Lost::Aborted
            }
            End::Cancelled => Lost::Cancelled,
            End::Refused => Lost::Refused,
            End::Recorded => Lost::Failed,
        };
        self.slot.fill(Err(lost));
    }
}
