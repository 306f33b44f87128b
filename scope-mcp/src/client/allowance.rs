use std::future::Future;
use std::pin::pin;
use std::time::{Duration, Instant};

use futures_util::future::{Either, select};

use super::Client;
use crate::error::{CallError, CallName, Delivery};
use crate::state::State;

/// How long something may take that needs several calls, and since when.
#[derive(Clone, Copy, Debug)]
pub(super) struct Allowance {
    start: Option<Instant>,
    timeout: Duration,
    /// What messages say that it was.
    told: Duration,
}

impl Allowance {
    /// From then on; or from when there is a clock, if there was none yet.
    pub(super) fn since(start: Option<Instant>, timeout: Duration) -> Allowance {
        Allowance { start, timeout, told: timeout }
    }
}

impl Client {
    /// From now on; or from when there is a clock, if there is none yet.
    pub(super) fn allow(&self, timeout: Duration) -> Allowance {
        Allowance::since(self.shared.now(), timeout)
    }

    /// From now on, no longer than `timeout`, nor than is left.
    pub(super) fn part_of(&self, it: Allowance, timeout: Duration) -> Allowance {
        let left = self.left(it);
        if timeout < left { self.allow(timeout) } else { Allowance { timeout: left, ..self.allow(it.told) } }
    }

    /// What is left of it.
    pub(super) fn left(&self, it: Allowance) -> Duration {
        match (it.start, self.shared.now()) {
            (Some(start), Some(now)) => it.timeout.saturating_sub(now.saturating_duration_since(start)),
            _ => it.timeout,
        }
    }

    /// `work`, or the error of a call that took too long, or whose connection has ended meanwhile.
    pub(super) async fn in_time<T>(
        &self,
        name: &CallName<'_>,
        allowance: Allowance,
        work: impl Future<Output = T>,
    ) -> Result<T, CallError> {
        let Some(timer) = self.shared.timer(self.left(allowance)) else { return Ok(work.await) };
        match select(pin!(work), select(timer, pin!(self.over()))).await {
            Either::Left((done, _)) => Ok(done),
            Either::Right((Either::Left(_), _)) => Err(out_of_time(name, allowance)),
            Either::Right((Either::Right(_), _)) => Err(self.shared.ended(name, Delivery::SentUnknown)),
        }
    }

    /// Waits for `time`, if there is so much left, and if the connection lasts so long; not at all before there is a clock.
    pub(super) async fn pause(
        &self,
        name: &CallName<'_>,
        allowance: Allowance,
        time: Duration,
    ) -> Result<(), CallError> {
        let left = self.left(allowance);
        if let Some(timer) = self.shared.timer(time.min(left))
            && let Either::Right(_) = select(timer, pin!(self.over())).await
        {
            return Err(self.shared.ended(name, Delivery::SentUnknown));
        }
        if time < left { Ok(()) } else { Err(out_of_time(name, allowance)) }
    }

    /// Ready when the connection is ending.
    async fn over(&self) {
        let mut states = self.states();
        while states.next().await.is_some_and(|state| !matches!(state, State::Closing | State::Closed)) {}
    }
}

fn out_of_time(name: &CallName<'_>, allowance: Allowance) -> CallError {
    CallError::timed_out(name, Delivery::Answered, allowance.told)
}
