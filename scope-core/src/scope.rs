//! The state of a scope, and the tree of scopes: the only place where either changes.
//!
//! A scope is opened by a nursery or a block, joined by whoever polls it, and closed when nothing of it is left. It is
//! allocated when somebody needs to refer to it (a parallel child, a scope further in, a handle): an empty nursery never
//! does.
//!
//! Invariants
//! 1. `flags` only gains bits, but for [`SHIELDED`], [`MAIL`] and [`BODY`]. [`SELF`] or [`ABOVE`] is set, and [`SHIELDED`]
//!    taken away, while the lock of `state` is held; the first together with `reason`.
//! 2. `live` counts children, services and adopted scopes that have not ended. Once [`CLOSED`] is set in it, which happens
//!    only at zero, nothing is added.
//! 3. A child that ends removes itself from `parked`, records its failure, and only then counts itself out.
//! 4. Whatever is added under the lock looks at `flags` (a child that parks, a scope that is attached) or at `live` (a
//!    finalizer, a service) under that same lock: so `cancel` and `close`, which set them before they take the lock, miss
//!    nothing.
//!
//! Lock order: a parent's `state` is never locked while a child's is held, nor the other way round. No waker, observer or
//! destructor of a user runs under a lock.

use std::collections::BTreeMap;
use std::fmt;
use std::panic::Location;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::task::{Poll, Waker};
use std::time::{Duration, Instant};

use atomic_waker::AtomicWaker;
use event_listener::{Event as Listen, EventListener};

use crate::closing::Closing;
use crate::error::{PanicPayload, Path, Segment, SpawnError};
use crate::event::{self, EventKind};
use crate::failure::Failure;
use crate::finalizer::{Exit, Finalizer};
use crate::id::TaskId;
use crate::name::Name;
use crate::origin::{Kind, Origin};
use crate::owned::Held;
use crate::raw::list::Parked;
use crate::raw::local::Queue;
use crate::reason::{CancelCause, CancelReason};
use crate::record::{Record, RecordCause};
use crate::rt::{self, Task};
use crate::scope_ref::ScopeRef;
use crate::shield::OpenShield;
use crate::task::TaskRef;
use crate::violation::{Policy, violated};
use crate::waits::{Waiting, Waits};

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

/// Its body runs.
const BODY: u32 = 1 << 12;

/// One child, in `live`.
const CHILD: u64 = 1;
/// One service, in `live`.
const SERVICE: u64 = 1 << 32;
const CHILDREN: u64 = SERVICE - 1;
const SERVICES: u64 = CLOSED - SERVICE;
/// Nothing is added any more.
const CLOSED: u64 = 1 << 63;

/// What counts in `live`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// A child, or an adopted scope.
    Child,
    /// A service: told to close when the children have ended.
    Service,
}

