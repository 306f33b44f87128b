//! Deadlines, and the grace of a shutdown.

use super::*;

/// How much time a deadline gave.
#[derive(Clone, Copy)]
pub(super) enum Gave {
    /// So much from the scope's entry on, as it was asked for.
    Limit(Duration),
    /// Until a time, which lay so far ahead when it was set; nothing where it was past.
    Until(Duration),
}

impl Gave {
    pub(super) fn until(at: Option<Instant>, runtime: Option<&rt::Handle>) -> Self {
        let now = || runtime.map_or_else(Instant::now, |runtime| runtime.now());
        Gave::Until(at.map_or(Duration::ZERO, |at| at.saturating_duration_since(now())))
    }

    /// As it is told in a [`CancelReason`].
    fn text(self) -> Name {
        match self {
            Gave::Limit(limit) => Name::from(format!("the limit was {limit:?}")),
            Gave::Until(Duration::ZERO) => Name::new("the time that was set was past already"),
            Gave::Until(ahead) => Name::from(format!("it was set {ahead:?} before")),
        }
    }
}

impl Scope {
    /// The earliest deadline that code in this scope is under.
    pub(crate) fn effective_deadline(&self) -> Option<Instant> {
        let mut earliest = self.deadline();
        let mut at = self;
        while !at.masks_above() {
            let Some(parent) = &at.parent else { break };
            at = parent;
            earliest = match (earliest, at.deadline()) {
                (Some(a), Some(b)) => Some(a.min(b)),
                (a, b) => a.or(b),
            };
        }
        earliest
    }

    /// Whether it has a deadline, or had one.
    #[inline]
    pub(crate) fn had_deadline(&self) -> bool {
        self.flags.load(Ordering::Acquire) & DEADLINE != 0
    }

    /// Cancels the scope if its deadline has passed by the clock.
    #[inline]
    pub(crate) fn expire_if_due(self: &Arc<Self>) {
        if self.had_deadline() {
            self.look_at_the_clock();
        }
    }

    fn look_at_the_clock(self: &Arc<Self>) {
        if let (Some(at), Some(runtime)) = (self.deadline(), &self.runtime)
            && at <= runtime.now()
        {
            self.expire();
        }
    }

    /// Cancels the scope: its deadline has passed, or the grace of its shutdown is over.
    pub(crate) fn expire(self: &Arc<Self>) {
        let (gave, shutdown) = {
            let state = self.lock();
            let shutdown = state
                .shutdown
                .as_ref()
                .filter(|shutdown| state.deadline == Some(shutdown.until))
                .map(|s| (s.grace, s.location));
            (state.gave, shutdown)
        };
        match shutdown {
            None => self.cancel(CancelCause::Deadline, gave.text(), self.id.location()),
            Some((grace, location)) => {
                let running = crate::tree::still_running(self);
                let text = format!("the grace of {grace:?} is over; still running: {}", running.join(", "));
                self.cancel(CancelCause::Shutdown, Name::from(text), location)
            }
        };
    }

    pub(crate) fn is_shutdown_requested(&self) -> bool {
        self.flags.load(Ordering::Acquire) & SHUTDOWN != 0
    }

    /// Tells those who ask, here and further in, to come to an end, and cancels the scope when `grace` is over.
    pub(crate) fn shut_down(self: &Arc<Self>, grace: Duration, location: &'static Location<'static>) {
        let now = self.runtime.as_ref().map_or_else(Instant::now, |runtime| runtime.now());
        if let Some(until) = now.checked_add(grace) {
            let mut state = self.lock();
            if state.deadline.is_none_or(|deadline| until < deadline) {
                state.deadline = Some(until);
                state.shutdown = Some(Shutdown { until, grace, location });
                self.flags.fetch_or(DEADLINE, Ordering::Release);
            }
        }
        let mut work = vec![self.clone()];
        while let Some(scope) = work.pop() {
            {
                let state = scope.lock();
                if scope.kind == Kind::CleanUp || scope.flags.fetch_or(SHUTDOWN, Ordering::AcqRel) & SHUTDOWN != 0 {
                    continue;
                }
                work.extend(state.inner.iter().filter_map(Weak::upgrade));
            }
            scope.asked.notify();
        }
        self.wake_timer();
    }

    /// Has whoever polls this scope arm the timer.
    pub(super) fn wake_timer(self: &Arc<Self>) {
        if self.kind != Kind::Owned {
            self.wake_host();
            return;
        }
        if self.is_over() {
            return;
        }
        // Nobody polls that: whoever polls the one around does it.
        let mut around = self.parent();
        while let Some(scope) = around.filter(|scope| scope.kind == Kind::Owned) {
            around = scope.parent();
        }
        let Some(around) = around else { return };
        if self.flags.fetch_or(WATCHED, Ordering::AcqRel) & WATCHED == 0 {
            around.post(Box::pin(crate::timer::OwnedDeadline::new(self)));
        } else {
            around.wake_host();
        }
    }
}
