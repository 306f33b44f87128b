//! Why an owned scope was not opened, not closed, or not closed well.

use std::fmt;
use std::marker::PhantomData;
use std::panic::Location;

use crate::error::ScopeError;
use crate::failure::{Failure, Fault};
use crate::nursery::Sendable;
use crate::owned::OwnedScope;
use crate::scope_ref::ScopeRef;
use crate::task::TaskRef;

/// An owned scope was to be opened where nothing could own it.
#[derive(Clone, Debug)]
pub struct NotOpened {
    location: &'static Location<'static>,
    outer: Option<ScopeRef>,
}

impl NotOpened {
    pub(crate) fn no_task(location: &'static Location<'static>) -> Self {
        NotOpened { location, outer: None }
    }

    pub(crate) fn outer_ended(location: &'static Location<'static>, outer: ScopeRef) -> Self {
        NotOpened { location, outer: Some(outer) }
    }

    /// Whether no task of this framework runs there.
    pub fn is_no_task(&self) -> bool {
        self.outer.is_none()
    }

    /// Whether the scope that it was to be inside of has ended.
    pub fn is_outer_ended(&self) -> bool {
        self.outer.is_some()
    }

    /// Where it was to be opened.
    pub fn location(&self) -> &'static Location<'static> {
        self.location
    }
}

impl fmt::Display for NotOpened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let location = self.location;
        match &self.outer {
            None => write!(
                f,
                "an owned scope cannot be opened at {location}: no task runs here that could own it. Open it in code that is \
                 awaited inside a nursery (scope_tokio::run, scope_tokio::nursery, scope_smol::run, ..)"
            ),
            Some(outer) => write!(
                f,
                "an owned scope cannot be opened at {location} inside {outer} (opened at {}): that has ended. Open it before \
                 the task that owns {outer} ends, or in a scope that lives longer",
                outer.location()
            ),
        }
    }
}

impl std::error::Error for NotOpened {}

/// An owned scope that was not closed, or not well.
///
/// It is `Send` also where the guard is not, so that `?` makes a [`Failure`] of it.
pub struct NotClosed<E: Fault = Failure, K = Sendable> {
    why: NotClosedWhy<E>,
    kind: PhantomData<fn() -> K>,
}

pub(crate) enum NotClosedWhy<E: Fault> {
    WrongTask {
        here: Option<TaskRef>,
        owned: OwnedScope<E>,
    },
    /// It stays where it is shared.
    WrongTaskShared {
        here: Option<TaskRef>,
        place: (ScopeRef, TaskRef),
    },
    FromWithin {
        owned: OwnedScope<E>,
    },
    FromWithinShared {
        place: (ScopeRef, TaskRef),
    },
    HomeEnded {
        scope: ScopeRef,
        home: TaskRef,
    },
    OuterClosed {
        scope: ScopeRef,
    },
    ClosedAlready {
        scope: ScopeRef,
    },
    OutOfOrder {
        scope: ScopeRef,
        inner: Vec<(ScopeRef, TaskRef)>,
        failed: Option<ScopeError<E>>,
    },
    Failed(ScopeError<E>),
}

impl<E: Fault, K> NotClosed<E, K> {
    pub(crate) fn new(why: NotClosedWhy<E>) -> Self {
        NotClosed { why, kind: PhantomData }
    }

    pub(crate) fn into_why(self) -> NotClosedWhy<E> {
        self.why
    }

    /// Whether it was called in another task than the one that opened the scope. Nothing has happened:
    /// [`into_scope`](NotClosed::into_scope) gives the scope back; a shared one stays where it is.
    pub fn is_wrong_task(&self) -> bool {
        matches!(self.why, NotClosedWhy::WrongTask { .. } | NotClosedWhy::WrongTaskShared { .. })
    }

    /// Whether it was called inside the scope itself, which would wait for itself. Nothing has happened, as for
    /// [`is_wrong_task`](NotClosed::is_wrong_task).
    pub fn is_from_within(&self) -> bool {
        matches!(self.why, NotClosedWhy::FromWithin { .. } | NotClosedWhy::FromWithinShared { .. })
    }

    /// Whether the block or the task that it was opened in has ended, and the scope with it.
    pub fn is_home_ended(&self) -> bool {
        matches!(self.why, NotClosedWhy::HomeEnded { .. })
    }

