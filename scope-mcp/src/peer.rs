//! Speaking with a peer: what both sides of a connection do alike.
//!
//! One task reads, writes, and keeps the session. The peer's requests run beside it, each a child of the connection's
//! nursery in a cancel scope of its own; what they have to say goes through the [`Desk`].

mod caught;
mod desk;
mod pace;
mod quick;
mod request;

use std::collections::BTreeMap;
use std::future::{Future, Ready};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use futures_util::future::BoxFuture;
use scope_core::rt::Handle;
use scope_core::{Begun, Failure, Room, Spawner, Spawns};

use crate::error::Gone;
use crate::jsonrpc::{Answer, Json, Rejection, ToolCall};
use crate::session::{Abandoned, Arrived, Session};
use crate::transport::Link;
use crate::wakes::Wakes;
pub(crate) use caught::Caught;
pub(crate) use desk::{Ask, Desk, Left};
use pace::Clock;
pub(crate) use pace::Pace;
use quick::Quick;
pub(crate) use request::{Cancel, outcome};

/// What a request of the peer is answered with.
pub(crate) type Outcome = Result<Json, Rejection>;

/// What there is to do for a request.
pub(crate) enum Work {
    /// Nothing: this is the answer.
    Now(Outcome),
    /// To be run, and may take its time; or not, if it is of a kind that may turn out to be quick.
    Later(BoxFuture<'static, Outcome>, Option<Pace>),
}

/// What is done for the requests of the peer.
pub(crate) trait Respond {
    /// The work of a call that is begun at once.
    type Call: Future<Output = Result<Self::Answer, Rejection>> + Send + Unpin + 'static;

    /// What it comes to.
    type Answer: Answer + Send + Sync + 'static;

    /// What is to be done for a request, in the order in which they came. Its parameters may be taken out of it.
    fn respond(&mut self, session: &mut Session, arrived: &mut Arrived) -> Work;

    /// The same for a call of a tool, if it is well-formed and of a kind that is quick. `None` is no refusal.
    /// `line` is what it was read from, where that need not be copied.
    fn begin_call(
        &mut self,
        session: &mut Session,
        call: &ToolCall<'_>,
        line: Option<&Arc<String>>,
    ) -> Option<(Self::Call, Pace)>;
}

/// Where nothing is quick.
impl<F: FnMut(&mut Session, &mut Arrived) -> Work> Respond for F {
    type Call = Ready<Outcome>;
    type Answer = Json;

    fn respond(&mut self, session: &mut Session, arrived: &mut Arrived) -> Work {
        self(session, arrived)
    }

    fn begin_call(&mut self, _: &mut Session, _: &ToolCall<'_>, _: Option<&Arc<String>>) -> Option<(Self::Call, Pace)> {
        None
    }
}

/// Requests begun before the wire gets its turn.
const BURST: usize = 256;

/// See the [module](self).
#[derive(Debug)]
pub(crate) struct Peer {
    pub(crate) session: Session,
    pub(crate) desk: Arc<Desk>,
    abandoned: Arc<Abandoned>,
    /// Whatever is not the link.
    others: Wakes<1>,
    /// As the desk was told last; `None` if it does not know of what was taken since.
    unsent: Option<usize>,
    /// Empty; kept for its memory.
    asks: Vec<Ask>,
    /// In the order in which they came, which is that in which they are cancelled.
    running: BTreeMap<u64, Arc<Cancel>>,
    /// For those that end where they are begun.
    room: Room,
}

impl Peer {
    pub(crate) fn new(session: Session, desk: Arc<Desk>, abandoned: Arc<Abandoned>) -> Peer {
        let (others, asks, running) = (Wakes::new(), Vec::new(), BTreeMap::new());
        Peer { session, desk, abandoned, others, unsent: None, asks, running, room: Room::default() }
    }

    /// What everything but the link is to be polled with, if any of it was woken. To be asked once for each
    /// [`poll`](Peer::poll), which is told.
    pub(crate) fn others_woken(&self, cx: &Context<'_>) -> Option<Waker> {
        self.others.take(cx).has(0).then(|| self.others.of(0).clone())
    }

    /// What is left at the desk is taken when all who are awake have had their turn: nobody need wake the task for it.
    pub(crate) fn attend(&self) {
        self.desk.attend();
        self.others.of(0).wake_by_ref();
    }

