use std::fmt;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::Duration;

use serde_json::Value;

use super::handlers::ClientHandlers;
use super::{NotificationBounds, Notifications, Subscriber};
use crate::Era;
use crate::model::{Implementation, LoggingLevel, Object, meta_key};
use crate::session::{LONGEST, ServedBounds, Settings, Side};
use crate::wire::Wire;

/// What is kept for one who listens, unless set otherwise.
const NOTIFICATION_BYTES: usize = 16 * 1024 * 1024;

/// How a [`Client`](crate::Client) behaves: times, bounds, and who may watch.
///
/// ```
/// use std::time::Duration;
/// use scope_mcp::ClientOptions;
/// let options = ClientOptions::default().open_timeout(Duration::from_secs(30));
/// # let _ = options;
/// ```
#[derive(Clone)]
#[non_exhaustive]
pub struct ClientOptions {
    /// From starting the process to the end of whatever there is to agree upon. Unless set: 10 s.
    pub open_timeout: Duration,
    /// Which era the server belongs to. Unless set, that is found out: it is asked by `server/discover`, and by
    /// `initialize` if it does not answer as one of the modern era does. A server that ends when it is asked so is started
    /// again.
    pub era: Option<Era>,
    /// How long a server may take to answer `server/discover` before it is asked by `initialize` as well; whichever it
    /// answers properly first counts. Unless set: 3 s.
    pub probe_timeout: Duration,
    /// For a call, from its arrival at the connection to its answer, waiting included; for
    /// [`list_tools`](crate::Client::list_tools) and its kind, all pages together. Unless set: 60 s. No more than
    /// [a year](ClientOptions::LONGEST) counts.
    pub call_timeout: Duration,
    /// The longest that a call can take whose [progress](CallOptions::with_progress) is heard of: progress starts the
    /// call's time-out anew, but does not go beyond this. Unless set: 10 minutes. Never less than the time-out itself.
    pub max_call_timeout: Duration,
    /// The longest line that is read, in bytes. A longer one is dropped, and the call it answers fails with
    /// [`CallError::is_too_long`](crate::CallError::is_too_long). Unless set: 64 MiB.
    pub max_line: usize,
    /// How many calls the server may have at a time. Further ones wait. Unless set: 1024. At least 1.
    pub max_in_flight: usize,
    /// How many calls may wait for that, or for a server that does not read. Further ones fail at once with
    /// [`CallError::is_busy`](crate::CallError::is_busy). Unless set: 65 536.
    pub max_waiting: usize,
    /// How many bytes of requests may wait in those calls. Unless set: 256 MiB.
    pub max_waiting_bytes: usize,
    /// How many requests of the server are answered at a time. Further ones wait. Unless set: 64. At least 1.
    pub max_requests: usize,
    /// How many requests of the server may wait for that. Further ones are refused (-32000). Unless set: 1024.
    pub max_requests_waiting: usize,
    /// How many notifications are kept for each [subscriber](crate::Client::notifications). When there are more, the
    /// oldest go. Unless set: 1024. At least 1.
    pub max_notifications: usize,
    /// How many bytes those may have, likewise; a single one may have more. Unless set: 16 MiB.
    pub max_notification_bytes: usize,
    /// How many items a list may have: tools, resources, templates or prompts, over all pages. A longer one is
    /// [endless](crate::CallError::is_endless). Unless set: 100 000.
    pub max_items: usize,
    /// How many pages a list may have, likewise. Unless set: 1000.
    pub max_pages: usize,
    /// How many bytes the pages of a list may have together, as they came, likewise. Unless set: 256 MiB.
    pub max_list_bytes: usize,
    /// How often a server of the modern era may ask for input before it has done one call, or one task. Unless set: 16. At
    /// least 1. It may ask a hundred questions at once, of which eight are put to handlers at a time.
    pub max_rounds: u32,
    /// How long [`ToolTask::wait`](crate::ToolTask::wait) waits. Unless set: an hour.
    pub task_timeout: Duration,
    /// The longest question with a [form](ClientOptions::on_elicitation), or an address, that a server may ask, in bytes.
    /// Unless set: 64 KiB.
    pub max_form_bytes: usize,
    /// How this client introduces itself.
    pub client_info: Implementation,
    /// Gets every line both ways.
    pub wire: Option<Arc<dyn Wire>>,
    /// What it answers when a server asks.
    pub(crate) handlers: ClientHandlers,
}

