//! Services: a resource with a home. One task opens it, serves it and ends it; others hold handles that can only ask.
//!
//! This is the answer to "I want to close it from anywhere": closing from elsewhere is a request, and the clean-up runs in
//! the task that opened.

use std::fmt;
use std::future::{Future, poll_fn};
use std::panic::Location;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_channel::oneshot;

use crate::adopt;
use crate::block::{Block, Ended, Outcome};
use crate::blocking::block_on;
use crate::error::SpawnError;
use crate::event::{self, EventKind};
use crate::failure::Failure;
use crate::finalizer::Exit;
use crate::mailbox::{self, Core, End, Inbox, Why};
use crate::name::Name;
use crate::origin::{Kind, Origin};
use crate::raw::frame;
use crate::scope::Scope;
use crate::spawner::{Place, start_service};
use crate::task::{TaskRef, at_checkpoint};
use crate::waits::At;

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

/// The place for one answer, to be carried in a request. Dropping it unanswered tells the one who asked so.
pub struct Reply<R> {
    sender: oneshot::Sender<R>,
}

impl<R> Reply<R> {
    /// Answers. The answer comes back where nobody waits for it any more.
    ///
    /// # Errors
    /// The answer itself.
    pub fn send(self, answer: R) -> Result<(), R> {
        self.sender.send(answer)
    }

    /// Whether nobody waits for the answer any more.
    pub fn is_given_up(&self) -> bool {
        self.sender.is_canceled()
    }

    /// Ready when nobody waits for the answer any more.
    pub fn poll_given_up(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.sender.poll_canceled(cx)
    }

    /// Waits until nobody waits for the answer any more.
    pub async fn given_up(&mut self) {
        poll_fn(|cx| self.poll_given_up(cx)).await;
    }
}

