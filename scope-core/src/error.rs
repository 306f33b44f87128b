//! How a scope failed.

use std::any::Any;
use std::error::Error;
use std::fmt;
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::failure::{self, Failure, Fault};
use crate::name::Name;
use crate::reason::{CancelCause, CancelReason};
use crate::rt::NoRuntime;
use crate::scope_ref::ScopeRef;
use crate::task::TaskRef;

mod spawn;

pub use spawn::SpawnError;

/// A nursery or block that did not end well: every error in it, the first cause first.
///
/// One shape whether one thing failed or many. [`cause`](ScopeError::cause) is what to match on; [`leaves`](ScopeError::leaves)
/// has all that failed, each with its path of scope and task names. A cancellation is never a leaf.
///
/// `{}` prints one line: where the first cause lies, what it is, and how many more there are. `{:?}` prints all leaves, a line
/// each, those of scopes further in too: what a `main` that returns this error shows.
pub struct ScopeError<E = Failure>(Box<Inner<E>>);

struct Inner<E> {
    scope: ScopeRef,
    /// Set when the scope ended because it was cancelled.
    reason: Option<CancelReason>,
    /// What a cancelled scope without leaves answers.
    cancelled: Option<Cause<E>>,
    leaves: Vec<Leaf<E>>,
}

/// One thing that failed.
pub struct Leaf<E = Failure> {
    path: Path,
    location: &'static Location<'static>,
    cause: Cause<E>,
}

/// What failed, or why a scope ended early.
#[non_exhaustive]
pub enum Cause<E = Failure> {
    /// A child or the body returned this error.
    Failed(E),
    /// A child panicked. Seen only beside an earlier cause: a panic that comes first is resumed in the owner.
    Panicked(PanicPayload),
    /// The scope was cancelled, and its body with it. Never a leaf.
    Cancelled(CancelReason),
    /// The scope's deadline passed, and its body was cut short. Never a leaf.
    TimedOut(CancelReason),
    /// The runtime dropped a child before its end.
    Aborted,
    /// A child could not be spawned.
    Refused(SpawnError),
    /// A deadline was set where no runtime is known that could keep it.
    NoRuntime(NoRuntime),
    /// A finalizer failed.
    CleanUp(Failure),
    /// A finalizer did not end within its budget and was dropped.
    Overran {
        /// What it was given.
        budget: Duration,
    },
    /// A scope that was dropped before its end, and cleaned up in here, failed in its clean-up.
    Adopted(Failure),
}

impl<E: Fault> ScopeError<E> {
    pub(crate) fn new(scope: ScopeRef, reason: Option<CancelReason>, leaves: Vec<Leaf<E>>) -> Self {
        let cancelled = match (&reason, leaves.is_empty()) {
            (Some(reason), true) if reason.cause() == CancelCause::Deadline => Some(Cause::TimedOut(reason.clone())),
            (Some(reason), true) => Some(Cause::Cancelled(reason.clone())),
            _ => None,
        };
        ScopeError(Box::new(Inner { scope, reason, cancelled, leaves }))
    }

    /// What came first: the first leaf's cause; [`Cause::Cancelled`] or [`Cause::TimedOut`] where nothing failed.
    pub fn cause(&self) -> &Cause<E> {
        match (&self.0.cancelled, self.0.leaves.first()) {
            (Some(cancelled), _) => cancelled,
            (None, Some(leaf)) => &leaf.cause,
            // A ScopeError is made of a reason or of leaves.
            (None, None) => &Cause::Aborted,
        }
    }

    /// The scope that failed.
    pub fn scope(&self) -> &ScopeRef {
        &self.0.scope
    }

    /// Why the body was cut short, if the scope was cancelled from outside, by its deadline, or by its own body. `None`
    /// where it was a child's or the body's failure that ended it.
    pub fn reason(&self) -> Option<&CancelReason> {
        self.0.reason.as_ref()
    }

    /// All that failed in this scope, the first cause first. Empty where it was only cancelled.
    pub fn leaves(&self) -> &[Leaf<E>] {
        &self.0.leaves
    }

    /// The same by value.
    pub fn into_leaves(self) -> Vec<Leaf<E>> {
        self.0.leaves
    }

    /// Whether the scope was cancelled and nothing in it failed.
    pub fn is_cancelled(&self) -> bool {
        matches!(self.cause(), Cause::Cancelled(_))
    }

    /// Whether the scope's deadline passed and nothing in it failed.
    pub fn is_timed_out(&self) -> bool {
        matches!(self.cause(), Cause::TimedOut(_))
    }

