//! The places of a bounded set: given in the order in which they were asked for.
//!
//! async-lock's semaphore would let a newcomer take the place that a waiter has just been woken for, again and again. Here a
//! place that is given back goes to the one who has waited longest, before that one is woken.
//!
//! Invariant: while somebody waits, no place is free.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, PoisonError};
use std::task::{Context, Poll, Waker};

use crate::sync::{Mutex, MutexGuard};

pub(crate) struct Places {
    state: Mutex<State>,
}

struct State {
    free: usize,
    waiting: VecDeque<Waiting>,
    next: u64,
}

struct Waiting {
    ticket: u64,
    waker: Waker,
}

impl Places {
    pub(crate) fn new(free: usize) -> Arc<Self> {
        Arc::new(Places { state: Mutex::new(State { free, waiting: VecDeque::new(), next: 0 }) })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place, if one is free.
    pub(crate) fn try_take(self: &Arc<Self>) -> Option<Permit> {
        let mut state = self.lock();
        state.free = state.free.checked_sub(1)?;
        Some(Permit(self.clone()))
    }

    /// Waits for a place. Dropped before it is ready, it takes none.
    pub(crate) fn take(self: &Arc<Self>) -> Take {
        Take { places: self.clone(), ticket: None }
    }

    fn give_back(&self) {
        let longest = {
            let mut state = self.lock();
            let longest = state.waiting.pop_front();
            if longest.is_none() {
                state.free += 1;
            }
            longest
        };
        // The place is theirs: their ticket is not in the queue any more.
        if let Some(Waiting { waker, .. }) = longest {
            waker.wake();
        }
    }
}

/// A place that is taken. Dropping it gives it back.
pub(crate) struct Permit(Arc<Places>);

impl Drop for Permit {
    fn drop(&mut self) {
        self.0.give_back();
    }
}

/// The future of [`Places::take`].
pub(crate) struct Take {
    places: Arc<Places>,
    ticket: Option<u64>,
}

impl Future for Take {
    type Output = Permit;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Permit> {
        let this = &mut *self;
        let fresh = cx.waker().clone();
        let old;
        {
            let mut state = this.places.lock();
            match this.ticket {
                None => {
                    if let Some(free) = state.free.checked_sub(1) {
                        state.free = free;
                        return Poll::Ready(Permit(this.places.clone()));
                    }
                    let ticket = state.next;
                    state.next += 1;
                    this.ticket = Some(ticket);
                    state.waiting.push_back(Waiting { ticket, waker: fresh });
                    return Poll::Pending;
                }
                Some(ticket) => {
                    let Some(waiting) = state.waiting.iter_mut().find(|waiting| waiting.ticket == ticket) else {
                        this.ticket = None;
                        return Poll::Ready(Permit(this.places.clone()));
                    };
                    old = std::mem::replace(&mut waiting.waker, fresh);
                }
            }
        }
        drop(old);
        Poll::Pending
    }
}

impl Drop for Take {
    fn drop(&mut self) {
        let Some(ticket) = self.ticket else { return };
        let waiting = {
            let mut state = self.places.lock();
            let at = state.waiting.iter().position(|waiting| waiting.ticket == ticket);
            at.and_then(|at| state.waiting.remove(at))
        };
        if waiting.is_none() {
            // It had been given one meanwhile.
            self.places.give_back();
        }
    }
}