impl<R> fmt::Debug for Reply<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reply").field("given_up", &self.is_given_up()).finish()
    }
}

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
    fn core(&self) -> &Core<S> {
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
        match at_checkpoint(At::Request, self.core().requests.send(request)).await {
            Ok(()) => Ok(()),
            Err(_) => Err(self.core().error()),
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
        let (sender, answer) = oneshot::channel();
        self.send(request(Reply { sender })).await?;
        match at_checkpoint(At::Answer, answer).await {
            Ok(answer) => Ok(answer),
            Err(oneshot::Canceled) => Err(self.core().unanswered().await),
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
        at_checkpoint(At::Opening, self.core().ready()).await
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
        let (sender, mut answer) = oneshot::channel();
        self.send_blocking(request(Reply { sender }))?;
        match block_on(|cx| Pin::new(&mut answer).poll(cx)) {
            Ok(answer) => Ok(answer),
            Err(oneshot::Canceled) => {
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
        let mut sending = pin!(core.requests.send(request));
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

    /// Waits until the service has ended, for whatever reason, and says how.
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
        self.end.report.as_ref()
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

    /// Whether the service lives on but dropped this request's [`Reply`] unanswered.
    pub fn is_unanswered(&self) -> bool {
        matches!(self.why, Why::Unanswered)
    }

    /// Whether blocking would have stopped the only thread of the service's runtime. Nothing has happened.
    pub fn is_would_block(&self) -> bool {
        matches!(self.why, Why::WouldBlock)
    }

    /// The error that [`Service::open`] or [`Service::serve`] returned.
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
    Overran,
}

impl CloseError {
    pub(crate) fn from_within(name: Name) -> Self {
        CloseError { name, why: CloseWhy::FromWithin }
    }

    pub(crate) fn would_block(name: Name) -> Self {
        CloseError { name, why: CloseWhy::WouldBlock }
    }

    pub(crate) fn no_report(name: Name, why: Why) -> Self {
        let why = match why {
            Why::Asked => CloseWhy::Overran,
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
        matches!(self.why, CloseWhy::NoReport(_) | CloseWhy::Overran)
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
            CloseWhy::Overran => write!(
                f,
                "service {name} has ended, but its clean-up did not come to its end: it overran its budget or panicked"
            ),
        }
    }
}

impl fmt::Debug for CloseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CloseError({self})")
    }
}

impl std::error::Error for CloseError {}

/// Starts a service's task in `scope`.
pub(crate) fn serve<E: crate::Fault, S: Service>(
    place: Place<E>,
    service: S,
    location: &'static Location<'static>,
) -> (ServiceHandle<S>, Result<(), SpawnError>) {
    let scope = place.into_scope();
    let name = service.name();
    let task = TaskRef::fresh(Some(name.clone()), location);
    let (core, inbox) = mailbox::pair::<S>(name, service.backlog(), scope.runtime().cloned());
    let closable: Arc<dyn crate::scope::Closable> = core.clone();
    let weak = Arc::downgrade(&closable);
    let run = Run { core: Some(core.clone()), why: Why::Aborted };
    let result = start_service(scope.clone(), task, run.run(service, inbox, scope.clone(), location));
    match &result {
        Ok(()) => scope.add_service(weak),
        Err(error) => core.not_started(error.clone()),
    }
    (ServiceHandle { token: Arc::new(Token { core }) }, result)
}

/// Waits until a service is open. Dropped before that, it asks for the end, and the scope it is dropped in waits for it.
pub(crate) fn opened<S: Service>(
    handle: ServiceHandle<S>,
) -> impl Future<Output = Result<ServiceHandle<S>, ServiceError>> + Send + use<S> {
    struct GivenUp<S: Service>(Option<ServiceHandle<S>>);

    impl<S: Service> Drop for GivenUp<S> {
        fn drop(&mut self) {
            if let Some(handle) = self.0.take() {
                handle.begin_close();
                handle.core().have_waited_for();
            }
        }
    }

    impl<S: Service> GivenUp<S> {
        fn take(mut self) -> Option<ServiceHandle<S>> {
            self.0.take()
        }
    }

    let waiting = GivenUp(Some(handle.clone()));
    async move {
        let ready = handle.ready().await;
        drop(waiting.take());
        ready.map(|_| handle)
    }
}

/// The service's task. Dropped before its end, it tells those who wait.
struct Run<S: Service> {
    core: Option<Arc<Core<S>>>,
    why: Why,
}

impl<S: Service> Drop for Run<S> {
    fn drop(&mut self) {
        if let Some(core) = self.core.take() {
            core.end(self.why.clone(), None);
        }
    }
}

impl<S: Service> Run<S> {
    async fn run(
        mut self,
        service: S,
        inbox: Inbox<S::Request>,
        scope: Arc<Scope>,
        location: &'static Location<'static>,
    ) {
        let Some(core) = self.core.clone() else { return };
        let mut origin = Origin::new(Kind::Service, location);
        origin.name = Some(core.name.clone());
        origin.parent = Some(scope.clone());
        origin.budget = service.cleanup_budget().unwrap_or(scope.budget);
        drop(scope);
        let mut block = pin!(Block::new(origin, live(&core, service, inbox, location)));
        let outcome = poll_fn(|cx| core.in_poll(|| block.as_mut().poll(cx))).await;
        let (why, report) = match outcome.ended {
            Ended::Done(end) => end,
            // The three phases catch their own panics; a service is not cut.
            Ended::Panicked(_) | Ended::Cancelled(_) | Ended::NoClock(_) => (Why::Aborted, None),
        };
        adopt::bequeath(&outcome.scope, outcome.records);
        self.core = None;
        core.end(why, report);
    }
}

/// The three phases, each in a scope of its own.
async fn live<S: Service>(
    core: &Arc<Core<S>>,
    mut service: S,
    mut inbox: Inbox<S::Request>,
    location: &'static Location<'static>,
) -> (Why, Option<S::Report>) {
    let own = frame::here(|place| place.map(|(_, scope)| scope.make()));
    if let Some(own) = &own {
        core.set_scope(own.clone());
    }
    let phase = |name: &'static str, kind| {
        let mut origin = Origin::new(kind, location);
        origin.name = Some(Name::from(format!("{name} {}", core.name)));
        origin
    };

    let opening = Block::new(phase("opening", Kind::Phase), until_closing(core, service.open()));
    let mut why = match settle(opening.await) {
        Ok(Some(Ok(info))) => {
            core.opened(info);
            if event::observed()
                && let Some(own) = &own
            {
                event::tell(EventKind::Ready, own, crate::task::current(), location);
            }
            None
        }
        Ok(Some(Err(failure))) => Some(Why::OpenFailed(Arc::new(failure))),
        Ok(None) => Some(Why::Asked),
        Err(why) => Some(why),
    };
    if why.is_none() {
        let serving = Block::new(phase("serving", Kind::Phase), service.serve(&mut inbox));
        why = Some(match settle(serving.await) {
            Ok(Ok(())) => Why::Asked,
            Ok(Err(failure)) => Why::Failed(Arc::new(failure)),
            Err(why) => why,
        });
    }
    let why = why.unwrap_or(Why::Asked);
    core.begin_end(&why);
    // Requests that nobody will serve are dropped, which tells those who asked.
    inbox.shut();
    if event::observed()
        && let (Some(own), Why::OpenFailed(_) | Why::Failed(_) | Why::Panicked(_)) = (&own, &why)
    {
        let error = ServiceError::new(core.name.clone(), why.clone());
        event::tell(EventKind::Failed(error.to_string()), own, crate::task::current(), location);
    }

    let mut ending = phase("ending", Kind::CleanUp);
    if let Some(own) = &own {
        ending.deadline = own.runtime().and_then(|runtime| runtime.now().checked_add(own.budget));
    }
    let exit = match &why {
        Why::Asked => Exit::Ok,
        Why::Cancelled(reason) => Exit::Cancelled(reason.clone()),
        Why::Panicked(text) => Exit::Panicked(text.clone()),
        other => Exit::Failed(Name::from(ServiceError::new(core.name.clone(), other.clone()).to_string())),
    };
    let report = settle(Block::new(ending, service.end(exit)).await).ok();
    (why, report)
}

/// The value of a phase, or why there is none. What failed in it beside goes to the scope around.
fn settle<T>(outcome: Outcome<T>) -> Result<T, Why> {
    let Outcome { ended, records, scope } = outcome;
    adopt::bequeath(&scope, records);
    match ended {
        Ended::Done(value) => Ok(value),
        Ended::Cancelled(reason) => Err(Why::Cancelled(reason)),
        // The phases have no deadline but `end`, which has one only where there is a clock.
        Ended::NoClock(_) => Err(Why::Aborted),
        Ended::Panicked(payload) => {
            Err(Why::Panicked(Name::from(crate::PanicPayload::new(payload).message().to_owned())))
        }
    }
}

/// Runs `opening` until it ends or the end is asked for; `None` in the latter case.
async fn until_closing<S: Service, F: Future>(core: &Core<S>, opening: F) -> Option<F::Output> {
    let mut opening = pin!(opening);
    // In a cancelled scope it is the cancellation that ends this, not a handle that goes with it.
    let mut closing = pin!(at_checkpoint(At::Foreign, core.closing()));
    poll_fn(|cx: &mut Context<'_>| {
        if closing.as_mut().poll(cx).is_ready() {
            return Poll::Ready(None);
        }
        opening.as_mut().poll(cx).map(Some)
    })
    .await
}
