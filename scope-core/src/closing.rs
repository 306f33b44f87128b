//! The end of a scope: children joined, adopted scopes joined, finalizers run.
//!
//! Shared by whoever polls a scope to its end: a nursery, a block, or the one who adopted it.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use crate::block::{Block, Ended, Outcome};
use crate::error::{PanicPayload, Path, Segment};
use crate::event::{self, EventKind};
use crate::failure::Failure;
use crate::finalizer::{Exit, Finalizer};
use crate::name::Name;
use crate::origin::{Kind, Origin};
use crate::record::{Record, RecordCause};
use crate::rt::Task;
use crate::scope::Scope;
use crate::task::TaskRef;

type Running = Pin<Box<dyn Future<Output = Outcome<Result<(), Failure>>> + Send>>;

pub(crate) struct Closing {
    stage: Stage,
    /// Set when the first finalizer starts.
    begun: Option<Box<Begun>>,
    /// Dropped scopes that no runtime could be found for: polled here.
    foundlings: Vec<Task>,
    /// It is the adopter that joins, not the host.
    adopted: bool,
}

/// What holds for all finalizers of a scope.
struct Begun {
    /// When the clean-up budget ends. None without a clock.
    until: Option<Instant>,
    /// How the scope ended: a finalizer that fails does not change that.
    exit: Exit,
}

enum Stage {
    Joining,
    Finalizing(Option<Box<Current>>),
    Closed,
}

struct Current {
    name: Name,
    record: Record,
    budget: Duration,
    running: Running,
}

impl Closing {
    pub(crate) const fn new() -> Self {
        Closing { stage: Stage::Joining, begun: None, foundlings: Vec::new(), adopted: false }
    }

    /// To be gone on with by an adopter.
    pub(crate) fn adopted(mut self) -> Self {
        self.adopted = true;
        self
    }

    /// Whether nothing has begun that would have to be gone on with.
    pub(crate) fn is_untouched(&self) -> bool {
        matches!(self.stage, Stage::Joining) && self.foundlings.is_empty()
    }

    /// Polls the scopes adopted without a runtime. To be called at each poll of the scope, also while its body runs.
    #[inline]
    pub(crate) fn poll_foundlings(&mut self, scope: &Scope, cx: &mut Context<'_>) {
        if scope.has_mail() || !self.foundlings.is_empty() {
            self.poll_adopted(scope, cx);
        }
    }

    fn poll_adopted(&mut self, scope: &Scope, cx: &mut Context<'_>) {
        self.foundlings.append(&mut scope.take_mail());
        self.foundlings.retain_mut(|adopted| adopted.as_mut().poll(cx).is_pending());
    }

    /// Ready when nothing of the scope is left. `exit` is asked once, when everything has been joined.
    pub(crate) fn poll(
        &mut self,
        scope: &Arc<Scope>,
        exit: &mut dyn FnMut() -> Exit,
        cx: &mut Context<'_>,
    ) -> Poll<()> {
        loop {
            match &mut self.stage {
                Stage::Joining => {
                    if self.adopted {
                        scope.register_adopter(cx.waker());
                    } else {
                        scope.register_host(cx.waker());
                    }
                    self.poll_foundlings(scope, cx);
                    if scope.poll_join().is_pending() {
                        return Poll::Pending;
                    }
                    self.stage = Stage::Finalizing(None);
                }
                Stage::Finalizing(slot @ None) => match scope.pop_finalizer() {
                    None => self.stage = Stage::Closed,
                    Some((finalizer, others)) => {
                        scope.set_finalizing(Some((finalizer.name.clone(), finalizer.location)));
                        let begun = self.begun.get_or_insert_with(|| Box::new(Begun::in_scope(scope, exit())));
                        *slot = Some(Box::new(start(scope, finalizer, others, begun)));
                    }
                },
                Stage::Finalizing(Some(current)) => {
                    let Outcome { ended, records, .. } = ready!(current.running.as_mut().poll(cx));
                    let Stage::Finalizing(Some(current)) = std::mem::replace(&mut self.stage, Stage::Finalizing(None))
                    else {
                        continue;
                    };
                    scope.set_finalizing(None);
                    let Current { name, mut record, budget, .. } = *current;
                    let failed = match ended {
                        Ended::Done(Ok(())) => None,
                        Ended::Done(Err(failure)) => Some(RecordCause::clean_up(failure)),
                        Ended::Panicked(payload) => Some(RecordCause::Panicked(PanicPayload::new(payload))),
                        Ended::Cancelled(_) | Ended::NoClock(_) => Some(RecordCause::Overran { budget }),
                    };
                    tell(scope, EventKind::FinalizerEnded { name, ok: failed.is_none() }, &record);
                    if let Some(cause) = failed {
                        record.cause = cause;
                        scope.fail(record, false);
                    }
                    for record in records {
                        scope.fail(record, false);
                    }
                }
                Stage::Closed => return Poll::Ready(()),
            }
        }
    }
}

/// Starts a finalizer: a task of its own in a scope of its own, which nothing but its deadline cancels.
fn start(scope: &Arc<Scope>, finalizer: Finalizer, others: usize, begun: &Begun) -> Current {
    let task = TaskRef::fresh(Some(finalizer.name.clone()), finalizer.location);
    let mut origin = Origin::new(Kind::CleanUp, finalizer.location);
    origin.name = Some(finalizer.name.clone());
    origin.parent = scope.clone().into();
    let mut budget = scope.budget;
    // Without a runtime there is no clock to go by, and the finalizer takes the time it needs.
    if let (Some(runtime), Some(until)) = (scope.runtime(), begun.until) {
        let now = runtime.now();
        budget = finalizer.limit(until.saturating_duration_since(now), others);
        origin.set_timeout(now, budget);
    }
    let mut path = scope.path();
    path.push(Segment::Finalizer(finalizer.name.clone()));
    let record = Record {
        path: Path::new(path),
        location: finalizer.location,
        task: Some(task.clone()),
        cause: RecordCause::Overran { budget },
        secondary: false,
    };
    let name = finalizer.name.clone();
    tell(scope, EventKind::FinalizerStarted(name.clone()), &record);
    let (run, exit) = (finalizer.run, begun.exit.clone());
    let running: Running = Box::pin(Block::as_task(origin, task, async move { run(exit).await }));
    Current { name, record, budget, running }
}

impl Begun {
    fn in_scope(scope: &Scope, exit: Exit) -> Self {
        let until = scope.runtime().map(|runtime| {
            let now = runtime.now();
            now.checked_add(scope.budget).unwrap_or(now + FOREVER)
        });
        Begun { until, exit }
    }
}

const FOREVER: Duration = Duration::from_secs(86400 * 365 * 30);

fn tell(scope: &Scope, kind: EventKind, record: &Record) {
    if event::observed() {
        event::tell(kind, scope, record.task.clone(), record.location);
    }
}
