//! Where a connection's session and link lie between two polls of its task, so that a caller can make its call there and
//! then: the task need not be woken to take it up, nor, for one call by itself, to write it.
//!
//! A caller that is alone reads its own answer, too: its link's reading is [lent](Link::lend) to it until then, or until there
//! is another caller. It may never be polled again, and others wait for what it would read: the link takes that back after a
//! while.
//!
//! Whoever takes them has them alone and holds no lock meanwhile, so nobody waits: a caller who finds them taken leaves its
//! call at the [`Desk`](crate::peer::Desk), and the task is woken when it can have them. They belong to the connection all
//! the while: it takes them out for good when it ends, and what comes back after that is dropped.

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use scope_core::rt::Handle;

use crate::peer::Peer;
use crate::session::{NewCall, Waiting};
use crate::transport::Link;

/// What a connection speaks with a server by.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) peer: Peer,
    /// Once there is something to speak with.
    pub(super) link: Option<Link>,
    /// The next caller is the only one, as far as can be known: what it says is not worth being gathered with more.
    pub(super) alone: bool,
    /// The call to whose caller reading is lent.
    pub(super) lent_to: Option<u64>,
}

/// What came of a call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Entered {
    /// The connection's task has to be woken.
    pub(super) wake: bool,
    /// Its answer is to be [read](Hatch::read).
    pub(super) lent: bool,
}

impl Held {
    /// Takes up a call of another task, that of `caller` if it can read.
    fn call(&mut self, now: Instant, call: NewCall, caller: Option<&Waker>) -> Entered {
        let taken_back = self.take_back();
        let Held { peer, link: Some(link), alone, lent_to } = self else { return Entered { wake: true, lent: false } };
        let session = &mut peer.session;
        let (waits, id) = (session.has_output(), call.id);
        session.call_now(now, call);
        let written = !waits && *alone && session.is_quiet() && link.write_now(session);
        let wait = !waits && !written && session.has_output();
        let mut more = false;
        if written {
            let received = session.traffic().received;
            let ahead = !session.has_output() && link.read_ahead(session);
            *alone = ahead && session.traffic().received == received + 1;
            more = ahead && session.has_more_to_do();
            if let Some(caller) = caller
                && !more
                && session.waits_for(id)
                && link.lend(caller)
            {
                *lent_to = Some(id);
            }
        }
        Entered { wake: wait || more || taken_back || link.is_late_for(session), lent: lent_to.is_some() }
    }

    /// Reads for the caller of `waiting`, if that is lent to it still. Whether the task has to be woken for what came of it.
    fn read(&mut self, waiting: &mut Waiting, caller: &Waker) -> bool {
        let Held { peer, link: Some(link), alone, lent_to } = self else { return false };
        let Some(id) = lent_to.filter(|id| *id == waiting.id()) else {
            waiting.reads_no_more();
            return false;
        };
        waiting.attend();
        let session = &mut peer.session;
        let received = session.traffic().received;
        let ended = link.read_lent(session);
        *alone = session.traffic().received <= received + 1;
        let more = ended || session.has_more_to_do();
        let wake = more || link.is_late_for(session);
        if !more && session.waits_for(id) {
            link.lend(caller);
            return wake;
        }
        self.take_back() || wake
    }

    /// Reading is lent to nobody. Whether the task has to be woken for it.
    fn take_back(&mut self) -> bool {
        self.lent_to.take().is_some() && self.link.as_mut().is_some_and(Link::take_back)
    }

    /// Reading is lent to nobody who does not wait any more. Whether it has to be polled once more.
    pub(super) fn take_back_of_gone(&mut self) -> bool {
        self.lent_to.is_some_and(|id| !self.peer.session.waits_for(id)) && self.take_back()
    }
}

/// See the [module](self).
#[derive(Default)]
pub(super) struct Hatch(Mutex<State>);

#[derive(Default)]
struct State {
    held: Option<Box<Held>>,
    /// The connection's task, where it found nothing.
    wanted: Option<Waker>,
    closed: bool,
}

