//! The states of a connection, and which may follow which.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use event_listener::Event;

/// How far a connection is.
///
/// | from | to | when |
/// |---|---|---|
/// | `Starting` | `Negotiating` | the server's process runs, or the stream is there |
/// | `Negotiating` | `Starting` | the server ended when it was asked for its era: it is started once more |
/// | `Negotiating` | `Ready` | both sides know what they speak |
/// | `Starting` | `Ready` | on the server's side, where there is nothing to wait for |
/// | `Starting`, `Negotiating`, `Ready` | `Closing` | it was asked to close, its scope ended, or the peer is gone |
/// | `Closing` | `Closed` | everything of it has been cleaned up |
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum State {
    /// Nothing has been said yet.
    Starting,
    /// What both sides speak is being found out.
    Negotiating,
    /// Calls go out and are answered.
    Ready,
    /// Nothing new is begun; what there is, is being cleaned up.
    Closing,
    /// Nothing is left.
    Closed,
}

/// Which state may follow which. Nothing else happens.
const LEGAL: [(State, State); 8] = [
    (State::Starting, State::Negotiating),
    (State::Negotiating, State::Starting),
    (State::Negotiating, State::Ready),
    (State::Starting, State::Ready),
    (State::Starting, State::Closing),
    (State::Negotiating, State::Closing),
    (State::Ready, State::Closing),
    (State::Closing, State::Closed),
];

impl State {
    /// Whether `next` may follow.
    pub fn may_become(self, next: State) -> bool {
        LEGAL.contains(&(self, next))
    }

    /// Whether nothing follows.
    pub fn is_last(self) -> bool {
        !LEGAL.iter().any(|(from, _)| *from == self)
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            State::Starting => "starting",
            State::Negotiating => "negotiating",
            State::Ready => "ready",
            State::Closing => "closing",
            State::Closed => "closed",
        })
    }
}

/// The states of a connection, from the first: made by [`Client::states`](crate::Client::states) and
/// [`ServerHandle::states`](crate::ServerHandle::states).
///
/// None is left out, whenever this is made and however slowly it is read: a connection has a handful of them.
#[derive(Clone)]
pub struct States {
    course: Arc<Course>,
    read: usize,
}

impl States {
    /// The next state; `None` after the last.
    ///
    /// # Cancel safety
    /// Safe: dropping the future changes nothing.
    pub async fn next(&mut self) -> Option<State> {
        loop {
            if let Some(next) = self.try_next() {
                return Some(next);
            }
            if self.current().is_last() {
                return None;
            }
            let more = self.course.more.listen();
            // It may have come in between.
            if self.course.states().len() == self.read {
                more.await;
            }
        }
    }

    /// The next one, if there is one already.
    pub fn try_next(&mut self) -> Option<State> {
        let next = self.course.states().get(self.read).copied()?;
        self.read += 1;
        Some(next)
    }

    /// How far the connection is now.
    pub fn current(&self) -> State {
        self.course.current()
    }
}

impl fmt::Debug for States {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("States").field("current", &self.current()).finish_non_exhaustive()
    }
}

/// All states that a connection has been in. It is started once more at the most, so they are few.
#[derive(Debug)]
pub(crate) struct Course {
    states: Mutex<Vec<State>>,
    more: Event,
}

impl Course {
    pub(crate) fn new() -> Arc<Course> {
        Arc::new(Course { states: Mutex::new(vec![State::Starting]), more: Event::new() })
    }

    pub(crate) fn watch(self: &Arc<Self>) -> States {
        States { course: Arc::clone(self), read: 0 }
    }

    pub(crate) fn current(&self) -> State {
        self.states().last().copied().unwrap_or(State::Starting)
    }

    /// Goes on to `next`, if that may follow. Whether it may.
    pub(crate) fn go(&self, next: State) -> bool {
        {
            let mut states = self.states();
            if !states.last().is_some_and(|current| current.may_become(next)) {
                return false;
            }
            states.push(next);
        }
        self.more.notify(usize::MAX);
        true
    }

    /// Goes to the end, whatever is missing.
    pub(crate) fn finish(&self) {
        self.go(State::Closing);
        self.go(State::Closed);
    }

    fn states(&self) -> MutexGuard<'_, Vec<State>> {
        self.states.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use futures_util::FutureExt;

    use super::*;

    const ALL: [State; 5] = [State::Starting, State::Negotiating, State::Ready, State::Closing, State::Closed];

    #[test]
    fn every_state_leads_to_the_last_and_nothing_leads_out_of_it() {
        for state in ALL {
            assert_eq!(state.is_last(), state == State::Closed);
            let course = Course { states: Mutex::new(vec![state]), more: Event::new() };
            course.finish();
            assert_eq!(course.current(), State::Closed, "from {state}");
        }
        assert!(ALL.iter().all(|next| !State::Closed.may_become(*next)));
        assert!(ALL.iter().all(|state| !state.may_become(*state)));
    }

    #[test]
    fn a_step_that_may_not_be_taken_is_not_taken() {
        let course = Course::new();
        assert!(!course.go(State::Closed) && !course.go(State::Starting));
        assert!(course.go(State::Negotiating) && course.go(State::Ready));
        assert!(!course.go(State::Negotiating));
        assert_eq!(course.current(), State::Ready);
    }

    #[test]
    fn who_watches_sees_all_of_them_whenever_it_begins() {
        let course = Course::new();
        let mut early = course.watch();
        assert_eq!(early.next().now_or_never(), Some(Some(State::Starting)));
        {
            let mut waiting = pin!(early.next());
            assert!(waiting.as_mut().now_or_never().is_none());
            course.go(State::Ready);
            assert_eq!(waiting.now_or_never(), Some(Some(State::Ready)));
        }
        course.finish();
        for states in [&mut early.clone(), &mut course.watch()] {
            let rest: Vec<State> = std::iter::from_fn(|| states.next().now_or_never().flatten()).collect();
            assert!(rest.ends_with(&[State::Closing, State::Closed]), "{rest:?}");
        }
        assert_eq!(course.watch().try_next(), Some(State::Starting));
    }
}