impl ClientOptions {
    /// No time-out is longer than this: 365 days.
    pub const LONGEST: Duration = LONGEST;

    /// Sets [`open_timeout`](ClientOptions::open_timeout).
    #[must_use]
    pub fn open_timeout(mut self, timeout: Duration) -> Self {
        self.open_timeout = timeout;
        self
    }

    /// Sets [`era`](ClientOptions::era).
    #[must_use]
    pub fn era(mut self, era: Era) -> Self {
        self.era = Some(era);
        self
    }

    /// Sets [`probe_timeout`](ClientOptions::probe_timeout).
    #[must_use]
    pub fn probe_timeout(mut self, timeout: Duration) -> Self {
        self.probe_timeout = timeout;
        self
    }

    /// Sets [`call_timeout`](ClientOptions::call_timeout).
    #[must_use]
    pub fn call_timeout(mut self, timeout: Duration) -> Self {
        self.call_timeout = timeout;
        self
    }

    /// Sets [`max_call_timeout`](ClientOptions::max_call_timeout).
    #[must_use]
    pub fn max_call_timeout(mut self, timeout: Duration) -> Self {
        self.max_call_timeout = timeout;
        self
    }

    /// Sets [`max_requests`](ClientOptions::max_requests).
    #[must_use]
    pub fn max_requests(mut self, requests: usize) -> Self {
        self.max_requests = requests;
        self
    }

    /// Sets [`max_requests_waiting`](ClientOptions::max_requests_waiting).
    #[must_use]
    pub fn max_requests_waiting(mut self, requests: usize) -> Self {
        self.max_requests_waiting = requests;
        self
    }

    /// Sets [`max_line`](ClientOptions::max_line).
    #[must_use]
    pub fn max_line(mut self, bytes: usize) -> Self {
        self.max_line = bytes;
        self
    }

    /// Sets [`max_in_flight`](ClientOptions::max_in_flight).
    #[must_use]
    pub fn max_in_flight(mut self, calls: usize) -> Self {
        self.max_in_flight = calls;
        self
    }

    /// Sets [`max_waiting`](ClientOptions::max_waiting).
    #[must_use]
    pub fn max_waiting(mut self, calls: usize) -> Self {
        self.max_waiting = calls;
        self
    }

    /// Sets [`max_waiting_bytes`](ClientOptions::max_waiting_bytes).
    #[must_use]
    pub fn max_waiting_bytes(mut self, bytes: usize) -> Self {
        self.max_waiting_bytes = bytes;
        self
    }

    /// Sets [`max_notifications`](ClientOptions::max_notifications).
    #[must_use]
    pub fn max_notifications(mut self, count: usize) -> Self {
        self.max_notifications = count;
        self
    }

    /// Sets [`max_notification_bytes`](ClientOptions::max_notification_bytes).
    #[must_use]
    pub fn max_notification_bytes(mut self, bytes: usize) -> Self {
        self.max_notification_bytes = bytes;
        self
    }

    /// Sets [`max_items`](ClientOptions::max_items).
    #[must_use]
    pub fn max_items(mut self, items: usize) -> Self {
        self.max_items = items;
        self
    }

    /// Sets [`max_pages`](ClientOptions::max_pages).
    #[must_use]
    pub fn max_pages(mut self, pages: usize) -> Self {
        self.max_pages = pages;
        self
    }

    /// Sets [`max_rounds`](ClientOptions::max_rounds).
    #[must_use]
    pub fn max_rounds(mut self, rounds: u32) -> Self {
        self.max_rounds = rounds;
        self
    }

