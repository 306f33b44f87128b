//! Work that blocks, off the threads that run tasks.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;
use std::time::Duration;

use futures_channel::oneshot;
use scope_core::rt::Handle;

/// How long the runtime may take to begin the work. A pool whose every thread is stuck must not keep a process alive.
pub(crate) const PATIENCE: Duration = Duration::from_secs(1);

/// Runs `work` on the runtime's threads for blocking work; or here, if the runtime does not begin it in time or has shut
/// down: rather a short block than a process that is not ended. `None` if `work` panicked.
///
/// # Cancel safety
/// Work that has begun runs to its end.
pub(crate) async fn run<T, F>(rt: &Handle, work: F) -> Option<T>
where
    T: Send + 'static,
    F: FnOnce() -> T + Send + 'static,
{
    let work = Arc::new(Mutex::new(Some(work)));
    let take = |work: &Mutex<Option<F>>| work.lock().unwrap_or_else(PoisonError::into_inner).take();
    let (sender, mut receiver) = oneshot::channel();
    let job = {
        let work = Arc::clone(&work);
        move || {
            if let Some(work) = take(&work) {
                let _ = sender.send(work());
            }
        }
    };
    if rt.spawn_blocking(Box::new(job)).is_ok() {
        let mut patience = pin!(rt.sleep(PATIENCE));
        let early = poll_fn(|cx| match std::pin::Pin::new(&mut receiver).poll(cx) {
            Poll::Ready(result) => Poll::Ready(result.ok()),
            Poll::Pending => patience.as_mut().poll(cx).map(|()| None),
        });
        if let Some(result) = early.await {
            return Some(result);
        }
    }
    match take(&work) {
        Some(work) => Some(work()),
        None => receiver.await.ok(),
    }
}
