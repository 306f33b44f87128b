//! A client: the handle of a connection that has one owner.

mod allowance;
mod call;
mod completion;
mod connection;
mod errands;
mod handlers;
mod hatch;
mod home;
mod info;
mod input;
mod interest;
mod legacy;
mod notifications;
mod opening;
mod options;
mod output;
mod paging;
mod prompts;
mod report;
mod resources;
mod spec;
mod subscriptions;
mod tasks;
mod tools;

use std::borrow::Cow;
use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Poll, Waker};
use std::time::Instant;

use scope_core::{CloseError, ServiceHandle};
use serde_json::value::RawValue;

pub use connection::Connection;
pub use handlers::{Question, Roots};
pub use home::Home;
pub use info::ServerInfo;
pub use notifications::Notifications;
pub(crate) use notifications::{Bounds as NotificationBounds, Subscriber, Subscribers};
pub use options::{CallOptions, ClientOptions};
pub use output::OutputCheck;
pub use paging::Page;
pub use report::{CloseReport, Ending, Traffic};
pub use spec::ServerSpec;
pub use subscriptions::{Subscription, SubscriptionEnd};
pub use tasks::ToolTask;

use crate::error::{CallError, CallName, OpenError, OpenKind};
use crate::jsonrpc::{Line, Written};
use crate::session::{Answer, Made, NewCall, Pending, Said, Waiting};
use crate::state::States;
use crate::transport::{Stream, Target};
use connection::Shared;
use options::Terms;

/// A handle of a server: cheap to clone, to be used from any task, at once.
///
/// The server itself belongs to the [`Home`] it was started in: a task there starts its process, speaks with it and
/// ends it, and the home does not return before that is done. A handle can only ask. So a server is closed properly
/// whoever asks for it, and cannot be left behind.
///
/// When the last handle is dropped the server is closed. Calls need a runtime only where the server lives; a handle may
/// be used from anywhere.
#[derive(Clone)]
pub struct Client {
    handle: ServiceHandle<Connection>,
    shared: Arc<Shared>,
}

impl Client {
    /// Starts a server in `home` and does not wait for it. Calls wait until it is open.
    ///
    /// A server that cannot be opened fails its callers, [`wait_ready`](Client::wait_ready) and [`closed`](Client::closed), and
    /// nothing else in the scope.
    ///
    /// # Errors
    /// [`OpenError::is_closed`] if `home` takes no more tasks.
    #[track_caller]
    pub fn start(home: &impl Home, spec: ServerSpec, options: ClientOptions) -> Result<Client, OpenError> {
        let shared = Shared::new(&spec.name, Some(spec.command.clone()), options);
        Client::serve(home, Target::Program(Box::new(spec)), shared)
    }

    /// As [`start`](Client::start), with a server that runs already, at the other end of `stream`. `name` is what it is
    /// called in messages, events and reports.
    ///
    /// # Errors
    /// As [`start`](Client::start).
    #[track_caller]
    pub fn start_stream(
        home: &impl Home,
        name: &str,
        stream: Stream,
        options: ClientOptions,
    ) -> Result<Client, OpenError> {
        Client::serve(home, Target::Stream(stream), Shared::new(name, None, options))
    }

    #[track_caller]
    fn serve(home: &impl Home, target: Target, shared: Shared) -> Result<Client, OpenError> {
        let shared = Arc::new(shared);
        match home.serve(Connection::new(target, Arc::clone(&shared))) {
            Ok(handle) => Ok(Client { handle, shared }),
            Err(error) => Err(shared.not_opened(OpenKind::NoHome(error.to_string()))),
        }
    }

    /// Starts a server in `home`, at the call, and waits until it is open.
    ///
    /// # Errors
    /// See [`OpenError`]. Nothing is left running then.
    ///
    /// # Cancel safety
    /// When the future is dropped the server is asked to end, and `home` waits for that.
    #[track_caller]
    pub fn open<H: Home>(
        home: &H,
        spec: ServerSpec,
        options: ClientOptions,
    ) -> impl Future<Output = Result<Client, OpenError>> + Send + use<H> {
        // Not in the future: only here is the caller's place in the code known.
        Client::once_ready(Client::start(home, spec, options))
    }

    /// As [`open`](Client::open), with a server that runs already, at the other end of `stream`. `name` is what it is
    /// called in messages, events and reports.
    ///
    /// Closing the connection closes the stream; what becomes of the server then is its own affair. One that closes the
    /// stream first is gone ([`HowGone::HungUp`](crate::HowGone::HungUp)).
    ///
    /// # Errors
    /// See [`OpenError`].
    ///
    /// # Cancel safety
    /// When the future is dropped the stream is closed, and `home` waits for that.
    #[track_caller]
    pub fn open_stream<H: Home>(
        home: &H,
        name: &str,
        stream: Stream,
        options: ClientOptions,
    ) -> impl Future<Output = Result<Client, OpenError>> + Send + use<H> {
        Client::once_ready(Client::start_stream(home, name, stream, options))
    }

