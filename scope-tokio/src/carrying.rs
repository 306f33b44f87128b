//! On a current-thread runtime: one task of tokio's, in which all others that we spawn are polled.
//!
//! A task of tokio's own takes more than twice the time, and more memory, for what a single thread has no use for. Who is
//! beside them gets as much as beside tasks of tokio's own: after so many the drivers and all other tasks have a turn, and so
//! they have when tokio's budget for a task has been used up.

use std::future::Future;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};

use scope_core::rt::{Carrier, CarrierHandle};
use tokio::runtime::Handle;
use tokio::task;

/// As many tasks as tokio itself polls before it looks at its drivers, where nothing else is configured.
const TURN: u32 = 61;

/// Starts the task, and says how to give it others. After shutdown it takes none.
pub(crate) fn start(runtime: &Handle) -> CarrierHandle {
    let carrier = Carrier::new();
    let tasks = carrier.handle();
    drop(runtime.spawn(Carrying(carrier)));
    tasks
}

struct Carrying(Carrier);

impl Future for Carrying {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut turn = TURN;
        let left = self.0.poll(cx, || {
            turn -= 1;
            turn > 0 && task::coop::has_budget_remaining()
        });
        if left {
            // Takes down who is to be woken, and wakes us when others have had their turn.
            let _ = pin!(task::yield_now()).poll(cx);
        }
        Poll::Pending
    }
}
