//! The place for one answer, which a service and the one who asked share.
//!
//! Invariants
//! 1. Whoever comes first decides: it is answered, left unanswered, or given up; so an answer is either taken or comes back.
//! 2. Under the lock wakers and answers are moved, and nothing else: none is cloned, woken or dropped there.

use std::fmt;
use std::future::{Future, poll_fn};
use std::mem;
use std::pin::Pin;
use std::sync::{Arc, PoisonError};
use std::task::{Context, Poll, Waker};

use crate::sync::{Mutex, MutexGuard};

struct Place<R>(Mutex<State<R>>);

enum State<R> {
    /// With the waker of each side that waits for the other.
    Open {
        asker: Option<Waker>,
        replier: Option<Waker>,
    },
    Answered(R),
    Unanswered,
    /// Nobody waits any more; also when the answer was taken.
    GivenUp,
}

impl<R> Place<R> {
    fn lock(&self) -> MutexGuard<'_, State<R>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// For the side of the service: says how it ended, or gets that back when nobody waits.
    fn settle(&self, end: State<R>) -> Result<(), State<R>> {
        let mut state = self.lock();
        if !matches!(*state, State::Open { .. }) {
            drop(state);
            return Err(end);
        }
        let open = mem::replace(&mut *state, end);
        drop(state);
        if let State::Open { asker: Some(asker), .. } = open {
            asker.wake();
        }
        Ok(())
    }
}

/// The place for one answer, to be carried in a request. Dropping it unanswered tells the one who asked so.
pub struct Reply<R> {
    /// Until it has answered.
    place: Option<Arc<Place<R>>>,
}

/// The answer to come, or that there will be none.
pub(crate) struct Answer<R> {
    /// Until it is there.
    place: Option<Arc<Place<R>>>,
    waits: bool,
}

/// The [`Reply`] was dropped.
#[derive(Debug)]
pub(crate) struct Unanswered;

pub(crate) fn pair<R>() -> (Reply<R>, Answer<R>) {
    let place = Arc::new(Place(Mutex::new(State::Open { asker: None, replier: None })));
    (Reply { place: Some(Arc::clone(&place)) }, Answer { place: Some(place), waits: false })
}

impl<R> Reply<R> {
    /// Answers. The answer comes back where nobody waits for it any more.
    ///
    /// # Errors
    /// The answer itself.
    pub fn send(mut self, answer: R) -> Result<(), R> {
        let Some(place) = self.place.take() else { return Err(answer) };
        match place.settle(State::Answered(answer)) {
            Err(State::Answered(answer)) => Err(answer),
            _ => Ok(()),
        }
    }

    /// Whether nobody waits for the answer any more.
    pub fn is_given_up(&self) -> bool {
        self.place.as_ref().is_none_or(|place| matches!(*place.lock(), State::GivenUp))
    }

    /// Ready when nobody waits for the answer any more.
    pub fn poll_given_up(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(place) = &self.place else { return Poll::Ready(()) };
        let waker = cx.waker().clone();
        let mut state = place.lock();
        let State::Open { replier, .. } = &mut *state else {
            drop(state);
            return Poll::Ready(());
        };
        let old = replier.replace(waker);
        drop(state);
        drop(old);
        Poll::Pending
    }

    /// Waits until nobody waits for the answer any more.
    ///
    /// # Cancel safety
    /// Nothing to lose.
    pub async fn given_up(&mut self) {
        poll_fn(|cx| self.poll_given_up(cx)).await;
    }
}

impl<R> Drop for Reply<R> {
    fn drop(&mut self) {
        if let Some(place) = self.place.take() {
            // Who does not wait need not be told.
            let _ = place.settle(State::Unanswered);
        }
    }
}

impl<R> fmt::Debug for Reply<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reply").field("given_up", &self.is_given_up()).finish()
    }
}

// The answer is moved in and out, never polled.
impl<R> Unpin for Answer<R> {}

impl<R> Future for Answer<R> {
    type Output = Result<R, Unanswered>;

    /// # Panics
    /// When polled after it was ready.
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let Some(place) = &this.place else { panic!("an answer was polled after it had come") };
        // The first time it is hardly ever there, and later it mostly is.
        let mut waker = (!this.waits).then(|| cx.waker().clone());
        let came = loop {
            let mut state = place.lock();
            let State::Open { asker, .. } = &mut *state else { break mem::replace(&mut *state, State::GivenUp) };
            if waker.is_none() && asker.as_ref().is_some_and(|asker| asker.will_wake(cx.waker())) {
                return Poll::Pending;
            }
            if waker.is_some() {
                mem::swap(asker, &mut waker);
                drop(state);
                this.waits = true;
                return Poll::Pending;
            }
            drop(state);
            waker = Some(cx.waker().clone());
        };
        this.place = None;
        Poll::Ready(match came {
            State::Answered(answer) => Ok(answer),
            _ => Err(Unanswered),
        })
    }
}

impl<R> Drop for Answer<R> {
    fn drop(&mut self) {
        let Some(place) = self.place.take() else { return };
        let left = mem::replace(&mut *place.lock(), State::GivenUp);
        if let State::Open { replier: Some(replier), .. } = left {
            replier.wake();
        }
    }
}
