//! A runtime that counts its timers.

use std::any::Any;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Instant;

use scope_core::rt::{Handle, Io, Refused, Runtime, Task, Timer};

/// A runtime that runs everything on another one, and counts the timers it makes. Clones are the same.
#[derive(Clone)]
pub(crate) struct Timers {
    on: Handle,
    counts: Arc<Counts>,
}

#[derive(Default)]
struct Counts {
    made: AtomicUsize,
    live: AtomicUsize,
    most: AtomicUsize,
}

impl Timers {
    pub(crate) fn on(on: Handle) -> Self {
        Timers { on, counts: Arc::default() }
    }

    pub(crate) fn handle(&self) -> Handle {
        Handle::new(self.clone())
    }

    /// How many have been made.
    pub(crate) fn made(&self) -> usize {
        self.counts.made.load(Ordering::SeqCst)
    }

    /// How many there are.
    pub(crate) fn live(&self) -> usize {
        self.counts.live.load(Ordering::SeqCst)
    }

    /// How many there were at most.
    pub(crate) fn most(&self) -> usize {
        self.counts.most.load(Ordering::SeqCst)
    }
}

impl Runtime for Timers {
    fn name(&self) -> &'static str {
        "timers counted"
    }

    fn spawn(&self, task: Task) -> Result<(), Refused> {
        self.on.spawn(task)
    }

    fn spawn_blocking(&self, work: Box<dyn FnOnce() + Send + 'static>) -> Result<(), Refused> {
        self.on.spawn_blocking(work)
    }

    fn now(&self) -> Instant {
        self.on.now()
    }

    fn timer(&self, at: Instant) -> Pin<Box<dyn Timer>> {
        self.counts.made.fetch_add(1, Ordering::SeqCst);
        let live = self.counts.live.fetch_add(1, Ordering::SeqCst) + 1;
        self.counts.most.fetch_max(live, Ordering::SeqCst);
        Box::pin(Counted { timer: self.on.timer(at), counts: self.counts.clone() })
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

struct Counted {
    timer: Pin<Box<dyn Timer>>,
    counts: Arc<Counts>,
}

impl Timer for Counted {
    fn poll_elapsed(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.timer.as_mut().poll_elapsed(cx)
    }

    fn reset(mut self: Pin<&mut Self>, at: Instant) {
        self.timer.as_mut().reset(at);
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.counts.live.fetch_sub(1, Ordering::SeqCst);
    }
}
