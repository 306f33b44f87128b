//! How often something is polled.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;

/// A count of polls. Clones are the same.
#[derive(Clone, Default)]
pub(crate) struct Polls(Arc<AtomicUsize>);

impl Polls {
    pub(crate) fn new() -> Self {
        Polls::default()
    }

    pub(crate) fn so_far(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }

    /// Counts one by hand; how many there are with it.
    pub(crate) fn count(&self) -> usize {
        self.0.fetch_add(1, Ordering::SeqCst) + 1
    }

    /// Runs `fut`, and counts how often it is polled: each time that whatever it is part of was woken, and each time beside.
    pub(crate) async fn of<F: Future>(&self, fut: F) -> F::Output {
        let mut fut = pin!(fut);
        poll_fn(|cx| {
            self.count();
            fut.as_mut().poll(cx)
        })
        .await
    }

    /// The same for the whole of something: it is polled only when it was woken. A runtime polls a root task of its own
    /// accord.
    pub(crate) async fn of_whole<F: Future>(&self, fut: F) -> F::Output {
        let mut alone: FuturesUnordered<_> = std::iter::once(self.of(fut)).collect();
        alone.next().await.expect("there is one")
    }
}
