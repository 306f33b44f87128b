//! Deadlines of scopes, and sleeping in one.

use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use crate::raw::frame;
use crate::record::{Record, RecordCause};
use crate::rt::{self, NoRuntime, Sleep};
use crate::scope::Scope;
use crate::waits::At;

/// The timer behind a scope's deadline, armed by whoever polls the scope.
#[derive(Default)]
pub(crate) struct DeadlineTimer {
    armed: Option<(Instant, Sleep)>,
}

impl DeadlineTimer {
    /// Whether the scope's deadline, wherever it stands by now, has passed.
    #[inline]
    pub(crate) fn poll(&mut self, scope: &Scope, cx: &mut Context<'_>) -> Result<bool, NoRuntime> {
        if scope.had_deadline() { self.poll_armed(scope, cx) } else { Ok(false) }
    }

    fn poll_armed(&mut self, scope: &Scope, cx: &mut Context<'_>) -> Result<bool, NoRuntime> {
        let Some(at) = scope.deadline() else {
            self.armed = None;
            return Ok(false);
        };
        let runtime = scope.runtime().ok_or(NoRuntime::new())?;
        if at <= runtime.now() {
            // By the clock, not by the timer: a timer may be coarser, and one in the past is to be seen at once.
            return Ok(true);
        }
        match &mut self.armed {
            Some((armed, _)) if *armed == at => {}
            Some((armed, sleep)) => {
                sleep.reset(at);
                *armed = at;
            }
            None => self.armed = Some((at, runtime.sleep_until(at))),
        }
        Ok(self.armed.as_mut().is_some_and(|(_, sleep)| Pin::new(sleep).poll(cx).is_ready()))
    }
}

/// Watches the deadline of an owned scope until that has been cancelled or has ended. Polled with the scope around.
pub(crate) struct OwnedDeadline {
    /// It may end before this is polled again.
    scope: Weak<Scope>,
    timer: DeadlineTimer,
}

impl OwnedDeadline {
    pub(crate) fn new(scope: &Arc<Scope>) -> Self {
        OwnedDeadline { scope: Arc::downgrade(scope), timer: DeadlineTimer::default() }
    }
}

impl Future for OwnedDeadline {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let Some(scope) = self.scope.upgrade().filter(|scope| !scope.is_over()) else { return Poll::Ready(()) };
        match self.timer.poll(&scope, cx) {
            // Whoever moves it wakes the one who polls this.
            Ok(false) => return Poll::Pending,
            Ok(true) => scope.expire(),
            Err(error) => {
                scope.set_deadline(None);
                let cause = RecordCause::NoRuntime(error);
                let (path, location) = (scope.own_path(), scope.id().location());
                scope.fail(Record { path, location, task: None, cause, secondary: false }, true);
            }
        }
        Poll::Ready(())
    }
}

/// Waits for `duration`, counted from the first poll.
///
/// A [checkpoint](crate::checkpoint): in a cancelled scope it never ends. A zero duration is ready at once.
///
/// # Errors
/// [`NoRuntime`] where no runtime is known.
///
/// # Cancel safety
/// Nothing to lose.
#[track_caller]
pub fn sleep(duration: Duration) -> Sleeping {
    Sleeping { until: Until::After(duration), timer: None, location: Location::caller() }
}

/// Waits until `at`, by the clock of the runtime. See [`sleep`].
///
/// # Errors
/// [`NoRuntime`] where no runtime is known.
#[track_caller]
pub fn sleep_until(at: Instant) -> Sleeping {
    Sleeping { until: Until::At(at), timer: None, location: Location::caller() }
}

/// The future of [`sleep`] and [`sleep_until`].
#[derive(Debug)]
#[must_use = "futures do nothing unless they are awaited"]
pub struct Sleeping {
    until: Until,
    timer: Option<Sleep>,
    location: &'static Location<'static>,
}

#[derive(Debug)]
enum Until {
    After(Duration),
    At(Instant),
}

impl Future for Sleeping {
    type Output = Result<(), NoRuntime>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        frame::note_wait(At::Sleep, Some(self.location));
        if frame::checkpoint_is_cancelled() {
            return Poll::Pending;
        }
        if self.timer.is_none() {
            let runtime = rt::current()?;
            self.timer = Some(match self.until {
                Until::After(duration) => runtime.sleep(duration),
                Until::At(at) => runtime.sleep_until(at),
            });
        }
        match &mut self.timer {
            Some(timer) => Pin::new(timer).poll(cx).map(Ok),
            None => Poll::Pending,
        }
    }
}
