//! Cancelling a scope from outside it.

use std::fmt;
use std::future::{Future, poll_fn};
use std::panic::Location;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::task::{Poll, ready};
use std::time::{Duration, Instant};

use crate::name::Name;
use crate::raw::frame;
use crate::reason::{CancelCause, CancelReason};
use crate::scope::Scope;
use crate::scope_ref::ScopeRef;
use crate::tree::WhyOpen;

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
    /// the first reason wins. From any thread; never blocks. True if this call did it: not of a scope that has ended.
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

    /// Moves the scope's deadline, earlier or later, or takes it away. A scope that has been cancelled stays so.
    ///
    /// Needs a runtime; where none is known the scope fails with [`Cause::NoRuntime`](crate::Cause::NoRuntime).
    pub fn set_deadline(&self, at: Option<Instant>) {
        self.scope.set_deadline(at);
    }

    /// The scope's own deadline.
    pub fn deadline(&self) -> Option<Instant> {
        self.scope.deadline()
    }

    /// The earliest deadline that code in the scope is under: its own, and those of the scopes around it as far as no shield
    /// is in between.
    pub fn effective_deadline(&self) -> Option<Instant> {
        self.scope.effective_deadline()
    }

    /// Whether the scope masks what is cancelled further out.
    pub fn is_shielded(&self) -> bool {
        self.scope.is_shielded()
    }

    /// Ends the shielding: what was cancelled further out reaches in from now on, and what waits in the scope for
    /// something else wakes and ends. False if there was no shield, or not any longer. From any thread; never blocks.
    pub fn lift_shield(&self) -> bool {
        self.scope.lift_shield()
    }

    /// Asks all that runs in the scope to come to an end by itself, and cancels what still runs when `grace` is over.
    ///
    /// Who asks, by [`shutdown_requested`], is told: in the scope and in all further in, shielded or not. The cancellation is
    /// one deadline for all of them, not later than the one the scope has; its [cause](CancelReason::cause) is
    /// [`CancelCause::Shutdown`], and its text names who was still running. Idempotent: a later call can only make the grace
    /// shorter. From any thread; never blocks. Needs a runtime, as [`set_deadline`](Canceller::set_deadline).
    #[track_caller]
    pub fn shutdown(&self, grace: Duration) {
        self.scope.shut_down(grace, Location::caller());
    }

    /// Whether the scope has been asked to come to an end.
    pub fn is_shutdown_requested(&self) -> bool {
        self.scope.is_shutdown_requested()
    }

    /// Calls `hook` once, when the scope is cancelled: on the thread that cancels, before `cancel` returns. At once, if it has
    /// been. Never, if it ends without: then it is dropped with the scope. It must not block.
    ///
    /// Dropping the guard takes the hook away.
    pub fn on_cancel(&self, hook: impl FnOnce(&CancelReason) + Send + 'static) -> OnCancel {
        static IDS: AtomicU64 = AtomicU64::new(0);
        let id = IDS.fetch_add(1, Ordering::Relaxed);
        self.scope.add_hook(id, Box::new(hook));
        OnCancel { scope: Some(Arc::downgrade(&self.scope)), id }
    }

    /// Why the scope has not closed yet: what still runs in it.
    pub fn why_open(&self) -> WhyOpen {
        WhyOpen::of(&self.scope)
    }

    /// The scope.
    pub fn scope(&self) -> &ScopeRef {
        self.scope.id()
    }

    /// Waits until the scope has been cancelled.
    ///
    /// Code in the scope itself can ask too: what was waiting when the cancellation came is polled once more, and finds this
    /// ready then. What was being polled at that moment, on another thread, may be dropped at that very await point.
    ///
    /// # Cancel safety
    /// Nothing to lose.
    pub async fn cancelled(&self) -> CancelReason {
        told(&self.scope, Scope::reason_if_cancelled).await
    }

    /// Waits until the scope has been asked to come to an end, or cancelled.
    ///
    /// # Cancel safety
    /// Nothing to lose.
    pub async fn shutdown_requested(&self) {
        told(&self.scope, |scope| (scope.is_shutdown_requested() || scope.is_cancelled()).then_some(())).await;
    }
}

/// Waits until `look` finds something that those who ask are told of.
async fn told<T>(scope: &Scope, look: impl Fn(&Scope) -> Option<T>) -> T {
    let mut told = None;
    // The state is looked at in every poll, not only when the listener says so: whoever is polled after it has changed, for
    // whatever reason, sees it.
    poll_fn(|cx| {
        loop {
            if let Some(found) = look(scope) {
                return Poll::Ready(found);
            }
            match &mut told {
                None => told = Some(scope.listen()),
                Some(listener) => {
                    ready!(Pin::new(listener).poll(cx));
                    told = None;
                }
            }
        }
    })
    .await
}

/// Keeps a hook in its scope: [`Canceller::on_cancel`].
#[derive(Debug)]
#[must_use = "dropping it takes the hook away; `detach` keeps it for as long as the scope lives"]
pub struct OnCancel {
    scope: Option<Weak<Scope>>,
    id: u64,
}

impl OnCancel {
    /// Leaves the hook in the scope.
    pub fn detach(mut self) {
        self.scope = None;
    }
}

impl Drop for OnCancel {
    fn drop(&mut self) {
        if let Some(scope) = self.scope.take().and_then(|scope| scope.upgrade()) {
            scope.remove_hook(self.id);
        }
    }
}

/// A handle on the innermost scope that this code runs in. `None` outside any scope.
pub fn canceller() -> Option<Canceller> {
    frame::here(|place| place.map(|(_, scope)| Canceller::new(scope.make())))
}

/// The earliest deadline that this code is under: the smallest of those of the scopes it runs in, as far as no shield is in
/// between. `None` if there is none.
pub fn effective_deadline() -> Option<Instant> {
    frame::here(|place| place.and_then(|(_, scope)| scope.nearest())).and_then(|scope| scope.effective_deadline())
}

/// Waits until the scope that this code runs in is cancelled. Never ready outside any scope.
///
/// In a cancelled scope this is the one thing of ours that is ready: for code that wants to know why before it ends.
///
/// # Cancel safety
/// Nothing to lose.
pub async fn cancelled() -> CancelReason {
    match canceller() {
        Some(scope) => scope.cancelled().await,
        None => std::future::pending().await,
    }
}

/// Waits until the scope that this code runs in, or one around it, is [asked to come to an end](Canceller::shutdown). Never
/// ready outside any scope.
///
/// # Cancel safety
/// Nothing to lose.
pub async fn shutdown_requested() {
    match canceller() {
        Some(scope) => scope.shutdown_requested().await,
        None => std::future::pending().await,
    }
}

/// Whether the scope that this code runs in, or one around it, has been [asked to come to an end](Canceller::shutdown).
pub fn is_shutdown_requested() -> bool {
    frame::here(|place| place.and_then(|(_, scope)| scope.nearest())).is_some_and(|scope| scope.is_shutdown_requested())
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
