//! Owned scopes: for those who cannot use a block, because somebody else's interface has an `open` and a `close`.
//!
//! The close belongs to the task that opened: checked when the program runs, since no type can tell tasks apart.
//!
//! Invariant: `Held::ending` is set once, by whoever ends the scope: its close, the guard's drop, the close of a scope around
//! it, or the end of the task that opened it. Only that one hands it over.

use std::fmt;
use std::future::{Future, poll_fn};
use std::marker::PhantomData;
use std::ops::Deref;
use std::panic::{Location, resume_unwind};
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, PoisonError};
use std::task::{Context, Poll};

use crate::adopt;
use crate::cancel::Canceller;
use crate::cancel_scope::{InCancelScope, in_scope};
use crate::closing::Closing;
use crate::error::ScopeError;
use crate::failure::{Failure, Fault};
use crate::finalizer::{Exit, Finalizer, NotAdded};
use crate::name::Name;
use crate::not_closed::{NotClosed, NotClosedWhy, NotOpened};
use crate::nursery::{Local, Sendable};
use crate::origin::{Kind, Origin};
use crate::poller::Poller;
use crate::raw::frame;
use crate::record::{Record, RecordCause};
use crate::scope::{Part, Scope};
use crate::scope_ref::ScopeRef;
use crate::spawner::{Place, Spawner, Spawns};
use crate::sync::atomic::{AtomicU8, Ordering};
use crate::sync::{Mutex, MutexGuard};
use crate::task::{self, TaskRef};
use crate::task_mail::TaskMail;
use crate::violation::violated;

/// A scope that is held by a guard instead of a block: opened in one task, and closed by that same task.
///
/// It has children and finalizers as a nursery has. It is a scope further in of the one it was opened in, which ends it, and
/// tells of that as a broken rule, if it is still open when the task that opened it has ended.
///
/// `K` tells the kinds apart: one opened by [`open`](OwnedScope::open) may be moved between tasks, and where it is closed is
/// checked when the program runs; one opened by [`open_local`](OwnedScope::open_local) is not `Send`, so that most mistakes do
/// not compile.
///
/// # What drop does
/// The scope is cancelled, and adopted by the scope around it, which waits for its end. Never blocks, never panics (unless the
/// [policy](crate::Policy) says so). In another task than the one that opened it, or in none, that is a broken rule, told as
/// one [event](crate::event), and the clean-up runs in the task that opened it, as long as there is one.
#[must_use = "an owned scope that is dropped is cancelled; `close` it at the end"]
pub struct OwnedScope<E: Fault = Failure, K = Sendable> {
    held: Guard,
    #[expect(clippy::type_complexity, reason = "what it fails with, and its kind")]
    marks: PhantomData<(fn(E) -> E, K)>,
}

/// Ends the scope when it is dropped.
struct Guard(Arc<Held>);

impl Deref for Guard {
    type Target = Held;

    fn deref(&self) -> &Held {
        &self.0
    }
}

const OPEN: u8 = 0;
/// A `close` has begun; it goes on from `Held::closing`.
const CLOSING: u8 = 1;
const CLOSED: u8 = 2;
const DROPPED: u8 = 3;
const HOME_ENDED: u8 = 4;
const OUTER_CLOSED: u8 = 5;

/// What the guard and the scope around share.
pub(crate) struct Held {
    pub(crate) scope: Arc<Scope>,
    home: TaskRef,
    /// Where clean-up is left for the task that opened it, if that is one of the runtime's own.
    mail: Option<Arc<TaskMail>>,
    ending: AtomicU8,
    /// How far its close has come, while that is not being polled.
    closing: Mutex<Option<Closing>>,
    /// Older ones have smaller numbers.
    age: u64,
}

impl Held {
    /// Whether the caller is the one to end it. Whoever takes it from a close that is being polled at this moment leaves it to
    /// that one to hand over: then there is nothing in `closing`.
    fn take(&self, how: u8) -> Option<Closing> {
        if self.ending.compare_exchange(OPEN, how, Ordering::AcqRel, Ordering::Acquire).is_ok() {
            return Some(Closing::new());
        }
        if self.ending.compare_exchange(CLOSING, how, Ordering::AcqRel, Ordering::Acquire).is_ok() {
            return self.closing().take();
        }
        None
    }

    fn closing(&self) -> MutexGuard<'_, Option<Closing>> {
        self.closing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn state(&self) -> u8 {
        self.ending.load(Ordering::Acquire)
    }

    pub(crate) fn home(&self) -> &TaskRef {
        &self.home
    }

