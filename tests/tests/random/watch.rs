//! Futures that note what becomes of them.

use std::any::Any;
use std::collections::HashMap;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use scope_core::{Cause, Failure, ScopeError, ScopeId, Segment};

use crate::journal::{How, Journal, Leaf, Outcome, Reason, What};
use crate::program::Id;

pub(crate) type Boxed<'s, T> = Pin<Box<dyn Future<Output = T> + Send + 's>>;

/// The error of an [`Act::Fail`](crate::program::Act::Fail).
#[derive(Debug, thiserror::Error)]
#[error("e{0}")]
pub(crate) struct Boom(pub(crate) Id);

/// Which scope of the framework's is which of the program's. Not every scope can be given a name.
#[derive(Clone, Debug, Default)]
pub(crate) struct Scopes(Arc<Mutex<HashMap<ScopeId, Id>>>);

impl Scopes {
    pub(crate) fn note(&self, scope: ScopeId, id: Id) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(scope, id);
    }

    fn find(&self, scope: ScopeId) -> Option<Id> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&scope).copied()
    }
}

/// The number in a name like `t12`, where it begins with that letter.
pub(crate) fn number(letter: char, name: &str) -> Option<Id> {
    name.strip_prefix(letter)?.parse().ok()
}

/// Starts a panic that says `p<id>`; without the hook, which would print it.
pub(crate) fn start_panic(id: Id) -> ! {
    resume_unwind(Box::new(format!("p{id}")))
}

pub(crate) fn leaf_of_panic(payload: &(dyn Any + Send)) -> Leaf {
    payload.downcast_ref::<String>().and_then(|text| number('p', text)).map_or(Leaf::Unknown, Leaf::Panic)
}

/// What a body's failure is made of.
pub(crate) fn leaves_of_failure(failure: &Failure, scopes: &Scopes) -> Vec<Leaf> {
    if let Some(boom) = failure.downcast_ref::<Boom>() {
        return vec![Leaf::Error(boom.0)];
    }
    match failure.downcast_ref::<ScopeError>() {
        Some(error) => leaves_of_error(error, scopes),
        None => vec![Leaf::Unknown],
    }
}

/// What a scope's error is made of: [`Leaf::Cut`] where nothing failed.
pub(crate) fn leaves_of_error(error: &ScopeError, scopes: &Scopes) -> Vec<Leaf> {
    if error.leaves().is_empty() {
        return vec![scopes.find(error.scope().id()).map_or(Leaf::Unknown, Leaf::Cut)];
    }
    error.all_leaves().into_iter().map(|leaf| leaf_of(leaf, scopes)).collect()
}

fn leaf_of(leaf: &scope_core::Leaf, scopes: &Scopes) -> Leaf {
    let last = leaf.path().segments().last();
    match leaf.cause() {
        // More than one only if it is a scope's error, which then stands for its leaves and is not asked.
        Cause::Failed(failure) | Cause::CleanUp(failure) | Cause::Adopted(failure) => {
            leaves_of_failure(failure, scopes).first().copied().unwrap_or(Leaf::Unknown)
        }
        Cause::Panicked(payload) => number('p', payload.message()).map_or(Leaf::Unknown, Leaf::Panic),
        Cause::Overran { .. } => match last {
            Some(Segment::Finalizer(name)) => number('f', name).map_or(Leaf::Unknown, Leaf::Overran),
            _ => Leaf::Unknown,
        },
        Cause::Refused(error) => {
            let name = error.task().and_then(|task| task.name());
            name.and_then(|name| number('t', name)).map_or(Leaf::Unknown, Leaf::Refused)
        }
        Cause::Aborted => last.and_then(|last| number('t', &last.to_string())).map_or(Leaf::Unknown, Leaf::Aborted),
        _ => Leaf::Unknown,
    }
}

/// What a scope's error says.
pub(crate) fn outcome_of(error: &ScopeError, scopes: &Scopes) -> Outcome {
    let reason = error.reason().map(|reason| Reason {
        cause: reason.cause(),
        text: reason.text().to_owned(),
        own: reason.scope() == error.scope(),
    });
    if error.is_cancelled() {
        return Outcome::Cancelled(reason);
    }
    if error.is_timed_out() {
        return Outcome::TimedOut(reason);
    }
    let own = error.leaves().iter().map(|leaf| {
        let first = match leaf.cause() {
            Cause::Failed(failure) | Cause::CleanUp(failure) | Cause::Adopted(failure) => {
                leaves_of_failure(failure, scopes).first().copied().unwrap_or(Leaf::Unknown)
            }
            _ => leaf_of(leaf, scopes),
        };
        (first, leaf.path().segments().last().map(ToString::to_string).unwrap_or_default())
    });
    Outcome::Failed { own: own.collect(), all: leaves_of_error(error, scopes), reason }
}

