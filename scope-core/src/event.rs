//! Events: every transition of a scope, as it happens.
//!
//! With no observer attached an event costs one relaxed load. An observer is called on the thread where the transition
//! happens, with no lock of the framework held; it should be quick. One that panics is switched off, and the others are
//! told so.

use std::fmt;
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Instant;

use crate::name::Name;
use crate::reason::CancelReason;
use crate::scope::Scope;
use crate::scope_ref::ScopeRef;
use crate::task::TaskRef;

/// What happened.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum EventKind {
    /// A scope was opened.
    Opened,
    /// A child was spawned; [`Event::task`] is the child.
    Spawned,
    /// A service has opened its resource.
    Ready,
    /// A child's future and output have been destroyed or handed over; [`Event::task`] is the child.
    Ended,
    /// A child, a body, a service or a finalizer failed; the text says how.
    Failed(String),
    /// The scope was cancelled.
    Cancelled(CancelReason),
    /// An async finalizer has begun.
    FinalizerStarted(Name),
    /// An async finalizer has ended; `ok` is false when it failed, panicked or overran its budget.
    FinalizerEnded {
        /// The finalizer.
        name: Name,
        /// Whether it did what it had to.
        ok: bool,
    },
    /// The scope has ended: nothing of it is left.
    Closed,
    /// The scope's future was dropped before its end; what it left is cleaned up under the named scope, or by the orphan
    /// root.
    Adopted(Option<ScopeRef>),
    /// What an adopted scope left could not be cleaned up: no runtime is left to do it.
    Lost(String),
    /// A rule was broken; the text says which, by whom, and what was done.
    Violated(String),
    /// An observer panicked and has been switched off.
    ObserverFailed,
}

/// One transition.
#[derive(Clone, Debug)]
pub struct Event {
    kind: EventKind,
    scope: ScopeRef,
    task: Option<TaskRef>,
    time: Instant,
    location: &'static Location<'static>,
}

impl Event {
    /// What happened.
    pub fn kind(&self) -> &EventKind {
        &self.kind
    }

    /// The scope it happened to.
    pub fn scope(&self) -> &ScopeRef {
        &self.scope
    }

    /// The task it happened to; otherwise the one in which it happened, if any.
    pub fn task(&self) -> Option<&TaskRef> {
        self.task.as_ref()
    }

    /// When it happened, by the clock of the scope's runtime; the process's monotonic clock where it has none.
    pub fn time(&self) -> Instant {
        self.time
    }

    /// The place in the code it belongs to: where the scope was opened, the child spawned, `cancel` called.
    pub fn location(&self) -> &'static Location<'static> {
        self.location
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scope = &self.scope;
        let task = self.task.as_ref().map_or_else(|| "no task".to_owned(), TaskRef::to_string);
        match &self.kind {
            EventKind::Opened => write!(f, "{scope}: opened by {task} at {}", self.location),
            EventKind::Spawned => write!(f, "{scope}: {task} spawned at {}", self.location),
            EventKind::Ready => write!(f, "{scope}: {task} ready"),
            EventKind::Ended => write!(f, "{scope}: {task} ended"),
            EventKind::Failed(how) => write!(f, "{scope}: {task} failed: {how}"),
            EventKind::Cancelled(reason) => write!(f, "{scope}: {reason}"),
            EventKind::FinalizerStarted(name) => write!(f, "{scope}: finalizer {name} started"),
            EventKind::FinalizerEnded { name, ok: true } => write!(f, "{scope}: finalizer {name} ended"),
            EventKind::FinalizerEnded { name, ok: false } => write!(f, "{scope}: finalizer {name} failed"),
            EventKind::Closed => write!(f, "{scope}: closed"),
            EventKind::Adopted(Some(heir)) => write!(f, "{scope}: dropped before its end, adopted by {heir}"),
            EventKind::Adopted(None) => write!(f, "{scope}: dropped before its end, adopted by the orphan root"),
            EventKind::Lost(what) => write!(f, "{scope}: lost: {what}"),
            EventKind::Violated(how) => write!(f, "{scope}: rule broken: {how}"),
            EventKind::ObserverFailed => write!(f, "an observer panicked and has been switched off"),
        }
    }
}

type Observer = dyn Fn(&Event) + Send + Sync;

struct Attached {
    id: u64,
    observer: Arc<Observer>,
}

static ANY: AtomicBool = AtomicBool::new(false);
static ATTACHED: RwLock<Vec<Attached>> = RwLock::new(Vec::new());

/// Attaches an observer for the whole process until the guard is dropped.
pub fn observe(observer: impl Fn(&Event) + Send + Sync + 'static) -> ObserverGuard {
    static IDS: AtomicU64 = AtomicU64::new(0);
    let id = IDS.fetch_add(1, Ordering::Relaxed);
    let mut attached = ATTACHED.write().unwrap_or_else(PoisonError::into_inner);
    attached.push(Attached { id, observer: Arc::new(observer) });
    ANY.store(true, Ordering::Relaxed);
    ObserverGuard { id }
}

fn detach(id: u64) {
    let mut attached = ATTACHED.write().unwrap_or_else(PoisonError::into_inner);
    let gone = attached.iter().position(|a| a.id == id).map(|at| attached.swap_remove(at));
    ANY.store(!attached.is_empty(), Ordering::Relaxed);
    drop(attached);
    // The observer's own destructor runs with the lock released.
    drop(gone);
}

/// Keeps an observer attached; dropping it detaches it. An event that is being told at that moment may still arrive.
#[derive(Debug)]
#[must_use = "the observer is detached when the guard is dropped"]
pub struct ObserverGuard {
    id: u64,
}

impl Drop for ObserverGuard {
    fn drop(&mut self) {
        detach(self.id);
    }
}

/// Whether anybody observes. Built with `--cfg scope_no_events` nobody ever does: for measuring what asking costs.
#[inline]
pub(crate) fn observed() -> bool {
    !cfg!(scope_no_events) && ANY.load(Ordering::Relaxed)
}

/// Tells the observers. Call it behind [`observed`], with no lock held.
#[cold]
pub(crate) fn tell(kind: EventKind, scope: &Scope, task: Option<TaskRef>, location: &'static Location<'static>) {
    let time = scope.runtime().map_or_else(Instant::now, |runtime| runtime.now());
    let event = Event { kind, scope: scope.id().clone(), task, time, location };
    let observers: Vec<(u64, Arc<Observer>)> = {
        let attached = ATTACHED.read().unwrap_or_else(PoisonError::into_inner);
        attached.iter().map(|a| (a.id, a.observer.clone())).collect()
    };
    for (id, observer) in observers {
        if let Err(payload) = catch_unwind(AssertUnwindSafe(|| observer(&event))) {
            // A payload's destructor is the user's: it may panic too.
            let _ = catch_unwind(AssertUnwindSafe(|| drop(payload)));
            detach(id);
            if observed() {
                tell(EventKind::ObserverFailed, scope, event.task.clone(), event.location);
            }
        }
    }
}
