//! A request of the peer while it runs: a child of the connection's nursery, in a cancel scope of its own.

use std::any::Any;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use futures_util::future::BoxFuture;
use scope_core::{CancelScope, Canceller};

use super::Outcome;
use super::desk::{Ask, Desk};
use crate::jsonrpc::{self, Rejection};
use crate::session::Arrived;

/// How a request is cancelled, also before it has begun.
#[derive(Debug, Default)]
pub(crate) struct Cancel(Mutex<Stage>);

#[derive(Debug, Default)]
enum Stage {
    #[default]
    NotBegun,
    Running(Canceller),
    Cancelled,
}

impl Cancel {
    pub(crate) fn cancel(&self, reason: &'static str) {
        let before = std::mem::replace(&mut *self.stage(), Stage::Cancelled);
        if let Stage::Running(scope) = before {
            scope.cancel(reason);
        }
    }

    fn begin(&self, scope: Canceller) {
        let mut stage = self.stage();
        match *stage {
            Stage::NotBegun => *stage = Stage::Running(scope),
            Stage::Running(_) => {}
            Stage::Cancelled => {
                drop(stage);
                scope.cancel("cancelled by the peer");
            }
        }
    }

    fn is_cancelled(&self) -> bool {
        matches!(*self.stage(), Stage::Cancelled)
    }

    fn stage(&self) -> std::sync::MutexGuard<'_, Stage> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The place that a request takes until it is over, however it ends.
struct Slot {
    key: u64,
    desk: Arc<Desk>,
    answered: bool,
}

impl Drop for Slot {
    fn drop(&mut self) {
        if !self.answered {
            self.desk.over(self.key);
        }
    }
}

/// Runs a request and leaves its answer at the desk. It waits there for room, so that those who are answered to faster
/// than they read fill their handlers and nothing else.
pub(super) fn run(
    desk: Arc<Desk>,
    arrived: &Arrived,
    cancel: Arc<Cancel>,
    work: BoxFuture<'static, Outcome>,
) -> impl Future<Output = ()> + Send + use<> {
    // Not in the future, which may be dropped before it has begun.
    let mut slot = Slot { key: arrived.key, desk, answered: false };
    let (id, method) = (arrived.id.clone(), arrived.method.clone());
    async move {
        let scope = CancelScope::new().named("request");
        let Some(outcome) = outcome(scope, &method, &cancel, work).await else { return };
        let line = match &outcome {
            Ok(result) => jsonrpc::result_answer(&id, result.get()),
            Err(rejection) => jsonrpc::rejection_answer(Some(id.as_json()), rejection),
        };
        // `Err` says that the connection has ended.
        let left = slot.desk.leave(Ask::Over { key: slot.key, line: Some(line) }).await;
        slot.answered = left.is_ok();
        drop(slot);
    }
}

/// Runs `work` in `scope`; a panic becomes an error to answer with. `None` if it was cancelled.
pub(crate) async fn outcome(
    scope: CancelScope,
    method: &str,
    cancel: &Cancel,
    work: BoxFuture<'static, Outcome>,
) -> Option<Outcome> {
    let ended = scope
        .run_with(|scope| {
            cancel.begin(scope);
            Caught(Some(work))
        })
        .await;
    match ended {
        Ok(Ok(outcome)) => Some(outcome),
        Ok(Err(panic)) => {
            tracing::error!(method, panic = text(&*panic), "the handler of a request panicked");
            Some(Err(Rejection::internal("the handler of this request panicked")))
        }
        Err(_) if cancel.is_cancelled() => None,
        Err(error) => {
            tracing::error!(method, %error, "the handler of a request left its scope with an error");
            Some(Err(Rejection::internal("the handler of this request failed while it ended")))
        }
    }
}

fn text(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
    text.unwrap_or("(no text)")
}

/// A future whose panic is a value, also one in its destructor.
struct Caught(Option<BoxFuture<'static, Outcome>>);

impl Future for Caught {
    type Output = Result<Outcome, Box<dyn Any + Send>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Some(work) = &mut self.0 else { return Poll::Pending };
        let polled = match catch_unwind(AssertUnwindSafe(|| work.as_mut().poll(cx))) {
            Ok(Poll::Pending) => return Poll::Pending,
            Ok(Poll::Ready(outcome)) => Ok(outcome),
            Err(panic) => Err(panic),
        };
        self.clear();
        Poll::Ready(polled)
    }
}

impl Caught {
    fn clear(&mut self) {
        let work = self.0.take();
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| drop(work))) {
            tracing::error!(panic = text(&*panic), "what a handler left behind panicked when it was dropped");
            // Its own destructor may panic as well.
            std::mem::forget(panic);
        }
    }
}

impl Drop for Caught {
    fn drop(&mut self) {
        self.clear();
    }
}
