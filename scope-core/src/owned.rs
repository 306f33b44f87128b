//! Owned scopes: for those who cannot use a block, because somebody else's interface has an `open` and a `close`.
//!
//! The close belongs to the task that opened: checked when the program runs, since no type can tell tasks apart.

use std::fmt;
use std::future::{Future, poll_fn};
use std::marker::PhantomData;
use std::panic::{Location, resume_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::adopt;
use crate::cancel::Canceller;
use crate::closing::Closing;
use crate::error::{ScopeError, SpawnError};
use crate::event::{self, EventKind};
use crate::failure::{Failure, Fault};
use crate::finalizer::{Exit, Finalizer};
use crate::name::Name;
use crate::origin::{Kind, Origin};
use crate::raw::frame;
use crate::record::{Record, RecordCause};
use crate::scope::Scope;
use crate::scope_ref::ScopeRef;
use crate::spawner::{Place, Spawner, Spawns};
use crate::task::{self, TaskRef};

/// A scope that is held by a guard instead of a block: opened in one task, and closed by that same task.
///
/// It has children and finalizers as a nursery has. It is a scope further in of the one it was opened in, which ends it, and
/// tells of that as a broken rule, if it is still open when the task that opened it has ended.
///
/// # What drop does
/// The scope is cancelled, and adopted by the scope around it, which waits for its end. Never blocks, never panics. In another
/// task than the one that opened it, or in none, that is a broken rule, and told as one [event](crate::event).
#[must_use = "an owned scope that is dropped is cancelled; `close` it at the end"]
pub struct OwnedScope<E: Fault = Failure> {
    held: Arc<Held>,
    error: PhantomData<fn(E) -> E>,
}

/// What the guard and the scope around share: whoever sets `ending` first ends it.
pub(crate) struct Held {
    pub(crate) scope: Arc<Scope>,
    home: TaskRef,
    ending: AtomicBool,
}

impl Held {
    /// Whether the caller is the one to end it.
    fn take(&self) -> bool {
        !self.ending.swap(true, Ordering::AcqRel)
    }

    pub(crate) fn home(&self) -> &TaskRef {
        &self.home
    }

    /// Ends it because the task that opened it has ended.
    pub(crate) fn end_with_home(self: Arc<Self>) {
        if self.take() {
            violated(&self.scope, || {
                format!(
                    "owned scope {} was still open when the task that opened it, {:?}, ended; it is cancelled and cleaned up",
                    self.scope.id(),
                    self.home
                )
            });
            adopt::hand_over(self.scope.clone(), Closing::new());
        }
    }
}

fn violated(scope: &Scope, how: impl FnOnce() -> String) {
    if event::observed() {
        event::tell(EventKind::Violated(how()), scope.id().clone(), task::current(), scope.id().location());
    }
}

impl<E: Fault> OwnedScope<E> {
    /// Opens a scope in the current task.
    ///
    /// # Errors
    /// [`NoTask`] outside any task: nobody would own it.
    #[track_caller]
    pub fn open(name: impl Into<Name>) -> Result<Self, NoTask> {
        let location = Location::caller();
        let (home, parent) = frame::with(|top| top.map(|frame| (frame.task().clone(), frame.scope().make())))
            .ok_or(NoTask { location })?;
        let mut origin = Origin::new(Kind::Owned, location);
        origin.name = Some(name.into());
        origin.home = Some(home.clone());
        origin.parent = Some(parent.clone());
        origin.budget = parent.budget;
        let scope = Scope::open(&origin);
        scope.tell_opened();
        let held = Arc::new(Held { scope, home, ending: AtomicBool::new(false) });
        parent.add_owned(&held);
        Ok(OwnedScope { held, error: PhantomData })
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
    /// [`SpawnError::is_closed`] where the scope has been ended with its task already; the finalizer is dropped.
    #[track_caller]
    pub fn finalizer<F, Fut>(&self, name: impl Into<Name>, finalizer: F) -> Result<(), SpawnError>
    where
        F: FnOnce(Exit) -> Fut + Send + 'static,
        Fut: Future<Output = Result<(), Failure>> + Send + 'static,
    {
        let finalizer = Finalizer::new(name.into(), Location::caller(), None, finalizer);
        self.held.scope.add_finalizer(finalizer).map_err(|_| SpawnError::closed(self.scope().clone()))
    }

    /// Waits for the children, runs the finalizers, and leaves the scope. Cancel it first, by its
    /// [canceller](OwnedScope::canceller), not to wait for children that go on.
    ///
    /// # Errors
    /// [`NotClosed`], without effect, in another task than the one that opened it: the scope comes back in it, to be closed at
    /// home. Also when that task has ended, and the scope with it; and with a [`ScopeError`] when something in the scope
    /// failed.
    ///
    /// # Panics
    /// A panic of a child is resumed if it was the first thing that went wrong.
    ///
    /// # Cancel safety
    /// Dropped before it is ready, the scope is cancelled and adopted.
    pub async fn close(self) -> Result<(), NotClosed<E>> {
        let here = task::current();
        if self.held.ending.load(Ordering::Acquire) {
            return Err(NotClosed(NotClosedWhy::HomeEnded { scope: self.scope().clone(), home: self.home().clone() }));
        }
        if here.as_ref() != Some(self.home()) {
            return Err(NotClosed(NotClosedWhy::WrongTask { here, owned: self }));
        }
        let scope = self.held.scope.clone();
        let mut closing = Closing::new();
        let mut exit = || match scope.first_failure() {
            Some((true, text)) => Exit::Panicked(text),
            Some((false, text)) => Exit::Failed(text),
            None => scope.reason().map_or(Exit::Ok, Exit::Cancelled),
        };
        // Dropped in here, the guard hands over.
        poll_fn(|cx| closing.poll(&scope, &mut exit, cx)).await;
        self.held.take();
        scope.ended();
        let mut records = scope.take_records();
        if let Some(Record { cause: RecordCause::Panicked(_), .. }) = records.first() {
            let first = records.remove(0);
            adopt::bequeath(&scope, records);
            if let RecordCause::Panicked(payload) = first.cause {
                resume_unwind(payload.into_payload());
            }
            return Ok(());
        }
        if records.is_empty() {
            return Ok(());
        }
        let leaves = records.into_iter().map(Record::into_leaf).collect();
        Err(NotClosed(NotClosedWhy::Failed(ScopeError::new(scope.id().clone(), None, leaves))))
    }
}

impl<E: Fault> Spawns for OwnedScope<E> {
    type Error = E;
    type Answer<T> = Result<T, SpawnError>;

    fn place(&self) -> Place<E> {
        Place::new(self.held.scope.clone(), None)
    }

    fn answer<T>(&self, spawned: T, result: Result<(), SpawnError>) -> Result<T, SpawnError> {
        result.map(|()| spawned)
    }
}

impl<E: Fault> Drop for OwnedScope<E> {
    fn drop(&mut self) {
        if !self.held.take() {
            return;
        }
        let here = task::current();
        if here.as_ref() != Some(&self.held.home) {
            violated(&self.held.scope, || {
                let here = here.as_ref().map_or_else(|| "no task at all".to_owned(), |task| format!("{task:?}"));
                format!(
                    "owned scope {} (opened at {}) belongs to {:?} and was dropped in {here}; it is cancelled and cleaned up",
                    self.held.scope.id(),
                    self.held.scope.id().location(),
                    self.held.home,
                )
            });
        }
        adopt::hand_over(self.held.scope.clone(), Closing::new());
    }
}

impl<E: Fault> fmt::Debug for OwnedScope<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OwnedScope").field("scope", self.scope()).field("home", self.home()).finish()
    }
}

