//! A count that clients can subscribe to: in the older revisions by a request, in the newest by a stream.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use rmcp::model::{ResourceUpdatedNotificationParam, SubscriptionFilter};
use rmcp::service::{Peer, SubscriptionContext};
use rmcp::{ErrorData, RoleServer};
use tokio::sync::watch;

use super::wrong;

pub(super) const COUNT: &str = "count://now";

#[derive(Default)]
pub(super) struct Count {
    now: watch::Sender<u64>,
    /// By the client of an older revision: it is the only one.
    subscribed: AtomicBool,
    /// For the stream that is about to begin: it tells of what changes from its acknowledgment on, and that is sent before
    /// it is asked for anything.
    changes: Mutex<Option<watch::Receiver<u64>>>,
}

impl Count {
    pub(super) fn now(&self) -> u64 {
        *self.now.borrow()
    }

    /// Counts one further.
    pub(super) async fn goes_on(&self, peer: &Peer<RoleServer>) -> Result<u64, ErrorData> {
        self.now.send_modify(|now| *now += 1);
        if self.subscribed.load(Ordering::Relaxed) {
            let told = peer.notify_resource_updated(ResourceUpdatedNotificationParam::new(COUNT)).await;
            told.map_err(|error| ErrorData::internal_error(error.to_string(), None))?;
        }
        Ok(self.now())
    }

    pub(super) fn subscribe(&self, uri: &str, subscribed: bool) -> Result<(), ErrorData> {
        if uri != COUNT {
            return Err(wrong(format!("{uri:?} never changes")));
        }
        self.subscribed.store(subscribed, Ordering::Relaxed);
        Ok(())
    }

    /// What of `requested` there is, for the stream that begins.
    pub(super) fn accept(&self, requested: &SubscriptionFilter) -> SubscriptionFilter {
        *self.changes.lock().unwrap_or_else(PoisonError::into_inner) = Some(self.now.subscribe());
        requested.intersection(&SubscriptionFilter::builder().resource_subscriptions([COUNT]).build())
    }

    /// Tells of each change until the client ends it.
    pub(super) async fn listen(&self, stream: SubscriptionContext) -> Result<(), ErrorData> {
        let changes = self.changes.lock().unwrap_or_else(PoisonError::into_inner).take();
        let mut changes = changes.ok_or_else(|| wrong("one at a time"))?;
        let telling = async {
            while changes.changed().await.is_ok() {
                if stream.sink().notify_resource_updated(COUNT).await.is_err() {
                    break;
                }
            }
        };
        stream.request_context().ct.run_until_cancelled(telling).await;
        Ok(())
    }
}
