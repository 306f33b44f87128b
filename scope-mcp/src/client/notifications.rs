use std::collections::VecDeque;
use std::fmt;
use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, Waker};

use crate::model::Notification;

/// What a server says without being asked, from the time this was [made](crate::Client::notifications) on.
///
/// It holds a bounded number. Whoever reads too slowly loses the oldest, and can [tell](Notifications::missed); reading
/// from the server never waits for it. A notification that came before an answer is here before the answer is there.
pub struct Notifications(Arc<Queue>);

struct Queue(Mutex<State>);

struct State {
    waiting: VecDeque<Arc<Notification>>,
    max: usize,
    missed: u64,
    ended: bool,
    waker: Option<Waker>,
}

impl Queue {
    fn new(max: usize, ended: bool) -> Queue {
        Queue(Mutex::new(State { waiting: VecDeque::new(), max: max.max(1), missed: 0, ended, waker: None }))
    }

    fn push(&self, notification: Arc<Notification>) {
        let mut state = self.state();
        let oldest = if state.waiting.len() >= state.max {
            state.missed += 1;
            state.waiting.pop_front()
        } else {
            None
        };
        state.waiting.push_back(notification);
        let waker = state.waker.take();
        drop(state);
        drop(oldest);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    fn end(&self) {
        let mut state = self.state();
        state.ended = true;
        let waker = state.waker.take();
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Notifications {
    /// The next one; `None` once the connection has ended and all have been taken.
    ///
    /// # Cancel safety
    /// Safe: one that was not returned is still queued.
    pub async fn next(&mut self) -> Option<Arc<Notification>> {
        poll_fn(|cx| self.poll_next(cx)).await
    }

    /// As [`next`](Notifications::next), for those who poll.
    pub fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Arc<Notification>>> {
        let mut state = self.0.state();
        if let Some(next) = state.waiting.pop_front() {
            return Poll::Ready(Some(next));
        }
        if state.ended {
            return Poll::Ready(None);
        }
        let old = match &state.waker {
            Some(waker) if waker.will_wake(cx.waker()) => None,
            _ => state.waker.replace(cx.waker().clone()),
        };
        drop(state);
        drop(old);
        Poll::Pending
    }

    /// The next one, if there is one already.
    pub fn try_next(&mut self) -> Option<Arc<Notification>> {
        self.0.state().waiting.pop_front()
    }

    /// How many were lost so far because nobody took them in time.
    pub fn missed(&self) -> u64 {
        self.0.state().missed
    }
}

impl fmt::Debug for Notifications {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.0.state();
        f.debug_struct("Notifications")
            .field("waiting", &state.waiting.len())
            .field("missed", &state.missed)
            .field("ended", &state.ended)
            .finish()
    }
}

/// The other end of a queue that belongs to one call. When it is dropped, nothing more will come.
pub(crate) struct Subscriber(Weak<Queue>);

impl Subscriber {
    /// Both ends.
    pub(crate) fn pair(max: usize) -> (Subscriber, Notifications) {
        let queue = Arc::new(Queue::new(max, false));
        (Subscriber(Arc::downgrade(&queue)), Notifications(queue))
    }

    pub(crate) fn push(&self, notification: Arc<Notification>) {
        if let Some(queue) = self.0.upgrade() {
            queue.push(notification);
        }
    }
}

impl Drop for Subscriber {
    fn drop(&mut self) {
        if let Some(queue) = self.0.upgrade() {
            queue.end();
        }
    }
}

impl fmt::Debug for Subscriber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscriber").field("heard", &(self.0.strong_count() > 0)).finish()
    }
}

/// All who want to hear what a server says.
#[derive(Default)]
pub(crate) struct Subscribers(Mutex<List>);

#[derive(Default)]
struct List {
    queues: Vec<Weak<Queue>>,
    ended: bool,
}

impl Subscribers {
    pub(crate) fn subscribe(&self, max: usize) -> Notifications {
        let mut list = self.list();
        let queue = Arc::new(Queue::new(max, list.ended));
        list.queues.retain(|queue| queue.strong_count() > 0);
        list.queues.push(Arc::downgrade(&queue));
        Notifications(queue)
    }

    /// Whether anybody listens at all.
    pub(crate) fn is_empty(&self) -> bool {
        self.list().queues.iter().all(|queue| queue.strong_count() == 0)
    }

    pub(crate) fn push(&self, notification: Notification) {
        let notification = Arc::new(notification);
        for queue in self.living() {
            queue.push(Arc::clone(&notification));
        }
    }

    /// The connection has ended: nothing more will come.
    pub(crate) fn end(&self) {
        self.list().ended = true;
        for queue in self.living() {
            queue.end();
        }
    }

    /// Collected first: no lock is held when a waker runs.
    fn living(&self) -> Vec<Arc<Queue>> {
        self.list().queues.iter().filter_map(Weak::upgrade).collect()
    }

    fn list(&self) -> MutexGuard<'_, List> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Subscribers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscribers").field("count", &self.list().queues.len()).finish()
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    fn say(subscribers: &Subscribers, method: &str) {
        subscribers.push(Notification::new(method.to_owned().into(), None));
    }

    fn heard(notifications: &mut Notifications) -> Option<Option<String>> {
        notifications.next().now_or_never().map(|next| next.map(|it| it.method().to_owned()))
    }

    #[test]
    fn everybody_hears_everything_in_order_from_when_they_listen_on() {
        let subscribers = Subscribers::default();
        assert!(subscribers.is_empty());
        let mut first = subscribers.subscribe(10);
        say(&subscribers, "a");
        let mut second = subscribers.subscribe(10);
        say(&subscribers, "b");
        assert_eq!(heard(&mut first), Some(Some("a".into())));
        assert_eq!(heard(&mut first), Some(Some("b".into())));
        assert_eq!(heard(&mut second), Some(Some("b".into())));
        assert_eq!(heard(&mut second), None);
        subscribers.end();
        assert_eq!(heard(&mut second), Some(None));
        assert_eq!(heard(&mut subscribers.subscribe(1)), Some(None));
        drop((first, second));
        assert!(subscribers.is_empty());
    }

    #[test]
    fn who_does_not_listen_loses_the_oldest_and_can_tell() {
        let subscribers = Subscribers::default();
        let mut slow = subscribers.subscribe(2);
        for method in ["a", "b", "c", "d"] {
            say(&subscribers, method);
        }
        subscribers.end();
        assert_eq!(slow.missed(), 2);
        assert_eq!(heard(&mut slow), Some(Some("c".into())));
        assert_eq!(heard(&mut slow), Some(Some("d".into())));
        assert_eq!(heard(&mut slow), Some(None));
    }

    #[test]
    fn who_waits_is_woken() {
        let subscribers = Subscribers::default();
        let mut it = subscribers.subscribe(2);
        let wakes = crate::testing::Wakes::new();
        assert!(it.poll_next(&mut Context::from_waker(&wakes.waker())).is_pending());
        say(&subscribers, "a");
        assert_eq!(wakes.count(), 1);
        say(&subscribers, "b");
        assert_eq!(wakes.count(), 1, "nobody waits for the second");
    }
}
