//! What a connection, its handles and its handlers have in common.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use event_listener::Event;
use scope_core::{Failure, Spawner, rt};

use super::caller::Caller;
use super::changes::Changes;
use super::tasks::Tasks;
use super::{ServeOptions, Server};
use crate::client::Subscribers;
use crate::peer::Desk;
use crate::session::Abandoned;
use crate::state::Course;

/// See the [module](self).
#[derive(Debug)]
pub(crate) struct Shared {
    /// How the client is called in messages.
    pub(crate) client: Arc<str>,
    pub(crate) server: Server,
    pub(crate) options: ServeOptions,
    pub(crate) desk: Arc<Desk>,
    pub(crate) abandoned: Arc<Abandoned>,
    pub(crate) course: Arc<Course>,
    pub(crate) subscribers: Arc<Subscribers>,
    /// Of the legacy era: what `initialize` said.
    pub(crate) legacy: OnceLock<Arc<Caller>>,
    /// Of the legacy era: what the client is told of.
    pub(crate) changes: Changes,
    pub(crate) rt: OnceLock<rt::Handle>,
    /// Where tasks run; there once the connection is served.
    pub(crate) children: OnceLock<Spawner<Failure>>,
    pub(crate) tasks: Tasks,
    pub(crate) closing: Closing,
    next_id: AtomicU64,
    subscriptions: AtomicUsize,
}

/// Nothing more is begun, and what waits for something to happen ends.
#[derive(Debug, Default)]
pub(crate) struct Closing {
    has_begun: AtomicBool,
    event: Event,
}

/// A place among the subscriptions of a connection.
#[derive(Debug)]
pub(crate) struct Subscription(Arc<Shared>);

impl Shared {
    pub(crate) fn new(server: Server, options: ServeOptions) -> Shared {
        let tasks = Tasks::new(options.task_bounds());
        Shared {
            client: options.client_name.as_str().into(),
            options,
            changes: server.registry().watch(),
            server,
            desk: Desk::new(),
            abandoned: Arc::default(),
            course: Course::new(),
            subscribers: Arc::default(),
            legacy: OnceLock::new(),
            rt: OnceLock::new(),
            children: OnceLock::new(),
            tasks,
            closing: Closing::default(),
            next_id: AtomicU64::new(1),
            subscriptions: AtomicUsize::new(0),
        }
    }

    pub(crate) fn next_id(&self) -> u64 {
        self.next_id.fetch_add(1, Ordering::Relaxed)
    }

    pub(crate) fn ask_timeout(&self) -> Duration {
        self.options.ask_timeout
    }

    /// One more subscription, if there may be.
    pub(crate) fn subscribe(self: &Arc<Self>) -> Option<Subscription> {
        let max = self.options.max_subscriptions;
        let taken = self
            .subscriptions
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |count| (count < max).then_some(count + 1));
        taken.is_ok().then(|| Subscription(Arc::clone(self)))
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.0.subscriptions.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Closing {
    pub(crate) fn begin(&self) {
        self.has_begun.store(true, Ordering::SeqCst);
        self.event.notify(usize::MAX);
    }

    pub(crate) fn has_begun(&self) -> bool {
        self.has_begun.load(Ordering::SeqCst)
    }

    /// Waits until it has begun.
    pub(crate) async fn begun(&self) {
        loop {
            if self.has_begun() {
                return;
            }
            let listener = self.event.listen();
            if self.has_begun() {
                return;
            }
            listener.await;
        }
    }
}
