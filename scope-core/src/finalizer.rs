//! Async finalizers: what a scope does before it is left, whatever happened in it.

use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::time::Duration;

use crate::failure::Failure;
use crate::name::Name;
use crate::reason::CancelReason;

/// How a scope ended, as its finalizers are told.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Exit {
    /// The body returned a value and no child failed.
    Ok,
    /// The body or a child failed first; the text is the first failure's.
    Failed(Name),
    /// The scope was cancelled, and nothing failed.
    Cancelled(CancelReason),
    /// The body or a child panicked first; the text is the panic's message.
    Panicked(Name),
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Exit::Ok => f.write_str("ok"),
            Exit::Failed(text) => write!(f, "failed: {text}"),
            Exit::Cancelled(reason) => write!(f, "{reason}"),
            Exit::Panicked(text) => write!(f, "panicked: {text}"),
        }
    }
}

type Running = Pin<Box<dyn Future<Output = Result<(), Failure>> + Send>>;

pub(crate) struct Finalizer {
    pub(crate) name: Name,
    pub(crate) location: &'static Location<'static>,
    pub(crate) share: Option<Duration>,
    pub(crate) run: Box<dyn FnOnce(Exit) -> Running + Send>,
}

impl Finalizer {
    pub(crate) fn new<F, Fut>(name: Name, location: &'static Location<'static>, share: Option<Duration>, run: F) -> Self
    where
        F: FnOnce(Exit) -> Fut + Send + 'static,
        Fut: Future<Output = Result<(), Failure>> + Send + 'static,
    {
        Finalizer { name, location, share, run: Box::new(move |exit| Box::pin(run(exit))) }
    }

    /// How long this one may take when `left` is left for it and `others` behind it: at least half of it and its even
    /// part of the other half, so that one that hangs leaves time to the rest.
    pub(crate) fn limit(&self, left: Duration, others: usize) -> Duration {
        let others = u32::try_from(others).unwrap_or(u32::MAX - 1);
        let fair = left / 2 + left / 2 / (others + 1);
        self.share.map_or(fair, |share| share.min(fair))
    }
}
