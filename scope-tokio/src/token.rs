//! tokio-util's cancellation tokens: as what a scope is under, and as what a scope drives.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;
use scope_core::{CancelCause, CancelScope, Canceller, InCancelScope, OnCancel, ScopeError, canceller};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

/// Runs `body` in a cancel scope that is cancelled when `token`, or a token it is a child of, is.
///
/// What it cancels is the scope, with all that is nested in it, for the cause [`CancelCause::Explicit`]; the scopes around go
/// on. A token that is cancelled already lets the body run to its first await point. A token does not say who cancelled it,
/// so the reason's location is in here.
///
/// ```
/// # scope_tokio::run_current_thread(async |_| {
/// use scope_core::{Failure, nursery};
/// use scope_tokio::{SpawnExt, under_token};
/// use tokio_util::sync::CancellationToken;
///
/// let token = CancellationToken::new();
/// let stop = token.clone();
/// let served = under_token(token, nursery(async |n| -> Result<(), Failure> {
///     n.spawn(async move {
///         stop.cancel();
///         Ok(())
///     });
///     std::future::pending().await
/// }))
/// .await;
/// assert!(served.unwrap_err().is_cancelled());
/// # Ok(())
/// # })?;
/// # Ok::<(), scope_core::ScopeError>(())
/// ```
///
/// # Errors
/// As [`CancelScope::run`]: a [`ScopeError`] that was [cancelled](ScopeError::is_cancelled), if that cut the body short.
///
/// # Panics
/// A panic of the body is resumed.
///
/// # Cancel safety
/// Dropping it drops the body; scopes in it are adopted by the scope around. The token is left alone.
#[track_caller]
pub fn under_token<F: Future>(token: CancellationToken, body: F) -> UnderToken<F> {
    let body = Watched { token: Some(token.cancelled_owned()), body };
    UnderToken { scope: CancelScope::new().named("under a cancellation token").run(body) }
}

pin_project! {
    /// The future of [`under_token`].
    #[must_use = "futures do nothing unless they are awaited"]
    pub struct UnderToken<F: Future> {
        #[pin]
        scope: InCancelScope<Watched<F>>,
    }
}

impl<F: Future> Future for UnderToken<F> {
    type Output = Result<F::Output, ScopeError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.project().scope.poll(cx)
    }
}

impl<F: Future> fmt::Debug for UnderToken<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UnderToken").finish_non_exhaustive()
    }
}

pin_project! {
    /// The body, and the token beside it. Polled in the scope that is to be cancelled.
    struct Watched<F> {
        // None once it has been cancelled.
        #[pin]
        token: Option<WaitForCancellationFutureOwned>,
        #[pin]
        body: F,
    }
}

/// Cancels the scope this is polled in if the token has been cancelled.
fn watch(mut token: Pin<&mut Option<WaitForCancellationFutureOwned>>, cx: &mut Context<'_>) {
    if let Some(waiting) = token.as_mut().as_pin_mut()
        && waiting.poll(cx).is_ready()
    {
        token.set(None);
        if let Some(scope) = canceller() {
            scope.cancel_for(CancelCause::Explicit, "its cancellation token was cancelled");
        }
    }
}

impl<F: Future> Future for Watched<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let mut this = self.project();
        watch(this.token.as_mut(), cx);
        let polled = this.body.poll(cx);
        if polled.is_pending() {
            // The body may have cancelled it itself: then it ends at this very await point.
            watch(this.token, cx);
        }
        polled
    }
}

/// Cancels `token` when the scope is cancelled, whether by itself or from further out: on the thread that cancels, before
/// that returns. At once, if it has been.
///
/// The token of a scope that ends without is left alone: cancel it with a
/// [drop guard](CancellationToken::drop_guard) where those who hold it are to end with the scope. A token's children follow
/// it, and cancelling the token does not reach the scope: that is [`under_token`].
///
/// # What drop does
/// Dropping what this returns parts the two; [`detach`](OnCancel::detach) keeps them together for as long as the scope lives.
pub fn drive_token(scope: &Canceller, token: CancellationToken) -> OnCancel {
    scope.on_cancel(move |_| token.cancel())
}
