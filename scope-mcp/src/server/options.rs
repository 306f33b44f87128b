use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::tasks::TaskBounds;
use crate::session::{ServedBounds, Settings, Side};
use crate::wire::Wire;

/// How one connection is served: times, bounds, and who may watch.
#[derive(Clone)]
#[non_exhaustive]
pub struct ServeOptions {
    /// How the client is called in messages and reports. Unless set: `client`.
    pub client_name: String,
    /// When the client says no more, or the connection is closed on this side: how long requests that run may take to
    /// their end, and their answers to go out. Then they are cancelled. Unless set: 1 s, for the usual clients kill a
    /// server 2 s after they have closed its input.
    pub drain: Duration,
    /// How long the client may take to answer a question, in the legacy era: a person may have to be asked. Unless set:
    /// 10 minutes.
    pub ask_timeout: Duration,
    /// How many requests run at a time. Further ones wait. Unless set: 256. At least 1.
    pub max_requests: usize,
    /// How many requests may wait for that. Further ones are refused (-32000). Unless set: 4096.
    pub max_requests_waiting: usize,
    /// How many bytes the parameters of all requests that wait or run may have. What would go beyond is refused likewise.
    /// Unless set: 256 MiB.
    pub max_waiting_bytes: usize,
    /// How many subscriptions (`subscriptions/listen`) there may be. Further ones are refused (-32000). They count as
    /// requests that run. Unless set: 64.
    pub max_subscriptions: usize,
    /// How many tasks are kept, those that are over included, until their time is. Further calls that would become one are
    /// refused (-32000). Unless set: 256.
    pub max_tasks: usize,
    /// The longest time that a task is kept, from its beginning; one that runs still is cancelled then. A client can ask
    /// for less. Unless set: an hour.
    pub task_lifetime: Duration,
    /// How long a client should wait before it asks again how far a task is. Unless set: 1 s.
    pub task_poll_interval: Duration,
    /// How many questions to the client there may be at a time. Further ones wait. Unless set: 64. At least 1.
    pub max_questions: usize,
    /// The longest line that is read, in bytes. A longer one is dropped, and refused (-32600). Unless set: 64 MiB.
    pub max_line: usize,
    /// Gets every line both ways.
    pub wire: Option<Arc<dyn Wire>>,
}

impl ServeOptions {
    /// Sets [`client_name`](ServeOptions::client_name).
    #[must_use]
    pub fn client_name(mut self, name: impl Into<String>) -> Self {
        self.client_name = name.into();
        self
    }

    /// Sets [`drain`](ServeOptions::drain).
    #[must_use]
    pub fn drain(mut self, time: Duration) -> Self {
        self.drain = time;
        self
    }

    /// Sets [`ask_timeout`](ServeOptions::ask_timeout).
    #[must_use]
    pub fn ask_timeout(mut self, timeout: Duration) -> Self {
        self.ask_timeout = timeout;
        self
    }

    /// Sets [`max_requests`](ServeOptions::max_requests).
    #[must_use]
    pub fn max_requests(mut self, requests: usize) -> Self {
        self.max_requests = requests;
        self
    }

    /// Sets [`max_requests_waiting`](ServeOptions::max_requests_waiting).
    #[must_use]
    pub fn max_requests_waiting(mut self, requests: usize) -> Self {
        self.max_requests_waiting = requests;
        self
    }

    /// Sets [`max_waiting_bytes`](ServeOptions::max_waiting_bytes).
    #[must_use]
    pub fn max_waiting_bytes(mut self, bytes: usize) -> Self {
        self.max_waiting_bytes = bytes;
        self
    }

    /// Sets [`max_subscriptions`](ServeOptions::max_subscriptions).
    #[must_use]
    pub fn max_subscriptions(mut self, subscriptions: usize) -> Self {
        self.max_subscriptions = subscriptions;
        self
    }

    /// Sets [`max_tasks`](ServeOptions::max_tasks).
    #[must_use]
    pub fn max_tasks(mut self, tasks: usize) -> Self {
        self.max_tasks = tasks;
        self
    }

    /// Sets [`task_lifetime`](ServeOptions::task_lifetime).
    #[must_use]
    pub fn task_lifetime(mut self, lifetime: Duration) -> Self {
        self.task_lifetime = lifetime;
        self
    }

    /// Sets [`task_poll_interval`](ServeOptions::task_poll_interval).
    #[must_use]
    pub fn task_poll_interval(mut self, interval: Duration) -> Self {
        self.task_poll_interval = interval;
        self
    }

    /// Sets [`max_questions`](ServeOptions::max_questions).
    #[must_use]
    pub fn max_questions(mut self, questions: usize) -> Self {
        self.max_questions = questions;
        self
    }

    /// Sets [`max_line`](ServeOptions::max_line).
    #[must_use]
    pub fn max_line(mut self, bytes: usize) -> Self {
        self.max_line = bytes;
        self
    }

    /// Sets [`wire`](ServeOptions::wire).
    #[must_use]
    pub fn wire(mut self, wire: Arc<dyn Wire>) -> Self {
        self.wire = Some(wire);
        self
    }

    pub(super) fn task_bounds(&self) -> TaskBounds {
        TaskBounds { max: self.max_tasks, longest: self.task_lifetime, poll_interval: self.task_poll_interval }
    }

    pub(super) fn settings(&self) -> Settings {
        Settings {
            side: Side::Server,
            max_in_flight: self.max_questions,
            // Each is asked by a request that runs, and those are bounded.
            max_waiting: usize::MAX,
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
}

impl Default for ServeOptions {
    fn default() -> Self {
        ServeOptions {
            client_name: "client".to_owned(),
            drain: Duration::from_secs(1),
            ask_timeout: Duration::from_secs(600),
            max_requests: 256,
            max_requests_waiting: 4096,
            max_waiting_bytes: 256 * 1024 * 1024,
            max_subscriptions: 64,
            max_tasks: 256,
            task_lifetime: Duration::from_secs(60 * 60),
            task_poll_interval: Duration::from_secs(1),
            max_questions: 64,
            max_line: 64 * 1024 * 1024,
            wire: None,
        }
    }
}

impl fmt::Debug for ServeOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServeOptions")
            .field("client_name", &self.client_name)
            .field("drain", &self.drain)
            .field("max_requests", &self.max_requests)
            .field("max_line", &self.max_line)
            .field("wire", &self.wire.is_some())
            .finish_non_exhaustive()
    }
}
