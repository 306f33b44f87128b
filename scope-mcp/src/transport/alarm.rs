use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;

use scope_core::rt::{Handle, Sleep};

/// One timer for whatever is due next.
///
/// Most calls are answered long before their time-out, so a due time that moves back is not told to the runtime: the
/// timer fires once too early instead, and is set again.
#[derive(Debug, Default)]
pub(super) struct Alarm {
    set: Option<(Instant, Sleep)>,
}

impl Alarm {
    /// Whether it has to be polled for `due`, though it was not woken.
    pub(super) fn is_late_for(&self, due: Option<Instant>) -> bool {
        due.is_some_and(|due| self.set.as_ref().is_none_or(|(at, _)| due < *at))
    }

    /// Whether something may be due. Registers for the time when it is.
    pub(super) fn poll(&mut self, rt: &Handle, due: Option<Instant>, cx: &mut Context<'_>) -> Poll<()> {
        let Some(due) = due else { return Poll::Pending };
        let (at, sleep) = self.set.get_or_insert_with(|| (due, rt.sleep_until(due)));
        if due < *at {
            sleep.reset(due);
            *at = due;
        }
        std::task::ready!(Pin::new(sleep).poll(cx));
        self.set = None;
        Poll::Ready(())
    }
}