/// Notes that a body has been destroyed.
struct Gone {
    journal: Journal,
    id: Id,
}

impl Drop for Gone {
    fn drop(&mut self) {
        self.journal.add(What::Gone(self.id));
    }
}

/// A body: of a child or of a nursery.
pub(crate) struct Body<'s, T> {
    // Before `gone`: fields are dropped in this order.
    future: Boxed<'s, Result<T, Failure>>,
    gone: Gone,
    scopes: Scopes,
    started: bool,
}

impl<'s, T> Body<'s, T> {
    pub(crate) fn new(journal: &Journal, scopes: &Scopes, id: Id, future: Boxed<'s, Result<T, Failure>>) -> Self {
        journal.add(What::Made(id));
        Body { future, gone: Gone { journal: journal.clone(), id }, scopes: scopes.clone(), started: false }
    }
}

impl<T> Future for Body<'_, T> {
    type Output = Result<T, Failure>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let (journal, id) = (&this.gone.journal, this.gone.id);
        if !std::mem::replace(&mut this.started, true) {
            journal.add(What::Started(id));
        }
        match catch_unwind(AssertUnwindSafe(|| this.future.as_mut().poll(cx))) {
            Ok(Poll::Pending) => {
                journal.add(What::Parked(id));
                Poll::Pending
            }
            Ok(Poll::Ready(Ok(value))) => {
                journal.add(What::Ended(id, How::Ok));
                Poll::Ready(Ok(value))
            }
            Ok(Poll::Ready(Err(failure))) => {
                journal.add(What::Ended(id, How::Failed(leaves_of_failure(&failure, &this.scopes))));
                Poll::Ready(Err(failure))
            }
            Err(payload) => {
                journal.add(What::Ended(id, How::Panicked(leaf_of_panic(&*payload))));
                resume_unwind(payload)
            }
        }
    }
}

/// The future of a scope, with its panics caught.
pub(crate) struct Around<'s> {
    future: Option<Boxed<'s, Result<(), Ended>>>,
    journal: Journal,
    scopes: Scopes,
    id: Id,
}

/// How a scope ended, if not well.
pub(crate) enum Ended {
    /// Its own error.
    Scope(ScopeError),
    /// The error that the block in it returned, which the scope leaves alone.
    Block(Failure),
    /// `move_on_after` has.
    MovedOn,
    Panicked(Box<dyn Any + Send>),
}

impl<'s> Around<'s> {
    pub(crate) fn new(journal: &Journal, scopes: &Scopes, id: Id, future: Boxed<'s, Result<(), Ended>>) -> Self {
        Around { future: Some(future), journal: journal.clone(), scopes: scopes.clone(), id }
    }
}

impl Future for Around<'_> {
    type Output = Result<(), Ended>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let Some(future) = &mut this.future else { panic!("polled after it had ended") };
        let result = match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx))) {
            Ok(Poll::Pending) => return Poll::Pending,
            Ok(Poll::Ready(result)) => result,
            Err(payload) => Err(Ended::Panicked(payload)),
        };
        let outcome = match &result {
            Ok(()) | Err(Ended::Block(_)) => Outcome::Ok,
            Err(Ended::MovedOn) => Outcome::TimedOut(None),
            Err(Ended::Scope(error)) => {
                this.scopes.note(error.scope().id(), this.id);
                outcome_of(error, &this.scopes)
            }
            Err(Ended::Panicked(payload)) => Outcome::Panicked(leaf_of_panic(&**payload)),
        };
        this.journal.add(What::Returned(this.id, outcome));
        this.future = None;
        Poll::Ready(result)
    }
}

impl Drop for Around<'_> {
    fn drop(&mut self) {
        if let Some(future) = self.future.take() {
            self.journal.add(What::Dropped(self.id));
            drop(future);
            self.journal.add(What::DropOver(self.id));
        }
    }
}