    pub(crate) fn age(&self) -> u64 {
        self.age
    }

    pub(crate) fn is_open(&self) -> bool {
        matches!(self.state(), OPEN | CLOSING)
    }

    /// Goes on with a close. Ready with true when all is closed, with false when somebody else has ended the scope meanwhile.
    fn poll_close(&self, exit: &mut dyn FnMut() -> Exit, cx: &mut Context<'_>) -> Poll<bool> {
        // In a finalizer too, and by each who goes on with it: whoever ends the scope wakes the one who polled it last.
        self.scope.register_host(cx.waker());
        // Out of the lock while code of a user runs.
        let Some(mut closing) = self.closing().take() else { return Poll::Ready(false) };
        let polled = closing.poll(&self.scope, exit, cx);
        if polled.is_ready() {
            let first = self.ending.compare_exchange(CLOSING, CLOSED, Ordering::AcqRel, Ordering::Acquire).is_ok();
            if !first {
                // Ended meanwhile, by whoever left the rest to this very poll.
                adopt::bequeath(&self.scope, self.scope.take_records());
                self.scope.ended();
                adopt::count_out_owned(&self.scope);
            }
            return Poll::Ready(first);
        }
        *self.closing() = Some(closing);
        if self.state() != CLOSING
            && let Some(closing) = self.closing().take()
        {
            // Ended while it was polled: by whoever came too late for what was taken out.
            adopt::hand_over(self.scope.clone(), closing);
            return Poll::Ready(false);
        }
        Poll::Pending
    }
}

/// These, given the oldest first, and what is open inside them, in the order in which they are to end: the newest first, and
/// before each what was opened inside it.
fn innermost_first(outer: Vec<Arc<Held>>) -> Vec<Arc<Held>> {
    // A work list, not recursion: they may be nested a hundred thousand deep.
    let mut order = Vec::new();
    let mut work: Vec<_> = outer.into_iter().rev().collect();
    while let Some(held) = work.pop() {
        work.extend(held.scope.owned_open().into_iter().rev());
        order.push(held);
    }
    // Outermost and oldest first; so, backwards.
    order.reverse();
    order
}

/// Ends these, all opened by `home`, which has ended. Tells of each.
pub(crate) fn end_with_home(open: Vec<Arc<Held>>) {
    let (ended, order) = take_all(innermost_first(open), HOME_ENDED);
    adopt::hand_over_in_order(order, || {
        for held in ended {
            violated(&held.scope, held.scope.id().location(), || {
                format!(
                    "owned scope {} (opened at {}) was still open when what it was opened in, in {:?}, ended; it is cancelled \
                     and cleaned up",
                    held.scope.id(),
                    held.scope.id().location(),
                    held.home
                )
            });
        }
    });
}

/// Scopes to be handed over, in this order, with how far each has come.
type InOrder = Vec<(Arc<Scope>, Closing)>;

/// Those that it was on the caller to end, and what is to be handed over of them.
fn take_all(mut open: Vec<Arc<Held>>, how: u8) -> (Vec<Arc<Held>>, InOrder) {
    let mut order = InOrder::new();
    open.retain(|held| match held.take(how) {
        Some(closing) => {
            order.push((held.scope.clone(), closing));
            true
        }
        None => false,
    });
    (open, order)
}

impl<E: Fault> OwnedScope<E> {
    /// Opens a scope in the current task, inside the scope that this code runs in.
    ///
    /// # Errors
    /// [`NotOpened`] outside any task: nobody would own it.
    #[track_caller]
    pub fn open(name: impl Into<Name>) -> Result<Self, NotOpened> {
        open(name.into(), Location::caller(), None)
    }

    /// Makes a handle of it that can be cloned and shared: whoever calls [`SharedScope::close`] first, in the task that opened
    /// it, closes it.
    pub fn shared(self) -> SharedScope<E> {
        let (scope, home) = (self.scope().clone(), self.home().clone());
        SharedScope { owned: Arc::new(Mutex::new(Some(self))), scope, home }
    }
}

impl<E: Fault> OwnedScope<E, Local> {
    /// Opens a scope whose guard stays on its thread: the compiler refuses to move it into another task of the runtime's.
    /// Same-task children are tasks too, and can still take it: that is checked when the program runs, as for the other kind.
    ///
    /// # Errors
    /// [`NotOpened`] outside any task: nobody would own it.
    #[track_caller]
    pub fn open_local(name: impl Into<Name>) -> Result<Self, NotOpened> {
        open(name.into(), Location::caller(), None)
    }
}