impl Part {
    fn unit(self) -> u64 {
        match self {
            Part::Child => CHILD,
            Part::Service => SERVICE,
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
    live: AtomicU64,
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
    parked: Parked,
    inner: Vec<Weak<Scope>>,
    services: Vec<Weak<dyn Closable>>,
    /// Owned scopes opened in this one that may be open still, by the task that opened them.
    owned: BTreeMap<TaskId, Vec<Weak<Held>>>,
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
        let runtime = origin.runtime.clone().or_else(|| origin.parent.as_ref()?.runtime.clone());
        let opened = crate::tree::birth(|| runtime.as_ref().map_or_else(Instant::now, |runtime| runtime.now()));
        let scope = Arc::new(Scope {
            id: ScopeRef::fresh(origin.name.clone(), origin.location),
            home: origin.home.clone(),
            parent: origin.parent.clone(),
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
                parked: Parked::new(),
                inner: Vec::new(),
                services: Vec::new(),
                owned: BTreeMap::new(),
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

    // ---- cancellation ----

    /// Whether code in this scope is to end: it or a scope around it was cancelled.
    #[inline]
    pub(crate) fn is_cancelled(&self) -> bool {
        self.flags.load(Ordering::Acquire) & (SELF | ABOVE) != 0
    }

    /// Whether it was cancelled by itself.
    pub(crate) fn is_cancelled_itself(&self) -> bool {
        self.flags.load(Ordering::Acquire) & SELF != 0
    }

    /// Whether a cancellation from further out has made this scope's own end moot, as seen from the code that awaits it:
    /// whoever absorbs it drops that code, and this scope's future with it. Not so where the future was carried out of the
    /// scope that was cancelled.
    pub(crate) fn is_moot(&self) -> bool {
        self.flags.load(Ordering::Acquire) & (ABOVE | HANDED_OVER) == ABOVE && crate::raw::frame::here_is_cancelled()
    }

    pub(crate) fn reason_if_cancelled(&self) -> Option<CancelReason> {
        if self.is_cancelled() { self.reason() } else { None }
    }

    pub(crate) fn reason(&self) -> Option<CancelReason> {
        self.lock().reason.clone()
    }

    /// Cancels this scope and all in it. True if it had not been cancelled by itself before.
    pub(crate) fn cancel(
        self: &Arc<Self>,
        cause: CancelCause,
        text: Name,
        location: &'static Location<'static>,
    ) -> bool {
        let reason = CancelReason::new(cause, text, self.id.clone(), location);
        let mut work = Vec::new();
        if !self.strike(SELF, &reason, &mut work) {
            return false;
        }
        let inherited = reason.inherited();
        // A work list, not recursion: scopes may be nested a hundred thousand deep.
        while let Some(scope) = work.pop() {
            scope.strike(ABOVE, &inherited, &mut work);
        }
        true
    }

    /// Sets `bit` and tells this scope's own children; scopes further in go to `work`. False if `bit` was set already.
    fn strike(self: &Arc<Self>, bit: u32, reason: &CancelReason, work: &mut Vec<Arc<Scope>>) -> bool {
        let mut wakers = Vec::new();
        let hooks;
        let mut more;
        {
            let mut state = self.lock();
            // Looked at under the lock: whoever lifts a shield looks at what is above after it.
            if bit == ABOVE && self.masks_above() {
                return false;
            }
            let before = self.flags.fetch_or(bit, Ordering::AcqRel);
            if before & bit != 0 {
                return false;
            }
            if before & (SELF | ABOVE) != 0 {
                // Everybody in it has been told; only who absorbs it has changed.
                drop(state);
                self.host.wake();
                return true;
            }
            state.reason = Some(reason.clone());
            work.extend(state.inner.iter().filter_map(Weak::upgrade));
            hooks = std::mem::take(&mut state.hooks);
            more = state.parked.tell(&mut wakers);
        }
        loop {
            for waker in wakers.drain(..) {
                waker.wake();
            }
            if !more {
                break;
            }
            more = self.lock().parked.tell(&mut wakers);
        }
        self.host.wake();
        self.asked.notify(usize::MAX);
        for (_, hook) in hooks {
            // A user's: one that panics is not to keep the others from being told.
            if let Err(payload) = catch_unwind(AssertUnwindSafe(|| hook(reason))) {
                let cause = RecordCause::Panicked(PanicPayload::new(payload));
                let record =
                    Record { path: self.own_path(), location: reason.location(), task: None, cause, secondary: false };
                self.fail(record, false);
            }
        }
        if event::observed() && (self.kind != Kind::Child || bit == SELF) {
            let task = crate::task::current();
            event::tell(EventKind::Cancelled(reason.clone()), self, task, reason.location());
        }
        true
    }

    /// Tells when the scope has been cancelled.
    pub(crate) fn listen(&self) -> EventListener {
        self.asked.listen()
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        if self.flags.load(Ordering::Acquire) & DEADLINE == 0 {
            return None;
        }
        self.lock().deadline
    }

    pub(crate) fn set_deadline(&self, at: Option<Instant>) {
        {
            let mut state = self.lock();
            state.deadline = at;
            self.flags.fetch_or(DEADLINE, Ordering::Release);
        }
        // Whoever polls this scope arms the timer.
        self.host.wake();
    }

    // ---- the tree ----

    fn attach(&self, inner: &Arc<Scope>) {
        let mut state = self.lock();
        if state.inner.len() == state.inner.capacity() {
            // Those that have gone are swept out when the list would have to grow, and it grows when that freed little:
            // constant time for each scope, whatever the order in which they end.
            state.inner.retain(|weak| weak.strong_count() > 0);
            let live = state.inner.len();
            state.inner.reserve(live.max(2));
        }
        state.inner.push(Arc::downgrade(inner));
        let flags = self.flags.fetch_or(NESTS, Ordering::AcqRel);
        if flags & SHUTDOWN != 0 && inner.kind != Kind::CleanUp {
            inner.flags.fetch_or(SHUTDOWN, Ordering::AcqRel);
        }
        if flags & (SELF | ABOVE) != 0
            && !inner.masks_above()
            && let Some(reason) = &state.reason
        {
            // `inner` is not shared yet, so its lock is free: taking it here breaks no order.
            inner.lock().reason = Some(reason.inherited());
            inner.flags.fetch_or(ABOVE, Ordering::AcqRel);
        }
    }

    pub(crate) fn inner(&self) -> Vec<Arc<Scope>> {
        let mut inner: Vec<_> = self.lock().inner.iter().filter_map(Weak::upgrade).collect();
        inner.retain(|scope| !scope.is_over());
        inner
    }

    pub(crate) fn parked_tasks(&self) -> Vec<(TaskRef, Waiting)> {
        self.lock().parked.tasks()
    }

    /// Has the tree show the same-task children.
    pub(crate) fn show_locals(&self, queue: &Arc<Queue>) {
        self.locals.get_or_init(|| queue.clone());
    }

    pub(crate) fn local_tasks(&self) -> Vec<(TaskRef, Waiting)> {
        self.locals.get().map(|queue| queue.tasks()).unwrap_or_default()
    }

    pub(crate) fn body_waits(&self) -> &Waits {
        &self.body_waits
    }

    /// The finalizers that have not begun, in the order in which they were added.
    pub(crate) fn finalizers_left(&self) -> Vec<(Name, &'static Location<'static>)> {
        self.lock().finalizers.iter().map(|finalizer| (finalizer.name.clone(), finalizer.location)).collect()
    }

    /// The names down to this scope, outermost first.
    pub(crate) fn path(&self) -> Vec<Segment> {
        let mut path = Vec::new();
        if self.kind != Kind::Child {
            path.push(Segment::Scope(self.id.clone()));
        }
        let mut home = self.home.clone();
        let mut at = self.parent.as_ref();
        loop {
            // A scope's home is named once, below the scope whose child it is; a root is its own task.
            let outer = at.and_then(|scope| scope.home.clone());
            if at.is_some()
                && let Some(task) = home
                && outer.as_ref() != Some(&task)
                && task.name().is_some()
            {
                path.push(Segment::Task(task));
            }
            let Some(scope) = at else { break };
            if scope.kind != Kind::Child {
                path.push(Segment::Scope(scope.id.clone()));
            }
            home = scope.home.clone();
            at = scope.parent.as_ref();
        }
        path.reverse();
        path
    }

    // ---- children ----

    /// Counts something in.
    pub(crate) fn admit(&self, part: Part) -> Result<(), SpawnError> {
        let before = self.live.fetch_add(part.unit(), Ordering::AcqRel);
        if before & CLOSED != 0 {
            self.live.fetch_sub(part.unit(), Ordering::AcqRel);
            return Err(SpawnError::closed(self.id.clone()));
        }
        Ok(())
    }

    /// Notes that a child was dropped at an await point for a cancellation.
    pub(crate) fn note_cut(&self) {
        if !self.cut_a_child() {
            self.flags.fetch_or(CUT, Ordering::AcqRel);
        }
    }

    pub(crate) fn cut_a_child(&self) -> bool {
        self.flags.load(Ordering::Acquire) & CUT != 0
    }

    /// Counts it out. After this the caller touches nothing of the scope's.
    pub(crate) fn leave(&self, part: Part) {
        let before = self.live.fetch_sub(part.unit(), Ordering::AcqRel);
        let last = match part {
            Part::Child => before & CHILDREN == CHILD,
            Part::Service => before & SERVICES == SERVICE,
        };
        if last {
            self.wake_joiners();
        }
    }

    fn wake_joiners(&self) {
        self.host.wake();
        // Registered before it looks at what is left, and read after that was changed. Not taken where none is.
        self.adopter.wake();
    }

    /// Shows the list of parked children, and whether the scope has been cancelled, under the lock.
    pub(crate) fn with_parked<R>(&self, f: impl FnOnce(&mut Parked, bool) -> R) -> R {
        let mut state = self.lock();
        let cancelled = self.is_cancelled();
        f(&mut state.parked, cancelled)
    }

    /// Records a failure and, unless it is a secondary one, cancels the scope for it.
    pub(crate) fn fail(self: &Arc<Self>, record: Record, cancels: bool) {
        if event::observed() {
            let (text, task) = (record.cause.to_string(), record.task.clone());
            event::tell(EventKind::Failed(text), self, task, record.location);
        }
        let (cause, text, location) = match &record.cause {
            RecordCause::Aborted => (CancelCause::RuntimeShutdown, Name::new(""), record.location),
            cause => (CancelCause::SiblingFailed, Name::from(cause.to_string()), record.location),
        };
        {
            let mut state = self.lock();
            let own = state.records.partition_point(|record| !record.secondary);
            let at = if record.secondary { state.records.len() } else { own };
            state.records.insert(at, record);
        }
        if cancels {
            self.cancel(cause, text, location);
        }
    }

    /// What failed in it first, as its finalizers are told.
    pub(crate) fn failed_exit(&self) -> Option<Exit> {
        let state = self.lock();
        let first = state.records.first().filter(|record| !record.secondary)?;
        Some(match &first.cause {
            RecordCause::Panicked(payload) => Exit::Panicked(Name::from(payload.message().to_owned())),
            cause => Exit::Failed(Name::from(cause.to_string())),
        })
    }

    pub(crate) fn has_records(&self) -> bool {
        !self.lock().records.is_empty()
    }

    /// Whether a deadline of its own cut a child short: then it timed out, whatever its body returned.
    pub(crate) fn is_late(&self) -> bool {
        self.cut_a_child() && self.reason().is_some_and(|reason| reason.cause() == CancelCause::Deadline)
    }

    pub(crate) fn take_records(&self) -> Vec<Record> {
        std::mem::take(&mut self.lock().records)
    }

    // ---- finalizers and services ----

    /// Adds the finalizer that `make` makes. False, without making it, where the scope has closed.
    pub(crate) fn add_finalizer(&self, make: impl FnOnce() -> Finalizer) -> bool {
        let mut state = self.lock();
        if self.live.load(Ordering::Acquire) & CLOSED != 0 {
            return false;
        }
        state.finalizers.push(make());
        true
    }

    /// The one added last, and how many are left behind it.
    pub(crate) fn pop_finalizer(&self) -> Option<(Finalizer, usize)> {
        let mut state = self.lock();
        let finalizer = state.finalizers.pop()?;
        Some((finalizer, state.finalizers.len()))
    }

    pub(crate) fn add_service(&self, service: Weak<dyn Closable>) {
        let mut state = self.lock();
        state.services.retain(|weak| weak.strong_count() > 0);
        state.services.push(service.clone());
        drop(state);
        // Read after the push: whoever winds up sets the bit before it reads the list.
        if self.flags.load(Ordering::Acquire) & WINDING_UP != 0
            && let Some(service) = service.upgrade()
        {
            service.begin_close();
        }
    }

    // ---- owned scopes ----

    pub(crate) fn add_owned(&self, held: &Arc<Held>) {
        let mut state = self.lock();
        let open = state.owned.entry(held.home().id()).or_default();
        if open.len() == open.capacity() {
            // As in `attach`.
            open.retain(|weak| weak.strong_count() > 0);
            let live = open.len();
            open.reserve(live.max(2));
        }
        open.push(Arc::downgrade(held));
        self.flags.fetch_or(OWNS, Ordering::AcqRel);
    }

    /// The owned scopes opened in this one that are open, the oldest first.
    pub(crate) fn owned_open(&self) -> Vec<Arc<Held>> {
        if self.flags.load(Ordering::Acquire) & OWNS == 0 {
            return Vec::new();
        }
        let mut open: Vec<_> = self.lock().owned.values().flatten().filter_map(Weak::upgrade).collect();
        open.retain(|held| held.is_open());
        open.sort_by_key(|held| held.age());
        open
    }

    /// Ends the owned scopes that `home` has opened here and not closed, innermost first: it has ended.
    pub(crate) fn end_owned_of(self: &Arc<Self>, home: &TaskRef) {
        if self.flags.load(Ordering::Acquire) & OWNS == 0 {
            return;
        }
        let Some(opened) = self.lock().owned.remove(&home.id()) else { return };
        let mut open: Vec<_> = opened.iter().filter_map(Weak::upgrade).collect();
        open.retain(|held| held.is_open());
        self.end_with_home(open, Some(home));
    }

    /// Ends all that are open here, whoever has opened them.
    fn end_owned(self: &Arc<Self>) {
        let open = self.owned_open();
        self.end_with_home(open, None);
    }

    fn end_with_home(self: &Arc<Self>, open: Vec<Arc<Held>>, home: Option<&TaskRef>) {
        if open.is_empty() {
            return;
        }
        if let Err(payload) = catch_unwind(AssertUnwindSafe(|| crate::owned::end_with_home(open))) {
            // The policy says so.
            let cause = RecordCause::Panicked(PanicPayload::new(payload));
            let path = home.map_or_else(|| self.own_path(), |home| self.child_path(home));
            let location = home.map_or(self.id.location(), |home| home.location());
            self.fail(Record { path, location, task: home.cloned(), cause, secondary: false }, true);
        }
    }

    // ---- joining ----

    pub(crate) fn register_host(&self, waker: &Waker) {
        self.host.register(waker);
    }

    pub(crate) fn register_adopter(&self, waker: &Waker) {
        self.adopter.register(waker);
    }

    /// Ready when every child and service has ended and the scope has been closed. Asks the services to close once the
    /// children have ended.
    ///
    /// The caller has registered its waker.
    pub(crate) fn poll_join(self: &Arc<Self>) -> Poll<()> {
        loop {
            if self.live.load(Ordering::Acquire) & (CHILDREN | SERVICES) == 0 {
                self.take_in_strays();
            }
            match self.live.compare_exchange(0, CLOSED, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => return Poll::Ready(()),
                Err(live) if live & CLOSED != 0 => return Poll::Ready(()),
                Err(live) if live & CHILDREN != 0 => return Poll::Pending,
                Err(_) => {
                    if self.flags.fetch_or(WINDING_UP, Ordering::AcqRel) & WINDING_UP != 0 {
                        return Poll::Pending;
                    }
                    let services = std::mem::take(&mut self.lock().services);
                    for service in services.iter().filter_map(Weak::upgrade) {
                        service.begin_close();
                    }
                }
            }
        }
    }

    /// Closes the scope if there is nothing to join and nothing to run. Otherwise it may be closed after this too, and is to
    /// be joined all the same.
    pub(crate) fn close_if_idle(self: &Arc<Self>) -> bool {
        if self.live.load(Ordering::Acquire) == 0 {
            self.take_in_strays();
        }
        if self.live.compare_exchange(0, CLOSED, Ordering::AcqRel, Ordering::Acquire).is_err() {
            return false;
        }
        let state = self.lock();
        state.finalizers.is_empty() && state.mail.is_empty()
    }

    /// The last act: nothing of the scope is left.
    pub(crate) fn ended(&self) {
        if self.flags.fetch_or(OVER, Ordering::AcqRel) & OVER != 0 {
            return;
        }
        if self.parent.is_none() {
            crate::tree::uproot(self.id.id());
        }
        if event::observed() && self.kind != Kind::Child {
            event::tell(EventKind::Closed, self, self.home.clone(), self.id.location());
        }
    }

    pub(crate) fn is_over(&self) -> bool {
        self.flags.load(Ordering::Acquire) & OVER != 0
    }

    // ---- shields ----

    /// Whether what is cancelled above does not reach in.
    pub(crate) fn masks_above(&self) -> bool {
        self.kind == Kind::CleanUp || self.is_shielded()
    }

    pub(crate) fn is_shielded(&self) -> bool {
        self.flags.load(Ordering::Acquire) & SHIELDED != 0
    }

    /// Keeps where this shield counts, until it ends or is lifted.
    pub(crate) fn keep_shield(&self, open: OpenShield) {
        let too_late = {
            let mut state = self.lock();
            if self.is_shielded() { state.shield.replace(open) } else { Some(open) }
        };
        drop(too_late);
    }

    /// The shielded region has been left.
    pub(crate) fn leave_shield(&self) {
        let open = self.lock().shield.take();
        drop(open);
    }

    /// From now on what is cancelled above reaches in. False if it did already.
    pub(crate) fn lift_shield(self: &Arc<Self>) -> bool {
        let open = {
            let mut state = self.lock();
            if self.flags.fetch_and(!SHIELDED, Ordering::AcqRel) & SHIELDED == 0 {
                return false;
            }
            state.shield.take()
        };
        // A cancellation that came before was masked, and is passed on here; one that comes after finds no shield.
        if let Some(reason) = self.parent.as_ref().and_then(|parent| parent.reason_if_cancelled()) {
            let inherited = reason.inherited();
            let mut work = vec![self.clone()];
            while let Some(scope) = work.pop() {
                scope.strike(ABOVE, &inherited, &mut work);
            }
        }
        drop(open);
        true
    }

    // ---- deadlines ----

    /// The earliest deadline that code in this scope is under.
    pub(crate) fn effective_deadline(&self) -> Option<Instant> {
        let mut earliest = self.deadline();
        let mut at = self;
        while !at.masks_above() {
            let Some(parent) = &at.parent else { break };
            at = parent;
            earliest = match (earliest, at.deadline()) {
                (Some(a), Some(b)) => Some(a.min(b)),
                (a, b) => a.or(b),
            };
        }
        earliest
    }

    /// Cancels the scope if its deadline has passed by the clock.
    pub(crate) fn expire_if_due(self: &Arc<Self>) {
        if let (Some(at), Some(runtime)) = (self.deadline(), &self.runtime)
            && at <= runtime.now()
        {
            self.expire();
        }
    }

    /// Cancels the scope: its deadline has passed, or the grace of its shutdown is over.
    pub(crate) fn expire(self: &Arc<Self>) {
        let shutdown = {
            let state = self.lock();
            state
                .shutdown
                .as_ref()
                .filter(|shutdown| state.deadline == Some(shutdown.until))
                .map(|s| (s.grace, s.location))
        };
        match shutdown {
            None => self.cancel(CancelCause::Deadline, Name::new(""), self.id.location()),
            Some((grace, location)) => {
                let running = crate::tree::still_running(self);
                let text = format!("the grace of {grace:?} is over; still running: {}", running.join(", "));
                self.cancel(CancelCause::Shutdown, Name::from(text), location)
            }
        };
    }

    // ---- shutdown ----

    pub(crate) fn is_shutdown_requested(&self) -> bool {
        self.flags.load(Ordering::Acquire) & SHUTDOWN != 0
    }

    /// Tells those who ask, here and further in, to come to an end, and cancels the scope when `grace` is over.
    pub(crate) fn shut_down(self: &Arc<Self>, grace: Duration, location: &'static Location<'static>) {
        let now = self.runtime.as_ref().map_or_else(Instant::now, |runtime| runtime.now());
        if let Some(until) = now.checked_add(grace) {
            let mut state = self.lock();
            if state.deadline.is_none_or(|deadline| until < deadline) {
                state.deadline = Some(until);
                state.shutdown = Some(Shutdown { until, grace, location });
                self.flags.fetch_or(DEADLINE, Ordering::Release);
            }
        }
        let mut work = vec![self.clone()];
        while let Some(scope) = work.pop() {
            {
                let state = scope.lock();
                if scope.kind == Kind::CleanUp || scope.flags.fetch_or(SHUTDOWN, Ordering::AcqRel) & SHUTDOWN != 0 {
                    continue;
                }
                work.extend(state.inner.iter().filter_map(Weak::upgrade));
            }
            scope.asked.notify(usize::MAX);
        }
        // Whoever polls this scope arms the timer.
        self.host.wake();
    }

    // ---- hooks ----

    /// Calls `hook` when the scope is cancelled; at once if it has been.
    pub(crate) fn add_hook(&self, id: u64, hook: Hook) {
        let reason = {
            let mut state = self.lock();
            match &state.reason {
                Some(reason) => reason.clone(),
                None => {
                    state.hooks.push((id, hook));
                    return;
                }
            }
        };
        hook(&reason);
    }

    pub(crate) fn remove_hook(&self, id: u64) {
        let hook = {
            let mut state = self.lock();
            state.hooks.iter().position(|(other, _)| *other == id).map(|at| state.hooks.swap_remove(at))
        };
        drop(hook);
    }

    // ---- what was handed over, and strays ----

    /// Somebody else sees to its end from now on. False if that was so already.
    pub(crate) fn note_handed_over(&self) -> bool {
        self.flags.fetch_or(HANDED_OVER, Ordering::AcqRel) & HANDED_OVER == 0
    }

    pub(crate) fn is_handed_over(&self) -> bool {
        self.flags.load(Ordering::Acquire) & HANDED_OVER != 0
    }

    /// Adopts the scopes further in that are open although nobody will poll them in here any more: their futures were
    /// forgotten, or carried away.
    fn take_in_strays(self: &Arc<Self>) {
        if self.flags.load(Ordering::Acquire) & NESTS == 0 {
            return;
        }
        for stray in self.inner() {
            if stray.kind == Kind::CleanUp || stray.is_handed_over() {
                continue;
            }
            // What was opened in it and not closed counts in it, and whoever should close it will not be polled any more.
            stray.end_owned();
            let begun = stray.finalizing();
            crate::adopt::hand_over(stray.clone(), Closing::new());
            if let Some((name, location)) = begun {
                // It lies half-way in that future, where nobody gets at it.
                let text = format!(
                    "finalizer {name} was left half-way: the future of its scope was forgotten or carried away"
                );
                let cause = RecordCause::CleanUp(Failure::msg(text));
                self.fail(Record { path: stray.own_path(), location, task: None, cause, secondary: true }, false);
            }
            let told = catch_unwind(AssertUnwindSafe(|| {
                violated(&stray, stray.id.location(), || {
                    format!(
                        "{} (opened at {}) was still open when the scope around it, {} (opened at {}), ended: its future \
                         was forgotten or carried away; it is cancelled and cleaned up",
                        stray.id,
                        stray.id.location(),
                        self.id,
                        self.id.location()
                    )
                });
            }));
            if let Err(payload) = told {
                let cause = RecordCause::Panicked(PanicPayload::new(payload));
                self.fail(
                    Record { path: self.own_path(), location: self.id.location(), task: None, cause, secondary: false },
                    false,
                );
            }
        }
    }

    // ---- seeing ----

    pub(crate) fn place(&self) -> u64 {
        self.place
    }

    /// What a broken rule does in here.
    pub(crate) fn policy(&self) -> Policy {
        let mut at = self;
        loop {
            match Policy::from_bits(at.policy.load(Ordering::Relaxed)) {
                Policy::Inherit => {}
                policy => return policy,
            }
            match &at.parent {
                Some(parent) => at = parent,
                None => return Policy::Report,
            }
        }
    }

    pub(crate) fn set_policy(&self, policy: Policy) {
        self.policy.store(policy.bits(), Ordering::Relaxed);
    }

    pub(crate) fn note_body(&self, runs: bool) {
        if runs {
            self.flags.fetch_or(BODY, Ordering::AcqRel);
        } else {
            self.flags.fetch_and(!BODY, Ordering::AcqRel);
        }
    }

    pub(crate) fn body_runs(&self) -> bool {
        self.flags.load(Ordering::Acquire) & BODY != 0
    }

    pub(crate) fn set_finalizing(&self, finalizer: Option<(Name, &'static Location<'static>)>) {
        self.lock().finalizing = finalizer;
    }

    pub(crate) fn finalizing(&self) -> Option<(Name, &'static Location<'static>)> {
        self.lock().finalizing.clone()
    }

    // ---- adoption without a runtime ----

    pub(crate) fn post(&self, adopted: Task) {
        self.lock().mail.push(adopted);
        self.flags.fetch_or(MAIL, Ordering::AcqRel);
        self.wake_joiners();
    }

    pub(crate) fn take_mail(&self) -> Vec<Task> {
        if self.flags.load(Ordering::Acquire) & MAIL == 0 {
            return Vec::new();
        }
        let mut state = self.lock();
        self.flags.fetch_and(!MAIL, Ordering::AcqRel);
        std::mem::take(&mut state.mail)
    }

    /// What is still in the way of closing: counts of children and of services.
    pub(crate) fn live(&self) -> (u32, u32) {
        let live = self.live.load(Ordering::Acquire);
        ((live & CHILDREN) as u32, ((live & SERVICES) >> 32) as u32)
    }

    pub(crate) fn child_path(&self, task: &TaskRef) -> Path {
        let mut path = self.path();
        path.push(Segment::Task(task.clone()));
        Path::new(path)
    }

    pub(crate) fn own_path(&self) -> Path {
        Path::new(self.path())
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
