//! A runtime with a lever that ends it, so that the end of a runtime can be tried on every runtime.

use std::any::Any;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use futures_util::future::{AbortHandle, abortable};
use scope_core::rt::{Handle, Io, Refused, Runtime, Task, Timer};

/// A runtime that runs everything on another one until it is [ended](Doomed::end): then it drops the tasks it has and
/// takes no more, as a runtime does that is shut down while its tasks' owners live on elsewhere.
#[derive(Clone, Debug)]
pub struct Doomed {
    on: Handle,
    // None once it has ended.
    tasks: Arc<Mutex<Option<Vec<AbortHandle>>>>,
}

impl Doomed {
    /// One that lives on `on`.
    pub fn new(on: Handle) -> Self {
        Doomed { on, tasks: Arc::new(Mutex::new(Some(Vec::new()))) }
    }

    /// Itself, as the core takes it.
    pub fn handle(&self) -> Handle {
        Handle::new(self.clone())
    }

    /// Ends it: its tasks are dropped, each at its next turn; new ones are refused from here on.
    pub fn end(&self) {
        let tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner).take();
        for task in tasks.into_iter().flatten() {
            task.abort();
        }
    }
}

impl Runtime for Doomed {
    fn name(&self) -> &'static str {
        "doomed"
    }

    fn spawn(&self, task: Task) -> Result<(), Refused> {
        let (task, abort) = abortable(task);
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(tasks) = &mut *tasks else {
            return Err(Refused::new());
        };
        tasks.push(abort);
        self.on.spawn(Box::pin(async move {
            // Aborted or not, the future is dropped here.
            let _ = task.await;
        }))
    }

    fn spawn_blocking(&self, work: Box<dyn FnOnce() + Send + 'static>) -> Result<(), Refused> {
        self.on.spawn_blocking(work)
    }

    fn now(&self) -> Instant {
        self.on.now()
    }

    fn timer(&self, at: Instant) -> Pin<Box<dyn Timer>> {
        self.on.timer(at)
    }

    fn watch(&self, fd: std::os::fd::OwnedFd) -> io::Result<Box<dyn Io>> {
        self.on.watch(fd)
    }

    fn can_block(&self) -> bool {
        self.on.can_block()
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
