//! Changes that a server tells of on request: `subscriptions/listen` in the modern era, and what came before it.

use std::borrow::Cow;
use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use futures_util::future::{Either, select};
use futures_util::stream::{self, StreamExt, TryStreamExt};
use serde::{Deserialize, Serialize};

use super::call::{read, write};
use super::connection::Shared;
use super::interest::Interest;
use super::options::Terms;
use super::{CallOptions, Client, ClientOptions, Notifications, ServerInfo};
use crate::Era;
use crate::error::{CallError, CallName, Delivery};
use crate::model::{Notification, SubscriptionFilter};
use crate::session::{Answer, Pending};

/// Resources that a legacy server is asked to tell of at a time.
const AT_A_TIME: usize = 8;

/// What a server tells of changes, since [`Client::listen`] was called.
///
/// It holds a bounded number ([`ClientOptions::max_notifications`]). Whoever reads too slowly loses the oldest, and can
/// [tell](Subscription::missed); reading from the server never waits for it.
///
/// Dropping it ends the subscription: the server is told, and nobody waits for that. It does not keep the connection
/// open.
#[must_use = "dropped, it ends the subscription"]
pub struct Subscription {
    queue: Notifications,
    honoured: SubscriptionFilter,
    source: Source,
    end: Option<SubscriptionEnd>,
}

enum Source {
    /// A call that is answered when the subscription ends. Dropping it cancels the call.
    Listening(Pending<'static>),
    /// In the legacy era they come until the connection ends.
    Watching(Watching),
}

/// The resources that a legacy server was asked to tell of. Dropping it takes that back.
struct Watching {
    shared: Arc<Shared>,
    name: CallName<'static>,
    resources: Vec<String>,
}

impl Drop for Watching {
    fn drop(&mut self) {
        for uri in self.resources.drain(..) {
            self.shared.errands.unwatch(uri);
        }
    }
}

/// Why a [`Subscription`] brings nothing more.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum SubscriptionEnd {
    /// The server has ended it, in order. It may be asked for again.
    Ended,
    /// It failed. The error says why: the connection is over, or the server has [ended](CallError::is_ended) it without
    /// an answer, or with an error.
    Failed(CallError),
}

impl fmt::Display for SubscriptionEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SubscriptionEnd::Ended => f.write_str("the server has ended the subscription"),
            SubscriptionEnd::Failed(error) => error.fmt(f),
        }
    }
}

impl Client {
    /// Has the server tell of changes: in its lists of tools, prompts and resources, and in single resources.
    ///
    /// A server need not tell of all of that: [`honoured`](Subscription::honoured) says of what it does. A legacy server
    /// is asked for each resource by itself (`resources/subscribe`), and does not tell of tasks. With a modern one the
    /// subscription takes one of the [calls](ClientOptions::max_in_flight) that a server may have at a time, as long as it
    /// lasts.
    ///
    /// # Errors
    /// See [`CallError`]. The [time-out](CallOptions::timeout) is for the beginning; the subscription itself has none.
    ///
    /// # Cancel safety
    /// When the future is dropped, the subscription is ended.
    ///
    /// ```no_run
    /// # async fn f(client: scope_mcp::Client) -> Result<(), scope_mcp::CallError> {
    /// use scope_mcp::model::SubscriptionFilter;
    /// let mut changes = client.listen(&SubscriptionFilter::new().tools_list_changed()).await?;
    /// while let Some(change) = changes.next().await {
    ///     println!("{}", change.method());
    /// }
    /// if let Some(end) = changes.end() {
    ///     println!("{end}");
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub async fn listen(&self, filter: &SubscriptionFilter) -> Result<Subscription, CallError> {
        self.listen_with(filter, &CallOptions::default()).await
    }

    /// As [`listen`](Client::listen), with other options.
    ///
    /// # Errors
    /// As [`listen`](Client::listen).
    pub async fn listen_with(
        &self,
        filter: &SubscriptionFilter,
        options: &CallOptions,
    ) -> Result<Subscription, CallError> {
        let name = self.call_name("subscriptions/listen", None);
        let info = self.opened(&name).await?;
        match info.revision.era() {
            Era::Modern => self.listen_modern(&name, filter, options).await,
            Era::Legacy => self.listen_legacy(&name, &info, filter, options).await,
        }
    }

