//! What a service's task and its handles share.

use std::fmt;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, Location, catch_unwind, resume_unwind};
use std::pin::pin;
use std::sync::{Arc, PoisonError};

use crate::error::SpawnError;
use crate::failure::Failure;
use crate::name::Name;
use crate::raw::frame;
use crate::reason::{CancelCause, CancelReason};
use crate::requests::Requests;
use crate::rt;
use crate::scope::{Closable, Part, Scope};
use crate::service::{CloseError, Service, ServiceError};
use crate::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use crate::sync::{Listen as Event, Mutex, MutexGuard, OnceLock};
use crate::task::at_checkpoint;
use crate::waits::At;

/// Why a service ended, or did not answer.
#[derive(Clone)]
pub(crate) enum Why {
    Asked,
    OpenFailed(Arc<Failure>),
    Failed(Arc<Failure>),
    Panicked(Name),
    Cancelled(CancelReason),
    NotStarted(SpawnError),
    Aborted,
    Unanswered,
    WouldBlock,
}

impl Why {
    pub(crate) fn error(self, name: &Name) -> ServiceError {
        ServiceError::new(name.clone(), self)
    }
}

pub(crate) struct End<R> {
    pub(crate) why: Why,
    /// What `end` returned, or why that did not come to its end.
    pub(crate) report: Result<Arc<R>, Why>,
}

impl<R> Clone for End<R> {
    fn clone(&self) -> Self {
        End { why: self.why.clone(), report: self.report.clone() }
    }
}

impl<R> End<R> {
    pub(crate) fn report(self, name: &Name) -> Result<Arc<R>, CloseError> {
        self.report.map_err(|cut| CloseError::no_report(name.clone(), self.why, cut))
    }
}

const POLLED: usize = 1;
const PUZZLED: usize = 2;

/// The shared part. `closing` is set before `asked` is notified, `state` changes before `changed` is.
pub(crate) struct Core<S: Service> {
    pub(crate) name: Name,
    pub(crate) runtime: Option<rt::Handle>,
    pub(crate) requests: Arc<Requests<S::Request>>,
    stop: Arc<Stop>,
    changed: Event,
    /// [`POLLED`] while the service's task is being polled, and [`PUZZLED`] for each who waits, by `polled`, until it no
    /// longer is.
    polls: AtomicUsize,
    polled: Event,
    state: Mutex<State<S>>,
    /// The service's own scope, to tell whether a caller is within it.
    scope: OnceLock<Arc<Scope>>,
}

struct State<S: Service> {
    info: Option<Arc<S::Info>>,
    /// Why it is ending, known before it has ended: for those who ask meanwhile.
    ending: Option<Why>,
    end: Option<End<S::Report>>,
    /// Scopes in which its opening was given up, which wait for its end.
    waiting: Vec<Arc<Scope>>,
}

struct Stop {
    closing: AtomicBool,
    asked: Event,
}

impl Stop {
    fn is_asked(&self) -> bool {
        self.closing.load(Ordering::Acquire)
    }

    async fn asked(&self) {
        while !self.is_asked() {
            let asked = self.asked.listen();
            if self.is_asked() {
                return;
            }
            asked.await;
        }
    }
}

pub(crate) fn pair<S: Service>(
    name: Name,
    backlog: usize,
    runtime: Option<rt::Handle>,
) -> (Arc<Core<S>>, Inbox<S::Request>) {
    let requests = Arc::new(Requests::new(backlog));
    let stop = Arc::new(Stop { closing: AtomicBool::new(false), asked: Event::new() });
    let core = Core {
        name,
        runtime,
        requests: requests.clone(),
        stop: stop.clone(),
        changed: Event::new(),
        polls: AtomicUsize::new(0),
        polled: Event::new(),
        state: Mutex::new(State { info: None, ending: None, end: None, waiting: Vec::new() }),
        scope: OnceLock::new(),
    };
    (Arc::new(core), Inbox { requests, empty: false, stop })
}

impl<S: Service> Closable for Core<S> {
    fn begin_close(&self) {
        Core::begin_close(self);
    }
}

