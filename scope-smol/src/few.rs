//! How many children wait for their first turn: a few have tasks of the executor's own, a crowd is carried.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use pin_project_lite::pin_project;

/// Carriers that end with their crowd take as much as four tasks, and save a third of each that they carry.
const MOST: usize = 32;

#[derive(Debug, Default)]
pub(crate) struct Few(Arc<AtomicUsize>);

impl Few {
    /// `task` as one of a few, or as it is where these are enough already.
    pub(crate) fn one_of<F>(&self, task: F) -> Result<OneOf<F>, F> {
        if self.0.load(Ordering::Relaxed) >= MOST {
            return Err(task);
        }
        self.0.fetch_add(1, Ordering::Relaxed);
        Ok(OneOf { task, waits: Some(Waits(self.0.clone())) })
    }
}

/// Counted until it is dropped.
struct Waits(Arc<AtomicUsize>);

impl Drop for Waits {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

pin_project! {
    /// Counted until it is polled.
    pub(crate) struct OneOf<F> {
        #[pin]
        task: F,
        waits: Option<Waits>,
    }
}

impl<F: Future> Future for OneOf<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        drop(this.waits.take());
        this.task.poll(cx)
    }
}
