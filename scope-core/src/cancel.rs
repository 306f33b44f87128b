//! Cancelling a scope from outside it.

use std::fmt;
use std::future::{Future, poll_fn};
use std::panic::Location;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Poll, ready};

use crate::name::Name;
use crate::raw::frame;
use crate::reason::{CancelCause, CancelReason};
use crate::scope::Scope;
use crate::scope_ref::ScopeRef;

/// A handle on a scope that cancels it, and tells when it has been cancelled. `Clone`, `Send`, and good for nothing once
/// the scope has ended: it keeps nothing alive.
#[derive(Clone)]
pub struct Canceller {
    scope: Arc<Scope>,
}

impl Canceller {
    pub(crate) fn new(scope: Arc<Scope>) -> Self {
        Canceller { scope }
    }

    /// Cancels the scope: its body and every child end at their next await point, or at the one they wait at. Idempotent:
    /// the first reason wins. From any thread; never blocks. True if this call did it.
    #[track_caller]
    pub fn cancel(&self, text: impl Into<Name>) -> bool {
        self.scope.cancel(CancelCause::Explicit, text.into(), Location::caller())
    }

    /// The same with another cause than [`CancelCause::Explicit`]: a signal, say.
    #[track_caller]
    pub fn cancel_for(&self, cause: CancelCause, text: impl Into<Name>) -> bool {
        self.scope.cancel(cause, text.into(), Location::caller())
    }

    /// Whether the scope, or one around it, has been cancelled.
    pub fn is_cancelled(&self) -> bool {
        self.scope.is_cancelled()
    }

    /// Why, if it has been.
    pub fn reason(&self) -> Option<CancelReason> {
        self.scope.reason()
    }

    /// The scope.
    pub fn scope(&self) -> &ScopeRef {
        self.scope.id()
    }

    /// Waits until the scope has been cancelled.
    ///
    /// Code in the scope itself can ask too: it is polled once more when the cancellation comes, and finds this ready then.
    ///
    /// # Cancel safety
    /// Nothing to lose.
    pub async fn cancelled(&self) -> CancelReason {
        let mut told = None;
        // The state is looked at in every poll, not only when the listener says so: whoever is polled after the scope was
        // cancelled, for whatever reason, sees it.
        poll_fn(|cx| {
            loop {
                if let Some(reason) = self.scope.reason_if_cancelled() {
                    return Poll::Ready(reason);
                }
                match &mut told {
                    None => told = Some(self.scope.listen()),
                    Some(listener) => {
                        ready!(Pin::new(listener).poll(cx));
                        told = None;
                    }
                }
            }
        })
        .await
    }
}

impl fmt::Debug for Canceller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Canceller").field("scope", self.scope.id()).field("cancelled", &self.is_cancelled()).finish()
    }
}

/// Whether the scope that this code runs in has been cancelled: it ends at its next await point.
///
/// False outside any scope.
pub fn is_cancelled() -> bool {
    frame::here_is_cancelled()
}
