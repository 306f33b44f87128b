//! Adoption: what a scope leaves behind when its future is dropped before its end.
//!
//! A drop cannot await, so it hands over: the scope is cancelled, and the nearest scope around it that is still open
//! counts it as a child and does not return before its children have ended and its finalizers have run. Where there is
//! none, the orphan root of the runtime takes it: [`rt::Handle::settled`](crate::rt::Handle::settled).

use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use crate::closing::Closing;
use crate::event::{self, EventKind};
use crate::finalizer::Exit;
use crate::name::Name;
use crate::reason::CancelCause;
use crate::record::{Record, RecordCause};
use crate::scope::{Part, Scope};

/// Takes over a scope whose body has just been dropped. Never blocks.
pub(crate) fn hand_over(scope: Arc<Scope>, closing: Closing) {
    // Asked before the children are told: whether there was something to adopt is not to hang on how fast they end.
    let idle = closing.is_untouched() && scope.close_if_idle();
    scope.cancel(CancelCause::Dropped, Name::new(""), scope.id().location());
    if idle {
        // Nothing to wait for: the loser of a `select!` costs no task.
        let records = scope.take_records();
        bequeath(&scope, records);
        scope.ended();
        return;
    }
    let heir = heir(&scope);
    if event::observed() {
        let heir = heir.as_ref().map(|heir| heir.id().clone());
        event::tell(EventKind::Adopted(heir), scope.id().clone(), scope.home().cloned(), scope.id().location());
    }
    let runtime = scope.runtime().cloned();
    if heir.is_none()
        && let Some(runtime) = &runtime
    {
        runtime.orphans().add(scope.id().clone());
    }
    let adopted = Box::pin(Adopted { scope, closing, heir: heir.clone(), over: false });
    match (runtime, heir) {
        // A runtime that has shut down drops it, and its drop reports that.
        (Some(runtime), _) => drop(runtime.spawn(adopted)),
        (None, Some(heir)) => heir.post(adopted),
        (None, None) => drop(adopted),
    }
}

/// The nearest scope around that is still open, which has counted the new child in.
fn heir(scope: &Scope) -> Option<Arc<Scope>> {
    let mut around = scope.parent();
    while let Some(candidate) = around {
        if candidate.admit(Part::Child).is_ok() {
            return Some(candidate.clone());
        }
        around = candidate.parent();
    }
    None
}

/// Gives what failed in a scope that cannot return it to the nearest scope around that is still open, as secondary
/// failures: they cancel nobody.
pub(crate) fn bequeath(scope: &Scope, records: Vec<Record>) {
    if records.is_empty() {
        return;
    }
    let heir = heir(scope);
    settle(heir.as_ref(), scope, records);
    if let Some(heir) = heir {
        heir.leave(Part::Child);
    }
}

fn settle(heir: Option<&Arc<Scope>>, scope: &Scope, records: Vec<Record>) {
    for mut record in records {
        match heir {
            Some(heir) => {
                if let RecordCause::CleanUp(failure) = record.cause {
                    record.cause = RecordCause::Adopted(failure);
                }
                heir.fail(record, false);
            }
            None => lost(scope, &format!("{}: {}", record.path, record.cause), record.location),
        }
    }
}

fn lost(scope: &Scope, what: &str, location: &'static Location<'static>) {
    if event::observed() {
        event::tell(EventKind::Lost(what.to_owned()), scope.id().clone(), scope.home().cloned(), location);
    }
}

/// A dropped scope on its way to its end.
pub(crate) struct Adopted {
    scope: Arc<Scope>,
    closing: Closing,
    heir: Option<Arc<Scope>>,
    over: bool,
}

impl Adopted {
    fn over(&mut self) {
        self.over = true;
        let records = self.scope.take_records();
        settle(self.heir.as_ref(), &self.scope, records);
        self.scope.ended();
        match self.heir.take() {
            Some(heir) => heir.leave(Part::Child),
            None => {
                if let Some(runtime) = self.scope.runtime() {
                    runtime.orphans().remove(self.scope.id().id());
                }
            }
        }
    }
}

impl Future for Adopted {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        if this.over {
            return Poll::Ready(());
        }
        let scope = &this.scope;
        let mut exit = || match scope.reason() {
            Some(reason) => Exit::Cancelled(reason),
            None => Exit::Ok,
        };
        ready!(this.closing.poll(scope, &mut exit, cx));
        this.over();
        Poll::Ready(())
    }
}

impl Drop for Adopted {
    fn drop(&mut self) {
        if self.over {
            return;
        }
        let (children, services) = self.scope.live();
        let finalizers = self.scope.finalizer_names();
        let scope = self.scope.clone();
        let why = match scope.runtime() {
            Some(runtime) => format!("{} has shut down", runtime.name()),
            None => "no runtime is known".to_owned(),
        };
        if children + services > 0 || !finalizers.is_empty() {
            lost(
                &scope,
                &format!(
                    "{why}, so {children} children and {services} services were not waited for, and these finalizers \
                     did not run: {finalizers:?}"
                ),
                scope.id().location(),
            );
        }
        // The finalizers' own destructors are the last that can be done for what they hold.
        while scope.pop_finalizer().is_some() {}
        self.over();
    }
}