    /// Sets [`task_timeout`](ClientOptions::task_timeout).
    #[must_use]
    pub fn task_timeout(mut self, timeout: Duration) -> Self {
        self.task_timeout = timeout;
        self
    }

    /// Sets [`max_form_bytes`](ClientOptions::max_form_bytes).
    #[must_use]
    pub fn max_form_bytes(mut self, bytes: usize) -> Self {
        self.max_form_bytes = bytes;
        self
    }

    /// Sets [`max_list_bytes`](ClientOptions::max_list_bytes).
    #[must_use]
    pub fn max_list_bytes(mut self, bytes: usize) -> Self {
        self.max_list_bytes = bytes;
        self
    }

    /// Sets [`client_info`](ClientOptions::client_info).
    #[must_use]
    pub fn client_info(mut self, info: Implementation) -> Self {
        self.client_info = info;
        self
    }

    pub(crate) fn notifications(&self) -> NotificationBounds {
        NotificationBounds { count: self.max_notifications, bytes: self.max_notification_bytes }
    }

    pub(crate) fn settings(&self) -> Settings {
        Settings {
            side: Side::Client,
            max_in_flight: self.max_in_flight,
            max_waiting: self.max_waiting,
            max_waiting_bytes: self.max_waiting_bytes,
            max_line: self.max_line,
            served: ServedBounds {
                max_running: self.max_requests.max(1),
                max_arrived: self.max_requests_waiting,
                max_bytes: self.max_waiting_bytes,
            },
            wire: self.wire.clone(),
        }
    }

    /// Sets [`wire`](ClientOptions::wire).
    #[must_use]
    pub fn wire(mut self, wire: Arc<dyn Wire>) -> Self {
        self.wire = Some(wire);
        self
    }
}

impl Default for ClientOptions {
    fn default() -> Self {
        ClientOptions {
            open_timeout: Duration::from_secs(10),
            era: None,
            probe_timeout: Duration::from_secs(3),
            call_timeout: Duration::from_secs(60),
            max_call_timeout: Duration::from_secs(600),
            max_line: 64 * 1024 * 1024,
            max_requests: 64,
            max_requests_waiting: 1024,
            max_in_flight: 1024,
            max_waiting: 65_536,
            max_waiting_bytes: 256 * 1024 * 1024,
            max_notifications: 1024,
            max_notification_bytes: NOTIFICATION_BYTES,
            max_items: 100_000,
            max_pages: 1000,
            max_list_bytes: 256 * 1024 * 1024,
            max_rounds: 16,
            task_timeout: Duration::from_secs(60 * 60),
            max_form_bytes: 64 * 1024,
            client_info: Implementation::new("scope-mcp", env!("CARGO_PKG_VERSION")),
            wire: None,
            handlers: ClientHandlers::default(),
        }
    }
}

impl fmt::Debug for ClientOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientOptions")
            .field("open_timeout", &self.open_timeout)
            .field("call_timeout", &self.call_timeout)
            .field("max_line", &self.max_line)
            .field("max_in_flight", &self.max_in_flight)
            .field("max_waiting", &self.max_waiting)
            .field("client_info", &self.client_info)
            .field("wire", &self.wire.is_some())
            .field("handlers", &self.handlers)
            .finish_non_exhaustive()
    }
}

/// What one call wants otherwise than [`ClientOptions`] say.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct CallOptions {
    /// Instead of [`ClientOptions::call_timeout`].
    pub timeout: Option<Duration>,
    /// Instead of [`ClientOptions::max_call_timeout`].
    pub max_timeout: Option<Duration>,
    /// More entries for the request's `_meta`, such as a trace context (`traceparent`, `tracestate`, `baggage`). What the
    /// protocol itself has there stands over them.
    pub meta: Object,
    /// Of a [raw call](crate::Client::request_raw_with): whether what a modern server answers first is returned as it is,
    /// also if it needs input to go on. For those who pass it on. Typed calls take no notice.
    pub one_round: bool,
    /// See [`with_progress`](CallOptions::with_progress).
    progress: Option<Arc<Mutex<Option<Arc<Subscriber>>>>>,
}

