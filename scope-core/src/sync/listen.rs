//! An event: whoever listens before it is notified is told.
//!
//! event-listener's calls, clones and drops wakers under its lock. A waker may run a destructor (that of a task whose executor
//! has stopped), which may drop a listener of the same event, and would wait for itself. So here they go out of the lock first.

use std::collections::BTreeMap;
use std::future::Future;
use std::mem;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use super::atomic::{Ordering, fence};
use crate::blocking::block_on;
use crate::raw::late::Late;
use crate::wake::wake;

/// Allocates when somebody listens.
#[derive(Default)]
pub(crate) struct Listen(Late<Listeners>);

#[derive(Default)]
struct Listeners(Mutex<State>);

#[derive(Default)]
struct State {
    next: u64,
    /// Those not notified.
    waiting: BTreeMap<u64, Option<Waker>>,
}

impl Listeners {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Listen {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Whoever listens is told from here on: what it is about is to be looked at after this.
    pub(crate) fn listen(&self) -> EventListener {
        let listeners = self.0.share(Listeners::default);
        let number = {
            let mut state = listeners.lock();
            let number = state.next;
            state.next += 1;
            state.waiting.insert(number, None);
            number
        };
        // Either they see the change, or who made it sees them.
        fence(Ordering::SeqCst);
        EventListener { listeners, number }
    }

    /// Tells all who listen. To be called after the change.
    pub(crate) fn notify(&self) {
        fence(Ordering::SeqCst);
        let Some(listeners) = self.0.get() else { return };
        let told = mem::take(&mut listeners.lock().waiting);
        told.into_values().flatten().for_each(wake);
    }
}

pub(crate) struct EventListener {
    listeners: Arc<Listeners>,
    number: u64,
}

impl EventListener {
    /// Waits on the spot.
    pub(crate) fn wait(mut self) {
        block_on(|cx| Pin::new(&mut self).poll(cx));
    }
}

impl Future for EventListener {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let fresh = cx.waker().clone();
        let old = match self.listeners.lock().waiting.get_mut(&self.number) {
            None => return Poll::Ready(()),
            Some(waker) => waker.replace(fresh),
        };
        drop(old);
        Poll::Pending
    }
}

impl Drop for EventListener {
    fn drop(&mut self) {
        let waker = self.listeners.lock().waiting.remove(&self.number);
        drop(waker);
    }
}