fn open<E: Fault, K>(
    name: Name,
    location: &'static Location<'static>,
    within: Option<&Held>,
) -> Result<OwnedScope<E, K>, NotOpened> {
    let around = within.map(|outer| outer.scope.clone());
    let here = frame::here(|place| place.map(|(task, scope)| (task.clone(), around.unwrap_or_else(|| scope.make()))));
    let Some((home, mut parent)) = here else { return Err(NotOpened::no_task(location)) };
    // What a service opens in one phase of its life it closes in another.
    while parent.kind() == Kind::Phase
        && let Some(service) = parent.parent()
    {
        parent = service.clone();
    }
    let mut origin = Origin::new(Kind::Owned, location);
    origin.name = Some(name);
    origin.home = Some(home.clone());
    origin.parent = parent.clone().into();
    origin.budget = parent.budget;
    // Counted in from now on: whoever ends it, and whenever, the scope around waits for that.
    if parent.admit(Part::Child).is_err() {
        return Err(NotOpened::outer_ended(location, parent.id().clone()));
    }
    let scope = Scope::open(&origin);
    static AGES: AtomicU64 = AtomicU64::new(0);
    let held = Arc::new(Held {
        scope,
        home,
        mail: frame::mail(),
        ending: AtomicU8::new(OPEN),
        closing: Mutex::new(None),
        age: AGES.fetch_add(1, Ordering::Relaxed),
    });
    parent.add_owned(&held);
    if within.is_some_and(|outer| outer.home != held.home)
        && let Some(ends_in) = frame::home_of(&held.home)
    {
        // The scope that it is in may outlive the task.
        ends_in.add_owned_away(&held);
    }
    held.scope.tell_opened();
    Ok(OwnedScope { held: Guard(held), marks: PhantomData })
}

impl<E: Fault, K> OwnedScope<E, K> {
    /// Opens a scope inside this one, in the current task. Close it before this one.
    ///
    /// # Errors
    /// [`NotOpened`] outside any task, or where this scope has been ended already, with the task that opened it or with the
    /// scope around it.
    #[track_caller]
    pub fn open_inner(&self, name: impl Into<Name>) -> Result<Self, NotOpened> {
        let location = Location::caller();
        if !self.held.is_open() {
            return Err(NotOpened::outer_ended(location, self.scope().clone()));
        }
        open(name.into(), location, Some(&self.held))
    }

    /// Runs `body` inside the scope, as part of the current task: scopes that it opens are inside this one, and end with it.
    ///
    /// # Errors
    /// A [`ScopeError`] that was [cancelled](ScopeError::is_cancelled) where the scope was cancelled, or ended, and that cut
    /// `body` short.
    ///
    /// # Panics
    /// A panic of `body` is resumed.
    ///
    /// # Cancel safety
    /// Dropping it drops `body`; scopes in it are adopted by the scope.
    #[track_caller]
    pub fn enter<F: Future>(&self, body: F) -> InCancelScope<F> {
        in_scope(self.held.scope.clone(), Location::caller(), body)
    }

    /// The scope, as others may refer to it.
    pub fn scope(&self) -> &ScopeRef {
        self.held.scope.id()
    }

    /// The task that opened it, and that alone may close it.
    pub fn home(&self) -> &TaskRef {
        &self.held.home
    }

    /// A handle that spawns parallel children from anywhere.
    pub fn spawner(&self) -> Spawner<E> {
        Spawner::new(self.held.scope.clone())
    }

    /// A handle that cancels the scope from anywhere.
    pub fn canceller(&self) -> Canceller {
        Canceller::new(self.held.scope.clone())
    }

    /// Adds an async finalizer, as [`Nursery::finalizer`](crate::Nursery::finalizer).
    ///
    /// # Errors
    /// [`NotAdded`] where the scope has been ended already; the finalizer comes back in it.
    #[track_caller]
    pub fn finalizer<F, Fut>(&self, name: impl Into<Name>, finalizer: F) -> Result<(), NotAdded<F>>
    where
        F: FnOnce(Exit) -> Fut + Send + 'static,
        Fut: Future<Output = Result<(), Failure>> + Send + 'static,
    {
        Finalizer::add(&self.held.scope, name.into(), Location::caller(), None, finalizer)
    }

