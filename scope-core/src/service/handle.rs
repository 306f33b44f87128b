//! What others hold of a service: it can ask, and ask for the end.

use std::fmt;
use std::future::{Future, poll_fn};
use std::panic::Location;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use super::reply::{self, Reply, Unanswered};
use super::{CloseError, Service, ServiceError};
use crate::blocking::block_on;
use crate::mailbox::{Core, End, Why};
use crate::name::Name;
use crate::task::{at_checkpoint, unless_cancelled};
use crate::waits::At;

/// A handle on a service: cheap, `Clone`, `Send`. It can ask, and ask for the end; dropping the last one asks for the end.
pub struct ServiceHandle<S: Service> {
    token: Arc<Token<S>>,
}

/// Asks for the end when the last handle has gone.
struct Token<S: Service> {
    core: Arc<Core<S>>,
}

impl<S: Service> Drop for Token<S> {
    fn drop(&mut self) {
        self.core.begin_close();
    }
}

impl<S: Service> ServiceHandle<S> {
    pub(super) fn new(core: Arc<Core<S>>) -> Self {
        ServiceHandle { token: Arc::new(Token { core }) }
    }

    pub(super) fn core(&self) -> &Core<S> {
        &self.token.core
    }

    /// Gives the service a request that needs no answer. Waits while the backlog is full.
    ///
    /// # Errors
    /// [`ServiceError`] when the service has ended or is ending.
    ///
    /// # Cancel safety
    /// Dropped before it is ready, the request has not been given.
    pub async fn send(&self, request: S::Request) -> Result<(), ServiceError> {
        match at_checkpoint(At::Request, self.core().requests.give(request)).await {
            Ok(()) => Ok(()),
            Err(_) => {
                unless_cancelled(At::Request).await;
                Err(self.core().error())
            }
        }
    }

    /// Asks, and waits for the answer: `handle.ask(|reply| Request::Get { key, reply })`.
    ///
    /// # Errors
    /// [`ServiceError`] when the service ends before it has answered, or drops the [`Reply`].
    ///
    /// # Cancel safety
    /// Dropped before it is ready, the request may have been given: the service can see that nobody waits any more by
    /// [`Reply::given_up`].
    pub async fn ask<R>(&self, request: impl FnOnce(Reply<R>) -> S::Request) -> Result<R, ServiceError> {
        let (reply, answer) = reply::pair();
        self.send(request(reply)).await?;
        match at_checkpoint(At::Answer, answer).await {
            Ok(answer) => Ok(answer),
            Err(Unanswered) => {
                let error = self.core().unanswered().await;
                unless_cancelled(At::Answer).await;
                Err(error)
            }
        }
    }

    /// Waits until the resource is open.
    ///
    /// # Errors
    /// [`ServiceError`] when it could not be opened, or the service has ended.
    ///
    /// # Cancel safety
    /// Nothing to lose.
    pub async fn ready(&self) -> Result<Arc<S::Info>, ServiceError> {
        let ready = at_checkpoint(At::Opening, self.core().ready()).await;
        if ready.is_err() {
            unless_cancelled(At::Opening).await;
        }
        ready
    }

    /// What opening found out, if the resource is or was open.
    pub fn info(&self) -> Option<Arc<S::Info>> {
        self.core().info()
    }

    /// Asks for the end, and returns. Idempotent; from any thread, never blocks.
    pub fn begin_close(&self) {
        self.core().begin_close();
    }

    /// Asks for the end, and waits until the service has ended. Idempotent; from any task. A close during opening takes
    /// effect at once.
    ///
    /// # Errors
    /// [`CloseError`], without effect, from within the service's own subtree, where it would wait for itself. Also when the
    /// service has ended without a report.
    ///
    /// # Cancel safety
    /// Dropped before it is ready, the end has been asked for all the same.
    pub async fn close(&self) -> Result<Arc<S::Report>, CloseError> {
        self.core().check_not_within()?;
        self.core().begin_close();
        at_checkpoint(At::Closing, self.core().ended()).await.report(&self.core().name)
    }