impl<S: Service> Core<S> {
    fn lock(&self) -> MutexGuard<'_, State<S>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn begin_close(&self) {
        self.stop.closing.store(true, Ordering::Release);
        // A request that is not in the queue yet will not be: who waits for a place is told.
        self.requests.close();
        self.stop.asked.notify();
    }

    pub(crate) async fn closing(&self) {
        self.stop.asked().await;
    }

    pub(crate) fn set_scope(&self, scope: Arc<Scope>) {
        let _ = self.scope.set(scope);
    }

    pub(crate) fn opened(&self, info: S::Info) {
        self.lock().info = Some(Arc::new(info));
        self.changed.notify();
    }

    /// Asks for the end for a reason of the service's own.
    pub(crate) fn begin_end(&self, why: &Why) {
        self.lock().ending.get_or_insert_with(|| why.clone());
        self.begin_close();
    }

    /// Has the scope that this is called in wait until the service has ended.
    pub(crate) fn have_waited_for(&self) {
        let mut around = frame::here(|place| place.map(|(_, scope)| scope.make()));
        if self.scope.get().is_some_and(frame::here_is_within) {
            // Its own subtree: that ends with it.
            return;
        }
        while let Some(scope) = around {
            if scope.admit(Part::Child).is_ok() {
                let mut state = self.lock();
                if state.end.is_none() {
                    state.waiting.push(scope);
                } else {
                    drop(state);
                    scope.leave(Part::Child);
                }
                return;
            }
            around = scope.parent().cloned();
        }
    }

    pub(crate) fn end(&self, why: Why, report: Result<S::Report, Why>) {
        self.begin_close();
        let waiting;
        {
            let mut state = self.lock();
            if state.end.is_some() {
                return;
            }
            state.end = Some(End { why, report: report.map(Arc::new) });
            waiting = std::mem::take(&mut state.waiting);
        }
        // Those of a task that was taken away, too: who asked is told, now that it is known why.
        let cleared = catch_unwind(AssertUnwindSafe(|| self.requests.clear()));
        self.changed.notify();
        for scope in waiting {
            scope.leave(Part::Child);
        }
        if let Err(payload) = cleared {
            resume_unwind(payload);
        }
    }

    /// Ends what it is doing now: it is asked to close, and has not got the time to do so by itself.
    pub(crate) fn cut_short(&self, text: String, location: &'static Location<'static>) {
        if let Some(scope) = self.scope.get() {
            scope.cancel(CancelCause::Explicit, Name::from(text), location);
        }
    }

    /// Whether the calling thread may wait for the service.
    pub(crate) fn check_can_block(&self) -> Result<(), ServiceError> {
        if self.runtime.as_ref().is_none_or(|runtime| runtime.can_block()) {
            return Ok(());
        }
        Err(Why::WouldBlock.error(&self.name))
    }

    /// Its task was dropped before it began, which `end` has heard of: it says more than that.
    pub(crate) fn not_started(&self, error: SpawnError) {
        self.lock().end = None;
        self.end(Why::NotStarted(error.clone()), Err(Why::NotStarted(error)));
    }

    pub(crate) fn is_closing(&self) -> bool {
        self.stop.is_asked()
    }

    pub(crate) fn info(&self) -> Option<Arc<S::Info>> {
        self.lock().info.clone()
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.lock().end.is_some()
    }

    pub(crate) fn state_name(&self) -> &'static str {
        let state = self.lock();
        match (&state.end, &state.info) {
            (Some(_), _) => "ended",
            (None, _) if self.stop.is_asked() => "closing",
            (None, Some(_)) => "open",
            (None, None) => "opening",
        }
    }

    /// What one who asks now is told.
    pub(crate) fn error(&self) -> ServiceError {
        let state = self.lock();
        let why = state.end.as_ref().map(|end| &end.why).or(state.ending.as_ref());
        ServiceError::new(self.name.clone(), why.cloned().unwrap_or(Why::Asked))
    }

    /// What one whose reply was dropped is told: why the service ends, if that is the reason.
    ///
    /// A service that fails drops its replies first and says why at the end of that very poll: so that is waited for.
    pub(crate) async fn unanswered(&self) -> ServiceError {
        struct Puzzled<'a>(&'a AtomicUsize);
        impl Drop for Puzzled<'_> {
            fn drop(&mut self) {
                self.0.fetch_sub(PUZZLED, Ordering::AcqRel);
            }
        }
        self.polls.fetch_add(PUZZLED, Ordering::AcqRel);
        let _puzzled = Puzzled(&self.polls);
        loop {
            let polled = self.polled.listen();
            let in_poll = self.polls.load(Ordering::Acquire) & POLLED != 0;
            let why = {
                let state = self.lock();
                state.end.as_ref().map(|end| end.why.clone()).or_else(|| state.ending.clone())
            };
            match why {
                Some(why) => return why.error(&self.name),
                None if in_poll => polled.await,
                None if self.stop.is_asked() => return Why::Asked.error(&self.name),
                None => return Why::Unanswered.error(&self.name),
            }
        }
    }

    /// Marks the beginning and the end of a poll of the service's task.
    pub(crate) fn in_poll<R>(&self, poll: impl FnOnce() -> R) -> R {
        struct Over<'a>(&'a AtomicUsize, &'a Event);
        impl Drop for Over<'_> {
            fn drop(&mut self) {
                if self.0.fetch_sub(POLLED, Ordering::AcqRel) >= PUZZLED {
                    self.1.notify();
                }
            }
        }
        self.polls.fetch_add(POLLED, Ordering::AcqRel);
        let _over = Over(&self.polls, &self.polled);
        poll()
    }

    async fn wait<T>(&self, mut look: impl FnMut(&State<S>) -> Option<T>) -> T {
        loop {
            if let Some(found) = look(&self.lock()) {
                return found;
            }
            let changed = self.changed.listen();
            if let Some(found) = look(&self.lock()) {
                return found;
            }
            changed.await;
        }
    }

    pub(crate) async fn ready(&self) -> Result<Arc<S::Info>, ServiceError> {
        self.wait(|state| match (&state.end, &state.info) {
            (Some(end), _) => Some(Err(end.why.clone().error(&self.name))),
            (None, Some(info)) => Some(Ok(info.clone())),
            (None, None) => None,
        })
        .await
    }

    pub(crate) async fn ended(&self) -> End<S::Report> {
        self.wait(|state| state.end.clone()).await
    }

    pub(crate) fn ended_blocking(&self) -> End<S::Report> {
        loop {
            let changed = self.changed.listen();
            if let Some(end) = self.lock().end.clone() {
                return end;
            }
            changed.wait();
        }
    }

    /// Whether the caller runs in the service's own subtree, and would wait for itself.
    pub(crate) fn check_not_within(&self) -> Result<(), CloseError> {
        let Some(own) = self.scope.get() else { return Ok(()) };
        let mut at = frame::here(|place| place.map(|(_, scope)| scope.make()));
        while let Some(scope) = at {
            if Arc::ptr_eq(&scope, own) {
                return Err(CloseError::from_within(self.name.clone()));
            }
            at = scope.parent().cloned();
        }
        Ok(())
    }
}

