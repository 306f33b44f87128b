//! A timer on tokio's clock, with a way out where tokio's `Sleep` would panic.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use pin_project_lite::pin_project;
use scope_core::rt;
use tokio::time::Sleep;

use crate::alarm::Alarm;
use crate::runtime::TokioRuntime;

pin_project! {
    pub(crate) struct Timer {
        runtime: TokioRuntime,
        at: Instant,
        // None once, or if, tokio's timers are not to be had.
        #[pin]
        sleep: Option<Sleep>,
        alarm: Option<Alarm>,
    }
}

impl Timer {
    pub(crate) fn new(runtime: TokioRuntime, at: Instant) -> Pin<Box<Self>> {
        let at = countable(at);
        let sleep = runtime.sleep_until(at);
        let mut timer = Box::pin(Timer { runtime, at, sleep, alarm: None });
        if let Some(sleep) = timer.as_mut().project().sleep.as_pin_mut() {
            // Registers it at once. From then on tokio marks it as elapsed when the runtime shuts down, which is how
            // that can be seen without polling it: a poll after shutdown panics.
            sleep.reset(at.into());
        }
        timer
    }
}

/// tokio adds to a time, which panics where the clock cannot count any further. So far ahead a second is no matter.
fn countable(at: Instant) -> Instant {
    const SPARE: Duration = Duration::from_secs(1);
    if at.checked_add(SPARE).is_some() { at } else { at - SPARE }
}

impl rt::Timer for Timer {
    fn poll_elapsed(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut this = self.project();
        if let Some(mut sleep) = this.sleep.as_mut().as_pin_mut() {
            if !sleep.is_elapsed() {
                // It panics if the runtime shut down since the line above.
                if let Ok(polled) = catch_unwind(AssertUnwindSafe(|| sleep.as_mut().poll(cx))) {
                    return polled;
                }
            } else if this.runtime.clock() >= *this.at {
                // Not polled, so we keep to tokio's budget ourselves.
                ready!(pin!(tokio::task::consume_budget()).poll(cx));
                return Poll::Ready(());
            }
            // Ended before its time: the runtime has shut down.
            this.sleep.set(None);
        }
        this.alarm.get_or_insert_with(|| Alarm::new(*this.at)).poll(cx)
    }

    fn reset(self: Pin<&mut Self>, at: Instant) {
        let this = self.project();
        let at = countable(at);
        *this.at = at;
        if let Some(sleep) = this.sleep.as_pin_mut() {
            sleep.reset(at.into());
        }
        if let Some(alarm) = this.alarm {
            alarm.reset(at);
        }
    }
}
