//! The owner of a connection: the task that starts the server, speaks with it and ends it.

use std::convert::Infallible;
use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use scope_core::rt;
use scope_core::{Exit, Failure, Inbox, Name, Service, ServiceError, Spawner, nursery};
use scope_process::Budgets;
use serde_json::value::to_raw_value;

use super::errands::{Errand, Errands};
use super::handlers::{ClientHandlers, RootsWatch};
use super::opening::Introduced;
use super::{ClientOptions, CloseReport, Ending, ServerInfo, Subscribers};
use crate::era::Stamp;
use crate::error::{CallError, CallName, Delivery, Gone, OpenError, OpenKind};
use crate::jsonrpc::{Json, Rejection};
use crate::model::Object;
use crate::peer::{Desk, Peer, Work};
use crate::session::{Abandoned, Arrived, NewCall, Reply, Session};
use crate::state::{Course, State};
use crate::transport::{CLOSING, Ended, Link, Target};
use crate::{Era, Revision};

/// For everything about ending a server that is not waiting for it.
const MARGIN: Duration = Duration::from_secs(2);

/// What a connection and its handles have in common.
pub(super) struct Shared {
    pub(super) server: Arc<str>,
    pub(super) options: ClientOptions,
    pub(super) subscribers: Arc<Subscribers>,
    pub(super) abandoned: Arc<Abandoned>,
    pub(super) course: Arc<Course>,
    pub(super) handlers: Arc<ClientHandlers>,
    pub(super) errands: Errands,
    /// Where calls are left.
    pub(super) desk: Arc<Desk>,
    /// Once it is open.
    pub(super) spoken: OnceLock<Spoken>,
    next_id: AtomicU64,
    /// The clock to go by, once there is one.
    clock: OnceLock<rt::Handle>,
    /// The program that it is, if it is one.
    command: Option<String>,
    /// Why it ended or did not open, if that was not asked for. Known from here as soon as it happens, and from the
    /// service itself only when the process has been ended.
    fate: OnceLock<Fate>,
}

/// What is spoken with a server.
#[derive(Debug)]
pub(super) struct Spoken {
    pub(super) revision: Revision,
    /// What stands in each request.
    pub(super) stamp: Stamp,
}

enum Fate {
    NotOpened(OpenError),
    Lost(Gone),
}

impl Shared {
    pub(super) fn new(name: &str, command: Option<String>, options: ClientOptions) -> Shared {
        let server: Arc<str> = name.into();
        Shared {
            handlers: options.handlers.bound_to(&server, options.max_form_bytes),
            server,
            options,
            subscribers: Arc::default(),
            abandoned: Arc::default(),
            course: Course::new(),
            errands: Errands::default(),
            desk: Desk::new(),
            spoken: OnceLock::new(),
            next_id: AtomicU64::new(1),
            clock: OnceLock::new(),
            command,
            fate: OnceLock::new(),
        }
    }

    pub(super) fn next_id(&self) -> u64 {
        self.next_id.fetch_add(1, Ordering::Relaxed)
    }

    /// `None` before the connection has begun to open.
    pub(super) fn now(&self) -> Option<Instant> {
        self.clock.get().map(|clock| clock.now())
    }

    /// For so long; `None` before the connection has begun to open.
    pub(super) fn timer(&self, time: Duration) -> Option<rt::Sleep> {
        self.clock.get().map(|clock| clock.sleep(time))
    }

    /// Why the connection is not open, as its handles tell it.
    pub(super) fn open_error(&self, error: &ServiceError) -> OpenError {
        let kind = match self.fate.get() {
            Some(Fate::NotOpened(error)) => return error.clone(),
            Some(Fate::Lost(gone)) => OpenKind::Lost(gone.clone()),
            None if error.is_closed() || error.is_cancelled() => OpenKind::Closed,
            None => OpenKind::Other(error.to_string()),
        };
        self.not_opened(kind)
    }

    pub(super) fn not_opened(&self, kind: OpenKind) -> OpenError {
        OpenError::new(&self.server, self.command.as_deref(), kind, None)
    }

    /// Why the connection is not open any more, if it was lost.
    pub(super) fn lost(&self) -> Option<OpenError> {
        match self.fate.get() {
            Some(Fate::Lost(gone)) => {
                let kind = OpenKind::Lost(gone.clone());
                Some(OpenError::new(&self.server, self.command.as_deref(), kind, None))
            }
            _ => None,
        }
    }

    /// Why a call did not even reach the connection.
    pub(super) fn not_sent(&self, name: &CallName<'_>, error: &ServiceError) -> CallError {
        if self.fate.get().is_some() || error.is_closed() || error.is_cancelled() {
            return self.closed(name);
        }
        CallError::other(name, Delivery::NotSent, error.to_string())
    }

