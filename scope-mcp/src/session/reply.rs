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

/// The same, as a session says it: small, for it is handed on several times, and few calls fail.
pub(crate) type Said = Result<Given, Box<Fault>>;

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

/// An answer that is waited for, by one who knows what the call is called. Dropping it abandons the call.
pub(crate) struct Waiting {
    id: u64,
    slot: Arc<Slot>,
    abandoned: Arc<Abandoned>,
    done: bool,
}

/// The same, with its name.
pub(crate) struct Pending<'a> {
    name: CallName<'a>,
    waiting: Waiting,
}

/// What both ends of a reply share.
struct Slot(Mutex<Stage>);

enum Stage {
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
        let mut waker = None;
        loop {
            let mut stage = self.stage();
            match &*stage {
                Stage::Said(_) => {
                    let Stage::Said(said) = mem::replace(&mut *stage, Stage::Over) else { unreachable!("it is here") };
                    return Poll::Ready(said);
                }
                Stage::Waited(waker) if waker.will_wake(cx.waker()) => return Poll::Pending,
                _ => {}
            }
            if let Some(waker) = waker {
                let before = mem::replace(&mut *stage, Stage::Waited(waker));
                drop(stage);
                drop(before);
                return Poll::Pending;
            }
            drop(stage);
            // Neither cloned nor dropped under the lock: a waker may be anybody's.
            waker = Some(cx.waker().clone());
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
    let (reply, waiting) = nameless(id, abandoned, None);
    (reply, waiting.of(name))
}

/// The same, for a caller who says the call's name where it fails, and who most likely waits with `waker`.
pub(crate) fn nameless(id: u64, abandoned: &Arc<Abandoned>, waker: Option<&Waker>) -> (Reply, Waiting) {
    let stage = waker.map_or(Stage::Open, |waker| Stage::Waited(waker.clone()));
    let slot = Arc::new(Slot(Mutex::new(stage)));
    let reply = Reply { slot: Some(Arc::clone(&slot)) };
    (reply, Waiting { id, slot, abandoned: Arc::clone(abandoned), done: false })
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

    /// The call has this result.
    pub(crate) fn give(self, given: Given) {
        self.send(Ok(given));
    }

    /// It has none.
    pub(crate) fn fail(self, fault: Fault) {
        self.send(Err(Box::new(fault)));
    }

    fn send(mut self, said: Said) {
        if let Some(slot) = self.slot.take() {
            slot.say(said);
        }
    }
}

impl Drop for Reply {
    fn drop(&mut self) {
        if let Some(slot) = self.slot.take() {
            slot.say(Err(Box::new(Fault::closed(Delivery::NotSent))));
        }
    }
}

impl Waiting {
    /// With the call's name.
    pub(crate) fn of(self, name: CallName<'_>) -> Pending<'_> {
        Pending { name, waiting: self }
    }
}

impl Future for Pending<'_> {
    type Output = Answer;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Answer> {
        let said = std::task::ready!(Pin::new(&mut self.waiting).poll(cx));
        Poll::Ready(said.map_err(|fault| fault.of(&self.name)))
    }
}

impl Future for Waiting {
    type Output = Said;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Said> {
        let said = self.slot.poll(cx);
        self.done = said.is_ready();
        said
    }
}

impl Drop for Waiting {
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
