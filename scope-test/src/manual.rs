//! Polling by hand.

use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};

/// A future that a test polls by hand, in any run or outside of one, and whose wake-ups it counts.
///
/// ```
/// use scope_test::Manual;
/// use std::sync::mpsc;
///
/// let mut future = Manual::new(scope_test::yield_now());
/// assert!(future.poll().is_pending());
/// assert_eq!(future.wakes(), 1);
/// assert!(future.poll().is_ready());
/// ```
///
/// Dropping it drops the future where it stands.
pub struct Manual<F: Future> {
    future: Pin<Box<F>>,
    count: Arc<Count>,
    polls: usize,
    seen: usize,
}

#[derive(Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        // Release, so that whoever sees the count sees what was done before the wake-up.
        self.0.fetch_add(1, Ordering::Release);
    }
}

impl<F: Future> Manual<F> {
    /// Takes `future` without polling it.
    pub fn new(future: F) -> Self {
        Manual { future: Box::pin(future), count: Arc::default(), polls: 0, seen: 0 }
    }

    /// Polls it once.
    ///
    /// # Panics
    /// With the future's panic; most futures panic when polled again after they were ready.
    pub fn poll(&mut self) -> Poll<F::Output> {
        self.polls += 1;
        self.seen = self.wakes();
        let waker = self.waker();
        self.future.as_mut().poll(&mut Context::from_waker(&waker))
    }

    /// How often its waker has been used, over all polls.
    pub fn wakes(&self) -> usize {
        self.count.0.load(Ordering::Acquire)
    }

    /// Whether it has been woken since the last [poll](Manual::poll) began.
    pub fn is_woken(&self) -> bool {
        self.wakes() != self.seen
    }

    /// How often it has been polled.
    pub fn polls(&self) -> usize {
        self.polls
    }

    /// The waker that it is polled with.
    pub fn waker(&self) -> Waker {
        Waker::from(self.count.clone())
    }
}

impl<F: Future> fmt::Debug for Manual<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Manual").field("polls", &self.polls).field("wakes", &self.wakes()).finish_non_exhaustive()
    }
}

/// Polls `future` once, in the task that awaits this, and says what came of it.
///
/// ```
/// # scope_test::block_on(0, async |_| {
/// let mut pending = std::pin::pin!(std::future::pending::<()>());
/// assert!(scope_test::poll_once(&mut pending).await.is_pending());
/// # });
/// ```
pub async fn poll_once<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
    poll_fn(|cx| Poll::Ready(Pin::new(&mut *future).poll(cx))).await
}

/// Lets whatever is ready go on: Pending once, with the task woken at once. Which task runs next, the seed decides; it
/// may be the same.
pub async fn yield_now() {
    let mut yielded = false;
    poll_fn(|cx| {
        if yielded {
            return Poll::Ready(());
        }
        yielded = true;
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}