    /// Converts each error that was returned.
    pub fn map<E2: Fault>(self, mut convert: impl FnMut(E) -> E2) -> ScopeError<E2> {
        let Inner { scope, reason, leaves, .. } = *self.0;
        let leaves = leaves
            .into_iter()
            .map(|Leaf { path, location, cause }| Leaf { path, location, cause: cause.map(&mut convert) })
            .collect();
        ScopeError::new(scope, reason, leaves)
    }

    /// The first error that was returned, by value; the whole error where the first cause is something else.
    ///
    /// # Errors
    /// The error itself, unchanged.
    pub fn into_failed(mut self) -> Result<E, Self> {
        if self.0.leaves.first().is_none_or(|leaf| !matches!(leaf.cause, Cause::Failed(_))) {
            return Err(self);
        }
        let Leaf { path, location, cause } = self.0.leaves.remove(0);
        match cause {
            Cause::Failed(error) => Ok(error),
            cause => {
                self.0.leaves.insert(0, Leaf { path, location, cause });
                Err(self)
            }
        }
    }
}

impl ScopeError {
    /// All that failed, in scopes further in too: where a leaf is itself a [`ScopeError`], its leaves take its place.
    pub fn all_leaves(&self) -> Vec<&Leaf> {
        fn collect<'a>(error: &'a ScopeError, into: &mut Vec<&'a Leaf>) {
            for leaf in &error.0.leaves {
                match leaf.inner() {
                    Some(inner) => collect(inner, into),
                    None => into.push(leaf),
                }
            }
        }
        let mut leaves = Vec::new();
        collect(self, &mut leaves);
        leaves
    }

    /// The first error of type `X` among [all leaves](ScopeError::all_leaves).
    pub fn find<X: Error + Send + Sync + 'static>(&self) -> Option<&X> {
        self.all_leaves().into_iter().find_map(|leaf| leaf.cause.failure()?.downcast_ref())
    }

    /// The first cause as an `X`, by value.
    ///
    /// # Errors
    /// The error itself, unchanged, where the first cause is something else.
    pub fn downcast<X: Error + Send + Sync + 'static>(self) -> Result<X, Self> {
        match self.0.leaves.first().and_then(|leaf| leaf.cause.failure()) {
            Some(failure) if failure.is::<X>() => {}
            _ => return Err(self),
        }
        let (scope, reason) = (self.0.scope.clone(), self.0.reason.clone());
        let mut leaves = self.into_leaves();
        let Leaf { path, location, cause } = leaves.remove(0);
        let (failure, back): (_, fn(Failure) -> Cause) = match cause {
            Cause::Failed(failure) => (failure, Cause::Failed),
            Cause::CleanUp(failure) => (failure, Cause::CleanUp),
            Cause::Adopted(failure) => (failure, Cause::Adopted),
            cause => {
                leaves.insert(0, Leaf { path, location, cause });
                return Err(ScopeError::new(scope, reason, leaves));
            }
        };
        failure.downcast().map_err(|failure| {
            leaves.insert(0, Leaf { path, location, cause: back(failure) });
            ScopeError::new(scope, reason, leaves)
        })
    }
}

impl<E: Fault> Leaf<E> {
    pub(crate) fn new(path: Path, location: &'static Location<'static>, cause: Cause<E>) -> Self {
        Leaf { path, location, cause }
    }

    /// Where in the tree it failed: names of scopes and tasks, outermost first.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where the failed child was spawned, the failed body's scope opened, or the failed finalizer added.
    pub fn location(&self) -> &'static Location<'static> {
        self.location
    }

    /// What failed.
    pub fn cause(&self) -> &Cause<E> {
        &self.cause
    }

    /// The same by value.
    pub fn into_cause(self) -> Cause<E> {
        self.cause
    }

    /// The scope further in that failed, whose leaves take this one's place. One that was only cancelled has none to show.
    fn inner(&self) -> Option<&ScopeError> {
        self.cause.error().and_then(failure::as_scope_error).filter(|inner| !inner.0.leaves.is_empty())
    }

    /// How many failed: of a scope further in, all of its.
    fn count(&self) -> usize {
        self.inner().map_or(1, |inner| inner.0.leaves.iter().map(Leaf::count).sum())
    }

