//! A failure as the scope keeps it, before the nursery that knows its type makes a leaf of it.

use std::any::Any;
use std::fmt;
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
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
    CleanUp(Printed),
    Overran { budget: Duration },
    Adopted(Printed),
}

impl RecordCause {
    /// Of a child or a body that returned this error; or of a panic, if that is what printing it comes to.
    pub(crate) fn failed<E: Fault>(error: E) -> Self {
        match printed(&error) {
            Ok(text) => RecordCause::Failed(Erased::new(error, text)),
            Err(payload) => RecordCause::Panicked(payload),
        }
    }

    /// Of a finalizer that returned this; likewise.
    pub(crate) fn clean_up(failure: Failure) -> Self {
        match printed(&failure) {
            Ok(text) => RecordCause::CleanUp(Printed { failure, text }),
            Err(payload) => RecordCause::Panicked(payload),
        }
    }
}

/// What an error of a user's prints: asked once, with no lock held and nothing half done, for it may panic.
pub(crate) fn printed(error: &dyn fmt::Display) -> Result<String, PanicPayload> {
    catch_unwind(AssertUnwindSafe(|| error.to_string())).map_err(PanicPayload::new)
}

/// A failure, and what it prints.
pub(crate) struct Printed {
    failure: Failure,
    text: String,
}

/// An error of the nursery's own type, which the scope does not know.
pub(crate) struct Erased {
    value: Box<dyn Any + Send>,
    text: String,
    into_failure: fn(Box<dyn Any + Send>) -> Option<Failure>,
}

impl Erased {
    fn new<E: Fault>(error: E, text: String) -> Self {
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
            RecordCause::CleanUp(Printed { text, .. }) => write!(f, "clean-up failed: {text}"),
            RecordCause::Overran { budget } => write!(f, "clean-up did not end within {budget:?}"),
            RecordCause::Adopted(Printed { text, .. }) => write!(f, "clean-up of a dropped scope failed: {text}"),
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
            RecordCause::CleanUp(printed) => Cause::CleanUp(printed.failure),
            RecordCause::Overran { budget } => Cause::Overran { budget },
            RecordCause::Adopted(printed) => Cause::Adopted(printed.failure),
        };
        Leaf::new(self.path, self.location, cause)
    }
}