impl CallOptions {
    /// As the client's options say.
    pub fn new() -> Self {
        CallOptions::default()
    }

    /// As [`new`](CallOptions::new), made once.
    pub(super) fn usual() -> &'static CallOptions {
        static USUAL: LazyLock<CallOptions> = LazyLock::new(CallOptions::new);
        &USUAL
    }

    /// Sets [`timeout`](CallOptions::timeout).
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Sets [`max_timeout`](CallOptions::max_timeout).
    #[must_use]
    pub fn max_timeout(mut self, timeout: Duration) -> Self {
        self.max_timeout = Some(timeout);
        self
    }

    /// Sets [`one_round`](CallOptions::one_round).
    #[must_use]
    pub fn one_round(mut self, only: bool) -> Self {
        self.one_round = only;
        self
    }

    /// Adds an entry to [`meta`](CallOptions::meta).
    #[must_use]
    pub fn meta(mut self, key: impl Into<String>, value: impl Into<Value>) -> Self {
        self.meta.insert(key.into(), value.into());
        self
    }

    /// Asks the server to log, while it is at this call, what is at least that important. For the revision 2026-07-28; for
    /// those before there is [`set_log_level`](crate::Client::set_log_level).
    #[must_use]
    pub fn log_level(self, level: LoggingLevel) -> Self {
        self.meta(meta_key::LOG_LEVEL, level.as_str())
    }

    /// Asks the server to report the call's progress, which is to be heard of in what comes back, and there only: in order,
    /// before the answer is there, and until the call is over. It keeps the latest `max`, of 16 MiB. Progress starts the call's
    /// time-out anew.
    ///
    /// For one call: of several that are made with these options, or a copy, the first has it. Where none is made, because
    /// its parameters are not JSON, it ends when they all have been dropped.
    #[must_use]
    pub fn with_progress(mut self, max: usize) -> (Self, Notifications) {
        let (subscriber, notifications) =
            Subscriber::pair(NotificationBounds { count: max, bytes: NOTIFICATION_BYTES });
        self.progress = Some(Arc::new(Mutex::new(Some(Arc::new(subscriber)))));
        (self, notifications)
    }

    pub(super) fn take_progress(&self) -> Option<Arc<Subscriber>> {
        self.progress.as_ref()?.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// What holds for a single request that is made with these.
    pub(super) fn terms(&self, defaults: &ClientOptions) -> Terms<'_> {
        Terms {
            timeout: self.timeout.unwrap_or(defaults.call_timeout),
            max_timeout: self.max_timeout.unwrap_or(defaults.max_call_timeout),
            progress: self.take_progress(),
            meta: &self.meta,
        }
    }

    /// Whether a request that is made with these says nothing more than what it is about.
    pub(super) fn say_nothing(&self) -> bool {
        self.meta.is_empty() && self.progress.is_none()
    }

    /// For one round of a call of several, which all tell the same of their progress.
    pub(super) fn round(&self, timeout: Duration, max_timeout: Duration, progress: Option<Arc<Subscriber>>) -> Self {
        CallOptions {
            timeout: Some(timeout),
            max_timeout: Some(max_timeout),
            progress: progress.map(|progress| Arc::new(Mutex::new(Some(progress)))),
            ..self.clone()
        }
    }
}

/// What holds for one request.
pub(super) struct Terms<'a> {
    pub(super) timeout: Duration,
    pub(super) max_timeout: Duration,
    pub(super) progress: Option<Arc<Subscriber>>,
    pub(super) meta: &'a Object,
}

impl Terms<'_> {
    /// How long all rounds of a call may take together: progress gives each its time anew, up to there.
    pub(super) fn limit(&self) -> Duration {
        if self.progress.is_some() { self.max_timeout.max(self.timeout) } else { self.timeout }
    }

    /// For one more request of the same call.
    pub(super) fn again(&self) -> Self {
        Terms { progress: self.progress.clone(), ..*self }
    }
}
