//! Carriers that have been called and are not the executor's yet.
//!
//! The executor takes a task under a lock, under which it wakes, too: who runs the executor in a child that is carried there is
//! woken so. A waker that spawned would wait for itself. So it leaves the carrier here, and wakes a task that spawns it. That is
//! there while there are carriers.

use std::future::Future;
use std::mem;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use crate::crewing::Carrying;
use crate::executor::Home;

#[derive(Default)]
pub(crate) struct Calls {
    state: Mutex<State>,
    /// How many carriers there are, here or in the executor. Changed under the lock.
    carriers: AtomicUsize,
    /// How many lie here. Likewise.
    called: AtomicUsize,
}

#[derive(Default)]
struct State {
    called: Vec<Carrying>,
    starter: Where,
}

/// Where the task is that spawns carriers.
#[derive(Default)]
enum Where {
    /// Not needed.
    #[default]
    Nowhere,
    /// Spawned: it looks when it is polled for the first time.
    Coming,
    Waits(Waker),
    /// Gone with its executor.
    Gone,
}

/// A carrier is counted until this is dropped.
pub(crate) struct Counted(Arc<Calls>);

impl Calls {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn no_carriers(&self) -> bool {
        self.carriers.load(Ordering::Relaxed) == 0
    }

    /// Has a carrier started: by the task, or by who calls [`answer`](Calls::answer) first.
    pub(crate) fn call(self: &Arc<Self>, carrier: impl FnOnce(Counted) -> Carrying) {
        let mut state = self.lock();
        self.carriers.fetch_add(1, Ordering::Relaxed);
        let carrier = carrier(Counted(self.clone()));
        let waker = match &state.starter {
            Where::Nowhere | Where::Coming => None,
            Where::Waits(waker) => Some(waker.clone()),
            Where::Gone => {
                drop(state);
                drop(carrier);
                return;
            }
        };
        state.called.push(carrier);
        self.called.store(state.called.len(), Ordering::Relaxed);
        drop(state);
        waker.inspect(Waker::wake_by_ref);
    }

    /// Gives the executor the carriers that lie here. What it refuses is dropped.
    pub(crate) fn answer(self: &Arc<Self>, home: &Home) {
        if self.called.load(Ordering::Relaxed) == 0 {
            return;
        }
        let mut state = self.lock();
        let called = self.take(&mut state);
        let starts = matches!(state.starter, Where::Nowhere) && !called.is_empty();
        if starts {
            state.starter = Where::Coming;
        }
        drop(state);
        // Refused, it is dropped, and there is none.
        if starts {
            let _ = home.spawn(Starting { calls: self.clone(), home: home.clone(), over: false });
        }
        spawn_all(called, home);
    }

    fn take(&self, state: &mut State) -> Vec<Carrying> {
        self.called.store(0, Ordering::Relaxed);
        mem::take(&mut state.called)
    }
}

fn spawn_all(carriers: Vec<Carrying>, home: &Home) {
    for carrier in carriers {
        let _ = home.spawn(carrier);
    }
}

impl std::fmt::Debug for Calls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Calls").field("carriers", &self.carriers).finish_non_exhaustive()
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        let state = self.0.lock();
        let last = self.0.carriers.fetch_sub(1, Ordering::Relaxed) == 1;
        let waker = match &state.starter {
            Where::Waits(waker) if last => Some(waker.clone()),
            _ => None,
        };
        drop(state);
        waker.inspect(Waker::wake_by_ref);
    }
}

/// The task that spawns carriers.
struct Starting {
    calls: Arc<Calls>,
    home: Home,
    over: bool,
}

impl Future for Starting {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut state = self.calls.lock();
        let called = self.calls.take(&mut state);
        let over = self.calls.no_carriers();
        state.starter = if over { Where::Nowhere } else { Where::Waits(cx.waker().clone()) };
        drop(state);
        self.over = over;
        spawn_all(called, &self.home);
        if over { Poll::Ready(()) } else { Poll::Pending }
    }
}

/// With the executor, in which there is no place for a carrier then.
impl Drop for Starting {
    fn drop(&mut self) {
        if self.over {
            return;
        }
        let mut state = self.calls.lock();
        state.starter = Where::Gone;
        let called = self.calls.take(&mut state);
        drop(state);
        drop(called);
    }
}