    /// Where and what: of a scope further in, its first cause. `role` is what that is around it.
    fn line(&self, f: &mut fmt::Formatter<'_>, role: &str) -> fmt::Result {
        match self.inner().and_then(|inner| inner.0.leaves.first()) {
            Some(first) => first.line(f, self.cause.role_within(role)),
            // Said once: the cause may say it by itself.
            None if self.cause.role().is_empty() => write!(f, "{}: {role}{}", self.path, self.cause),
            None => write!(f, "{}: {}", self.path, self.cause),
        }
    }

    /// A line of the report of all leaves, and why; or, of a scope further in, its lines.
    fn report(&self, f: &mut fmt::Formatter<'_>, role: &str, number: &mut usize) -> fmt::Result {
        if let Some(inner) = self.inner() {
            let role = self.cause.role_within(role);
            return inner.0.leaves.iter().try_for_each(|leaf| leaf.report(f, role, number));
        }
        *number += 1;
        write!(f, "\n  {number}. ")?;
        self.line(f, role)?;
        write!(f, " (at {})", self.location)?;
        let mut source = self.cause.error().and_then(Error::source);
        while let Some(error) = source {
            if let Some(inner) = failure::as_scope_error(error) {
                // It goes on with its sources by itself.
                return write!(f, "\n     because: {}", format!("{inner:?}").replace('\n', "\n     "));
            }
            write!(f, "\n     because: {error}")?;
            source = error.source();
        }
        Ok(())
    }
}

impl<E: Fault> Cause<E> {
    fn map<E2: Fault>(self, convert: impl FnOnce(E) -> E2) -> Cause<E2> {
        match self {
            Cause::Failed(error) => Cause::Failed(convert(error)),
            Cause::Panicked(payload) => Cause::Panicked(payload),
            Cause::Cancelled(reason) => Cause::Cancelled(reason),
            Cause::TimedOut(reason) => Cause::TimedOut(reason),
            Cause::Aborted => Cause::Aborted,
            Cause::Refused(error) => Cause::Refused(error),
            Cause::NoRuntime(error) => Cause::NoRuntime(error),
            Cause::CleanUp(failure) => Cause::CleanUp(failure),
            Cause::Overran { budget } => Cause::Overran { budget },
            Cause::Adopted(failure) => Cause::Adopted(failure),
        }
    }

    /// The error in it, if there is one.
    pub fn error(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Cause::Failed(error) => Some(error.as_error()),
            Cause::Refused(error) => Some(error),
            Cause::NoRuntime(error) => Some(error),
            Cause::CleanUp(failure) | Cause::Adopted(failure) => Some(failure.as_error()),
            _ => None,
        }
    }

    /// What it was that failed, before the error's own text.
    fn role(&self) -> &'static str {
        match self {
            Cause::CleanUp(_) => "clean-up failed: ",
            Cause::Adopted(_) => "clean-up of a dropped scope failed: ",
            _ => "",
        }
    }

    /// The same for what is further in: the outermost says what it was.
    fn role_within<'a>(&self, around: &'a str) -> &'a str {
        if around.is_empty() { self.role() } else { around }
    }
}

impl Cause {
    fn failure(&self) -> Option<&Failure> {
        match self {
            Cause::Failed(failure) | Cause::CleanUp(failure) | Cause::Adopted(failure) => Some(failure),
            _ => None,
        }
    }
}

impl<E: Fault> fmt::Display for Cause<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Cause::Failed(error) => fmt::Display::fmt(error, f),
            Cause::Panicked(payload) => write!(f, "panicked: {payload}"),
            Cause::Cancelled(reason) | Cause::TimedOut(reason) => reason.fmt(f),
            Cause::Aborted => f.write_str("the runtime dropped it before its end"),
            Cause::Refused(error) => error.fmt(f),
            Cause::NoRuntime(error) => write!(f, "a deadline was set, but {error}"),
            Cause::CleanUp(failure) => write!(f, "{}{failure}", self.role()),
            Cause::Overran { budget } => write!(f, "clean-up did not end within {budget:?} and was dropped"),
            Cause::Adopted(failure) => write!(f, "{}{failure}", self.role()),
        }
    }
}

impl<E: Fault> fmt::Debug for Cause<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Cause::Failed(error) => f.debug_tuple("Failed").field(error).finish(),
            Cause::Panicked(payload) => f.debug_tuple("Panicked").field(payload).finish(),
            Cause::Cancelled(reason) => f.debug_tuple("Cancelled").field(reason).finish(),
            Cause::TimedOut(reason) => f.debug_tuple("TimedOut").field(reason).finish(),
            Cause::Aborted => f.write_str("Aborted"),
            Cause::Refused(error) => f.debug_tuple("Refused").field(error).finish(),
            Cause::NoRuntime(error) => f.debug_tuple("NoRuntime").field(error).finish(),
            Cause::CleanUp(failure) => f.debug_tuple("CleanUp").field(failure).finish(),
            Cause::Overran { budget } => f.debug_struct("Overran").field("budget", budget).finish(),
            Cause::Adopted(failure) => f.debug_tuple("Adopted").field(failure).finish(),
        }
    }
}

