//! The state of a scope, and the tree of scopes: the only place where either changes.
//!
//! A scope is opened by a nursery or a block, joined by whoever polls it, and closed when nothing of it is left. It is
//! allocated when somebody needs to refer to it (a parallel child, a scope further in, a handle): an empty nursery never
//! does.
//!
//! Invariants
//! 1. `flags` only gains bits, but for [`SHIELDED`] and [`MAIL`]. [`SELF`] or [`ABOVE`] is set, and [`SHIELDED`]
//!    taken away, while the lock of `state` is held; the first together with `reason`.
//! 2. `live` counts children, services and adopted scopes that have not ended. Once [`CLOSED`] is set in it, which happens
//!    only at zero, nothing is added. While it counts, the scope stays in memory: see `raw/counted`.
//! 3. A child that ends removes itself from `parked`, records its failure, and only then counts itself out.
//! 4. Whatever is added under the lock looks at `flags` (a child that parks, a scope that is attached) or at `live` (a
//!    finalizer, a service) under that same lock: so `cancel` and `close`, which set them before they take the lock, miss
//!    nothing.
//!
//! Lock order: a parent's `state` is never locked while a child's is held, nor the other way round. No waker, observer or
//! destructor of a user runs under a lock.

mod cancellation;
mod children;
mod deadlines;
mod joining;
mod nesting;
mod resources;
mod shielding;
mod showing;

use std::collections::BTreeMap;
use std::fmt;
use std::panic::Location;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::AtomicU8;
use std::sync::{Arc, PoisonError, Weak};
use std::task::{Poll, Waker};
use std::time::{Duration, Instant};

use crate::closing::Closing;
use crate::error::{PanicPayload, Path, Segment};
use crate::event::{self, EventKind};
use crate::failure::Failure;
use crate::finalizer::{Exit, Finalizer};
use crate::id::TaskId;
use crate::name::Name;
use crate::origin::{Kind, Origin};
use crate::owned::Held;
use crate::raw::list::Parked;
use crate::raw::queue::Queue;
use crate::reason::{CancelCause, CancelReason};
use crate::record::{Record, RecordCause};
use crate::rt::{self, Task};
use crate::scope_ref::ScopeRef;
use crate::shield::OpenShield;
use crate::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use crate::sync::{AtomicWaker, EventListener, Listen, Mutex, MutexGuard, OnceLock};
use crate::task::TaskRef;
use crate::violation::{Policy, violated};
use crate::waits::{Waiting, Waits};
use crate::wake::wake;

use deadlines::Gave;

/// The scope itself was cancelled.
const SELF: u32 = 1;
/// A scope around it was, and nothing in between masks it.
const ABOVE: u32 = 1 << 1;
/// It has, or had, a deadline.
const DEADLINE: u32 = 1 << 2;
/// Something was put into the mailbox.
const MAIL: u32 = 1 << 3;
/// Services were asked to close; a new one is asked at once.
const WINDING_UP: u32 = 1 << 4;

/// It has ended: only handles still refer to it.
const OVER: u32 = 1 << 5;

/// A child was dropped at an await point for a cancellation.
const CUT: u32 = 1 << 6;

/// Owned scopes were opened in it.
const OWNS: u32 = 1 << 7;

/// What is cancelled above does not reach in.
const SHIELDED: u32 = 1 << 8;

/// Its future was dropped; somebody else sees to its end.
const HANDED_OVER: u32 = 1 << 9;

/// A scope further in has been attached.
const NESTS: u32 = 1 << 10;

/// Those who ask were told to come to an end.
const SHUTDOWN: u32 = 1 << 11;

/// It has, or had, hooks. Set before one is put in, so that who ends the scope finds it, or is found to have ended it.
const HOOKED: u32 = 1 << 12;

/// Of an owned scope: its deadline has been left to be watched by whoever polls the scope around.
const WATCHED: u32 = 1 << 13;

/// One child, in `live`.
const CHILD: u64 = 1;
/// One service, in `live`.
const SERVICE: u64 = 1 << 32;
const CHILDREN: u64 = SERVICE - 1;
const SERVICES: u64 = BODY - SERVICE;
/// Its body runs, which nobody waits for here.
pub(crate) const BODY: u64 = 1 << 62;
/// Nothing is added any more.
pub(crate) const CLOSED: u64 = 1 << 63;

/// What counts in `live`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// A child, or an adopted scope.
    Child,
    /// A service: told to close when the children have ended.
    Service,
}

impl Part {
    pub(crate) fn unit(self) -> u64 {
        match self {
            Part::Child => CHILD,
            Part::Service => SERVICE,
        }
    }

    /// Where they are counted.
    pub(crate) fn all(self) -> u64 {
        match self {
            Part::Child => CHILDREN,
            Part::Service => SERVICES,
        }
    }
}

/// Something that can be asked to end.
pub(crate) trait Closable: Send + Sync {
    fn begin_close(&self);
}

pub(crate) struct Scope {
    id: ScopeRef,
    home: Option<TaskRef>,
    parent: Option<Arc<Scope>>,
    runtime: Option<rt::Handle>,
    kind: Kind,
    pub(crate) budget: Duration,
    /// When it was opened, where ages are recorded.
    opened: Option<Instant>,
    /// What its body waits at.
    body_waits: Waits,
    /// The same-task children, once one has waited.
    locals: OnceLock<Arc<Queue>>,
    /// See [`Origin::place`].
    place: u64,
    policy: AtomicU8,
    flags: AtomicU32,
    pub(crate) live: AtomicU64,
    /// Whoever polls this scope.
    host: AtomicWaker,
    /// Whoever adopted it, who may have to wait beside a host that does not know yet.
    adopter: AtomicWaker,
    /// Those who asked to be told of a cancellation, or of a shutdown.
    asked: Listen,
    state: Mutex<State>,
}

