//! Timers that need no runtime: one thread of the process, alive while someone waits.
//!
//! tokio's own timers come first. These stand in where there are none: in a runtime built without `enable_time`, and
//! in one that has shut down.

use std::collections::BTreeMap;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::Instant;

/// When, and a number that tells apart those of the same instant.
type Key = (Instant, u64);

struct Clock {
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    waiting: BTreeMap<Key, Waker>,
    next: u64,
    thread_runs: bool,
}

static CLOCK: Clock = Clock {
    state: Mutex::new(State { waiting: BTreeMap::new(), next: 0, thread_runs: false }),
    changed: Condvar::new(),
};

impl Clock {
    fn lock(&self) -> MutexGuard<'_, State> {
        // No user code runs under the lock, so a poisoned one is whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// `None` when the thread cannot be started.
    fn insert(&'static self, at: Instant, waker: Waker) -> Option<Key> {
        let mut state = self.lock();
        if !state.thread_runs {
            thread::Builder::new().name("scope-tokio-alarm".into()).spawn(|| self.serve()).ok()?;
            state.thread_runs = true;
        }
        let key = (at, state.next);
        state.next += 1;
        state.waiting.insert(key, waker);
        let earliest = state.waiting.first_key_value().is_some_and(|(first, _)| *first == key);
        drop(state);
        if earliest {
            self.changed.notify_one();
        }
        Some(key)
    }

    fn remove(&self, key: Key) {
        let waker = self.lock().waiting.remove(&key);
        // Dropping a waker may run a task's destructor: not under the lock.
        drop(waker);
    }

    fn serve(&self) {
        let mut state = self.lock();
        while let Some((&(at, _), _)) = state.waiting.first_key_value() {
            let now = Instant::now();
            if at > now {
                let waited = self.changed.wait_timeout(state, at - now);
                state = waited.unwrap_or_else(PoisonError::into_inner).0;
                continue;
            }
            let due = state.waiting.pop_first();
            drop(state);
            if let Some((_, waker)) = due {
                // A waker that panics must not take everybody's clock with it.
                let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| waker.wake()));
            }
            state = self.lock();
        }
        state.thread_runs = false;
    }
}

/// A timer on that thread.
pub(crate) struct Alarm {
    at: Instant,
    key: Option<Key>,
}

impl Alarm {
    pub(crate) fn new(at: Instant) -> Self {
        Alarm { at, key: None }
    }

    pub(crate) fn reset(&mut self, at: Instant) {
        self.disarm();
        self.at = at;
    }

    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.disarm();
        if Instant::now() >= self.at {
            return Poll::Ready(());
        }
        self.key = CLOCK.insert(self.at, cx.waker().clone());
        if self.key.is_none() {
            // The system has no thread to give. Being polled again and again is costly, but nobody sleeps for ever.
            cx.waker().wake_by_ref();
        }
        Poll::Pending
    }

    fn disarm(&mut self) {
        if let Some(key) = self.key.take() {
            CLOCK.remove(key);
        }
    }
}

impl Drop for Alarm {
    fn drop(&mut self) {
        self.disarm();
    }
}
