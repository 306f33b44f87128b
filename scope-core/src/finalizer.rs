//! Async finalizers: what a scope does before it is left, whatever happened in it.

use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use crate::failure::Failure;
use crate::name::Name;
use crate::raw::frame;
use crate::reason::CancelReason;
use crate::scope::Scope;
use crate::scope_ref::ScopeRef;
use crate::task_local::Inheriting;

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
        let locals = frame::snapshot();
        let run = move |exit| -> Running {
            let running = frame::enter_with_locals(&locals, || run(exit));
            Box::pin(Inheriting::new(running, locals))
        };
        Finalizer { name, location, share, run: Box::new(run) }
    }

    /// Adds one to a scope from outside its body.
    pub(crate) fn add<F, Fut>(
        scope: &Arc<Scope>,
        name: Name,
        location: &'static Location<'static>,
        share: Option<Duration>,
        run: F,
    ) -> Result<(), NotAdded<F>>
    where
        F: FnOnce(Exit) -> Fut + Send + 'static,
        Fut: Future<Output = Result<(), Failure>> + Send + 'static,
    {
        let mut kept = Some(run);
        let named = name.clone();
        // Nothing of the user's runs in here, under the scope's lock: it is moved.
        let added = scope.add_finalizer(|| {
            let Some(run) = kept.take() else { unreachable!("called once") };
            Finalizer::new(named, location, share, run)
        });
        match kept {
            Some(finalizer) if !added => Err(NotAdded { finalizer, name, scope: scope.id().clone() }),
            _ => Ok(()),
        }
    }

    /// How long this one may take when `left` is left for it and `others` behind it: at least half of it and its even
    /// part of the other half, so that one that hangs leaves time to the rest.
    pub(crate) fn limit(&self, left: Duration, others: usize) -> Duration {
        let others = u32::try_from(others).unwrap_or(u32::MAX - 1);
        let fair = left / 2 + left / 2 / (others + 1);
        self.share.map_or(fair, |share| share.min(fair))
    }
}

/// A finalizer was to be added to a scope that has closed. It comes back in here, with all it holds.
pub struct NotAdded<F> {
    finalizer: F,
    name: Name,
    scope: ScopeRef,
}

impl<F> NotAdded<F> {
    /// The finalizer.
    pub fn into_inner(self) -> F {
        self.finalizer
    }

    /// The scope that has closed.
    pub fn scope(&self) -> &ScopeRef {
        &self.scope
    }
}

impl<F> fmt::Display for NotAdded<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "finalizer {} was not added: {} (opened at {}) has closed. It was not run either: `into_inner` gives it back, to be \
             run here or added to a scope that is open",
            self.name,
            self.scope,
            self.scope.location()
        )
    }
}

impl<F> fmt::Debug for NotAdded<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NotAdded({self})")
    }
}

impl<F> std::error::Error for NotAdded<F> {}
