use std::fmt;
use std::future::Future;
use std::mem;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use futures_util::task::AtomicWaker;
use serde_json::value::RawValue;

use crate::error::{CallError, CallName, Delivery, Fault};
use crate::jsonrpc::{Cut, Line, TextResult};

/// What a caller gets.
pub(crate) type Answer = Result<Given, CallError>;

/// The same, as a session says it: small, for it is handed on several times, and few calls fail.
pub(crate) type Said = Result<Given, Box<Fault>>;

/// The result of a call.
#[derive(Debug)]
pub(crate) enum Given {
    /// Nothing but a text.
    Text(TextResult<String>),
    /// The same, in the line in which it came.
    Long(Box<TextResult<Cut>>),
    /// As it stood on the wire.
    Raw(Box<RawValue>),
}

impl Given {
    /// As it stood on the wire.
    pub(crate) fn into_raw(self) -> Box<RawValue> {
        match self {
            Given::Text(text) => text.into_raw(),
            Given::Long(text) => text.into_raw(),
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
    /// Until it has been taken.
    slot: Option<Arc<Slot>>,
    /// It is polled once more in the poll in which it was registered to be woken.
    registered: bool,
    reads: Reads,
    abandoned: Arc<Abandoned>,
}

/// Whether the one who waits may have to read the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reads {
    No,
    /// There can be none yet: it has just asked.
    Soon,
    Yes,
}

/// The same, with its name.
pub(crate) struct Pending<'a> {
    name: CallName<'a>,
    waiting: Waiting,
}

/// What a call is made with. That of one that was answered is used again.
pub(crate) struct Blank {
    slot: Arc<Slot>,
    /// Empty, with some room.
    pub(crate) line: Vec<u8>,
}

/// The same, with the line of the call.
pub(crate) struct Made {
    slot: Arc<Slot>,
    line: Line,
}

/// What both ends of a reply share.
struct Slot(Mutex<Shared>);

struct Shared {
    stage: Stage,
    /// What the call was made by, to be used again.
    line: Vec<u8>,
    /// The text that was said, if it is a short one: it is given a place of its own by who gets it, who gives that back soon.
    text: String,
}

/// A text of no more bytes is copied twice, rather than made by one task and freed by another.
const SHORT: usize = 512;

enum Stage {
    Open,
    Waited(Waker),
    Said(Said),
    /// The [text](Shared::text), with what stood around it.
    Text(TextResult<()>),
    /// Nobody waits any more, or it has been taken.
    Over,
}

impl Slot {
    fn new(stage: Stage) -> Arc<Slot> {
        Arc::new(Slot(Mutex::new(Shared { stage, line: Vec::new(), text: String::new() })))
    }

    fn say(&self, said: Said, line: Vec<u8>) {
        self.say_by(line, |_| Stage::Said(said));
    }

    fn say_by(&self, line: Vec<u8>, say: impl FnOnce(&mut String) -> Stage) {
        let before = {
            let mut shared = self.shared();
            if matches!(shared.stage, Stage::Over) {
                // Nobody listens.
                return drop(shared);
            }
            shared.line = line;
            let said = say(&mut shared.text);
            mem::replace(&mut shared.stage, said)
        };
        if let Stage::Waited(waker) = before {
            waker.wake();
        }
    }

    /// The task of `waker` waits from here on. Whether it has to look for itself, for something was said before.
    fn wait(&self, waker: Waker) -> bool {
        let mut shared = self.shared();
        if matches!(shared.stage, Stage::Open) {
            shared.stage = Stage::Waited(waker);
            false
        } else {
            // Not dropped under the lock.
            drop(shared);
            drop(waker);
            true
        }
    }

    /// It is looked at before long, without being woken.
    fn attend(&self) {
        let mut shared = self.shared();
        if let Stage::Waited(_) = &shared.stage {
            let before = mem::replace(&mut shared.stage, Stage::Open);
            drop(shared);
            drop(before);
        }
    }

