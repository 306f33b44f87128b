//! The state of a scope, and the tree of scopes: the only place where either changes.
//!
//! A scope is opened by a nursery or a block, joined by whoever polls it, and closed when nothing of it is left. It is
//! allocated when somebody needs to refer to it (a parallel child, a scope further in, a handle): an empty nursery never
//! does.
//!
//! Invariants
//! 1. `flags` only gains bits. [`SELF`] or [`ABOVE`] is set while the lock of `state` is held, together with `reason`.
//! 2. `live` counts children, services and adopted scopes that have not ended. Once [`CLOSED`] is set in it, which happens
//!    only at zero, nothing is added.
//! 3. A child that ends removes itself from `parked`, records its failure, and only then counts itself out.
//! 4. Whatever is added under the lock looks at `flags` (a child that parks, a scope that is attached) or at `live` (a
//!    finalizer, a service) under that same lock: so `cancel` and `close`, which set them before they take the lock, miss
//!    nothing.
//!
//! Lock order: a parent's `state` is never locked while a child's is held, nor the other way round. No waker, observer or
//! destructor of a user runs under a lock.

use std::fmt;
use std::panic::Location;
use std::pin::Pin;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use atomic_waker::AtomicWaker;
use event_listener::{Event as Listen, EventListener};

use crate::adopt::Adopted;
use crate::error::{Path, Segment, SpawnError};
use crate::event::{self, EventKind};
use crate::finalizer::Finalizer;
use crate::name::Name;
use crate::origin::{Kind, Origin};
use crate::owned::Held;
use crate::raw::list::Parked;
use crate::reason::{CancelCause, CancelReason};
use crate::record::{Record, RecordCause};
use crate::rt;
use crate::scope_ref::ScopeRef;
use crate::task::TaskRef;

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
    opened: Instant,
    flags: AtomicU32,
    live: AtomicU64,
    /// Whoever joins this scope.
    host: AtomicWaker,
    /// Those who asked to be told of a cancellation.
    asked: Listen,
    state: Mutex<State>,
}

struct State {
    reason: Option<CancelReason>,
    deadline: Option<Instant>,
    parked: Parked,
    inner: Vec<Weak<Scope>>,
    services: Vec<Weak<dyn Closable>>,
    /// Owned scopes opened in this one that may be open still, the oldest first.
    owned: Vec<Weak<Held>>,
    records: Vec<Record>,
    finalizers: Vec<Finalizer>,
    mail: Vec<Pin<Box<Adopted>>>,
}

impl Scope {
    /// Opens a scope under its parent. Call [`Scope::tell_opened`] after it.
    pub(crate) fn open(origin: &Origin) -> Arc<Scope> {
        let runtime = origin.runtime.clone().or_else(|| origin.parent.as_ref()?.runtime.clone());
        let scope = Arc::new(Scope {
            id: ScopeRef::fresh(origin.name.clone(), origin.location),
            home: origin.home.clone(),
            parent: origin.parent.clone(),
            runtime,
            kind: origin.kind,
            budget: origin.budget,
            opened: Instant::now(),
            flags: AtomicU32::new(if origin.deadline.is_some() { DEADLINE } else { 0 }),
            live: AtomicU64::new(0),
            host: AtomicWaker::new(),
            asked: Listen::new(),
            state: Mutex::new(State {
                reason: None,
                deadline: origin.deadline,
                parked: Parked::new(),
                inner: Vec::new(),
                services: Vec::new(),
                owned: Vec::new(),
                records: Vec::new(),
                finalizers: Vec::new(),
                mail: Vec::new(),
            }),
        });
        match &scope.parent {
            Some(parent) => parent.attach(&scope),
            None => crate::tree::plant(&scope),
        }
        scope
    }

