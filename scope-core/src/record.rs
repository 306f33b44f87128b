//! A failure as the scope keeps it, before the nursery that knows its type makes a leaf of it.

use std::any::Any;
use std::fmt;
use std::panic::Location;
use std::time::Duration;

use crate::error::{Cause, Leaf, PanicPayload, Path, SpawnError};
use crate::failure::{Failure, Fault};
use crate::rt::NoRuntime;
use crate::task::TaskRef;

pub(crate) struct Record {
    pub(crate) path: Path,
    pub(crate) location: &'static Location<'static>,
    pub(crate) task: Option<TaskRef>,
    pub(crate) cause: RecordCause,
    /// It came from a scope that could not return it: it cancels nobody, is never resumed, and comes after the scope's own.
    pub(crate) secondary: bool,
}

impl Record {
    /// Whether it is a panic of the scope's own, to be resumed if it came first.
    pub(crate) fn is_own_panic(&self) -> bool {
        !self.secondary && matches!(self.cause, RecordCause::Panicked(_))
    }
}

pub(crate) enum RecordCause {
    Failed(Erased),
    Panicked(PanicPayload),
    Aborted,
    Refused(SpawnError),
    NoRuntime(NoRuntime),
    CleanUp(Failure),
    Overran { budget: Duration },
    Adopted(Failure),
}

/// An error of the nursery's own type, which the scope does not know.
pub(crate) struct Erased {
    value: Box<dyn Any + Send>,
    text: String,
    into_failure: fn(Box<dyn Any + Send>) -> Option<Failure>,
}

impl Erased {
    pub(crate) fn new<E: Fault>(error: E) -> Self {
        let text = error.to_string();
        Erased {
            value: Box::new(error),
            text,
            into_failure: |value| value.downcast::<E>().ok().map(|error| error.into_failure()),
        }
    }
}

impl fmt::Display for RecordCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RecordCause::Failed(error) => f.write_str(&error.text),
            RecordCause::Panicked(payload) => write!(f, "panicked: {payload}"),
            RecordCause::Aborted => f.write_str("the runtime dropped it before its end"),
            RecordCause::Refused(error) => error.fmt(f),
            RecordCause::NoRuntime(error) => error.fmt(f),
            RecordCause::CleanUp(failure) => write!(f, "clean-up failed: {failure}"),
            RecordCause::Overran { budget } => write!(f, "clean-up did not end within {budget:?}"),
            RecordCause::Adopted(failure) => write!(f, "clean-up of a dropped scope failed: {failure}"),
        }
    }
}

impl Record {
    /// As a leaf of a nursery whose error type is `E`.
    pub(crate) fn into_leaf<E: Fault>(self) -> Leaf<E> {
        let cause = match self.cause {
            RecordCause::Failed(Erased { value, text, into_failure }) => match value.downcast::<E>() {
                Ok(error) => Cause::Failed(*error),
                // Of another nursery's type: it came by adoption.
                Err(value) => Cause::Adopted(into_failure(value).unwrap_or_else(|| Failure::msg(text))),
            },
            RecordCause::Panicked(payload) => Cause::Panicked(payload),
            RecordCause::Aborted => Cause::Aborted,
            RecordCause::Refused(error) => Cause::Refused(error),
            RecordCause::NoRuntime(error) => Cause::NoRuntime(error),
            RecordCause::CleanUp(failure) => Cause::CleanUp(failure),
            RecordCause::Overran { budget } => Cause::Overran { budget },
            RecordCause::Adopted(failure) => Cause::Adopted(failure),
        };
        Leaf::new(self.path, self.location, cause)
    }
}
