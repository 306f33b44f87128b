//! The owner of a connection: the task that starts the server, speaks with it and ends it.

use std::borrow::Cow;
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

use super::errands::{Errand, Errands};
use super::handlers::{ClientHandlers, RootsWatch};
use super::hatch::{Entered, Hatch, Held};
use super::opening::Introduced;
use super::{ClientOptions, CloseReport, Ending, ServerInfo, Subscribers, Traffic};
use crate::era::Stamp;
use crate::error::{CallError, CallName, Delivery, Gone, OpenError, OpenKind};
use crate::jsonrpc::{Json, Rejection, Written};
use crate::model::Object;
use crate::peer::{Desk, Left, Peer, Work};
use crate::session::{Abandoned, Arrived, NewCall, Reply, Session, Waiting};
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
    /// Where they can be made, while the connection's task does nothing.
    hatch: Hatch,
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
            hatch: Hatch::default(),
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

    /// Makes a call at once, `now` if that is known, by the task of `caller`, where that is given: then its answer may have to
    /// be [read](Shared::read), and whether that is so comes back. What is not taken is to be left at the desk.
    pub(super) fn call(&self, now: Option<Instant>, call: &mut Option<NewCall>, caller: Option<&Waker>) -> bool {
        // Calls that were left before come first.
        let left = self.desk.call_if_attended(call);
        // Who watches the wire is called in the connection's task only.
        let Some(clock) = self.clock.get().filter(|_| self.options.wire.is_none()) else { return false };
        match left {
            Left::No => {}
            Left::Yes => return false,
            Left::Enough => {
                self.hatch.write(clock);
                return false;
            }
        }
        let Entered { wake, lent } = self.hatch.call(now.unwrap_or_else(|| clock.now()), call, caller);
        if wake {
            self.desk.wake();
        }
        lent
    }

    /// Reads the answer to a call that was made by the task of `caller`, if nobody else does.
    pub(super) fn read(&self, waiting: &mut Waiting, caller: &Waker) {
        if self.hatch.read(waiting, caller) {
            self.desk.wake();
        }
    }

    /// The call that does an errand.
    fn errand(&self, errand: &Errand) -> Option<NewCall> {
        let (method, params) = match errand {
            Errand::Unsubscribe(uri) => ("resources/unsubscribe", serde_json::json!({ "uri": uri })),
            Errand::CancelTask(id) => ("tasks/cancel", serde_json::json!({ "taskId": id })),
        };
        let params = Written::of(&params).ok()?;
        let id = self.next_id();
        // There is something to be cleaned up only where the server is open.
        let line =
            self.spoken.get()?.stamp.request(id, method, Some(Cow::Owned(params)), false, &Object::new()).ok()?;
        Some(NewCall::new(id, method, line, self.options.call_timeout, Reply::to_nobody()))
    }
}

