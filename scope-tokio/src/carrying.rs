//! On a current-thread runtime: one task of tokio's, in which all others that we spawn are polled.
//!
//! A task of tokio's own takes more than twice the time, and more memory, for what a single thread has no use for. Who is
//! beside them gets as much as beside tasks of tokio's own: after so many the drivers and all other tasks have a turn, and when
//! tokio's budget for a task has been used up all other tasks have.

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use scope_core::rt::{Carrier, CarrierHandle, Refused};
use tokio::runtime::Handle;
use tokio::task;

/// As many tasks as tokio itself polls before it looks at its drivers, where nothing else is configured.
pub(crate) const TURN: u32 = 61;

/// For those who give it tasks. When it is dropped, the task of tokio's ends with the last of those that it has.
#[derive(Debug)]
pub(crate) struct Carried {
    tasks: CarrierHandle,
    no_more: Arc<AtomicBool>,
}

impl Carried {
    /// Starts the task. After shutdown it takes none.
    pub(crate) fn start(runtime: &Handle) -> Self {
        let carrier = Carrier::new();
        let (tasks, no_more) = (carrier.handle(), Arc::<AtomicBool>::default());
        drop(runtime.spawn(Carrying { carrier, no_more: no_more.clone(), turn: TURN, rests: false, rest: None }));
        Carried { tasks, no_more }
    }

    pub(crate) fn carry<F>(&self, task: F) -> Result<(), Refused>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.tasks.carry(task)
    }
}

impl Drop for Carried {
    fn drop(&mut self) {
        self.no_more.store(true, Ordering::Release);
        // Has it look. Refused, it has gone with its runtime.
        let _ = self.tasks.carry(async {});
    }
}

struct Carrying {
    carrier: Carrier,
    no_more: Arc<AtomicBool>,
    /// How many may be polled before the next rest.
    turn: u32,
    rests: bool,
    /// From the first on.
    rest: Option<Arc<Rest>>,
}

impl Future for Carrying {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        if this.rests {
            // Woken by a task of ours: the end of the rest is still to come, and wakes us.
            if this.rest.as_ref().is_some_and(Rest::lasts) {
                return Poll::Pending;
            }
            (this.rests, this.turn) = (false, TURN);
        }
        let turn = &mut this.turn;
        let left = this.carrier.poll(cx, || {
            *turn -= 1;
            *turn > 0 && task::coop::has_budget_remaining()
        });
        if *turn == 0 {
            // Also where none are left: one that has woken itself has woken us, and tokio looks at its drivers only after so
            // many tasks of its own, each of which would be a turn of ours.
            this.rests = true;
            Rest::begin(&mut this.rest, cx.waker());
        } else if left {
            // With a new budget, behind all other tasks.
            cx.waker().wake_by_ref();
        } else if this.no_more.load(Ordering::Acquire) && this.carrier.is_empty() {
            return Poll::Ready(());
        }
        Poll::Pending
    }
}

/// Lasts until tokio has looked at its drivers, and wakes the task then. The same again each time.
struct Rest {
    task: Waker,
    over: AtomicBool,
}

impl Rest {
    fn begin(last: &mut Option<Arc<Self>>, task: &Waker) {
        let rest = match last {
            Some(rest) if rest.task.will_wake(task) => rest,
            _ => last.insert(Arc::new(Rest { task: task.clone(), over: AtomicBool::new(false) })),
        };
        rest.over.store(false, Ordering::Relaxed);
        // tokio keeps the waker until then.
        let waker = Waker::from(rest.clone());
        let _ = pin!(task::yield_now()).poll(&mut Context::from_waker(&waker));
    }

    /// Not where tokio has let go of it in any other way.
    fn lasts(self: &Arc<Self>) -> bool {
        !self.over.load(Ordering::Acquire) && Arc::strong_count(self) > 1
    }
}

impl Wake for Rest {
    fn wake(self: Arc<Self>) {
        self.over.store(true, Ordering::Release);
        self.task.wake_by_ref();
    }
}
