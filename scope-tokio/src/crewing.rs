//! On a multi-thread runtime: a few tasks of tokio's, in which all others that we spawn are polled.
//!
//! Each polls what it finds on the worker that it runs on, and takes from the others where that is nothing. It is a task like
//! any other to tokio, so a turn is short, and each task has a budget of its own.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use scope_core::rt::{Crew, CrewMember};
use tokio::runtime::Handle;
use tokio::task::coop::{self, RestoreOnPending};

use crate::carrying::TURN;

/// After that long a turn is over in any case: tokio counts it as one task, however many it polls.
const LONG: Duration = Duration::from_micros(20);

/// Starts the first of those tasks. After shutdown the crew takes none.
pub(crate) fn start(runtime: &Handle) -> Crew {
    let handle = runtime.clone();
    // Refused, tokio drops it in here.
    Crew::start(runtime.metrics().num_workers(), move |member| drop(handle.spawn(Carrying(member))))
}

struct Carrying(CrewMember);

impl Future for Carrying {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let begun = Instant::now();
        let mut polls = 0_u32;
        let mut budget = Budget::remember();
        self.0.poll(cx, tokio::runtime::worker_index(), || {
            polls += 1;
            budget.renew();
            // Looking at the clock takes as long as a short poll.
            polls < TURN && !(polls.is_power_of_two() && begun.elapsed() > LONG)
        })
    }
}

/// tokio's budget of this task, as it was at the beginning of the turn. None if there is none left, or none at all.
struct Budget(Option<RestoreOnPending>);

impl Budget {
    fn remember() -> Self {
        match coop::poll_proceed(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(budget) => Budget(Some(budget)),
            Poll::Pending => Budget(None),
        }
    }

    /// What has been used up since was another task's, and is restored for the next: as if that were one of tokio's.
    fn renew(&mut self) {
        // In this order: the one is restored, and then remembered.
        self.0 = None;
        *self = Budget::remember();
    }
}
