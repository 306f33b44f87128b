use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use scope_core::rt::{Handle, Sleep};

use crate::wakes::Wakes;

/// For so long a borrower may let what was read for it, and for others, wait.
const AFTER: Duration = Duration::from_millis(20);

/// The place of what can be lent.
const LENT: usize = 0;

/// Looks after what is [lent](Wakes::lend): who borrows it may not come to poll it, and others wait for it too.
#[derive(Debug, Default)]
pub(super) struct Look {
    sleep: Option<Sleep>,
    /// It is waited for.
    begun: bool,
}

impl Look {
    /// Looks, when it is time, and begins to wait for that where something is lent. To be polled whenever the task is polled
    /// to which it belongs; `woken` says whether its waker was.
    pub(super) fn poll<const N: usize>(&mut self, wakes: &Wakes<N>, rt: &Handle, woken: bool, thing: usize) {
        let cx = &mut Context::from_waker(wakes.of(thing));
        if woken && self.begun && self.poll_sleep(cx).is_ready() {
            self.begun = false;
            if wakes.look() && wakes.take_back() {
                wakes.of(LENT).wake_by_ref();
            }
        }
        if !self.begun && wakes.is_lent_unwatched() {
            let at = rt.now() + AFTER;
            match &mut self.sleep {
                Some(sleep) => sleep.reset(at),
                sleep => *sleep = Some(rt.sleep_until(at)),
            }
            if self.poll_sleep(cx).is_pending() {
                self.begun = true;
                wakes.watch();
            }
        }
    }

    fn poll_sleep(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.sleep.as_mut().map_or(Poll::Pending, |sleep| Pin::new(sleep).poll(cx))
    }
}
