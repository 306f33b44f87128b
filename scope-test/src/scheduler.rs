//! What the driver, the wakers, the timers and the handles share: the lock around the state, and the rules of time.

use std::panic::Location;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Wake, Waker};
use std::thread::{self, ThreadId};
use std::time::{Duration, Instant};

use scope_core::rt::{Refused, Task};

use crate::config::Config;
use crate::error::{Kind, RunError};
use crate::state::{Job, Origin, Payload, State, TimerKey, Work};
use crate::trace::{TaskNumber, What};

pub(crate) struct Scheduler {
    base: Instant,
    thread: ThreadId,
    pub(crate) config: Config,
    state: Mutex<State>,
    /// Something became ready, an outside guard went, or blocking work panicked on its thread.
    changed: Condvar,
}

/// What is known of work when it is spawned.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Label<'a> {
    pub(crate) name: Option<&'a str>,
    pub(crate) at: Option<&'static Location<'static>>,
}

/// Why the driver stops.
pub(crate) enum Stop {
    Failed(RunError),
    Panicked(Payload),
}

impl Scheduler {
    /// Belongs to the calling thread.
    pub(crate) fn new(config: Config) -> Arc<Self> {
        let state = State::new(config.seed, config.trace_limit, config.print);
        Arc::new(Scheduler {
            base: Instant::now(),
            thread: thread::current().id(),
            config,
            state: Mutex::new(state),
            changed: Condvar::new(),
        })
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        // No foreign code runs under the lock, so a poisoned state is a whole one.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn on_own_thread(&self) -> bool {
        thread::current().id() == self.thread
    }

    /// Who asks, as far as it can be known.
    fn asker(&self, state: &State) -> Option<TaskNumber> {
        state.current.filter(|_| self.on_own_thread())
    }

    pub(crate) fn add(self: &Arc<Self>, work: Work, label: Label<'_>) -> Result<TaskNumber, Refused> {
        let mut state = self.lock();
        if state.closed {
            // Before the work is dropped: its destructor may come back here.
            drop(state);
            drop(work);
            return Err(Refused::new());
        }
        let number = state.reserve();
        let waker = Waker::from(Arc::new(TaskWaker { number, scheduler: self.clone() }));
        if let Some(name) = label.name {
            state.name(number, name);
        }
        let origin = Origin { by: self.asker(&state), at: label.at };
        state.add(number, work, waker, origin);
        drop(state);
        self.changed.notify_all();
        Ok(number)
    }

    pub(crate) fn spawn(self: &Arc<Self>, task: Task, label: Label<'_>) -> Result<TaskNumber, Refused> {
        self.add(Work::Task(task), label)
    }

    pub(crate) fn spawn_blocking(self: &Arc<Self>, job: Job, label: Label<'_>) -> Result<(), Refused> {
        if !self.config.blocking_threads {
            return self.add(Work::Blocking(job), label).map(drop);
        }
        let number = {
            let mut state = self.lock();
            if state.closed {
                drop(state);
                drop(job);
                return Err(Refused::new());
            }
            let number = state.reserve();
            let origin = Origin { by: self.asker(&state), at: label.at };
            state.add_elsewhere(number, origin);
            state.outside += 1;
            number
        };
        let guard = Outside { scheduler: self.clone() };
        let run = move || {
            if let Err(payload) = std::panic::catch_unwind(std::panic::AssertUnwindSafe(job)) {
                // The first one counts; a later payload is dropped after the lock is.
                let earlier = guard.scheduler.lock().panicked.replace(payload);
                if let Some(earlier) = earlier {
                    let later = guard.scheduler.lock().panicked.replace(earlier);
                    drop(later);
                }
            }
            drop(guard);
        };
        // A thread that cannot be had: the closure, and the guard in it, have been dropped.
        thread::Builder::new().name(format!("blocking {number}")).spawn(run).map(drop).map_err(|_| Refused::new())
    }

    pub(crate) fn outside(self: &Arc<Self>) -> Outside {
        self.lock().outside += 1;
        Outside { scheduler: self.clone() }
    }

    pub(crate) fn now(&self) -> Instant {
        self.base + self.lock().at
    }

    /// Virtual time at `at`: the start, for all that lies before it.
    pub(crate) fn offset(&self, at: Instant) -> Duration {
        at.saturating_duration_since(self.base)
    }

    /// Moves the clock, though tasks may be ready.
    pub(crate) fn advance(&self, by: Duration) {
        let mut state = self.lock();
        let at = state.at.checked_add(by).filter(|at| self.base.checked_add(*at).is_some());
        let Some(at) = at else {
            drop(state);
            panic!("the virtual clock cannot be advanced by {by:?}: an Instant does not reach that far");
        };
        state.note_advance(by);
        let due = state.pass_to(at);
        drop(state);
        due.into_iter().for_each(Waker::wake);
    }