    /// Why a call that was not sent found the connection closed.
    pub(super) fn closed(&self, name: &CallName<'_>) -> CallError {
        self.ended(name, Delivery::NotSent)
    }

    /// Why what a call began has ended with the connection.
    pub(super) fn ended(&self, name: &CallName<'_>, delivery: Delivery) -> CallError {
        match self.fate.get() {
            Some(Fate::NotOpened(error)) => CallError::not_opened(name, error.clone()),
            Some(Fate::Lost(gone)) => CallError::gone(name, delivery, gone.clone()),
            None => CallError::closed(name, delivery),
        }
    }

    /// The call that does an errand.
    fn errand(&self, errand: &Errand) -> Option<NewCall> {
        let (method, params) = match errand {
            Errand::Unsubscribe(uri) => ("resources/unsubscribe", serde_json::json!({ "uri": uri })),
            Errand::CancelTask(id) => ("tasks/cancel", serde_json::json!({ "taskId": id })),
        };
        let params = to_raw_value(&params).ok()?;
        let id = self.next_id();
        // There is something to be cleaned up only where the server is open.
        let line = self.spoken.get()?.stamp.request(id, method, Some(&params), false, &Object::new()).ok()?;
        Some(NewCall::new(id, method, line, self.options.call_timeout, Reply::to_nobody()))
    }
}

/// The service behind a [`Client`](crate::Client). Nobody but its home has it.
pub struct Connection {
    /// What is to be opened, or to be opened again.
    target: Option<Target>,
    cleanup_budget: Duration,
    pub(super) shared: Arc<Shared>,
    pub(super) peer: Peer,
    roots: Option<RootsWatch>,
    link: Option<Link>,
    ending: Option<Ending>,
}

impl Connection {
    pub(super) fn new(target: Target, shared: Arc<Shared>) -> Connection {
        let session = Session::new(&shared.server, shared.options.settings(), &shared.subscribers);
        let peer = Peer::new(session, Arc::clone(&shared.desk), Arc::clone(&shared.abandoned));
        let ending = match &target {
            Target::Program(spec) => {
                let Budgets { after_eof, after_term, after_kill, .. } = spec.budgets;
                let killing = after_kill.max(Budgets::MIN_AFTER_KILL);
                after_eof.saturating_add(after_term).saturating_add(killing)
            }
            Target::Stream(_) => CLOSING,
        };
        let cleanup_budget = ending.saturating_add(MARGIN);
        let roots = shared.handlers.watch_roots();
        Connection { target: Some(target), cleanup_budget, shared, peer, roots, link: None, ending: None }
    }

    async fn begin(&mut self) -> Result<ServerInfo, OpenError> {
        let rt = rt::current().map_err(|error| self.failed(OpenKind::NoRuntime(error)))?;
        let rt = self.shared.clock.get_or_init(|| rt).clone();
        let started = rt.now();
        // It is opened once; but a program may have to be started again.
        let Some(target) = self.target.take() else { return Err(self.failed(OpenKind::Closed)) };
        if let Target::Program(spec) = &target {
            self.target = Some(Target::Program(spec.clone()));
        }
        let link = Link::open(target, &self.shared.server, self.shared.options.max_line, &rt)
            .map_err(|error| self.failed(OpenKind::Spawn(error)))?;
        self.link = Some(link);
        self.shared.course.go(State::Negotiating);
        let Introduced { server, revision, stamp, capabilities, instructions } = self.introduce(&rt, started).await?;
        // Set once only: a connection is opened once.
        let _ = self.shared.spoken.set(Spoken { revision, stamp });
        // It may have been started again.
        let pid = self.link.as_ref().and_then(Link::id);
        tracing::debug!(server = &*self.shared.server, %revision, pid, "opened");
        let opened_in = rt.now().saturating_duration_since(started);
        self.shared.course.go(State::Ready);
        Ok(ServerInfo { server, revision, capabilities, instructions, pid, opened_in })
    }

    /// What speaks with the server, once there is something.
    pub(super) fn wires(&mut self) -> Result<(&mut Session, &mut Link, &Shared), OpenKind> {
        let link = self.link.as_mut().ok_or(OpenKind::Closed)?;
        Ok((&mut self.peer.session, link, &self.shared))
    }

    /// Whether there is a program to start.
    pub(super) fn can_start_again(&self) -> bool {
        self.target.is_some()
    }

    /// Ends the server that was started, and whatever it has left, and starts it once more.
    pub(super) async fn start_again(&mut self, rt: &rt::Handle) -> Result<(), OpenError> {
        self.shared.course.go(State::Starting);
        if let Some(link) = &mut self.link {
            link.end().await;
        }
        self.link = None;
        self.peer.session.start_over();
        let Some(target) = self.target.take() else { return Err(self.failed(OpenKind::Closed)) };
        let link = Link::open(target, &self.shared.server, self.shared.options.max_line, rt)
            .map_err(|error| self.failed(OpenKind::Spawn(error)))?;
        self.link = Some(link);
        self.shared.course.go(State::Negotiating);
        Ok(())
    }