impl Hatch {
    /// For a caller.
    fn try_take(&self) -> Option<Taken<'_>> {
        let held = self.state().held.take();
        held.map(|held| Taken { hatch: self, held: Some(held) })
    }

    /// Makes a call by the task of `caller`, if it can read its answer; unless that has to be left to the connection's task: then
    /// it stays where it is.
    pub(super) fn call(&self, now: Instant, call: &mut Option<NewCall>, caller: Option<&Waker>) -> Entered {
        let Some(mut held) = self.try_take() else { return Entered::default() };
        call.take().map_or_else(Entered::default, |call| held.call(now, call, caller))
    }

    /// Writes what is at the desk, if nobody is at it. The connection's task comes to it in any case.
    pub(super) fn write(&self, rt: &Handle) {
        let Some(mut held) = self.try_take() else { return };
        let Held { peer, link: Some(link), .. } = &mut *held else { return };
        peer.take_asks_meanwhile(rt);
        link.write_now(&mut peer.session);
    }

    /// For a caller that made its call here: reads, if that is lent to it. Whether the task has to be woken, as it has when
    /// it, or another caller, is at it right now.
    pub(super) fn read(&self, waiting: &mut Waiting, caller: &Waker) -> bool {
        self.try_take().is_none_or(|mut held| held.read(waiting, caller))
    }

    /// For the connection's task: waits for a caller who has them, which is no longer than a write takes that does not wait.
    pub(super) fn poll_take(&self, cx: &Context<'_>) -> Poll<Taken<'_>> {
        let mut waker = None;
        loop {
            let mut state = self.state();
            if let Some(held) = state.held.take() {
                return Poll::Ready(Taken { hatch: self, held: Some(held) });
            }
            // Neither cloned nor dropped under the lock.
            if waker.is_some() {
                std::mem::swap(&mut state.wanted, &mut waker);
                return Poll::Pending;
            }
            drop(state);
            waker = Some(cx.waker().clone());
        }
    }

    /// Puts them here.
    pub(super) fn lay(&self, held: Box<Held>) {
        let (wanted, late) = {
            let mut state = self.state();
            let late = if state.closed { Some(held) } else { state.held.replace(held) };
            (state.wanted.take(), late)
        };
        drop(late);
        if let Some(wanted) = wanted {
            wanted.wake();
        }
    }

    /// Drops what is here, and what comes back later.
    pub(super) fn close(&self) {
        let held = {
            let mut state = self.state();
            state.closed = true;
            state.held.take()
        };
        drop(held);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Hatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hatch").field("taken", &self.state().held.is_none()).finish_non_exhaustive()
    }
}

/// What was taken out of a [`Hatch`], to which it goes back when this is dropped.
pub(super) struct Taken<'a> {
    hatch: &'a Hatch,
    /// Until it is kept.
    held: Option<Box<Held>>,
}

impl Taken<'_> {
    /// Does not give it back.
    pub(super) fn keep(mut self) -> Option<Box<Held>> {
        self.held.take()
    }
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        if let Some(held) = self.held.take() {
            self.hatch.lay(held);
        }
    }
}

impl Deref for Taken<'_> {
    type Target = Held;

    fn deref(&self) -> &Held {
        let Some(held) = &self.held else { unreachable!("only `keep` takes it, and this with it") };
        held
    }
}

impl DerefMut for Taken<'_> {
    fn deref_mut(&mut self) -> &mut Held {
        let Some(held) = &mut self.held else { unreachable!("only `keep` takes it, and this with it") };
        held
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::*;
    use crate::client::{ClientOptions, Subscribers};
    use crate::peer::Desk;
    use crate::session::{Abandoned, Reply, Session};
    use crate::testing::Wakes;

    fn held() -> Box<Held> {
        let session = Session::new(&"s".into(), ClientOptions::default().settings(), &Arc::<Subscribers>::default());
        let peer = Peer::new(session, Desk::new(), Arc::<Abandoned>::default());
        Box::new(Held { peer, link: None, alone: true, lent_to: None })
    }

    fn call() -> NewCall {
        NewCall::new(1, "m", b"{}\n".to_vec(), Duration::from_secs(1), Reply::to_nobody())
    }

    #[test]
    fn one_at_a_time_has_them_and_the_task_is_woken_when_it_can() {
        let hatch = Hatch::default();
        let wakes = Wakes::new();
        let waker = wakes.waker();
        let cx = Context::from_waker(&waker);
        hatch.lay(held());
        let taken = hatch.try_take().unwrap();
        let mut call = Some(call());
        assert!(
            hatch.call(Instant::now(), &mut call, None) == Entered::default() && call.is_some(),
            "it is left at the desk"
        );
        assert!(hatch.poll_take(&cx).is_pending());
        assert_eq!(wakes.count(), 0);
        drop(taken);
        assert_eq!(wakes.count(), 1);
        assert!(hatch.poll_take(&cx).is_ready());
        assert!(hatch.try_take().is_some());
        assert_eq!(wakes.count(), 1, "it is not waited for any more");
    }

    #[test]
    fn what_comes_back_after_the_end_is_dropped() {
        let hatch = Hatch::default();
        let held = held();
        let desk = Arc::downgrade(&held.peer.desk);
        hatch.lay(held);
        let taken = hatch.try_take().unwrap();
        hatch.close();
        assert!(desk.upgrade().is_some());
        drop(taken);
        assert!(desk.upgrade().is_none());
        assert!(hatch.try_take().is_none());
    }

    #[test]
    fn a_caller_who_panics_gives_them_back() {
        let hatch = Hatch::default();
        hatch.lay(held());
        let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let _taken = hatch.try_take();
            panic!("hush");
        }));
        assert!(panicked.is_err() && hatch.try_take().is_some());
    }
}