    fn poll(&self, cx: &Context<'_>) -> Poll<Said> {
        let mut waker = None;
        loop {
            let mut shared = self.shared();
            match &shared.stage {
                Stage::Said(_) => {
                    let Stage::Said(said) = mem::replace(&mut shared.stage, Stage::Over) else {
                        unreachable!("it is here")
                    };
                    return Poll::Ready(said);
                }
                Stage::Text(around) => {
                    let text = around.around(shared.text.as_str().to_owned());
                    shared.stage = Stage::Over;
                    return Poll::Ready(Ok(Given::Text(text)));
                }
                Stage::Waited(waker) if waker.will_wake(cx.waker()) => return Poll::Pending,
                _ => {}
            }
            if let Some(waker) = waker {
                let before = mem::replace(&mut shared.stage, Stage::Waited(waker));
                drop(shared);
                drop(before);
                return Poll::Pending;
            }
            drop(shared);
            // Neither cloned nor dropped under the lock: a waker may be anybody's.
            waker = Some(cx.waker().clone());
        }
    }

    /// Nobody listens any more.
    fn leave(&self) {
        let before = mem::replace(&mut self.shared().stage, Stage::Over);
        drop(before);
    }

    fn shared(&self) -> MutexGuard<'_, Shared> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The calls that were dropped by their callers, for the session to hear of. Each is in it once at most, so that the
/// calls in flight bound it. And what those that were not have left.
#[derive(Default)]
pub(crate) struct Abandoned {
    list: Mutex<List>,
    waker: AtomicWaker,
    /// Those of calls that are over. No more than [`SLOTS`].
    slots: Mutex<Vec<Arc<Slot>>>,
}

/// So many are kept: as many calls at a time allocate nothing for themselves.
const SLOTS: usize = 256;

#[derive(Default)]
struct List {
    ids: Vec<u64>,
    closed: bool,
}

/// Both ends of a reply.
pub(crate) fn pair<'a>(id: u64, name: CallName<'a>, abandoned: &Arc<Abandoned>) -> (Reply, Pending<'a>) {
    let slot = Slot::new(Stage::Open);
    let (reply, waiting) = ends(id, slot, abandoned);
    (reply, waiting.of(name))
}

fn ends(id: u64, slot: Arc<Slot>, abandoned: &Arc<Abandoned>) -> (Reply, Waiting) {
    let reply = Reply { slot: Some(Arc::clone(&slot)) };
    (reply, Waiting { id, slot: Some(slot), registered: false, reads: Reads::No, abandoned: Arc::clone(abandoned) })
}

impl Blank {
    /// With a line that is written already.
    pub(crate) fn with(self, line: Line) -> Made {
        Made { slot: self.slot, line }
    }

    /// With the line that has been written into it.
    pub(crate) fn made(self) -> Made {
        let Blank { slot, line } = self;
        Made { slot, line: line.into() }
    }
}

impl Made {
    /// Both ends of the reply to a call that is made with it, for a caller who says the call's name where it fails. And its line.
    pub(crate) fn used(self, id: u64, abandoned: &Arc<Abandoned>) -> (Reply, Waiting, Line) {
        let Made { slot, line } = self;
        let (reply, waiting) = ends(id, slot, abandoned);
        (reply, waiting, line)
    }
}

impl Reply {
    /// Of a call that nobody waits for from the first.
    pub(crate) fn to_nobody() -> Reply {
        Reply { slot: None }
    }

    /// Nobody waits for it any more.
    pub(crate) fn is_gone(&self) -> bool {
        // Who waits has the other.
        self.slot.as_ref().is_some_and(|slot| Arc::strong_count(slot) == 1)
    }

