use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use scope_core::rt::Handle;

use super::alarm::Alarm;
use crate::session::Session;

/// Tells a session the time, and how long a peer that is going may take to be gone.
#[derive(Debug)]
pub(super) struct Clock {
    rt: Handle,
    alarm: Alarm,
    /// When what is left of the peer has had its time.
    rest_until: Option<Instant>,
}

impl Clock {
    pub(super) fn new(rt: &Handle) -> Clock {
        Clock { rt: rt.clone(), alarm: Alarm::default(), rest_until: None }
    }

    /// Whose time it is.
    pub(super) fn rt(&self) -> &Handle {
        &self.rt
    }

    /// The peer is going: the rest may take so long. Never made longer by what is seen later.
    pub(super) fn rest(&mut self, grace: Duration) {
        let until = self.rt.now() + grace;
        self.rest_until = Some(self.rest_until.map_or(until, |earlier| earlier.min(until)));
    }

    /// Gives those calls of `session` their time anew that the peer is at.
    pub(super) fn renew(&self, session: &mut Session) {
        if session.has_signs() {
            session.renew(self.rt.now());
        }
    }

    /// Whether something is due sooner than when it was polled last.
    pub(super) fn is_late_for(&self, session: &Session) -> bool {
        self.alarm.is_late_for(self.due(session))
    }

    fn due(&self, session: &Session) -> Option<Instant> {
        match (session.next_deadline(), self.rest_until) {
            (Some(due), Some(until)) => Some(due.min(until)),
            (due, until) => due.or(until),
        }
    }

    /// Ends the calls of `session` whose time is over. Ready when the rest's is.
    pub(super) fn poll(&mut self, session: &mut Session, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            std::task::ready!(self.alarm.poll(&self.rt, self.due(session), cx));
            let now = self.rt.now();
            session.expire(now);
            if self.rest_until.is_some_and(|until| until <= now) {
                return Poll::Ready(());
            }
        }
    }
}