impl<E: Fault> fmt::Display for Leaf<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} (at {})", self.path, self.cause, self.location)
    }
}

impl<E: Fault> fmt::Debug for Leaf<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Leaf")
            .field("path", &format_args!("{}", self.path))
            .field("location", &format_args!("{}", self.location))
            .field("cause", &self.cause)
            .finish()
    }
}

impl<E: Fault> fmt::Display for ScopeError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(first) = self.0.leaves.first() else {
            return write!(f, "{} ended early: {}", self.0.scope, self.cause());
        };
        first.line(f, "")?;
        match self.0.leaves.iter().map(Leaf::count).sum::<usize>() {
            1 => Ok(()),
            all => write!(f, " (and {} more)", all - 1),
        }
    }
}

impl<E: Fault> fmt::Debug for ScopeError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (opened at {})", self.0.scope, self.0.scope.location())?;
        if let Some(reason) = &self.0.reason {
            write!(f, " ended early: {reason}")?;
        }
        let mut number = 0;
        self.0.leaves.iter().try_for_each(|leaf| leaf.report(f, "", &mut number))
    }
}

impl<E: Fault> Error for ScopeError<E> {
    /// What the first cause's error gives as its source: the error itself is printed by `{}` already.
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.cause().error()?.source()
    }
}

/// What a panic carried.
///
/// Most payloads are `Send` but not `Sync`; this is both. Dropping one whose own destructor panics is quiet: that panic
/// would come on top of the one it tells of.
pub struct PanicPayload {
    text: Box<str>,
    payload: Mutex<Option<Box<dyn Any + Send>>>,
}

impl PanicPayload {
    pub(crate) fn new(payload: Box<dyn Any + Send>) -> Self {
        let text = match payload.downcast_ref::<&'static str>() {
            Some(text) => *text,
            None => payload.downcast_ref::<String>().map_or("(a payload that is no text)", String::as_str),
        };
        PanicPayload { text: text.into(), payload: Mutex::new(Some(payload)) }
    }

    fn take(&mut self) -> Option<Box<dyn Any + Send>> {
        self.payload.get_mut().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// The panic's message.
    pub fn message(&self) -> &str {
        &self.text
    }

    /// The payload, for [`resume_unwind`](std::panic::resume_unwind).
    pub fn into_payload(mut self) -> Box<dyn Any + Send> {
        // It is taken only here and in `drop`.
        self.take().unwrap_or_else(|| Box::new(self.text.to_string()))
    }
}

impl Drop for PanicPayload {
    fn drop(&mut self) {
        let payload = self.take();
        if let Err(again) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
            // What a destructor of a payload panics with is not dropped at all: it could go on like this.
            std::mem::forget(again);
        }
    }
}

impl fmt::Display for PanicPayload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for PanicPayload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("PanicPayload").field(&self.text).finish()
    }
}

/// A place in the tree of scopes and tasks: names, outermost first, as in `main > server > reader`.
#[derive(Clone, PartialEq, Eq)]
pub struct Path(Vec<Segment>);

/// One step of a [`Path`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Segment {
    /// A scope.
    Scope(ScopeRef),
    /// A task.
    Task(TaskRef),
    /// A finalizer, by its name.
    Finalizer(Name),
}

impl Path {
    pub(crate) fn new(segments: Vec<Segment>) -> Self {
        Path(segments)
    }

    /// The steps, outermost first.
    pub fn segments(&self) -> &[Segment] {
        &self.0
    }

    /// The names alone, outermost first.
    pub fn names(&self) -> Vec<String> {
        self.0.iter().map(Segment::to_string).collect()
    }
}

impl fmt::Display for Segment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Segment::Scope(scope) => scope.fmt(f),
            Segment::Task(task) => task.fmt(f),
            Segment::Finalizer(name) => name.fmt(f),
        }
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, segment) in self.0.iter().enumerate() {
            if at > 0 {
                f.write_str(" > ")?;
            }
            segment.fmt(f)?;
        }
        Ok(())
    }
}

impl fmt::Debug for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}