    /// The same, for a text that is copied.
    pub(crate) fn give_text(mut self, result: TextResult<&str>, line: Vec<u8>) {
        if result.text.len() > SHORT {
            return self.give(Given::Text(result.to_owned()), line);
        }
        if let Some(slot) = self.slot.take() {
            slot.say_by(line, |text| {
                text.clear();
                text.push_str(result.text);
                Stage::Text(result.around(()))
            });
        }
    }

    /// The call has this result. `line` is what it was made by, to be used again; or nothing.
    pub(crate) fn give(self, given: Given, line: Vec<u8>) {
        self.send(Ok(given), line);
    }

    /// It has none.
    pub(crate) fn fail(self, fault: Fault) {
        self.send(Err(Box::new(fault)), Vec::new());
    }

    fn send(mut self, said: Said, line: Vec<u8>) {
        if let Some(slot) = self.slot.take() {
            slot.say(said, line);
        }
    }
}

impl Drop for Reply {
    fn drop(&mut self) {
        if let Some(slot) = self.slot.take() {
            slot.say(Err(Box::new(Fault::closed(Delivery::NotSent))), Vec::new());
        }
    }
}

impl Waiting {
    /// The number of the call.
    pub(crate) fn id(&self) -> u64 {
        self.id
    }

    /// The task of `waker` waits, which polls this before its poll is over.
    pub(crate) fn wait(&mut self, waker: Waker) {
        self.registered = self.slot.as_ref().is_some_and(|slot| !slot.wait(waker));
    }

    /// From its second poll on, who waits may have to read the answer.
    pub(crate) fn reads(&mut self) {
        self.reads = Reads::Soon;
    }

    /// Somebody else reads it.
    pub(crate) fn reads_no_more(&mut self) {
        self.reads = Reads::No;
    }

    /// Whether it may have to do so now, before this is polled.
    pub(crate) fn may_read(&mut self) -> bool {
        match self.reads {
            Reads::No => false,
            Reads::Soon => {
                self.reads = Reads::Yes;
                false
            }
            Reads::Yes => true,
        }
    }

    /// Who waits polls this next, before it waits for anything: it need not be woken until then.
    pub(crate) fn attend(&self) {
        if let Some(slot) = &self.slot {
            slot.attend();
        }
    }

    /// With the call's name.
    pub(crate) fn of(mut self, name: CallName<'_>) -> Pending<'_> {
        // Whoever polls that, and whenever.
        self.registered = false;
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
        if mem::take(&mut self.registered) {
            return Poll::Pending;
        }
        let Some(slot) = &self.slot else { return Poll::Pending };
        let said = std::task::ready!(slot.poll(cx));
        if let Some(slot) = self.slot.take() {
            self.abandoned.keep(slot);
        }
        Poll::Ready(said)
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let Some(slot) = self.slot.take() else { return };
        // In this order: a session that takes the call over after having heard of it here sees that nobody waits.
        slot.leave();
        drop(slot);
        self.abandoned.push(self.id);
    }
}

impl Abandoned {
    /// What a call is to be made with.
    pub(crate) fn blank(&self) -> Blank {
        let kept = self.slots().pop();
        let mut slot = kept.unwrap_or_else(|| Slot::new(Stage::Open));
        let mut line = Vec::new();
        // Nobody else knows of one that was kept.
        if let Some(Slot(shared)) = Arc::get_mut(&mut slot) {
            let shared = shared.get_mut().unwrap_or_else(PoisonError::into_inner);
            shared.stage = Stage::Open;
            line = mem::take(&mut shared.line);
            line.clear();
        }
        Blank { slot, line }
    }

    /// Keeps the slot of a call that is over, unless the session still has it too.
    fn keep(&self, slot: Arc<Slot>) {
        if Arc::strong_count(&slot) == 1 {
            let mut slots = self.slots();
            if slots.len() < SLOTS {
                slots.push(slot);
            }
        }
    }

    fn slots(&self) -> MutexGuard<'_, Vec<Arc<Slot>>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }

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