struct State {
    reason: Option<CancelReason>,
    deadline: Option<Instant>,
    /// What the deadline gave, for whoever is told that it passed.
    gave: Gave,
    parked: Parked,
    inner: Vec<Weak<Scope>>,
    /// Those that have not ended, the oldest first.
    services: BTreeMap<u64, Weak<dyn Closable>>,
    next_service: u64,
    /// How many have ended since `inner` was swept.
    ended_services: usize,
    /// Owned scopes opened in this one that may be open still, by the task that opened them.
    owned: ByHome,
    /// Those that tasks which end here have opened elsewhere: inside an owned scope of another task's.
    away: ByHome,
    records: Vec<Record>,
    finalizers: Vec<Finalizer>,
    /// The finalizer that runs.
    finalizing: Option<(Name, &'static Location<'static>)>,
    mail: Vec<Task>,
    /// Where this shield counts, while it is open.
    shield: Option<OpenShield>,
    /// Set when the deadline is a shutdown's: what its caller said, and where.
    shutdown: Option<Shutdown>,
    hooks: Vec<(u64, Hook)>,
}

/// Owned scopes that may be open still, by the task that opened them.
#[derive(Default)]
struct ByHome {
    homes: BTreeMap<TaskId, Vec<Weak<Held>>>,
    /// With so many homes those are swept out of which nothing is left.
    sweep_at: usize,
}

/// Called once, when the scope is cancelled.
pub(crate) type Hook = Box<dyn FnOnce(&CancelReason) + Send>;

struct Shutdown {
    until: Instant,
    grace: Duration,
    location: &'static Location<'static>,
}

impl Scope {
    /// Opens a scope under its parent. Call [`Scope::tell_opened`] after it.
    pub(crate) fn open(origin: &Origin) -> Arc<Scope> {
        let parent = origin.parent.get().cloned();
        let runtime = origin.runtime.clone().or_else(|| parent.as_ref()?.runtime.clone());
        let opened = crate::tree::birth(|| runtime.as_ref().map_or_else(Instant::now, |runtime| runtime.now()));
        let gave = match origin.limit {
            Some(limit) => Gave::Limit(limit),
            None => Gave::until(origin.deadline, runtime.as_ref()),
        };
        let scope = Arc::new(Scope {
            id: ScopeRef::fresh(origin.name.clone(), origin.location),
            home: origin.home.clone(),
            parent,
            runtime,
            kind: origin.kind,
            budget: origin.budget,
            opened,
            body_waits: Waits::new(),
            locals: OnceLock::new(),
            place: origin.place,
            policy: AtomicU8::new(origin.policy.bits()),
            flags: AtomicU32::new(
                (if origin.deadline.is_some() { DEADLINE } else { 0 }) | (if origin.shielded { SHIELDED } else { 0 }),
            ),
            live: AtomicU64::new(0),
            host: AtomicWaker::new(),
            adopter: AtomicWaker::new(),
            asked: Listen::new(),
            state: Mutex::new(State {
                reason: None,
                deadline: origin.deadline,
                gave,
                parked: Parked::new(),
                inner: Vec::new(),
                services: BTreeMap::new(),
                next_service: 0,
                ended_services: 0,
                owned: ByHome::default(),
                away: ByHome::default(),
                records: Vec::new(),
                finalizers: Vec::new(),
                finalizing: None,
                mail: Vec::new(),
                shield: None,
                shutdown: None,
                hooks: Vec::new(),
            }),
        });
        match &scope.parent {
            Some(parent) => parent.attach(&scope),
            None => crate::tree::plant(&scope),
        }
        scope
    }

    pub(crate) fn tell_opened(&self) {
        if event::observed() && self.kind != Kind::Child {
            event::tell(EventKind::Opened, self, self.home.clone(), self.id.location());
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // No code of a user runs under the lock, so a panic cannot leave it half-changed.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn id(&self) -> &ScopeRef {
        &self.id
    }

    pub(crate) fn parent(&self) -> Option<&Arc<Scope>> {
        self.parent.as_ref()
    }

    pub(crate) fn runtime(&self) -> Option<&rt::Handle> {
        self.runtime.as_ref()
    }

    pub(crate) fn kind(&self) -> Kind {
        self.kind
    }

    pub(crate) fn home(&self) -> Option<&TaskRef> {
        self.home.as_ref()
    }

    pub(crate) fn age(&self) -> Option<Duration> {
        let now = self.runtime.as_ref().map_or_else(Instant::now, |runtime| runtime.now());
        self.opened.map(|opened| now.saturating_duration_since(opened))
    }
}

impl Drop for Scope {
    fn drop(&mut self) {
        // A chain of parents that only this one still holds is taken apart in a loop: a hundred thousand nested scopes
        // must not need as many stack frames.
        let mut parent = self.parent.take();
        while let Some(scope) = parent {
            match Arc::into_inner(scope) {
                Some(mut last) => parent = last.parent.take(),
                None => break,
            }
        }
    }
}

impl fmt::Debug for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.id, f)
    }
}
