//! Speaking with a peer: what both sides of a connection do alike.
//!
//! One task reads, writes, and keeps the session. The peer's requests run beside it, each a child of the connection's
//! nursery in a cancel scope of its own; what they have to say goes through the [`Desk`].

mod caught;
mod desk;
mod pace;
mod request;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_util::future::BoxFuture;
use scope_core::rt::Handle;
use scope_core::{Failure, Spawner, Spawns};

use crate::error::Gone;
use crate::jsonrpc::{Json, Rejection};
use crate::session::{Abandoned, Arrived, Session};
use crate::transport::Link;
pub(crate) use caught::Caught;
pub(crate) use desk::{Ask, Desk};
pub(crate) use pace::Pace;
use pace::{AtOnce, Clock};
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

/// Requests begun before the wire gets its turn.
const BURST: usize = 256;

/// See the [module](self).
#[derive(Debug)]
pub(crate) struct Peer {
    pub(crate) session: Session,
    pub(crate) desk: Arc<Desk>,
    abandoned: Arc<Abandoned>,
    /// As the desk was told last; `None` if it does not know of what was taken since.
    unsent: Option<usize>,
    /// Empty; kept for its memory.
    asks: Vec<Ask>,
    /// In the order in which they came, which is that in which they are cancelled.
    running: BTreeMap<u64, Arc<Cancel>>,
}

impl Peer {
    pub(crate) fn new(session: Session, desk: Arc<Desk>, abandoned: Arc<Abandoned>) -> Peer {
        Peer { session, desk, abandoned, unsent: None, asks: Vec::new(), running: BTreeMap::new() }
    }

    /// Moves whatever there is to move. Ready when the peer is gone.
    ///
    /// `respond` says what is to be done for a request of the peer; it is called in the order in which they came.
    pub(crate) fn poll(
        &mut self,
        link: &mut Link,
        rt: &Handle,
        children: &Spawner<Failure>,
        respond: &mut dyn FnMut(&mut Session, &mut Arrived) -> Work,
        cx: &mut Context<'_>,
    ) -> Poll<Gone> {
        self.take(rt, cx);
        let gone = link.poll(&mut self.session, cx);
        let mut begun = 0;
        while begun < BURST
            && let Some(arrived) = self.session.next_request()
        {
            if begun == 0 {
                // What is left there meanwhile is taken below.
                self.desk.attend();
            }
            begun += 1;
            self.begin(arrived, rt, children, respond);
        }
        if begun > 0 {
            // What was answered at once.
            self.take(rt, cx);
        }
        for key in self.session.cancelled_requests() {
            if let Some(cancel) = self.running.get(&key) {
                cancel.cancel("cancelled by the peer");
            }
        }
        if gone.is_pending() && begun > 0 {
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
    pub(crate) fn take(&mut self, rt: &Handle, cx: &mut Context<'_>) {
        for id in self.abandoned.poll_take(cx) {
            self.session.abandon(id);
        }
        let mut asks = std::mem::take(&mut self.asks);
        self.desk.take(&mut asks, cx);
        if !asks.is_empty() {
            self.unsent = None;
        }
        // For all of them: they have come at once.
        let mut now = None;
        for ask in asks.drain(..) {
            match ask {
                Ask::Line(line) => self.session.send(line),
                Ask::Over { key, line } => {
                    self.running.remove(&key);
                    self.session.respond_line(key, line);
                }
                Ask::Call(call) => self.session.call(*now.get_or_insert_with(|| rt.now()), call),
            }
        }
        self.asks = asks;
    }

    fn begin(
        &mut self,
        mut arrived: Arrived,
        rt: &Handle,
        children: &Spawner<Failure>,
        respond: &mut dyn FnMut(&mut Session, &mut Arrived) -> Work,
    ) {
        let key = arrived.key;
        let (work, pace) = match respond(&mut self.session, &mut arrived) {
            Work::Now(outcome) => {
                return self.session.respond(key, outcome.as_ref().map(|result| result.get()));
            }
            Work::Later(work, pace) => (work, pace),
        };
        let cancel = Arc::<Cancel>::default();
        let quick = pace.as_ref().is_some_and(Pace::is_quick);
        let clock = pace.map(|pace| Clock { pace, rt: rt.clone() });
        let child = request::run(Arc::clone(&self.desk), arrived, Arc::clone(&cancel), work, clock);
        let mut ended = false;
        let launched =
            if quick { children.place().run(AtOnce { ended: &mut ended }, child) } else { children.run_erased(child) };
        match launched {
            Ok(()) if ended => {}
            Ok(()) => {
                self.running.insert(key, cancel);
            }
            Err(error) => {
                let rejection = Rejection::internal(format!("this side takes no more requests: {error}"));
                self.session.respond(key, Err(&rejection));
            }
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
