use std::collections::VecDeque;
use std::fmt;
use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, Waker};

use super::interest::Interest;
use crate::model::Notification;

/// What a server says without being asked, from the time this was [made](crate::Client::notifications) on.
///
/// It holds a bounded number, and a bounded size. Whoever reads too slowly loses the oldest, and can [tell](Notifications::missed); reading
/// from the server never waits for it. A notification that came before an answer is here before the answer is there.
pub struct Notifications(Arc<Queue>);

struct Queue {
    interest: Interest,
    state: Mutex<State>,
}

struct State {
    /// How a subscription began; not among the others, so that they cannot push it out.
    beginning: Option<Arc<Notification>>,
    waiting: VecDeque<Arc<Notification>>,
    /// What those weigh.
    bytes: usize,
    bounds: Bounds,
    missed: u64,
    ended: bool,
    waker: Option<Waker>,
}

/// How much is kept for one who listens. The newest is always kept.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    pub(crate) count: usize,
    pub(crate) bytes: usize,
}

impl State {
    fn pop(&mut self) -> Option<Arc<Notification>> {
        let next = self.waiting.pop_front()?;
        self.bytes -= next.weight();
        Some(next)
    }
}

impl Queue {
    fn new(interest: Interest, bounds: Bounds, ended: bool) -> Queue {
        let waiting = VecDeque::new();
        let state = State { beginning: None, waiting, bytes: 0, bounds, missed: 0, ended, waker: None };
        Queue { interest, state: Mutex::new(state) }
    }

    fn push(&self, notification: Arc<Notification>) {
        let mut state = self.state();
        if self.interest.begins_with(&notification) {
            let earlier = state.beginning.replace(notification);
            wake(state);
            return drop(earlier);
        }
        let weight = notification.weight();
        let Bounds { count, bytes } = state.bounds;
        while state.waiting.len() >= count || state.bytes.saturating_add(weight) > bytes {
            if state.pop().is_none() {
                break;
            }
            state.missed += 1;
        }
        state.bytes += weight;
        state.waiting.push_back(notification);
        wake(state);
    }

    fn end(&self) {
        let mut state = self.state();
        state.ended = true;
        wake(state);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Wakes whoever waits, when the lock has been released.
fn wake(mut state: MutexGuard<'_, State>) {
    let waker = state.waker.take();
    drop(state);
    if let Some(waker) = waker {
        waker.wake();
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
        self.poll(cx, State::pop)
    }

    /// How the subscription began; `None` if the connection has ended before it did.
    pub(super) fn poll_beginning(&mut self, cx: &mut Context<'_>) -> Poll<Option<Arc<Notification>>> {
        self.poll(cx, |state| state.beginning.take())
    }

    fn poll(
        &mut self,
        cx: &mut Context<'_>,
        take: impl FnOnce(&mut State) -> Option<Arc<Notification>>,
    ) -> Poll<Option<Arc<Notification>>> {
        let mut state = self.0.state();
        if let Some(next) = take(&mut state) {
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
        self.0.state().pop()
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
    pub(crate) fn pair(bounds: Bounds) -> (Subscriber, Notifications) {
        let queue = Arc::new(Queue::new(Interest::Everything, bounds, false));
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
    pub(crate) fn subscribe(&self, bounds: Bounds) -> Notifications {
        self.subscribe_to(Interest::Everything, bounds)
    }

    pub(super) fn subscribe_to(&self, interest: Interest, bounds: Bounds) -> Notifications {
        let mut list = self.list();
        let queue = Arc::new(Queue::new(interest, bounds, list.ended));
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
        let mut subscription = None;
        for queue in self.living() {
            if queue.interest.covers(&notification, &mut subscription) {
                queue.push(Arc::clone(&notification));
            }
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

    fn count(count: usize) -> Bounds {
        Bounds { count, bytes: usize::MAX }
    }

    #[test]
    fn everybody_hears_everything_in_order_from_when_they_listen_on() {
        let subscribers = Subscribers::default();
        assert!(subscribers.is_empty());
        let mut first = subscribers.subscribe(count(10));
        say(&subscribers, "a");
        let mut second = subscribers.subscribe(count(10));
        say(&subscribers, "b");
        assert_eq!(heard(&mut first), Some(Some("a".into())));
        assert_eq!(heard(&mut first), Some(Some("b".into())));
        assert_eq!(heard(&mut second), Some(Some("b".into())));
        assert_eq!(heard(&mut second), None);
        subscribers.end();
        assert_eq!(heard(&mut second), Some(None));
        assert_eq!(heard(&mut subscribers.subscribe(count(1))), Some(None));
        drop((first, second));
        assert!(subscribers.is_empty());
    }

    #[test]
    fn who_does_not_listen_loses_the_oldest_and_can_tell() {
        let subscribers = Subscribers::default();
        let mut slow = subscribers.subscribe(count(2));
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
    fn what_is_kept_has_a_bounded_size_and_the_newest_is_always_kept() {
        let subscribers = Subscribers::default();
        let one = Notification::new("abcd".into(), None).weight();
        let mut slow = subscribers.subscribe(Bounds { count: 100, bytes: 2 * one });
        for method in ["aaaa", "bbbb", "cccc", "dddd"] {
            say(&subscribers, method);
        }
        assert_eq!((heard(&mut slow), slow.missed()), (Some(Some("cccc".into())), 2));
        let long = "x".repeat(3 * one);
        say(&subscribers, &long);
        assert_eq!((heard(&mut slow), slow.missed()), (Some(Some(long)), 3));
        for method in ["eeee", "ffff"] {
            say(&subscribers, method);
        }
        assert_eq!((heard(&mut slow), slow.missed()), (Some(Some("eeee".into())), 3));
        let mut nothing = subscribers.subscribe(Bounds { count: 0, bytes: 0 });
        say(&subscribers, "a");
        say(&subscribers, "b");
        assert_eq!((heard(&mut nothing), nothing.missed()), (Some(Some("b".into())), 1));
    }

    #[test]
    fn who_waits_is_woken() {
        let subscribers = Subscribers::default();
        let mut it = subscribers.subscribe(count(2));
        let wakes = crate::testing::Wakes::new();
        assert!(it.poll_next(&mut Context::from_waker(&wakes.waker())).is_pending());
        say(&subscribers, "a");
        assert_eq!(wakes.count(), 1);
        say(&subscribers, "b");
        assert_eq!(wakes.count(), 1, "nobody waits for the second");
    }
}