    async fn once_ready(started: Result<Client, OpenError>) -> Result<Client, OpenError> {
        let client = started?;
        client.wait_ready().await?;
        Ok(client)
    }

    /// The server's name, as configured.
    pub fn name(&self) -> &str {
        &self.shared.server
    }

    /// Waits until the server is open.
    ///
    /// # Errors
    /// See [`OpenError`]. One that was open and has ended is not open either.
    ///
    /// # Cancel safety
    /// Safe: dropping the future changes nothing.
    pub async fn wait_ready(&self) -> Result<Arc<ServerInfo>, OpenError> {
        let ready = self.handle.ready().await;
        // Its callers may be told of its end before the service has come to its own.
        match self.shared.lost() {
            Some(lost) => Err(lost),
            None => ready.map_err(|error| self.shared.open_error(&error)),
        }
    }

    /// What opening found out; `None` if it is not open yet, or never was.
    pub fn info(&self) -> Option<Arc<ServerInfo>> {
        self.handle.info()
    }

    /// Sends one request as it is and returns the result as it is.
    ///
    /// A modern server that needs input to go on gets it, unless [`CallOptions::one_round`] is set; a task that it makes of
    /// the call is returned as it is.
    ///
    /// # Errors
    /// See [`CallError`]; an error that the server answers with is in [`CallError::rejection`], as it is.
    ///
    /// # Cancel safety
    /// Safe: when the future is dropped the server is told to stop (`notifications/cancelled`), and its answer, should
    /// it come, is ignored.
    pub async fn request_raw(&self, method: &str, params: Option<Box<RawValue>>) -> Result<Box<RawValue>, CallError> {
        self.request_raw_with(method, params, CallOptions::usual()).await
    }

    /// As [`request_raw`](Client::request_raw), with other options.
    ///
    /// # Errors
    /// As [`request_raw`](Client::request_raw).
    pub async fn request_raw_with(
        &self,
        method: &str,
        params: Option<Box<RawValue>>,
        options: &CallOptions,
    ) -> Result<Box<RawValue>, CallError> {
        let name = self.call_name(method, None);
        if let Some(params) = &params
            && !params.get().starts_with(['{', '['])
        {
            return Err(CallError::not_json(&name, "they must be an object or an array"));
        }
        let params = params.map(Written::from);
        if options.one_round {
            let given = self.request(&name, params.map(Cow::Owned), options.terms(&self.shared.options)).await?;
            return Ok(given.into_raw());
        }
        Ok(self.converse(&name, params, options).await?.into_raw())
    }

    /// What the server says without being asked, from now on.
    pub fn notifications(&self) -> Notifications {
        self.shared.subscribers.subscribe(self.shared.options.notifications())
    }

    /// The states of the connection, from the first one on.
    pub fn states(&self) -> States {
        self.shared.course.watch()
    }

    /// Closes the connection, ends the server and waits until it has ended. From any task, as often as one likes.
    ///
    /// Calls that have no answer yet fail with [`CallError::is_closed`].
    ///
    /// # Errors
    /// See [`CloseError`]: the connection has ended, but its clean-up did not come to its end; or, without effect, this
    /// was called from within the connection.
    ///
    /// # Cancel safety
    /// Safe: once it has been polled, the server is being closed, whether somebody waits for it or not.
    pub async fn close(&self) -> Result<Arc<CloseReport>, CloseError> {
        self.handle.close().await
    }

    /// Asks for the connection to be closed and does not wait.
    pub fn begin_close(&self) {
        self.handle.begin_close();
    }

    /// Waits until the connection has ended, for whatever reason, and says how; `None` if its clean-up did not come to
    /// its end (then it was cut off, and the process was killed).
    ///
    /// # Cancel safety
    /// Safe: dropping the future changes nothing.
    pub async fn closed(&self) -> Option<Arc<CloseReport>> {
        self.handle.closed().await.report().cloned()
    }

    /// Whether the connection has ended.
    pub fn is_closed(&self) -> bool {
        self.handle.is_closed()
    }

    async fn request(&self, name: &CallName<'_>, params: Option<Cow<'_, Written>>, mut terms: Terms<'_>) -> Answer {
        let id = self.shared.next_id();
        let line = self.line(id, name, params, &terms).await?;
        let made = self.shared.abandoned.blank().with(line);
        let waiting = self.hand_over(name, id, made, &mut terms, None, true).await?;
        match self.said(waiting).await {
            Ok(given) => Ok(given),
            Err(fault) => Err(self.failed(fault.of(name), name).await),
        }
    }