    /// [`close`](ServiceHandle::close) that does not wait for ever: a service that has not ended by itself `within` that time
    /// is cut short at the await point it waits at, and ends its resource within its clean-up budget. It has ended when this
    /// returns: nothing is abandoned.
    ///
    /// # Errors
    /// As `close`.
    ///
    /// # Cancel safety
    /// Dropped before it is ready, the end has been asked for all the same; it is not cut short then.
    #[track_caller]
    pub fn close_within(
        &self,
        within: Duration,
    ) -> impl Future<Output = Result<Arc<S::Report>, CloseError>> + Send + use<'_, S> {
        let location = Location::caller();
        async move {
            let core = self.core();
            core.check_not_within()?;
            core.begin_close();
            let mut time = core.runtime.as_ref().map(|runtime| runtime.sleep(within));
            let mut ended = pin!(core.ended());
            let ended = poll_fn(|cx| {
                if let Poll::Ready(end) = ended.as_mut().poll(cx) {
                    return Poll::Ready(end);
                }
                if time.as_mut().is_some_and(|time| pin!(time).poll(cx).is_ready()) {
                    time = None;
                    core.cut_short(format!("it did not close within {within:?}"), location);
                }
                Poll::Pending
            });
            at_checkpoint(At::Closing, ended).await.report(&core.name)
        }
    }

    /// [`ask`](ServiceHandle::ask) for synchronous code, of any runtime or none: blocks the thread.
    ///
    /// # Errors
    /// As `ask`; also, without effect, on the only thread of the service's runtime
    /// ([`is_would_block`](ServiceError::is_would_block)).
    pub fn ask_blocking<R>(&self, request: impl FnOnce(Reply<R>) -> S::Request) -> Result<R, ServiceError> {
        let (reply, mut answer) = reply::pair();
        self.send_blocking(request(reply))?;
        match block_on(|cx| Pin::new(&mut answer).poll(cx)) {
            Ok(answer) => Ok(answer),
            Err(Unanswered) => {
                let mut error = pin!(self.core().unanswered());
                Err(block_on(|cx| error.as_mut().poll(cx)))
            }
        }
    }

    /// [`send`](ServiceHandle::send) for synchronous code: blocks the thread while the backlog is full.
    ///
    /// # Errors
    /// As `send`; also, without effect, on the only thread of the service's runtime.
    pub fn send_blocking(&self, request: S::Request) -> Result<(), ServiceError> {
        let core = self.core();
        core.check_can_block()?;
        let mut sending = pin!(core.requests.give(request));
        block_on(|cx| sending.as_mut().poll(cx)).map_err(|_| core.error())
    }

    /// [`ready`](ServiceHandle::ready) for synchronous code: blocks the thread.
    ///
    /// # Errors
    /// As `ready`; also on the only thread of the service's runtime.
    pub fn ready_blocking(&self) -> Result<Arc<S::Info>, ServiceError> {
        let core = self.core();
        core.check_can_block()?;
        let mut ready = pin!(core.ready());
        block_on(|cx| ready.as_mut().poll(cx))
    }

    /// [`close`](ServiceHandle::close) for synchronous code: blocks the thread.
    ///
    /// # Errors
    /// As `close`; also, without effect, where blocking would keep the runtime from ever ending the service: on its only
    /// thread.
    pub fn close_blocking(&self) -> Result<Arc<S::Report>, CloseError> {
        let core = self.core();
        core.check_not_within()?;
        if !core.runtime.as_ref().is_none_or(|runtime| runtime.can_block()) {
            return Err(CloseError::would_block(core.name.clone()));
        }
        core.begin_close();
        core.ended_blocking().report(&core.name)
    }

    /// Waits until the service has ended, for whatever reason, and says how. From within the service's own subtree, which
    /// ends first, that is for ever, or until it is cancelled.
    ///
    /// # Cancel safety
    /// Nothing to lose.
    pub async fn closed(&self) -> ServiceEnd<S> {
        let end = at_checkpoint(At::Closing, self.core().ended()).await;
        ServiceEnd { error: end.why.clone().error(&self.core().name), end }
    }

    /// Whether the service is ending or has ended: asked to, failed, or cancelled with its scope.
    pub fn is_closing(&self) -> bool {
        self.core().is_closing()
    }

    /// Whether the service has ended.
    pub fn is_closed(&self) -> bool {
        self.core().has_ended()
    }

    /// The service's name.
    pub fn name(&self) -> &Name {
        &self.core().name
    }
}

impl<S: Service> Clone for ServiceHandle<S> {
    fn clone(&self) -> Self {
        ServiceHandle { token: self.token.clone() }
    }
}

impl<S: Service> fmt::Debug for ServiceHandle<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServiceHandle")
            .field("name", &self.core().name)
            .field("state", &self.core().state_name())
            .finish()
    }
}

/// How a service ended.
pub struct ServiceEnd<S: Service> {
    end: End<S::Report>,
    error: ServiceError,
}

impl<S: Service> ServiceEnd<S> {
    /// What ending found out. `None` when [`Service::end`] overran its budget, panicked, or was never called because the
    /// task could not be started or was taken away.
    pub fn report(&self) -> Option<&Arc<S::Report>> {
        self.end.report.as_ref().ok()
    }

    /// Whether it ended because it was asked to: by a handle, or by its scope's orderly end.
    pub fn was_asked(&self) -> bool {
        matches!(self.end.why, Why::Asked)
    }

    /// What those who ask it are told now.
    pub fn error(&self) -> &ServiceError {
        &self.error
    }
}

impl<S: Service> fmt::Debug for ServiceEnd<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServiceEnd").field("error", &self.error).finish_non_exhaustive()
    }
}
