//! Why a service did not answer, or could not be closed.

use std::fmt;

use crate::error::SpawnError;
use crate::failure::Failure;
use crate::mailbox::Why;
use crate::name::Name;

/// Why a service did not do what it was asked.
#[derive(Clone)]
pub struct ServiceError {
    name: Name,
    why: Why,
}

impl ServiceError {
    pub(crate) fn new(name: Name, why: Why) -> Self {
        ServiceError { name, why }
    }

    /// Whether the service had been asked to end, and did.
    pub fn is_closed(&self) -> bool {
        matches!(self.why, Why::Asked)
    }

    /// Whether the resource could not be opened; [`failure`](ServiceError::failure) has the cause.
    pub fn is_open_failed(&self) -> bool {
        matches!(self.why, Why::OpenFailed(_))
    }

    /// Whether the service's scope was cancelled: not the caller's own, which would have ended the caller instead.
    pub fn is_cancelled(&self) -> bool {
        matches!(self.why, Why::Cancelled(_))
    }

    /// Whether the service lives on but dropped this request's [`Reply`](crate::Reply) unanswered.
    pub fn is_unanswered(&self) -> bool {
        matches!(self.why, Why::Unanswered)
    }

    /// Whether blocking would have stopped the only thread of the service's runtime. Nothing has happened.
    pub fn is_would_block(&self) -> bool {
        matches!(self.why, Why::WouldBlock)
    }

    /// The error that [`Service::open`](crate::Service::open) or [`Service::serve`](crate::Service::serve) returned.
    pub fn failure(&self) -> Option<&Failure> {
        match &self.why {
            Why::OpenFailed(failure) | Why::Failed(failure) => Some(failure),
            _ => None,
        }
    }

    /// Why its task could not be started.
    pub fn spawn_error(&self) -> Option<&SpawnError> {
        match &self.why {
            Why::NotStarted(error) => Some(error),
            _ => None,
        }
    }

    /// The service's name.
    pub fn service(&self) -> &Name {
        &self.name
    }
}

impl fmt::Display for ServiceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = &self.name;
        match &self.why {
            Why::Asked => write!(f, "service {name} has been closed"),
            Why::OpenFailed(failure) => write!(f, "service {name} could not be opened: {failure}"),
            Why::Failed(failure) => write!(f, "service {name} failed: {failure}"),
            Why::Panicked(text) => write!(f, "service {name} panicked: {text}"),
            Why::Cancelled(reason) => write!(f, "service {name} ended with its scope: {reason}"),
            Why::NotStarted(error) => write!(f, "service {name} was not started: {error}"),
            Why::Aborted => write!(f, "service {name} was taken away by the runtime before its end"),
            Why::Unanswered => write!(f, "service {name} dropped the request without an answer"),
            Why::WouldBlock => write!(
                f,
                "service {name} cannot be asked by blocking this thread: it is the one its runtime needs to answer. Await \
                 `ask`, or block on another thread"
            ),
        }
    }
}

impl fmt::Debug for ServiceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ServiceError({self})")
    }
}

impl std::error::Error for ServiceError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        // The cause's own text is in this one's.
        match &self.why {
            Why::OpenFailed(failure) | Why::Failed(failure) => failure.source(),
            Why::NotStarted(error) => error.source(),
            _ => None,
        }
    }
}

/// Why a service could not be closed, or ended without a report.
#[derive(Clone)]
pub struct CloseError {
    name: Name,
    why: CloseWhy,
}

#[derive(Clone)]
enum CloseWhy {
    FromWithin,
    WouldBlock,
    NoReport(ServiceError),
    /// It was asked to end, and its clean-up did not come to its end.
    Cut(Why),
}

impl CloseError {
    pub(crate) fn from_within(name: Name) -> Self {
        CloseError { name, why: CloseWhy::FromWithin }
    }

    pub(crate) fn would_block(name: Name) -> Self {
        CloseError { name, why: CloseWhy::WouldBlock }
    }

    /// Of a service that ended for `why`, and whose clean-up ended for `cut`.
    pub(crate) fn no_report(name: Name, why: Why, cut: Why) -> Self {
        let why = match why {
            Why::Asked => CloseWhy::Cut(cut),
            why => CloseWhy::NoReport(ServiceError::new(name.clone(), why)),
        };
        CloseError { name, why }
    }

    /// Whether it was called from within the service's own subtree. Nothing has happened.
    pub fn is_from_within(&self) -> bool {
        matches!(self.why, CloseWhy::FromWithin)
    }

    /// Whether blocking would have stopped the runtime's only thread. Nothing has happened.
    pub fn is_would_block(&self) -> bool {
        matches!(self.why, CloseWhy::WouldBlock)
    }

    /// Whether the service has ended, but there is no report of it.
    pub fn has_ended(&self) -> bool {
        matches!(self.why, CloseWhy::NoReport(_) | CloseWhy::Cut(_))
    }
}

impl fmt::Display for CloseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = &self.name;
        match &self.why {
            CloseWhy::FromWithin => write!(
                f,
                "service {name} cannot be closed from within itself: it would wait for its own end. Use `begin_close`, or \
                 return from `serve`"
            ),
            CloseWhy::WouldBlock => write!(
                f,
                "service {name} cannot be closed by blocking this thread: it is the one its runtime needs to end it. Await \
                 `close`, or block on another thread"
            ),
            CloseWhy::NoReport(error) => write!(f, "no report: {error}"),
            CloseWhy::Cut(Why::Cancelled(reason)) => {
                write!(f, "service {name} has ended, but its clean-up was cut short: {reason}")
            }
            CloseWhy::Cut(Why::Panicked(text)) => {
                write!(f, "service {name} has ended, but its clean-up panicked: {text}")
            }
            CloseWhy::Cut(_) => write!(f, "service {name} has ended, but its clean-up did not come to its end"),
        }
    }
}

impl fmt::Debug for CloseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CloseError({self})")
    }
}

impl std::error::Error for CloseError {}
