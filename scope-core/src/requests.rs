//! The requests that wait for a service: taken in the order in which they were given, so many at most. Who finds no room
//! waits, first come, first served.
//!
//! It grows as it is used: a thousand services that nobody asks much hold little.
//!
//! Invariants
//! 1. `queue` and the places promised to woken waiters are `limit` together at most; while somebody waits, they are `limit`.
//! 2. Once closed nothing is put in, and no place is promised.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::PoisonError;
use std::task::{Context, Poll, Waker};

use crate::sync::{Mutex, MutexGuard};

pub(crate) struct Requests<R> {
    limit: usize,
    state: Mutex<State<R>>,
}

struct State<R> {
    queue: VecDeque<R>,
    /// Places of those who were woken and have not put theirs in yet.
    promised: usize,
    waiting: VecDeque<Waiting>,
    next: u64,
    closed: bool,
    /// The service, where it waits.
    served_by: Option<Waker>,
}

struct Waiting {
    ticket: u64,
    waker: Waker,
}

impl<R> State<R> {
    /// Where that one waits. They are in the order of their tickets.
    fn place_of(&self, ticket: u64) -> Option<usize> {
        self.waiting.binary_search_by_key(&ticket, |waiting| waiting.ticket).ok()
    }

    /// Promises the place that has become free to the one who has waited longest, who is to be woken.
    fn pass_on(&mut self) -> Option<Waker> {
        if self.closed {
            return None;
        }
        let longest = self.waiting.pop_front()?;
        self.promised += 1;
        Some(longest.waker)
    }
}

fn wake(waker: Option<Waker>) {
    if let Some(waker) = waker {
        waker.wake();
    }
}

impl<R> Requests<R> {
    pub(crate) fn new(limit: usize) -> Self {
        let state = State {
            queue: VecDeque::new(),
            promised: 0,
            waiting: VecDeque::new(),
            next: 0,
            closed: false,
            served_by: None,
        };
        Requests { limit: limit.max(1), state: Mutex::new(state) }
    }

    fn lock(&self) -> MutexGuard<'_, State<R>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a request in, and waits for room if there is none. Dropped before it is ready, it puts nothing in.
    pub(crate) fn give(&self, request: R) -> Give<'_, R> {
        Give { requests: self, request: Some(request), ticket: None }
    }

    /// Takes the longest waiting request.
    pub(crate) fn try_take(&self) -> Option<R> {
        let (request, promised) = {
            let mut state = self.lock();
            let request = state.queue.pop_front()?;
            (request, state.pass_on())
        };
        wake(promised);
        Some(request)
    }

    /// The same, and waits for one; `None` once closed, whatever waits then. For one task, which keeps `empty`: whether it
    /// left nothing behind the last time.
    pub(crate) fn poll_take(&self, empty: &mut bool, cx: &mut Context<'_>) -> Poll<Option<R>> {
        // Neither cloned nor dropped under the lock; and not cloned in vain, mostly: one that left nothing waits now, and one
        // that waited has been woken for something.
        let mut waker = std::mem::take(empty).then(|| cx.waker().clone());
        loop {
            let mut state = self.lock();
            if state.closed {
                return Poll::Ready(None);
            }
            if let Some(request) = state.queue.pop_front() {
                *empty = state.queue.is_empty();
                let promised = state.pass_on();
                drop(state);
                wake(promised);
                return Poll::Ready(Some(request));
            }
            if waker.is_some() {
                std::mem::swap(&mut state.served_by, &mut waker);
                return Poll::Pending;
            }
            drop(state);
            waker = Some(cx.waker().clone());
        }
    }

    /// Refuses whoever waits for room or comes later, and ends the wait for a request. What is in stays in.
    pub(crate) fn close(&self) {
        let (waiting, served_by) = {
            let mut state = self.lock();
            state.closed = true;
            (std::mem::take(&mut state.waiting), state.served_by.take())
        };
        served_by.into_iter().chain(waiting.into_iter().map(|waiting| waiting.waker)).for_each(crate::wake::wake);
    }

    /// Drops all that are in, of one that is closed.
    pub(crate) fn clear(&self) {
        let queue = std::mem::take(&mut self.lock().queue);
        drop(queue);
    }

    pub(crate) fn len(&self) -> usize {
        self.lock().queue.len()
    }
}

/// The service takes no more requests.
#[derive(Debug)]
pub(crate) struct Closed;

/// The future of [`Requests::give`].
pub(crate) struct Give<'a, R> {
    requests: &'a Requests<R>,
    request: Option<R>,
    /// It waits, or has been promised a place.
    ticket: Option<u64>,
}

// The request is moved in and out, never polled.
impl<R> Unpin for Give<'_, R> {}

impl<R> Give<'_, R> {
    /// Puts the request in if it may be. With `waker` it waits otherwise.
    fn try_put(&mut self, waker: &mut Option<Waker>) -> Poll<Result<(), Closed>> {
        let mut state = self.requests.lock();
        if state.closed {
            self.ticket = None;
            return Poll::Ready(Err(Closed));
        }
        match self.ticket {
            None if state.queue.len() + state.promised < self.requests.limit => {}
            None => {
                if let Some(waker) = waker.take() {
                    let ticket = state.next;
                    state.next += 1;
                    self.ticket = Some(ticket);
                    state.waiting.push_back(Waiting { ticket, waker });
                }
                return Poll::Pending;
            }
            Some(ticket) => match state.place_of(ticket) {
                Some(at) => {
                    if let Some(waker) = waker {
                        std::mem::swap(&mut state.waiting[at].waker, waker);
                    }
                    return Poll::Pending;
                }
                None => {
                    state.promised -= 1;
                    self.ticket = None;
                }
            },
        }
        state.queue.extend(self.request.take());
        let served_by = state.served_by.take();
        drop(state);
        wake(served_by);
        Poll::Ready(Ok(()))
    }
}

impl<R> Future for Give<'_, R> {
    type Output = Result<(), Closed>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        // Most find room, and need no waker.
        match self.try_put(&mut None) {
            Poll::Pending => self.try_put(&mut Some(cx.waker().clone())),
            ready => ready,
        }
    }
}

impl<R> Drop for Give<'_, R> {
    fn drop(&mut self) {
        let Some(ticket) = self.ticket else { return };
        let (waiting, promised);
        {
            let mut state = self.requests.lock();
            waiting = state.place_of(ticket).and_then(|at| state.waiting.remove(at));
            // The place that it was promised is the next one's.
            promised = if waiting.is_none() && !state.closed {
                state.promised -= 1;
                state.pass_on()
            } else {
                None
            };
        }
        wake(promised);
        drop(waiting);
    }
}