    pub(super) fn failed(&self, kind: OpenKind) -> OpenError {
        let noise = self.peer.session.noise().first().map(str::to_owned);
        OpenError::new(&self.shared.server, self.shared.command.as_deref(), kind, noise)
    }

    /// Speaks with the server until it is to be closed, or is gone.
    async fn talk(&mut self, inbox: &mut Inbox<Infallible>, children: &Spawner<Failure>) -> Result<(), Gone> {
        let Connection { shared, peer, roots, link, ending, .. } = self;
        // There are both: it has been opened.
        let Some((link, rt)) = link.as_mut().zip(shared.clock.get()) else { return Ok(()) };
        let handlers = &shared.handlers;
        let mut respond = |session: &mut Session, request: &mut Arrived| {
            let answer = session
                .revision()
                .filter(|revision| revision.era() == Era::Legacy)
                .and_then(|revision| handlers.answer(revision, &request.method, request.params.as_deref()));
            match answer {
                Some(answer) => Work::Later(Box::pin(async move { answer.await.map(Json::from) }), None),
                None => Work::Now(Err(Rejection::method_not_found(&request.method))),
            }
        };
        let mut to_be_closed = pin!(inbox.next());
        let gone = poll_fn(|cx| {
            // Looked at first: what has come before that is read yet.
            let closing = to_be_closed.as_mut().poll(cx);
            // Before anything is written: then it goes out at once.
            for errand in shared.errands.take(cx) {
                if let Some(call) = shared.errand(&errand) {
                    peer.session.call(rt.now(), call);
                }
            }
            if let Some(roots) = roots
                && roots.poll_changed(cx).is_ready()
                && peer.session.revision().is_some_and(|revision| revision.era() == Era::Legacy)
            {
                peer.session.notify("notifications/roots/list_changed", None);
            }
            if let Poll::Ready(gone) = peer.poll(link, rt, children, &mut respond, cx) {
                return Poll::Ready(Some(gone));
            }
            closing.map(|_| None)
        })
        .await;
        let Some(gone) = gone else { return Ok(()) };
        // First: whoever is told next may look there.
        let _ = shared.fate.set(Fate::Lost(gone.clone()));
        peer.session.lost(&gone);
        // Those who have just asked are told the same.
        peer.take(rt, &mut Context::from_waker(Waker::noop()));
        *ending = Some(Ending::Lost(gone.clone()));
        Err(gone)
    }
}

impl Service for Connection {
    /// Calls are left at the desk.
    type Request = Infallible;
    type Info = ServerInfo;
    type Report = CloseReport;

    fn name(&self) -> Name {
        self.shared.server.to_string().into()
    }

    fn cleanup_budget(&self) -> Option<Duration> {
        Some(self.cleanup_budget)
    }

    async fn open(&mut self) -> Result<ServerInfo, Failure> {
        match self.begin().await {
            Ok(info) => Ok(info),
            Err(error) => {
                self.ending = Some(Ending::NotOpened(error.to_string()));
                // Set once only: a connection is opened once.
                let _ = self.shared.fate.set(Fate::NotOpened(error.clone()));
                Err(error.into())
            }
        }
    }

    async fn serve(&mut self, inbox: &mut Inbox<Infallible>) -> Result<(), Failure> {
        // What answers the server's requests ends with this.
        let talked = nursery(async |n| {
            let talked = self.talk(inbox, &n.spawner()).await;
            self.peer.cancel_requests("the connection is over");
            Ok(talked)
        })
        .named("requests")
        .await?;
        Ok(talked?)
    }

    async fn end(&mut self, exit: Exit) -> CloseReport {
        self.shared.course.go(State::Closing);
        let unanswered = self.peer.close();
        self.shared.errands.close();
        let Ended { process, stderr_tail, stderr_dropped } = match &mut self.link {
            Some(link) => link.end().await,
            None => Ended::default(),
        };
        let ending = self.ending.take().unwrap_or_else(|| match exit {
            Exit::Ok => Ending::Closed,
            Exit::Cancelled(reason) => Ending::Cancelled(reason.to_string()),
            other => Ending::Failed(other.to_string()),
        });
        CloseReport {
            server: Arc::clone(&self.shared.server),
            ending,
            process,
            stderr_tail,
            stderr_dropped,
            unanswered,
            traffic: self.peer.session.traffic(),
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        // What there is of the server goes with this, and whoever waits for it is told.
        self.link = None;
        self.peer.desk.end();
        self.shared.course.finish();
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").field("link", &self.link).field("peer", &self.peer).finish_non_exhaustive()
    }
}
