//! Where a connection's session and link lie between two polls of its task, so that a caller can make its call there and
//! then: the task need not be woken to take it up, nor, for one call by itself, to write it.
//!
//! Whoever takes them has them alone and holds no lock meanwhile, so nobody waits: a caller who finds them taken leaves its
//! call at the [`Desk`](crate::peer::Desk), and the task is woken when it can have them. They belong to the connection all
//! the while: it takes them out for good when it ends, and what comes back after that is dropped.

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use crate::peer::Peer;
use crate::session::NewCall;
use crate::transport::Link;

/// What a connection speaks with a server by.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) peer: Peer,
    /// Once there is something to speak with.
    pub(super) link: Option<Link>,
    /// The next caller is the only one, as far as can be known: what it says is not worth being gathered with more.
    pub(super) alone: bool,
}

impl Held {
    /// Takes up a call of another task. Whether that is all there is to do for now.
    fn call(&mut self, now: Instant, call: NewCall) -> bool {
        let Held { peer, link: Some(link), alone } = self else { return false };
        let session = &mut peer.session;
        let waits = session.has_output();
        session.call(now, call);
        let written = !waits && *alone && session.is_quiet() && link.write_now(session);
        *alone &= !written;
        // What waits already is waited for, or the task has been woken for it.
        (waits || written || !session.has_output()) && !link.is_late_for(session)
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

    /// Makes a call, unless that has to be left to the connection's task: then it stays where it is. Whether the task has to
    /// be woken for one that was made.
    pub(super) fn call(&self, now: Instant, call: &mut Option<NewCall>) -> bool {
        let Some(mut held) = self.try_take() else { return false };
        call.take().is_some_and(|call| !held.call(now, call))
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
        Box::new(Held { peer, link: None, alone: true })
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
        assert!(!hatch.call(Instant::now(), &mut call) && call.is_some(), "it is left at the desk");
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