    /// Waits for the children, runs the finalizers, and leaves the scope. Cancel it first, by its
    /// [canceller](OwnedScope::canceller), not to wait for children that go on.
    ///
    /// Scopes inside it that are still open are ended first, innermost first: whoever should have closed them has not. That
    /// is a broken rule, and comes back as an error when all is closed.
    ///
    /// # Errors
    /// [`NotClosed`], without effect, in another task than the one that opened it, or from within the scope itself: the scope
    /// comes back in it, to be closed at home. Also when that task has ended, and the scope with it; when it was closed over
    /// scopes inside it; and with a [`ScopeError`] when something in the scope failed.
    ///
    /// # Panics
    /// A panic of a child is resumed if it was the first thing that went wrong.
    ///
    /// # Cancel safety
    /// Dropped before it is ready, the scope is cancelled and adopted.
    pub async fn close(self) -> Result<(), NotClosed<E, K>> {
        let held = &self.held;
        if held.state() != OPEN {
            return Err(self.ended_before());
        }
        let here = task::current();
        if here.as_ref() != Some(self.home()) {
            return Err(NotClosed::new(NotClosedWhy::WrongTask { here, owned: self.of_kind() }));
        }
        if frame::here_is_within(&held.scope) {
            return Err(NotClosed::new(NotClosedWhy::FromWithin { owned: self.of_kind() }));
        }
        let scope = held.scope.clone();
        let over = end_inner(&scope);
        *held.closing() = Some(Closing::new());
        if held.ending.compare_exchange(OPEN, CLOSING, Ordering::AcqRel, Ordering::Acquire).is_err() {
            return Err(self.ended_before());
        }
        let mut exit = || scope.failed_exit().unwrap_or_else(|| scope.reason().map_or(Exit::Ok, Exit::Cancelled));
        // Dropped in here, the guard hands over what it has come to.
        let mut poller = Poller::of_home();
        let polled = poll_fn(|cx| {
            poller.check(&held.home, || scope.clone());
            held.poll_close(&mut exit, cx)
        });
        if !polled.await {
            return Err(self.ended_before());
        }
        scope.ended();
        adopt::count_out_owned(&scope);
        let mut records = scope.take_records();
        if records.first().is_some_and(Record::is_own_panic) {
            let first = records.remove(0);
            adopt::bequeath(&scope, records);
            if let RecordCause::Panicked(payload) = first.cause {
                resume_unwind(payload.into_payload());
            }
            return Ok(());
        }
        let failed = (!records.is_empty()).then(|| {
            let leaves = records.into_iter().map(Record::into_leaf).collect();
            ScopeError::new(scope.id().clone(), None, leaves)
        });
        match (over.is_empty(), failed) {
            (true, None) => Ok(()),
            (true, Some(error)) => Err(NotClosed::new(NotClosedWhy::Failed(error))),
            (false, failed) => {
                let inner = over.iter().map(|held| (held.scope.id().clone(), held.home.clone())).collect();
                Err(NotClosed::new(NotClosedWhy::OutOfOrder { scope: scope.id().clone(), inner, failed }))
            }
        }
    }
}

impl<E: Fault, K> OwnedScope<E, K> {
    /// The same guard as one of another kind: that is only a matter of what the compiler lets one do with it.
    pub(crate) fn of_kind<L>(self) -> OwnedScope<E, L> {
        OwnedScope { held: self.held, marks: PhantomData }
    }

    /// What a close is told that comes after the end.
    fn ended_before(&self) -> NotClosed<E, K> {
        let (scope, home) = (self.scope().clone(), self.home().clone());
        NotClosed::new(if self.held.state() == OUTER_CLOSED {
            NotClosedWhy::OuterClosed { scope }
        } else {
            NotClosedWhy::HomeEnded { scope, home }
        })
    }
}

/// Ends the owned scopes that are open inside `scope`, innermost first, and tells of each.
fn end_inner(scope: &Arc<Scope>) -> Vec<Arc<Held>> {
    let (over, order) = take_all(innermost_first(scope.owned_open()), OUTER_CLOSED);
    adopt::hand_over_in_order(order, || {
        for held in &over {
            violated(&held.scope, held.scope.id().location(), || {
                format!(
                    "owned scope {} (opened at {}), of {:?}, was still open when the scope that it is inside, {} (opened at \
                     {}), was closed; it is cancelled and cleaned up first",
                    held.scope.id(),
                    held.scope.id().location(),
                    held.home,
                    scope.id(),
                    scope.id().location()
                )
            });
        }
    });
    over
}

impl<E: Fault, K> Spawns for OwnedScope<E, K> {
    type Error = E;
    type Answer<T> = Result<T, crate::SpawnError>;

