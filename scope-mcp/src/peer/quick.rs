//! The short way of a request: calls of tools that have turned out to be quick are begun where their lines are read, and
//! those that end at once are in no book but the outbox.

use std::collections::BTreeMap;
use std::sync::Arc;

use scope_core::rt::Handle;
use scope_core::{Begun, Failure, Room, Spawner, Spawns};

use super::desk::{Ask, Desk};
use super::request::{self, Cancel};
use super::{Respond, take_over};
use crate::codec::{Came, Frame};
use crate::jsonrpc::{self, Rejection};
use crate::session::Session;

/// So many are answered before the wire gets its turn: the peer goes on with those while the next are looked at.
const ANSWERS: usize = 32;

/// Hears what is read in one poll.
pub(super) struct Quick<'a, R> {
    pub(super) desk: &'a Arc<Desk>,
    pub(super) asks: &'a mut Vec<Ask>,
    pub(super) running: &'a mut BTreeMap<u64, Arc<Cancel>>,
    pub(super) rt: &'a Handle,
    pub(super) children: &'a Spawner<Failure>,
    pub(super) respond: &'a mut R,
    pub(super) room: &'a mut Room,
    /// How many were begun. From the first on, the desk is attended to.
    pub(super) begun: usize,
    /// Something was taken from there.
    pub(super) said: bool,
}

impl<R: Respond> Quick<'_, R> {
    pub(super) fn hear(&mut self, session: &mut Session, came: Came<'_>) -> bool {
        let kept;
        let (line, long) = match came {
            Came::Frame(Frame::Line(line)) => (line, None),
            Came::Long(text) if session.may_call_at_once() => {
                kept = Arc::new(std::mem::take(text));
                (kept.as_bytes(), Some(&kept))
            }
            other => return session.hear(other),
        };
        let begun = self.call(session, line, long).is_some();
        if !begun {
            session.received(Frame::Line(line));
        }
        match long {
            None => !begun || !self.begun.is_multiple_of(ANSWERS),
            Some(line) => {
                session.keep(Arc::clone(line));
                // It was much to be read.
                false
            }
        }
    }

    /// `None` if the line is to go the long way. `shared` is the same, if it need not be copied.
    fn call(&mut self, session: &mut Session, line: &[u8], shared: Option<&Arc<String>>) -> Option<()> {
        let call = session.call_at_once(line)?;
        let (work, pace) = self.respond.begin_call(session, &call, shared)?;
        if self.begun == 0 {
            self.desk.attend();
        }
        self.begun += 1;
        let key = session.begin_at_once(line);
        let (desk, mut work) = (self.desk, Some(work));
        let child = || request::run_at_once(Arc::clone(desk), key, call.id.clone(), "tools/call", &mut work);
        let line = match pace.begin(self.rt, call.members.len(), self.children.place(), self.room, child) {
            Ok(Begun::Done(line)) => line,
            Ok(Begun::Ended) => None,
            Ok(Begun::GoesOn) => {
                session.goes_on(key, call.id, call.members.len());
                None
            }
            Err(error) => {
                let rejection = Rejection::internal(format!("this side takes no more requests: {error}"));
                Some(jsonrpc::rejection_answer(Some(call.id.as_json()), &rejection).into())
            }
        };
        // What it has said before.
        if self.desk.has_asks() {
            self.desk.take_meanwhile(self.asks);
            self.said |= !self.asks.is_empty();
            let mut now = None;
            for ask in self.asks.drain(..) {
                take_over(ask, session, self.running, self.rt, &mut now);
            }
        }
        session.ended_at_once(line);
        Some(())
    }
}
