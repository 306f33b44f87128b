//! A timer on the virtual clock.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use scope_core::rt::Timer;

use crate::scheduler::Scheduler;
use crate::state::TimerKey;

pub(crate) struct TestTimer {
    scheduler: Arc<Scheduler>,
    due: Duration,
    /// Where it is registered; stale once it has fired.
    key: Option<TimerKey>,
    elapsed: bool,
}

impl TestTimer {
    pub(crate) fn new(scheduler: Arc<Scheduler>, at: Instant) -> Self {
        let due = scheduler.offset(at);
        TestTimer { scheduler, due, key: None, elapsed: false }
    }

    fn disarm(&mut self) {
        if let Some(key) = self.key.take() {
            self.scheduler.disarm(key);
        }
    }
}

impl Timer for TestTimer {
    fn poll_elapsed(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let timer = self.get_mut();
        if !timer.elapsed {
            timer.elapsed = timer.scheduler.poll_timer(timer.due, &mut timer.key, cx.waker());
        }
        if timer.elapsed { Poll::Ready(()) } else { Poll::Pending }
    }

    fn reset(self: Pin<&mut Self>, at: Instant) {
        let timer = self.get_mut();
        timer.disarm();
        timer.due = timer.scheduler.offset(at);
        timer.elapsed = false;
    }
}

impl Drop for TestTimer {
    fn drop(&mut self) {
        self.disarm();
    }
}