    pub(crate) fn tell_opened(&self) {
        if event::observed() {
            event::tell(EventKind::Opened, self.id.clone(), self.home.clone(), self.id.location());
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

    pub(crate) fn opened(&self) -> Instant {
        self.opened
    }

    // ---- cancellation ----

    /// Whether code in this scope is to end: it or a scope around it was cancelled.
    #[inline]
    pub(crate) fn is_cancelled(&self) -> bool {
        self.flags.load(Ordering::Acquire) & (SELF | ABOVE) != 0
    }

    /// Whether a cancellation from further out has made this scope's own end moot: whoever absorbs it drops this scope's
    /// future. Not so where the scope around has ended already, because the future was carried out of it.
    pub(crate) fn is_moot(&self) -> bool {
        self.flags.load(Ordering::Acquire) & ABOVE != 0 && self.parent.as_ref().is_none_or(|parent| !parent.is_over())
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
        if bit == ABOVE && self.kind == Kind::CleanUp {
            return false;
        }
        let mut wakers = Vec::new();
        let mut more;
        {
            let mut state = self.lock();
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
        if event::observed() {
            let task = crate::task::current();
            event::tell(EventKind::Cancelled(reason.clone()), self.id.clone(), task, reason.location());
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
        if self.flags.load(Ordering::Acquire) & (SELF | ABOVE) != 0
            && inner.kind != Kind::CleanUp
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

    pub(crate) fn parked_tasks(&self) -> Vec<TaskRef> {
        self.lock().parked.tasks()
    }

    pub(crate) fn finalizer_names(&self) -> Vec<Name> {
        self.lock().finalizers.iter().map(|finalizer| finalizer.name.clone()).collect()
    }

    /// The names down to this scope, outermost first.
    pub(crate) fn path(&self) -> Vec<Segment> {
        let mut path = vec![Segment::Scope(self.id.clone())];
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
            path.push(Segment::Scope(scope.id.clone()));
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
            self.host.wake();
        }
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
            event::tell(EventKind::Failed(text), self.id.clone(), task, record.location);
        }
        let (cause, text, location) = match &record.cause {
            RecordCause::Aborted => (CancelCause::RuntimeShutdown, Name::new(""), record.location),
            cause => (CancelCause::SiblingFailed, Name::from(cause.to_string()), record.location),
        };
        self.lock().records.push(record);
        if cancels {
            self.cancel(cause, text, location);
        }
    }

    /// What failed first: whether it was a panic, and its text.
    pub(crate) fn first_failure(&self) -> Option<(bool, Name)> {
        let state = self.lock();
        let first = state.records.first()?;
        Some((matches!(first.cause, RecordCause::Panicked(_)), Name::from(first.cause.to_string())))
    }

    pub(crate) fn take_records(&self) -> Vec<Record> {
        std::mem::take(&mut self.lock().records)
    }

    // ---- finalizers and services ----

    /// # Errors
    /// The finalizer itself, where the scope has closed.
    pub(crate) fn add_finalizer(&self, finalizer: Finalizer) -> Result<(), Finalizer> {
        let mut state = self.lock();
        if self.live.load(Ordering::Acquire) & CLOSED != 0 {
            return Err(finalizer);
        }
        state.finalizers.push(finalizer);
        Ok(())
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
        state.owned.retain(|weak| weak.strong_count() > 0);
        state.owned.push(Arc::downgrade(held));
        self.flags.fetch_or(OWNS, Ordering::AcqRel);
    }

    /// Ends the owned scopes that `home` has opened here and not closed, the newest first: it has ended.
    pub(crate) fn end_owned_of(&self, home: &TaskRef) {
        if self.flags.load(Ordering::Acquire) & OWNS == 0 {
            return;
        }
        let open: Vec<_> = self.lock().owned.iter().filter_map(Weak::upgrade).collect();
        for held in open.into_iter().rev().filter(|held| held.home() == home) {
            held.end_with_home();
        }
    }

    // ---- joining ----

    pub(crate) fn register_host(&self, waker: &Waker) {
        self.host.register(waker);
    }

    /// Ready when every child and service has ended and the scope has been closed. Asks the services to close once the
    /// children have ended.
    pub(crate) fn poll_join(&self, cx: &mut Context<'_>) -> Poll<()> {
        self.host.register(cx.waker());
        loop {
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
    pub(crate) fn close_if_idle(&self) -> bool {
        if self.live.compare_exchange(0, CLOSED, Ordering::AcqRel, Ordering::Acquire).is_err() {
            return false;
        }
        let state = self.lock();
        state.finalizers.is_empty() && state.mail.is_empty()
    }

    /// The last act: nothing of the scope is left.
    pub(crate) fn ended(&self) {
        self.flags.fetch_or(OVER, Ordering::AcqRel);
        if self.parent.is_none() {
            crate::tree::uproot(self.id.id());
        }
        if event::observed() {
            event::tell(EventKind::Closed, self.id.clone(), self.home.clone(), self.id.location());
        }
    }

    fn is_over(&self) -> bool {
        self.flags.load(Ordering::Acquire) & OVER != 0
    }

    // ---- adoption without a runtime ----

    pub(crate) fn post(&self, adopted: Pin<Box<Adopted>>) {
        self.lock().mail.push(adopted);
        self.flags.fetch_or(MAIL, Ordering::AcqRel);
        self.host.wake();
    }

    pub(crate) fn take_mail(&self) -> Vec<Pin<Box<Adopted>>> {
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
