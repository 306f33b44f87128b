//! A task of an executor that has stopped.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Wake, Waker};

/// A task of an executor that has stopped: whoever wakes it drops its future, there and then. So does an executor whose
/// wakers put their task into a channel that nobody receives from any more.
pub struct Stopped(Mutex<Option<Pin<Box<dyn Future<Output = ()> + Send>>>>);

impl Stopped {
    /// One that has been polled, and waits.
    ///
    /// # Panics
    /// If it ends.
    pub fn with(task: impl Future<Output = ()> + Send + 'static) -> Arc<Self> {
        let stopped = Arc::new(Stopped(Mutex::new(None)));
        let waker = Waker::from(stopped.clone());
        let mut task: Pin<Box<dyn Future<Output = ()> + Send>> = Box::pin(task);
        assert!(task.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        *stopped.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(task);
        stopped
    }

    /// Whether its future has been dropped.
    pub fn has_gone(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).is_none()
    }
}

impl Wake for Stopped {
    fn wake(self: Arc<Self>) {
        let task = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        drop(task);
    }
}

impl fmt::Debug for Stopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Stopped").field(&self.has_gone()).finish()
    }
}