/// The service behind a [`Client`](crate::Client). Nobody but its home has it.
pub struct Connection {
    /// What is to be opened, or to be opened again.
    target: Option<Target>,
    cleanup_budget: Duration,
    pub(super) shared: Arc<Shared>,
    /// Before and after it lies in the hatch.
    pub(super) held: Option<Box<Held>>,
    roots: Option<RootsWatch>,
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
        let held = Some(Box::new(Held { peer, link: None, alone: true, lent_to: None }));
        Connection { target: Some(target), cleanup_budget, shared, held, roots, ending: None }
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
        self.connect(link)?;
        let Introduced { server, revision, stamp, capabilities, instructions } = self.introduce(&rt, started).await?;
        // Set once only: a connection is opened once.
        let _ = self.shared.spoken.set(Spoken { revision, stamp });
        // It may have been started again.
        let pid = self.held.as_ref().and_then(|held| held.link.as_ref()?.id());
        tracing::debug!(server = &*self.shared.server, %revision, pid, "opened");
        let opened_in = rt.now().saturating_duration_since(started);
        self.shared.course.go(State::Ready);
        Ok(ServerInfo { server, revision, capabilities, instructions, pid, opened_in })
    }

    /// From now on it is spoken over `link`.
    fn connect(&mut self, link: Link) -> Result<(), OpenError> {
        let Some(held) = &mut self.held else { return Err(self.failed(OpenKind::Closed)) };
        held.link = Some(link);
        self.shared.course.go(State::Negotiating);
        Ok(())
    }

    /// What is said, while it is being opened.
    pub(super) fn session(&mut self) -> Result<&mut Session, OpenKind> {
        self.held.as_mut().map(|held| &mut held.peer.session).ok_or(OpenKind::Closed)
    }

    /// What speaks with the server, once there is something.
    pub(super) fn wires(&mut self) -> Result<(&mut Session, &mut Link, &Shared), OpenKind> {
        let Some(Held { peer, link: Some(link), .. }) = self.held.as_deref_mut() else { return Err(OpenKind::Closed) };
        Ok((&mut peer.session, link, &self.shared))
    }

    /// Whether there is a program to start.
    pub(super) fn can_start_again(&self) -> bool {
        self.target.is_some()
    }

    /// Ends the server that was started, and whatever it has left, and starts it once more.
    pub(super) async fn start_again(&mut self, rt: &rt::Handle) -> Result<(), OpenError> {
        self.shared.course.go(State::Starting);
        if let Some(held) = &mut self.held {
            if let Some(link) = &mut held.link {
                link.end().await;
            }
            held.link = None;
            held.peer.session.start_over();
        }
        let Some(target) = self.target.take() else { return Err(self.failed(OpenKind::Closed)) };
        let link = Link::open(target, &self.shared.server, self.shared.options.max_line, rt)
            .map_err(|error| self.failed(OpenKind::Spawn(error)))?;
        self.connect(link)
    }

    pub(super) fn failed(&self, kind: OpenKind) -> OpenError {
        let noise = self.held.as_ref().and_then(|held| held.peer.session.noise().first());
        let noise = noise.map(str::to_owned);
        OpenError::new(&self.shared.server, self.shared.command.as_deref(), kind, noise)
    }

    /// Speaks with the server until it is to be closed, or is gone.
    async fn talk(&mut self, inbox: &mut Inbox<Infallible>, children: &Spawner<Failure>) -> Result<(), Gone> {
        let Connection { shared, held, roots, ending, .. } = self;
        // There are both: it has been opened.
        let Some((held, rt)) = held.take().zip(shared.clock.get()) else { return Ok(()) };
        shared.hatch.lay(held);
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
            let mut held = std::task::ready!(shared.hatch.poll_take(cx));
            let Held { peer, link: Some(link), alone, .. } = &mut *held else { return Poll::Ready(None) };
            let received = peer.session.traffic().received;
            let others = peer.others_woken(cx);
            let mut closing = Poll::Pending;
            if let Some(others) = &others {
                let cx = &mut Context::from_waker(others);
                // Looked at first: what has come before that is read yet.
                closing = to_be_closed.as_mut().poll(cx);
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
            } else {
                Inbox::<Infallible>::note_waiting();
            }
            if let Poll::Ready(gone) = peer.poll(link, others.is_some(), rt, children, &mut respond, cx) {
                // First: whoever is told next may look there.
                let _ = shared.fate.set(Fate::Lost(gone.clone()));
                peer.session.lost(&gone);
                // Those who have just asked are told the same.
                peer.take(rt);
                return Poll::Ready(Some(gone));
            }
            *alone = peer.session.traffic().received <= received + 1;
            if !*alone {
                // Several who were answered at once will most likely call again at once: what they leave goes out together,
                // when they have had their turn.
                peer.attend();
            }
            if held.take_back_of_gone() {
                cx.waker().wake_by_ref();
            }
            closing.map(|_| None)
        })
        .await;
        let Some(gone) = gone else { return Ok(()) };
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
            let mut held = poll_fn(|cx| self.shared.hatch.poll_take(cx)).await;
            held.peer.cancel_requests("the connection is over");
            Ok(talked)
        })
        .named("requests")
        .await?;
        Ok(talked?)
    }

    async fn end(&mut self, exit: Exit) -> CloseReport {
        self.shared.course.go(State::Closing);
        self.shared.errands.close();
        if self.held.is_none() {
            self.held = poll_fn(|cx| self.shared.hatch.poll_take(cx)).await.keep();
        }
        let held = self.held.as_deref_mut();
        let (mut unanswered, mut traffic, mut ended) = (0, Traffic::default(), Ended::default());
        if let Some(Held { peer, link, .. }) = held {
            unanswered = peer.close();
            if let Some(link) = link {
                ended = link.end().await;
            }
            traffic = peer.session.traffic();
        }
        let Ended { process, stderr_tail, stderr_dropped } = ended;
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
            traffic,
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        // What there is of the server goes with this, and whoever waits for it is told.
        self.held = None;
        self.shared.hatch.close();
        self.shared.desk.end();
        self.shared.course.finish();
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").field("held", &self.held).finish_non_exhaustive()
    }
}
