//! Services: a resource with a home. One task opens it, serves it and ends it; others hold handles that can only ask.
//!
//! This is the answer to "I want to close it from anywhere": closing from elsewhere is a request, and the clean-up runs in
//! the task that opened.

mod error;
mod handle;
pub(crate) mod reply;
mod run;

use std::future::Future;
use std::time::Duration;

use crate::failure::Failure;
use crate::finalizer::Exit;
use crate::mailbox::Inbox;
use crate::name::Name;

pub use error::{CloseError, ServiceError};
pub use handle::{ServiceEnd, ServiceHandle};
pub use reply::Reply;
pub(crate) use run::{opened, serve};

/// A resource with a home: opened, served and ended by one task.
///
/// The three methods are called in order, in one task, which nothing but the runtime's own end can take away from them.
pub trait Service: Send + Sized + 'static {
    /// What a handle can ask for. Usually an enum whose variants carry a [`Reply`].
    type Request: Send + 'static;
    /// What opening found out, for those who wait for it.
    type Info: Send + Sync + 'static;
    /// What ending found out, for those who close it.
    type Report: Send + Sync + 'static;

    /// The name, for events, errors and the tree.
    fn name(&self) -> Name;

    /// How many requests may wait to be served; who asks beyond that waits for a place.
    fn backlog(&self) -> usize {
        64
    }

    /// How long [`end`](Service::end) may take; the scope's clean-up budget where this says nothing.
    fn cleanup_budget(&self) -> Option<Duration> {
        None
    }

    /// Opens the resource. Dropped at an await point when closing is asked for, or the scope cancelled, in the meantime:
    /// then `end` is called with what there is.
    fn open(&mut self) -> impl Future<Output = Result<Self::Info, Failure>> + Send;

    /// Serves requests until [`Inbox::next`] says that there will be none. Dropped at an await point when the scope is
    /// cancelled. An error ends the service; those who ask are told it.
    fn serve(&mut self, inbox: &mut Inbox<Self::Request>) -> impl Future<Output = Result<(), Failure>> + Send;

    /// Ends the resource: exactly once, shielded from cancellation, within the [budget](Service::cleanup_budget), also when
    /// opening failed or was cut short. Dropped if it overruns: what `self` holds is then left to destructors.
    fn end(&mut self, exit: Exit) -> impl Future<Output = Self::Report> + Send;
}