/// An owned scope was to be opened where no task of this framework runs.
#[derive(Clone, Copy, Debug)]
pub struct NoTask {
    location: &'static Location<'static>,
}

impl fmt::Display for NoTask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "an owned scope cannot be opened at {}: no task runs here that could own it. Open it in code that is awaited \
             inside a nursery (scope_tokio::run, scope_tokio::nursery, scope_smol::run, ..)",
            self.location
        )
    }
}

impl std::error::Error for NoTask {}

/// An owned scope that was not closed, or not well.
pub struct NotClosed<E: Fault = Failure>(NotClosedWhy<E>);

enum NotClosedWhy<E: Fault> {
    WrongTask { here: Option<TaskRef>, owned: OwnedScope<E> },
    HomeEnded { scope: ScopeRef, home: TaskRef },
    Failed(ScopeError<E>),
}

impl<E: Fault> NotClosed<E> {
    /// Whether it was called in another task than the one that opened the scope. Nothing has happened:
    /// [`into_scope`](NotClosed::into_scope) gives the scope back.
    pub fn is_wrong_task(&self) -> bool {
        matches!(self.0, NotClosedWhy::WrongTask { .. })
    }

    /// Whether the task that opened the scope has ended, and the scope with it.
    pub fn is_home_ended(&self) -> bool {
        matches!(self.0, NotClosedWhy::HomeEnded { .. })
    }

    /// The scope, where it is still open.
    pub fn into_scope(self) -> Option<OwnedScope<E>> {
        match self.0 {
            NotClosedWhy::WrongTask { owned, .. } => Some(owned),
            _ => None,
        }
    }

    /// What failed in the scope, which has been closed.
    pub fn failed(&self) -> Option<&ScopeError<E>> {
        match &self.0 {
            NotClosedWhy::Failed(error) => Some(error),
            _ => None,
        }
    }
}

impl<E: Fault> fmt::Display for NotClosed<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            NotClosedWhy::WrongTask { here, owned } => {
                let here = here.as_ref().map_or_else(|| "no task at all".to_owned(), |task| format!("{task:?}"));
                write!(
                    f,
                    "owned scope {} (opened at {}) belongs to {:?} and cannot be closed in {here}. It is still open: close \
                     it in the task that opened it, or make it a service, which any task can ask to end",
                    owned.scope(),
                    owned.scope().location(),
                    owned.home(),
                )
            }
            NotClosedWhy::HomeEnded { scope, home } => write!(
                f,
                "owned scope {scope} (opened at {}) has ended already, with the task that opened it, {home:?}",
                scope.location()
            ),
            NotClosedWhy::Failed(error) => error.fmt(f),
        }
    }
}

impl<E: Fault> fmt::Debug for NotClosed<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            NotClosedWhy::Failed(error) => fmt::Debug::fmt(error, f),
            _ => write!(f, "NotClosed({self})"),
        }
    }
}

impl<E: Fault> std::error::Error for NotClosed<E> {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.failed()?.source()
    }
}