    /// Whether it has been closed before: by another handle, or with the scope that it was inside of.
    pub fn is_closed_already(&self) -> bool {
        matches!(self.why, NotClosedWhy::ClosedAlready { .. } | NotClosedWhy::OuterClosed { .. })
    }

    /// Whether it was closed before scopes inside it. All are closed now, those first;
    /// [`failed`](NotClosed::failed) has what failed beside.
    pub fn is_out_of_order(&self) -> bool {
        matches!(self.why, NotClosedWhy::OutOfOrder { .. })
    }

    /// The scope, where it is still open and not shared.
    pub fn into_scope(self) -> Option<OwnedScope<E, K>> {
        match self.why {
            NotClosedWhy::WrongTask { owned, .. } | NotClosedWhy::FromWithin { owned } => Some(owned.of_kind()),
            _ => None,
        }
    }

    /// What failed in the scope, which has been closed.
    pub fn failed(&self) -> Option<&ScopeError<E>> {
        match &self.why {
            NotClosedWhy::Failed(error) => Some(error),
            NotClosedWhy::OutOfOrder { failed, .. } => failed.as_ref(),
            _ => None,
        }
    }
}

fn wrong_task(f: &mut fmt::Formatter<'_>, here: Option<&TaskRef>, scope: &ScopeRef, home: &TaskRef) -> fmt::Result {
    let here = here.map_or_else(|| "no task at all".to_owned(), |task| format!("{task:?}"));
    write!(
        f,
        "owned scope {scope} (opened at {}) belongs to {home:?} and cannot be closed in {here}. It is still open: close it in \
         the task that opened it, or make it a service, which any task can ask to end",
        scope.location(),
    )
}

fn from_within(f: &mut fmt::Formatter<'_>, scope: &ScopeRef) -> fmt::Result {
    write!(
        f,
        "owned scope {scope} (opened at {}) cannot be closed from within: it would wait for itself. It is still open: leave \
         what was entered in it first, or cancel it",
        scope.location(),
    )
}

impl<E: Fault, K> fmt::Display for NotClosed<E, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.why {
            NotClosedWhy::WrongTask { here, owned } => wrong_task(f, here.as_ref(), owned.scope(), owned.home()),
            NotClosedWhy::WrongTaskShared { here, place: (scope, home) } => wrong_task(f, here.as_ref(), scope, home),
            NotClosedWhy::FromWithin { owned } => from_within(f, owned.scope()),
            NotClosedWhy::FromWithinShared { place: (scope, _) } => from_within(f, scope),
            NotClosedWhy::HomeEnded { scope, home } => write!(
                f,
                "owned scope {scope} (opened at {}) has ended already, with what it was opened in, in {home:?}; the scope \
                 around that cleans it up. Close it before the block or task that it was opened in ends",
                scope.location()
            ),
            NotClosedWhy::OuterClosed { scope } => write!(
                f,
                "owned scope {scope} (opened at {}) has been closed already, with the scope that it was opened inside of. \
                 Close the inner one first",
                scope.location()
            ),
            NotClosedWhy::ClosedAlready { scope } => write!(
                f,
                "owned scope {scope} (opened at {}) has been closed already, or is being closed, by another handle on it. \
                 Nothing was done",
                scope.location()
            ),
            NotClosedWhy::OutOfOrder { scope, inner, failed } => {
                write!(
                    f,
                    "owned scope {scope} (opened at {}) was closed before what was opened inside it; closed first, innermost \
                     first:",
                    scope.location()
                )?;
                for (i, (scope, home)) in inner.iter().enumerate() {
                    let comma = if i == 0 { "" } else { "," };
                    write!(f, "{comma} {scope} (opened at {} by {home})", scope.location())?;
                }
                f.write_str(". Close the inner ones before it")?;
                match failed {
                    Some(error) => write!(f, "; and {error}"),
                    None => Ok(()),
                }
            }
            NotClosedWhy::Failed(error) => error.fmt(f),
        }
    }
}

impl<E: Fault, K> fmt::Debug for NotClosed<E, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.why {
            NotClosedWhy::Failed(error) => fmt::Debug::fmt(error, f),
            _ => write!(f, "NotClosed({self})"),
        }
    }
}

impl<E: Fault, K> std::error::Error for NotClosed<E, K> {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.failed()?.source()
    }
}