/// The requests of a service, for the one task that serves them.
pub struct Inbox<R> {
    requests: Arc<Requests<R>>,
    /// Nothing was left when one was taken the last time.
    empty: bool,
    stop: Arc<Stop>,
}

impl<R> Inbox<R> {
    /// The next request; `None` once the end has been asked for: by a handle, by the last handle's drop, or by the scope.
    /// Requests that wait then are refused.
    ///
    /// # Cancel safety
    /// Dropped before it is ready, no request is lost.
    pub async fn next(&mut self) -> Option<R> {
        at_checkpoint(At::Inbox, poll_fn(|cx| self.requests.poll_take(&mut self.empty, cx))).await
    }

    /// Notes for the [tree](crate::tree) that the code that runs here waits for the next request: for a service that polls
    /// what [`next`](Inbox::next) has returned only when that was woken. It holds for the poll in which it is called.
    pub fn note_waiting() {
        frame::note_wait(At::Inbox, None);
    }

    /// The next request if one waits.
    pub fn try_next(&mut self) -> Option<R> {
        if self.is_closing() { None } else { self.requests.try_take() }
    }

    /// Whether the end has been asked for.
    pub fn is_closing(&self) -> bool {
        self.stop.is_asked()
    }

    /// Waits until the end has been asked for.
    ///
    /// # Cancel safety
    /// Nothing to lose.
    pub async fn closing(&self) {
        // No checkpoint: in a cancelled scope it tells of the end too.
        let mut asked = pin!(self.stop.asked());
        poll_fn(|cx| {
            let polled = asked.as_mut().poll(cx);
            if polled.is_pending() {
                frame::note_wait(At::Inbox, None);
            }
            polled
        })
        .await;
    }

    /// Refuses what waits.
    pub(crate) fn shut(&mut self) {
        self.requests.close();
        self.requests.clear();
    }
}

impl<R> fmt::Debug for Inbox<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inbox").field("waiting", &self.requests.len()).field("closing", &self.is_closing()).finish()
    }
}
