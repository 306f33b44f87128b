use std::fmt;
use std::future::Future;
use std::mem;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use futures_util::task::AtomicWaker;
use serde_json::value::RawValue;

use crate::error::{CallError, CallName, Delivery, Fault};
use crate::jsonrpc::TextResult;

/// What a caller gets.
pub(crate) type Answer = Result<Given, CallError>;

/// The same, as a session says it.
pub(crate) type Said = Result<Given, Fault>;

/// The result of a call.
#[derive(Debug)]
pub(crate) enum Given {
    /// Nothing but a text.
    Text(TextResult<String>),
    /// As it stood on the wire.
    Raw(Box<RawValue>),
}

impl Given {
    /// As it stood on the wire.
    pub(crate) fn into_raw(self) -> Box<RawValue> {
        match self {
            Given::Text(text) => text.into_raw(),
            Given::Raw(raw) => raw,
        }
    }
}

/// Where an answer goes. One that is dropped says that the call was not sent; so whoever sends it says otherwise.
pub(crate) struct Reply {
    /// `None` if nobody waits from the first: the call is made for its effect, and is sent all the same.
    slot: Option<Arc<Slot>>,
}

/// An answer that is waited for. Dropping it abandons the call.
pub(crate) struct Pending<'a> {
    id: u64,
    name: CallName<'a>,
    slot: Arc<Slot>,
    abandoned: Arc<Abandoned>,
    done: bool,
}

/// What both ends of a reply share.
#[derive(Default)]
struct Slot(Mutex<Stage>);

#[derive(Default)]
enum Stage {
    #[default]
    Open,
    Waited(Waker),
    Said(Said),
    /// Nobody waits any more, or it has been taken.
    Over,
}

impl Slot {
    fn say(&self, said: Said) {
        let before = {
            let mut stage = self.stage();
            if matches!(*stage, Stage::Over) {
                // Nobody listens.
                return drop(stage);
            }
            mem::replace(&mut *stage, Stage::Said(said))
        };
        if let Stage::Waited(waker) = before {
            waker.wake();
        }
    }

    fn poll(&self, cx: &Context<'_>) -> Poll<Said> {
        if let Some(polled) = self.look(cx) {
            return polled;
        }
        // Neither cloned nor dropped under the lock: a waker may be anybody's.
        let waker = cx.waker().clone();
        let mut stage = self.stage();
        if let Stage::Said(_) = *stage {
            drop(stage);
            return self.look(cx).unwrap_or(Poll::Pending);
        }
        let before = mem::replace(&mut *stage, Stage::Waited(waker));
        drop(stage);
        drop(before);
        Poll::Pending
    }

    /// What has been said, or that the waker is here already.
    fn look(&self, cx: &Context<'_>) -> Option<Poll<Said>> {
        let mut stage = self.stage();
        match &*stage {
            Stage::Waited(waker) if waker.will_wake(cx.waker()) => Some(Poll::Pending),
            Stage::Said(_) => match mem::replace(&mut *stage, Stage::Over) {
                Stage::Said(said) => Some(Poll::Ready(said)),
                _ => None,
            },
            _ => None,
        }
    }

    /// Nobody listens any more.
    fn leave(&self) {
        let before = mem::replace(&mut *self.stage(), Stage::Over);
        drop(before);
    }

    fn stage(&self) -> MutexGuard<'_, Stage> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
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
pub(crate) fn pair<'a>(id: u64, name: CallName<'a>, abandoned: &Arc<Abandoned>) -> (Reply, Pending<'a>) {
    let slot = Arc::<Slot>::default();
    let reply = Reply { slot: Some(Arc::clone(&slot)) };
    (reply, Pending { id, name, slot, abandoned: Arc::clone(abandoned), done: false })
}

impl Reply {
    /// Of a call that nobody waits for from the first.
    pub(crate) fn to_nobody() -> Reply {
        Reply { slot: None }
    }

    /// Nobody waits for it any more.
    pub(crate) fn is_gone(&self) -> bool {
        self.slot.as_ref().is_some_and(|slot| matches!(*slot.stage(), Stage::Over))
    }

    pub(crate) fn send(mut self, said: Said) {
        if let Some(slot) = self.slot.take() {
            slot.say(said);
        }
    }
}

impl Drop for Reply {
    fn drop(&mut self) {
        if let Some(slot) = self.slot.take() {
            slot.say(Err(Fault::closed(Delivery::NotSent)));
        }
    }
}

impl Pending<'_> {
    /// What is called.
    pub(crate) fn method(&self) -> &str {
        &self.name.method
    }
}

impl Future for Pending<'_> {
    type Output = Answer;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Answer> {
        let said = std::task::ready!(self.slot.poll(cx));
        self.done = true;
        Poll::Ready(said.map_err(|fault| fault.of(&self.name)))
    }
}

impl Drop for Pending<'_> {
    fn drop(&mut self) {
        if self.done {
            return;
        }
        // In this order: a session that takes the call over after having heard of it here sees that nobody waits.
        self.slot.leave();
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