    fn place(&self) -> Place<'_, E> {
        Place::new(&self.held.scope, None)
    }

    fn answer<T>(&self, spawned: T, result: Result<(), crate::SpawnError>) -> Result<T, crate::SpawnError> {
        result.map(|()| spawned)
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        let Some(closing) = self.take(DROPPED) else { return };
        let (scope, home) = (&self.scope, &self.home);
        let here = task::current();
        let at_home = here.as_ref() == Some(home);
        let (_, mut order) = take_all(innermost_first(scope.owned_open()), OUTER_CLOSED);
        order.push((scope.clone(), closing));
        if at_home {
            adopt::hand_over_in_order(order, || {});
        } else {
            adopt::hand_over_to_home(order, self.mail.as_ref(), || {
                violated(scope, scope.id().location(), || {
                    let here = here.as_ref().map_or_else(|| "no task at all".to_owned(), |task| format!("{task:?}"));
                    format!(
                        "owned scope {} (opened at {}) belongs to {home:?} and was dropped in {here}; it is cancelled and \
                         cleaned up",
                        scope.id(),
                        scope.id().location(),
                    )
                });
            });
        }
    }
}

impl<E: Fault, K> fmt::Debug for OwnedScope<E, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OwnedScope").field("scope", self.scope()).field("home", self.home()).finish()
    }
}

/// An owned scope that several hold: [`OwnedScope::shared`]. Closed by whoever asks first, in the task that opened it.
///
/// # What drop does
/// Dropping the last clone of an open one does what dropping an [`OwnedScope`] does.
pub struct SharedScope<E: Fault = Failure> {
    owned: Arc<Mutex<Option<OwnedScope<E>>>>,
    scope: ScopeRef,
    home: TaskRef,
}

impl<E: Fault> SharedScope<E> {
    /// The scope, as others may refer to it.
    pub fn scope(&self) -> &ScopeRef {
        &self.scope
    }

    /// The task that opened it, and that alone may close it.
    pub fn home(&self) -> &TaskRef {
        &self.home
    }

    fn with<T>(&self, f: impl FnOnce(&OwnedScope<E>) -> T) -> Option<T> {
        self.owned.lock().unwrap_or_else(PoisonError::into_inner).as_ref().map(f)
    }

    /// A handle that spawns parallel children from anywhere. `None` when the scope has been closed, or is being closed.
    pub fn spawner(&self) -> Option<Spawner<E>> {
        self.with(OwnedScope::spawner)
    }

    /// A handle that cancels the scope. `None` when it has been closed, or is being closed.
    pub fn canceller(&self) -> Option<Canceller> {
        self.with(OwnedScope::canceller)
    }

    /// Closes the scope, as [`OwnedScope::close`].
    ///
    /// # Errors
    /// As [`OwnedScope::close`], but that the scope stays in here where nothing was done. Without side effect where it has
    /// been closed already: [`NotClosed::is_closed_already`].
    ///
    /// # Panics
    /// As [`OwnedScope::close`].
    ///
    /// # Cancel safety
    /// As [`OwnedScope::close`].
    pub async fn close(&self) -> Result<(), NotClosed<E>> {
        let here = task::current();
        let taken = {
            let mut owned = self.owned.lock().unwrap_or_else(PoisonError::into_inner);
            if owned.as_ref().is_some_and(|owned| owned.held.is_open()) && here.as_ref() != Some(&self.home) {
                // Not taken out for a moment: who closes it at home meanwhile would find nothing.
                let place = (self.scope.clone(), self.home.clone());
                return Err(NotClosed::new(NotClosedWhy::WrongTaskShared { here, place }));
            }
            owned.take()
        };
        let Some(owned) = taken else {
            return Err(NotClosed::new(NotClosedWhy::ClosedAlready { scope: self.scope.clone() }));
        };
        owned.close().await.map_err(|error| {
            NotClosed::new(match error.into_why() {
                NotClosedWhy::WrongTask { here, owned } => {
                    let place = self.put_back(owned);
                    NotClosedWhy::WrongTaskShared { here, place }
                }
                NotClosedWhy::FromWithin { owned } => NotClosedWhy::FromWithinShared { place: self.put_back(owned) },
                why => why,
            })
        })
    }

    fn put_back(&self, owned: OwnedScope<E>) -> (ScopeRef, TaskRef) {
        let place = (owned.scope().clone(), owned.home().clone());
        *self.owned.lock().unwrap_or_else(PoisonError::into_inner) = Some(owned);
        place
    }
}

impl<E: Fault> Clone for SharedScope<E> {
    fn clone(&self) -> Self {
        SharedScope { owned: self.owned.clone(), scope: self.scope.clone(), home: self.home.clone() }
    }
}

impl<E: Fault> fmt::Debug for SharedScope<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedScope").field("scope", &self.scope).field("home", &self.home).finish()
    }
}
