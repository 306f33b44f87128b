//! A few tasks of the executor's, in which all others that we spawn are polled.
//!
//! Each polls what it finds on the thread that it runs on, and takes from the others where that is nothing. It is a task like
//! any other to the executor, so a turn is short. On an executor of somebody else's these tasks end when nothing is left, for
//! then it is to be empty; and they are worth starting only for a crowd.

use std::cell::Cell;
use std::future::Future;
use std::num::NonZero;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, OnceLock};
use std::task::{Context, Poll};
use std::thread;
use std::time::{Duration, Instant};

use scope_core::rt::{Crew, CrewMember, CrewRules, Refused};

use crate::calls::{Calls, Counted};
use crate::executor::Home;
use crate::few::Few;

/// The executor polls 200 tasks before it looks at what else its thread waits for, and each of them may be such a turn.
const TURN: u32 = 32;

/// After that long a turn is over in any case.
const LONG: Duration = Duration::from_micros(20);

/// The crew of one executor, made with the first child that needs it.
#[derive(Debug)]
pub(crate) struct Crewed {
    crew: OnceLock<Crew>,
    calls: Arc<Calls>,
    workers: usize,
    /// On an executor of somebody else's.
    few: Option<Few>,
}

impl Crewed {
    /// On an executor of ours that so many threads run.
    pub(crate) fn ours(threads: usize) -> Self {
        Crewed { crew: OnceLock::new(), calls: Arc::default(), workers: threads.max(1), few: None }
    }

    /// On an executor that anybody runs.
    pub(crate) fn theirs() -> Self {
        /// Nobody knows by how many threads.
        static LIKELY: LazyLock<usize> = LazyLock::new(|| thread::available_parallelism().map_or(1, NonZero::get));
        Crewed { crew: OnceLock::new(), calls: Arc::default(), workers: *LIKELY, few: Some(Few::default()) }
    }

    pub(crate) fn carry<F>(&self, home: &Home, task: F) -> Result<(), Refused>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        if home.is_gone() {
            // Where no carrier is left, none has told the crew.
            return Err(Refused::new());
        }
        let task = match &self.few {
            Some(few) if self.calls.no_carriers() => match few.one_of(task) {
                Ok(alone) => return home.spawn(alone),
                Err(of_a_crowd) => of_a_crowd,
            },
            _ => task,
        };
        let carried = self.crew.get_or_init(|| self.start()).carry(task);
        // Called in there, by who spawns and not by a waker: so this may wait for the executor's locks.
        self.calls.answer(home);
        carried
    }

    fn start(&self) -> Crew {
        let (workers, calls) = (self.workers, self.calls.clone());
        let rules = CrewRules { workers, holds_back: false, leaves: self.few.is_some() };
        Crew::start_with(rules, move |member| calls.call(|counted| Carrying { member, workers, _counted: counted }))
    }
}

/// A carrier.
pub(crate) struct Carrying {
    member: CrewMember,
    workers: usize,
    /// Dropped last: when none is counted, all have ended.
    _counted: Counted,
}

impl Future for Carrying {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let begun = Instant::now();
        let mut polls = 0_u32;
        let worker = thread_number() % self.workers;
        self.member.poll(cx, Some(worker), || {
            polls += 1;
            // Looking at the clock takes as long as a short poll.
            polls < TURN && !(polls.is_power_of_two() && begun.elapsed() > LONG)
        })
    }
}

/// Different for each thread that asks: which threads run an executor is not known before they do.
fn thread_number() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static NUMBER: Cell<Option<usize>> = const { Cell::new(None) };
    }
    NUMBER.get().unwrap_or_else(|| {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        NUMBER.set(Some(number));
        number
    })
}