    /// Hands a call over, by a number that is known before, so that what is said of it can be heard.
    async fn begin<'n>(
        &self,
        id: u64,
        name: CallName<'n>,
        params: Option<Cow<'_, Written>>,
        mut terms: Terms<'_>,
    ) -> Result<Pending<'n>, CallError> {
        let line = self.line(id, &name, params, &terms).await?;
        let made = self.shared.abandoned.blank().with(line);
        let waiting = self.hand_over(&name, id, made, &mut terms, None, false).await?;
        Ok(waiting.of(name))
    }

    /// The line of a call.
    async fn line(
        &self,
        id: u64,
        name: &CallName<'_>,
        params: Option<Cow<'_, Written>>,
        terms: &Terms<'_>,
    ) -> Result<Line, CallError> {
        let stamp = &self.spoken(name).await?.stamp;
        let line = stamp.request(id, &name.method, params, terms.progress.is_some(), terms.meta);
        line.map_err(|why| CallError::not_json(name, why))
    }

    /// The error of a call that had no result, as its caller is to hear of it.
    async fn failed(&self, error: CallError, name: &CallName<'_>) -> CallError {
        if !error.is_closed() {
            return error;
        }
        // What ended the connection may be what ends the caller too, who is to hear of that and not of this.
        unless_cancelled().await;
        // Turned away at the door, while the connection was ending for another reason.
        if error.is_not_sent() { self.shared.closed(name) } else { error }
    }

    /// What is said to a call that was entered by one who [reads](Client::enter).
    fn said(&self, mut waiting: Waiting) -> impl Future<Output = Said> {
        poll_fn(move |cx| {
            if waiting.may_read() {
                self.shared.read(&mut waiting, cx.waker());
            }
            Pin::new(&mut waiting).poll(cx)
        })
    }

    /// Hands over a call that is made up, at `now`, if that is known. See [`enter`](Client::enter).
    async fn hand_over(
        &self,
        name: &CallName<'_>,
        id: u64,
        made: Made,
        terms: &mut Terms<'_>,
        now: Option<Instant>,
        reads: bool,
    ) -> Result<Waiting, CallError> {
        // In a cancelled scope nothing is begun any more.
        unless_cancelled().await;
        if self.handle.is_closing() {
            return Err(match self.handle.ready().await {
                Ok(_) => self.shared.closed(name),
                Err(error) => self.shared.not_sent(name, &error),
            });
        }
        let (waiting, left) = self.enter(name, id, made, terms, now, waker().await, reads);
        if let Some(call) = left {
            self.leave(call).await;
        }
        Ok(waiting)
    }

    /// Leaves a call for the one who speaks with the server.
    async fn leave(&self, call: Box<NewCall>) {
        // If it is refused, the reply has said so.
        let _ = self.shared.desk.call(*call).await;
    }

    /// Whether a call can be entered without any wait before.
    fn may_enter(&self) -> bool {
        !scope_core::is_cancelled() && !self.handle.is_closing()
    }

    /// Enters a call that is made up, at `now`, if that is known, by the task of `waker`; if it `reads`, it waits
    /// for what is [said](Client::said), where the answer may be left to it to read. What comes back too is to be left at the
    /// desk.
    #[expect(clippy::too_many_arguments, reason = "most calls come by here, and all of it is known in two places only")]
    fn enter(
        &self,
        name: &CallName<'_>,
        id: u64,
        made: Made,
        terms: &mut Terms<'_>,
        now: Option<Instant>,
        waker: Waker,
        reads: bool,
    ) -> (Waiting, Option<Box<NewCall>>) {
        let (reply, mut waiting, line) = made.used(id, &self.shared.abandoned);
        let mut call = NewCall::new(id, &name.method, line, terms.timeout, reply);
        (call.max_timeout, call.progress) = (terms.max_timeout, terms.progress.take());
        let mut call = Some(call);
        if self.shared.call(now, &mut call, reads.then_some(&waker)) {
            waiting.reads();
        }
        match call {
            Some(call) => (waiting, Some(Box::new(call))),
            None => {
                waiting.wait(waker);
                (waiting, None)
            }
        }
    }

    fn call_name<'n>(&'n self, method: &'n str, subject: Option<&'n str>) -> CallName<'n> {
        CallName {
            server: Cow::Borrowed(&self.shared.server),
            method: Cow::Borrowed(method),
            subject: subject.map(Cow::Borrowed),
        }
    }
}

/// That of the task that this is.
async fn waker() -> Waker {
    poll_fn(|cx| Poll::Ready(cx.waker().clone())).await
}

/// Ends at once, but never in a cancelled scope: whoever waits there is cut.
async fn unless_cancelled() {
    poll_fn(|_| if scope_core::is_cancelled() { Poll::Pending } else { Poll::Ready(()) }).await;
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("server", &self.shared.server).finish_non_exhaustive()
    }
}
