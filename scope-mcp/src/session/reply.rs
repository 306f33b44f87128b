use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use futures_channel::oneshot;
use futures_util::task::AtomicWaker;
use serde_json::value::RawValue;

use crate::error::{CallError, CallName, Delivery};

/// What a caller gets.
pub(crate) type Answer = Result<Box<RawValue>, CallError>;

/// Where an answer goes. One that is dropped says that the call was not sent; so whoever sends it says otherwise.
pub(crate) struct Reply {
    name: CallName,
    sender: Option<oneshot::Sender<Answer>>,
    /// The call is made for its effect: nobody waits, and it is sent all the same.
    errand: bool,
}

/// An answer that is waited for. Dropping it abandons the call.
pub(crate) struct Pending {
    id: u64,
    name: CallName,
    /// `None` only while it is being dropped.
    receiver: Option<oneshot::Receiver<Answer>>,
    abandoned: Arc<Abandoned>,
    done: bool,
}

/// The calls that were dropped by their callers, for the session to hear of. Each is in it once at most, so that the
/// calls in flight bound it.
#[derive(Default)]
pub(crate) struct Abandoned {
    list: Mutex<List>,
    waker: AtomicWaker,
}

#[derive(Default)]
struct List {
    ids: Vec<u64>,
    closed: bool,
}

/// Both ends of a reply.
pub(crate) fn pair(id: u64, name: &CallName, abandoned: &Arc<Abandoned>) -> (Reply, Pending) {
    let (sender, receiver) = oneshot::channel();
    let pending =
        Pending { id, name: name.clone(), receiver: Some(receiver), abandoned: Arc::clone(abandoned), done: false };
    (Reply { name: name.clone(), sender: Some(sender), errand: false }, pending)
}

impl Reply {
    /// Of a call that nobody waits for from the first.
    pub(crate) fn to_nobody(name: &CallName) -> Reply {
        Reply { name: name.clone(), sender: None, errand: true }
    }

    /// Nobody waits for it any more.
    pub(crate) fn is_gone(&self) -> bool {
        !self.errand && self.sender.as_ref().is_none_or(oneshot::Sender::is_canceled)
    }

    pub(crate) fn send(mut self, answer: Answer) {
        if let Some(sender) = self.sender.take() {
            // An error means that nobody waits any more.
            let _ = sender.send(answer);
        }
    }
}

impl Drop for Reply {
    fn drop(&mut self) {
        if let Some(sender) = self.sender.take() {
            let _ = sender.send(Err(CallError::closed(&self.name, Delivery::NotSent)));
        }
    }
}

impl Future for Pending {
    type Output = Answer;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Answer> {
        let this = &mut *self;
        let Some(receiver) = &mut this.receiver else { return Poll::Pending };
        let answer = std::task::ready!(Pin::new(receiver).poll(cx));
        this.done = true;
        // A reply always says something, also when it is dropped.
        Poll::Ready(answer.unwrap_or_else(|_| Err(CallError::closed(&this.name, Delivery::SentUnknown))))
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        if self.done {
            return;
        }
        // In this order: a session that takes the call over after having heard of it here sees that nobody waits.
        self.receiver = None;
        self.abandoned.push(self.id);
    }
}

impl Abandoned {
    fn push(&self, id: u64) {
        {
            let mut list = self.list();
            if list.closed {
                return;
            }
            list.ids.push(id);
        }
        self.waker.wake();
    }

    /// Those since the last time. Registers to be woken by the next.
    pub(crate) fn poll_take(&self, cx: &mut Context<'_>) -> Vec<u64> {
        self.waker.register(cx.waker());
        std::mem::take(&mut self.list().ids)
    }

    /// Nobody will ask any more.
    pub(crate) fn close(&self) {
        *self.list() = List { ids: Vec::new(), closed: true };
    }

    fn list(&self) -> MutexGuard<'_, List> {
        self.list.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reply").field("gone", &self.is_gone()).finish_non_exhaustive()
    }
}

impl fmt::Debug for Abandoned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Abandoned").finish_non_exhaustive()
    }
}
