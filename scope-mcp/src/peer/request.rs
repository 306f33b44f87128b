//! A request of the peer while it runs: a child of the connection's nursery, in a nursery of its own. What fails when that
//! ends is told and forgotten, not kept for the end of the connection: one that lives long would gather it.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::future::BoxFuture;
use scope_core::{Canceller, nursery};

use super::Outcome;
use super::caught::Caught;
use super::desk::{Ask, Desk};
use super::pace::Clock;
use crate::jsonrpc::{self, Answer, Id, Line, Rejection};
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
    fn running(scope: Canceller) -> Arc<Cancel> {
        Arc::new(Cancel(Mutex::new(Stage::Running(scope))))
    }

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

impl Slot {
    /// The line that says what came of it.
    fn line(id: &Id, outcome: Result<impl Answer, Rejection>) -> Line {
        match outcome {
            Ok(answer) => answer.line(id),
            Err(rejection) => jsonrpc::rejection_answer(Some(id.as_json()), &rejection).into(),
        }
    }

    /// Its answer goes another way.
    fn has_answer(mut self) {
        self.answered = true;
    }

    /// Leaves the answer at the desk, and waits there for room.
    async fn leave(&mut self, line: Line) {
        let mut over = Some(Ask::Over { key: self.key, line: Some(line) });
        // `Err` says that the connection has ended.
        let mut left = self.desk.leave_now(&mut over).map(drop);
        if let Some(over) = over.filter(|_| left.is_ok()) {
            // In a box, which is seldom needed: each request would carry the room for it.
            left = Box::pin(self.desk.leave(over)).await;
        }
        self.answered = left.is_ok();
    }
}

fn failed_to_end() -> Rejection {
    Rejection::internal("the handler of this request failed while it ended")
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
    arrived: Arrived,
    cancel: Arc<Cancel>,
    work: BoxFuture<'static, Outcome>,
    clock: Option<Clock>,
) -> impl Future<Output = ()> + Send + use<> {
    // Not in the future, which may be dropped before it has begun.
    let mut slot = Slot { key: arrived.key, desk, answered: false };
    let Arrived { id, method, .. } = arrived;
    async move {
        if let Some(outcome) = outcome("request", &method, &cancel, work, clock).await {
            slot.leave(Slot::line(&id, outcome)).await;
        }
    }
}

/// As [`run`], of what lies in `work`, begun in the task of the connection. Until it waits, nobody can cancel it: so it says only
/// then by what it is, and if it never does no scope is ever made; and its answer is for who has begun it, and goes to the desk
/// otherwise.
pub(super) fn run_at_once<M, W, T>(
    desk: Arc<Desk>,
    key: u64,
    id: Id,
    method: M,
    work: &mut Option<W>,
) -> impl Future<Output = Option<Line>> + Send + use<M, W, T>
where
    M: AsRef<str> + Send + Sync + 'static,
    W: Future<Output = Result<T, Rejection>> + Send + Unpin + 'static,
    T: Answer + Send + Sync + 'static,
{
    let mut slot = Slot { key, desk, answered: false };
    let mut work = work.take();
    async move {
        let (mut outcome, mut cancel) = (None, None);
        let method = method.as_ref();
        let mut has_waited = false;
        let ended = {
            let (slot, work, outcome, cancel) = (&slot, &mut work, &mut outcome, &mut cancel);
            let ended = nursery(async move |n| {
                let mut work = Caught::of(method, work);
                let polled = poll_fn(|cx| {
                    let polled = Pin::new(&mut work).poll(cx);
                    if polled.is_pending() && cancel.is_none() {
                        let by = cancel.insert(Cancel::running(n.canceller()));
                        slot.desk.waits(slot.key, Arc::clone(by));
                    }
                    polled
                });
                *outcome = Some(polled.await);
                Ok(())
            });
            let mut ended = pin!(ended.named("request"));
            poll_fn(|cx| {
                let polled = ended.as_mut().poll(cx);
                has_waited |= polled.is_pending();
                polled
            })
            .await
        };
        if let Err(error) = ended
            && !cancel.is_some_and(|cancel| cancel.is_cancelled())
        {
            tracing::error!(method, %error, "the handler of a request left its scope with an error");
            outcome.get_or_insert_with(|| Err(failed_to_end()));
        }
        let line = Slot::line(&id, outcome?);
        if has_waited {
            slot.leave(line).await;
            return None;
        }
        slot.has_answer();
        Some(line)
    }
}

/// Runs `work` in a scope of its own; a panic becomes an error to answer with. `None` if it was cancelled.
pub(crate) async fn outcome(
    scope: &'static str,
    method: &str,
    cancel: &Cancel,
    work: BoxFuture<'static, Outcome>,
    clock: Option<Clock>,
) -> Option<Outcome> {
    let mut outcome = None;
    let ended = {
        let outcome = &mut outcome;
        nursery(async move |n| {
            cancel.begin(n.canceller());
            let (mut work, mut clock) = (Caught::new(method, work), clock);
            let polled = poll_fn(|cx| {
                let mut poll = || Pin::new(&mut work).poll(cx);
                match clock.take() {
                    Some(clock) => clock.first(poll),
                    None => poll(),
                }
            });
            *outcome = Some(polled.await);
            Ok(())
        })
        .named(scope)
    };
    match ended.await {
        Ok(()) => outcome,
        Err(_) if cancel.is_cancelled() => None,
        Err(error) => {
            tracing::error!(method, %error, "the handler of a request left its scope with an error");
            Some(outcome.unwrap_or_else(|| Err(failed_to_end())))
        }
    }
}
