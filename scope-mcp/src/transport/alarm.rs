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
        let Some(due) = due else {
            if let Some((_, sleep)) = &mut self.set
                && Pin::new(sleep).poll(cx).is_ready()
            {
                // It has rung for nobody, and rings no more: whatever is due next is sooner.
                self.set = None;
            }
            return Poll::Pending;
        };
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

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::time::Duration;

    use super::*;

    #[test]
    fn one_that_has_rung_for_nobody_is_late_for_what_is_due_next() {
        scope_tokio::run(async |_| {
            let rt = scope_core::rt::current()?;
            let soon = rt.now() + Duration::from_millis(1);
            let mut alarm = Alarm::default();
            let _ = poll_fn(|cx| Poll::Ready(alarm.poll(&rt, Some(soon), cx))).await;
            assert!(!alarm.is_late_for(Some(soon)));
            // What it was set for is done with when it rings.
            let rings = poll_fn(|cx| {
                assert!(alarm.poll(&rt, None, cx).is_pending());
                if alarm.is_late_for(Some(soon + Duration::from_secs(1))) { Poll::Ready(()) } else { Poll::Pending }
            });
            scope_core::fail_after(Duration::from_secs(60), rings).await?;
            Ok(())
        })
        .unwrap();
    }
}