    /// Moves whatever there is to move. Ready when the peer is gone.
    pub(crate) fn poll(
        &mut self,
        link: &mut Link,
        others: bool,
        rt: &Handle,
        children: &Spawner<Failure>,
        respond: &mut impl Respond,
        cx: &mut Context<'_>,
    ) -> Poll<Gone> {
        if others {
            self.take(rt);
        }
        let Peer { session, desk, asks, running, room, .. } = self;
        let mut quick = Quick { desk, asks, running, rt, children, respond, room, begun: 0, said: false };
        let gone = link.poll(session, &mut |session, came| quick.hear(session, came), cx);
        let (at_once, said) = (quick.begun, quick.said);
        let mut begun = 0;
        // Those that are begun at once are no requests here.
        let serves = self.session.serves();
        while serves
            && begun < BURST
            && let Some(arrived) = self.session.next_request()
        {
            if begun == 0 {
                // What is left there meanwhile is taken below.
                self.desk.attend();
            }
            begun += 1;
            self.begin(arrived, rt, children, respond);
        }
        let any_begun = at_once + begun > 0;
        if said {
            self.unsent = None;
        }
        if any_begun && !self.desk.ends_attending() {
            // What was answered at once, or left by others meanwhile.
            self.take_asks(rt);
        }
        if serves {
            for key in self.session.cancelled_requests() {
                if let Some(cancel) = self.running.get(&key) {
                    cancel.cancel("cancelled by the peer");
                }
            }
        }
        if gone.is_pending() && any_begun {
            // More may be begun once that is written.
            let held_up = begun == BURST || self.session.is_held_up() || self.session.may_begin();
            if !link.write(&mut self.session, cx) || held_up {
                cx.waker().wake_by_ref();
            }
        }
        let unsent = self.session.unsent();
        if self.unsent != Some(unsent) {
            self.unsent = Some(unsent);
            self.desk.unsent(unsent);
        }
        gone
    }

    /// Takes over what handlers, and callers who gave up, have left.
    pub(crate) fn take(&mut self, rt: &Handle) {
        for id in self.abandoned.poll_take(&mut Context::from_waker(self.others.of(0))) {
            self.session.abandon(id);
        }
        self.desk.register(&Context::from_waker(self.others.of(0)));
        self.take_asks(rt);
    }

    /// It is registered at the desk, or has been woken by it: then it comes here again.
    fn take_asks(&mut self, rt: &Handle) {
        let mut asks = std::mem::take(&mut self.asks);
        self.desk.take(&mut asks);
        self.take_these(asks, rt);
    }

    /// The same, while more is left there that is taken later.
    pub(crate) fn take_asks_meanwhile(&mut self, rt: &Handle) {
        let mut asks = std::mem::take(&mut self.asks);
        self.desk.take_meanwhile(&mut asks);
        self.take_these(asks, rt);
    }

    fn take_these(&mut self, mut asks: Vec<Ask>, rt: &Handle) {
        if !asks.is_empty() {
            self.unsent = None;
        }
        // For all of them: they have come at once.
        let mut now = None;
        for ask in asks.drain(..) {
            take_over(ask, &mut self.session, &mut self.running, rt, &mut now);
        }
        self.asks = asks;
    }

    fn begin(&mut self, mut arrived: Arrived, rt: &Handle, children: &Spawner<Failure>, respond: &mut impl Respond) {
        let key = arrived.key;
        let bytes = arrived.params.as_ref().map_or(0, |params| params.get().len());
        let (work, pace) = match respond.respond(&mut self.session, &mut arrived) {
            Work::Now(outcome) => {
                return self.session.respond(key, outcome.as_ref().map(|result| result.get()));
            }
            Work::Later(work, pace) => (work, pace),
        };
        let desk = Arc::clone(&self.desk);
        let launched = match pace {
            Some(pace) if pace.is_quick() => {
                let Arrived { key, id, method, .. } = arrived;
                let mut work = Some(work);
                let child = || request::run_at_once(desk, key, id, method, &mut work);
                let begun = pace.begin(rt, bytes, children.place(), &mut Room::default(), child);
                begun.map(|begun| {
                    if let Begun::Done(line) = begun {
                        if self.desk.has_asks() {
                            // What it has said before.
                            self.take_asks_meanwhile(rt);
                        }
                        self.session.respond_line(key, line);
                    }
                })
            }
            pace => {
                let clock = pace.map(|pace| Clock { pace, rt: rt.clone(), bytes });
                let cancel = Arc::<Cancel>::default();
                let child = request::run(desk, arrived, Arc::clone(&cancel), work, clock);
                self.running.insert(key, cancel);
                children.run_erased(child)
            }
        };
        if let Err(error) = launched {
            self.running.remove(&key);
            let rejection = Rejection::internal(format!("this side takes no more requests: {error}"));
            self.session.respond(key, Err(&rejection));
        }
    }

    /// Cancels the requests that run: nobody will hear their answers.
    pub(crate) fn cancel_requests(&mut self, reason: &'static str) {
        for cancel in std::mem::take(&mut self.running).into_values() {
            cancel.cancel(reason);
        }
    }

    /// Nothing more is said: whoever waits is told. Returns how many of our calls had no answer.
    pub(crate) fn close(&mut self) -> usize {
        let unanswered = self.session.close();
        self.abandoned.close();
        self.desk.end();
        unanswered
    }
}

/// Takes over what was left at the desk. `now` is read when it is needed, for all that was left there.
fn take_over(
    ask: Ask,
    session: &mut Session,
    running: &mut BTreeMap<u64, Arc<Cancel>>,
    rt: &Handle,
    now: &mut Option<Instant>,
) {
    match ask {
        Ask::Line(line) => session.send(line),
        Ask::Over { key, line } => {
            running.remove(&key);
            session.respond_line(key, line);
        }
        Ask::Waits { key, cancel } => {
            running.insert(key, cancel);
        }
        Ask::Call(call) => session.call(*now.get_or_insert_with(|| rt.now()), call),
    }
}
