//! What is asked of a server although nobody waits for it: to clean up after those who have gone.
//!
//! Whoever is dropped leaves it here, and the connection takes it from here, in order. It is bounded by those who can be
//! dropped.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::Context;

use futures_util::task::AtomicWaker;

/// See the [module](self).
#[derive(Default)]
pub(super) struct Errands {
    state: Mutex<State>,
    waker: AtomicWaker,
}

#[derive(Default)]
struct State {
    waiting: Vec<Errand>,
    /// By how many each resource is watched. Whether one is watched still is decided when the errand is taken: who watches
    /// it anew asks the server after that.
    watched: HashMap<String, usize>,
    closed: bool,
}

/// Something to be asked.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Errand {
    /// Not to tell of this resource any more (legacy era).
    Unsubscribe(String),
    /// To cancel the task of that id.
    CancelTask(String),
}

impl Errands {
    /// Says, before the server is asked, that a resource is watched.
    pub(super) fn watch(&self, uri: &str) {
        *self.state().watched.entry(uri.to_owned()).or_default() += 1;
    }

    /// One who watched it has gone.
    pub(super) fn unwatch(&self, uri: String) {
        let last = {
            let mut state = self.state();
            match state.watched.get_mut(&uri) {
                Some(count) if *count > 1 => {
                    *count -= 1;
                    false
                }
                _ => state.watched.remove(&uri).is_some(),
            }
        };
        if last {
            self.leave(Errand::Unsubscribe(uri));
        }
    }

    pub(super) fn leave(&self, errand: Errand) {
        {
            let mut state = self.state();
            if state.closed {
                return;
            }
            state.waiting.push(errand);
        }
        self.waker.wake();
    }

    /// Those since the last time that are still to be done. Registers to be woken by the next.
    pub(super) fn take(&self, cx: &Context<'_>) -> Vec<Errand> {
        self.waker.register(cx.waker());
        let mut state = self.state();
        let mut waiting = std::mem::take(&mut state.waiting);
        waiting.retain(|errand| match errand {
            Errand::Unsubscribe(uri) => !state.watched.contains_key(uri),
            Errand::CancelTask(_) => true,
        });
        waiting
    }

    /// Nobody takes anything any more.
    pub(super) fn close(&self) {
        let mut state = self.state();
        state.closed = true;
        state.waiting = Vec::new();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Errands {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Errands").field("waiting", &self.state().waiting.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Wakes;

    #[test]
    fn a_resource_is_given_up_when_the_last_one_who_watched_it_has_gone() {
        let errands = Errands::default();
        let wakes = Wakes::new();
        let waker = wakes.waker();
        let cx = Context::from_waker(&waker);
        assert!(errands.take(&cx).is_empty());
        errands.watch("a");
        errands.watch("a");
        errands.unwatch("a".into());
        assert!(wakes.count() == 0 && errands.take(&cx).is_empty());
        errands.unwatch("a".into());
        assert_eq!(wakes.count(), 1);
        assert_eq!(errands.take(&cx), [Errand::Unsubscribe("a".into())]);
        assert!(errands.take(&cx).is_empty());
        errands.unwatch("a".into());
        assert!(errands.take(&cx).is_empty(), "it was watched by nobody");
    }

    #[test]
    fn one_that_is_watched_anew_before_it_is_given_up_is_kept() {
        let errands = Errands::default();
        errands.watch("a");
        errands.unwatch("a".into());
        errands.watch("a");
        errands.leave(Errand::CancelTask("t".into()));
        let cx = Context::from_waker(std::task::Waker::noop());
        assert_eq!(errands.take(&cx), [Errand::CancelTask("t".into())]);
        errands.close();
        errands.unwatch("a".into());
        assert!(errands.take(&cx).is_empty(), "after the end");
    }
}