    /// Ready if the time has come; otherwise the timer is armed with `waker`.
    pub(crate) fn poll_timer(&self, due: Duration, key: &mut Option<TimerKey>, waker: &Waker) -> bool {
        let waker = waker.clone();
        let set_in = scope_core::task::current();
        let mut state = self.lock();
        if due <= state.at {
            let old = key.take().and_then(|key| state.disarm(key));
            drop(state);
            drop(old);
            return true;
        }
        let by = self.asker(&state);
        let old = state.arm(due, key, waker, by, set_in);
        drop(state);
        drop(old);
        false
    }

    pub(crate) fn disarm(&self, key: TimerKey) {
        let waker = self.lock().disarm(key);
        drop(waker);
    }

    /// What to do next; virtual time passes here, when nothing is ready.
    pub(crate) fn next(&self) -> Result<(TaskNumber, Work, Waker), Stop> {
        let mut state = self.lock();
        loop {
            if let Some(payload) = state.panicked.take() {
                return Err(Stop::Panicked(payload));
            }
            if state.steps >= self.config.step_limit && state.has_ready() {
                return Err(Stop::Failed(state.error(Kind::StepLimit(self.config.step_limit))));
            }
            if let Some(step) = state.pick() {
                return Ok(step);
            }
            if state.outside > 0 {
                // Time stands still for a thread at work: otherwise every time-out would win against it.
                state = self.wait_for_outside(state, |state| state.has_ready())?;
                continue;
            }
            let Some(due) = state.next_due() else {
                return Err(Stop::Failed(state.error(Kind::Deadlock)));
            };
            let wakers = state.pass_to(due);
            drop(state);
            wakers.into_iter().for_each(Waker::wake);
            state = self.lock();
        }
    }

    /// Waits in real time until `enough`, or until no outside guard is left.
    fn wait_for_outside<'a>(
        &'a self,
        mut state: MutexGuard<'a, State>,
        enough: impl Fn(&State) -> bool,
    ) -> Result<MutexGuard<'a, State>, Stop> {
        let begun = Instant::now();
        while state.outside > 0 && state.panicked.is_none() && !enough(&state) {
            let Some(left) = self.config.hang_limit.checked_sub(begun.elapsed()).filter(|left| !left.is_zero()) else {
                let kind = Kind::Stalled { outside: state.outside, limit: self.config.hang_limit };
                return Err(Stop::Failed(state.error(kind)));
            };
            state = self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        Ok(state)
    }

    /// Closes the run after its root has ended: from here on work is refused. What is left is a leak: tasks, timers, and
    /// what `scopes` says is left of those.
    pub(crate) fn close(&self, scopes: impl FnOnce() -> String) -> Result<(), Stop> {
        // Not for a thread that waits for a task left behind: that task is the failure.
        let mut state = self.wait_for_outside(self.lock(), |state| state.alive() > 0)?;
        state.closed = true;
        if let Some(payload) = state.panicked.take() {
            return Err(Stop::Panicked(payload));
        }
        // With the lock released: whoever describes a scope asks for the time.
        drop(state);
        let scopes = scopes();
        let state = self.lock();
        if state.alive() == 0 && !state.has_timers() && scopes.is_empty() {
            return Ok(());
        }
        let mut error = state.error(Kind::Leaked);
        error.0.scopes = scopes;
        Err(Stop::Failed(error))
    }

    /// The end of work that the driver has in its hands.
    pub(crate) fn remove(&self, number: TaskNumber, how: What) {
        let gone = self.lock().remove(number, how);
        drop(gone);
    }
}

/// Wakes one task: from any thread, at any time, also after the run.
struct TaskWaker {
    number: TaskNumber,
    scheduler: Arc<Scheduler>,
}

impl Wake for TaskWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if self.scheduler.lock().wake(self.number) {
            self.scheduler.changed.notify_all();
        }
    }
}

/// Announces work on another thread: [`TestRuntime::outside`](crate::TestRuntime::outside).
///
/// While one is alive, a run with nothing ready waits for it in real time, up to the
/// [hang limit](crate::Config::hang_limit): it neither lets virtual time pass nor reports a deadlock. A run also waits
/// for all of them before it ends.
#[must_use = "dropping it says that the outside work is done"]
pub struct Outside {
    scheduler: Arc<Scheduler>,
}

impl Drop for Outside {
    fn drop(&mut self) {
        self.scheduler.lock().outside -= 1;
        self.scheduler.changed.notify_all();
    }
}

impl std::fmt::Debug for Outside {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Outside").finish_non_exhaustive()
    }
}