    async fn listen_modern(
        &self,
        name: &CallName<'_>,
        filter: &SubscriptionFilter,
        options: &CallOptions,
    ) -> Result<Subscription, CallError> {
        #[derive(Serialize)]
        struct Params<'a> {
            notifications: &'a SubscriptionFilter,
        }
        #[derive(Deserialize)]
        struct Acknowledged {
            notifications: SubscriptionFilter,
        }
        let allowance = self.allow(options.timeout.unwrap_or(self.shared.options.call_timeout));
        let params = write(name, &Params { notifications: filter })?;
        let id = self.shared.next_id();
        // Before it is sent: nothing that comes for it is lost.
        let mut queue = self.hear(Interest::Subscription(id));
        let without_end = Terms {
            timeout: ClientOptions::LONGEST,
            max_timeout: ClientOptions::LONGEST,
            progress: None,
            meta: &options.meta,
        };
        let begun = async {
            let pending = self.begin(id, name.to_owned(), Some(Cow::Owned(params)), without_end).await?;
            // The beginning first: what has ended already may have begun before, and brought something.
            match select(poll_fn(|cx| queue.poll_beginning(cx)), pending).await {
                Either::Left((Some(acknowledged), pending)) => Ok((acknowledged, pending)),
                // The connection has ended: the call says how.
                Either::Left((None, pending)) => Err(not_begun(name, pending.await)),
                Either::Right((answer, _)) => Err(not_begun(name, answer)),
            }
        };
        let (acknowledged, pending) = self.in_time(name, allowance, begun).await??;
        let Some(params) = acknowledged.params() else {
            return Err(CallError::malformed(name, "the subscription was acknowledged without parameters"));
        };
        let Acknowledged { notifications: honoured } = read(name, params)?;
        Ok(Subscription { queue, honoured, source: Source::Listening(pending), end: None })
    }

    async fn listen_legacy(
        &self,
        name: &CallName<'_>,
        info: &ServerInfo,
        filter: &SubscriptionFilter,
        options: &CallOptions,
    ) -> Result<Subscription, CallError> {
        let mut lists = Vec::new();
        let mut list = |wanted: Option<bool>, capability: &str, method: &'static str| {
            let honoured = wanted == Some(true) && info.capabilities.has_list_changed(capability);
            lists.extend(honoured.then_some(method));
            honoured.then_some(true)
        };
        let mut honoured = SubscriptionFilter::new();
        honoured.tools_list_changed = list(filter.tools_list_changed, "tools", "notifications/tools/list_changed");
        honoured.prompts_list_changed =
            list(filter.prompts_list_changed, "prompts", "notifications/prompts/list_changed");
        honoured.resources_list_changed =
            list(filter.resources_list_changed, "resources", "notifications/resources/list_changed");
        honoured.resource_subscriptions =
            filter.resource_subscriptions.clone().filter(|_| info.capabilities.has_subscriptions());
        let resources = honoured.resource_subscriptions.clone().unwrap_or_default();

        let queue = self.hear(Interest::Changes { lists, resources: resources.iter().cloned().collect() });
        let mut watching = Watching {
            shared: Arc::clone(&self.shared),
            name: name.to_owned(),
            resources: Vec::with_capacity(resources.len()),
        };
        for uri in &resources {
            self.shared.errands.watch(uri);
            watching.resources.push(uri.clone());
        }
        let allowance = self.allow(options.timeout.unwrap_or(self.shared.options.call_timeout));
        let asked = stream::iter(&resources).map(Ok).try_for_each_concurrent(AT_A_TIME, async |uri| {
            let left = self.left(allowance);
            self.subscribe_with(uri, &options.round(left, left, None)).await
        });
        asked.await?;
        Ok(Subscription { queue, honoured, source: Source::Watching(watching), end: None })
    }

    pub(super) fn hear(&self, interest: Interest) -> Notifications {
        self.shared.subscribers.subscribe_to(interest, self.shared.options.notifications())
    }
}

impl Subscription {
    /// What the server tells of: no more than was asked for, and perhaps less.
    pub fn honoured(&self) -> &SubscriptionFilter {
        &self.honoured
    }

    /// The next change; `None` once the subscription is over and all have been taken. Then
    /// [`end`](Subscription::end) says why.
    ///
    /// # Cancel safety
    /// Safe: one that was not returned is still queued.
    pub async fn next(&mut self) -> Option<Arc<Notification>> {
        poll_fn(|cx| self.poll_next(cx)).await
    }

    /// As [`next`](Subscription::next), for those who poll.
    pub fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Arc<Notification>>> {
        if self.end.is_some() {
            return Poll::Ready(self.queue.try_next());
        }
        let over = match self.queue.poll_next(cx) {
            Poll::Ready(Some(next)) => return Poll::Ready(Some(next)),
            Poll::Ready(None) => true,
            Poll::Pending => false,
        };
        let end = match &mut self.source {
            Source::Listening(pending) => match ready!(Pin::new(pending).poll(cx)) {
                Ok(_) => SubscriptionEnd::Ended,
                Err(error) => SubscriptionEnd::Failed(error),
            },
            Source::Watching(Watching { shared, name, .. }) if over => {
                SubscriptionEnd::Failed(shared.ended(name, Delivery::Answered))
            }
            Source::Watching(_) => return Poll::Pending,
        };
        self.end = Some(end);
        // What came before the end, but after the look into the queue.
        Poll::Ready(self.queue.try_next())
    }

    /// Why it is over, once that has been found out by [`next`](Subscription::next).
    pub fn end(&self) -> Option<&SubscriptionEnd> {
        self.end.as_ref()
    }

    /// How many were lost so far because nobody took them in time.
    pub fn missed(&self) -> u64 {
        self.queue.missed()
    }
}

impl fmt::Debug for Subscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscription")
            .field("honoured", &self.honoured)
            .field("queue", &self.queue)
            .field("end", &self.end)
            .finish_non_exhaustive()
    }
}

/// Why a subscription did not begin, though the call was answered.
fn not_begun(name: &CallName<'_>, answer: Answer) -> CallError {
    match answer {
        Ok(_) => CallError::malformed(name, "the server ended the subscription before it had begun"),
        Err(error) => error,
    }
}
