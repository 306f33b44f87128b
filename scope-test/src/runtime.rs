//! The runtime as a test sees it, and as the core sees it.

use std::any::Any;
use std::cell::RefCell;
use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use scope_core::rt::{Handle, Refused, Runtime, Sleep, Task, Timer};

use crate::scheduler::{Label, Outside, Scheduler};
use crate::state::Job;
use crate::timer::TestTimer;
use crate::trace::{TaskNumber, Trace};

/// The runtime of one run: what a test asks for the clock, for tasks, and for what has happened so far.
///
/// A cheap handle, to be cloned. It may outlive its run: from then on it refuses to spawn, and its timers fire no more.
#[derive(Clone)]
pub struct TestRuntime {
    scheduler: Arc<Scheduler>,
    handle: Handle,
}

thread_local! {
    static CURRENT: RefCell<Option<TestRuntime>> = const { RefCell::new(None) };
}

impl TestRuntime {
    pub(crate) fn new(scheduler: Arc<Scheduler>) -> Self {
        let handle = Handle::new(Adapter(scheduler.clone()));
        TestRuntime { scheduler, handle }
    }

    /// The runtime that runs the calling code.
    ///
    /// # Panics
    /// Outside of a run, and on another thread than the run's.
    #[track_caller]
    pub fn current() -> Self {
        match Self::try_current() {
            Some(runtime) => runtime,
            None => panic!(
                "no run of scope-test is in progress on this thread: call this inside scope_test::block_on, or hand a \
                 TestRuntime over"
            ),
        }
    }

    /// As [`TestRuntime::current`], or `None`.
    pub fn try_current() -> Option<Self> {
        // Not `with`: a destructor of another thread-local may ask when this one is gone.
        CURRENT.try_with(|current| current.borrow().clone()).ok().flatten()
    }

    /// This runtime behind the core's [`Handle`], or `None` if that is another kind of runtime.
    pub fn of(handle: &Handle) -> Option<Self> {
        let adapter = handle.downcast_ref::<Adapter>()?;
        Some(TestRuntime { scheduler: adapter.0.clone(), handle: handle.clone() })
    }

    /// This runtime, as the core wants it. Every call gives the [same](Handle::same).
    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// The seed of this run.
    pub fn seed(&self) -> u64 {
        self.scheduler.config.seed
    }

    /// Runs `future` as a task of its own, bare: not a child of any nursery.
    ///
    /// # Errors
    /// [`Refused`] when the run has ended; `future` has been dropped then, unpolled.
    #[track_caller]
    pub fn spawn(&self, future: impl Future<Output = ()> + Send + 'static) -> Result<TaskNumber, Refused> {
        let label = Label { name: None, at: Some(Location::caller()) };
        self.scheduler.spawn(Box::pin(future), label)
    }

    /// Runs `work` as a step of its own, at a moment that the seed decides; on a thread of its own if
    /// [`Config::blocking_threads`](crate::Config::blocking_threads) is set.
    ///
    /// # Errors
    /// [`Refused`] when the run has ended; `work` has been dropped then, not called.
    #[track_caller]
    pub fn spawn_blocking(&self, work: impl FnOnce() + Send + 'static) -> Result<(), Refused> {
        let label = Label { name: None, at: Some(Location::caller()) };
        self.scheduler.spawn_blocking(Box::new(work), label)
    }

    /// The virtual clock. The start of a run is at the real time of then, and the clock moves only when nothing is
    /// ready, or by [`TestRuntime::advance`].
    pub fn now(&self) -> Instant {
        self.scheduler.now()
    }

    /// Virtual time since the start of the run.
    pub fn elapsed(&self) -> Duration {
        self.scheduler.lock().at
    }

    /// Waits for `duration` of virtual time, counted from this call. As [`Handle::sleep`].
    pub fn sleep(&self, duration: Duration) -> Sleep {
        self.handle.sleep(duration)
    }

    /// Waits until the virtual clock says `at`. As [`Handle::sleep_until`].
    pub fn sleep_until(&self, at: Instant) -> Sleep {
        self.handle.sleep_until(at)
    }

    /// Moves the virtual clock ahead at once, past work that is ready, as if the machine had been busy that long.
    /// Timers due by then fire in their order, and their tasks find the new time when they come to run.
    ///
    /// To let time pass for everyone in order, [sleep](TestRuntime::sleep) instead.
    ///
    /// # Panics
    /// If an [`Instant`] does not reach that far.
    pub fn advance(&self, by: Duration) {
        self.scheduler.advance(by);
    }

    /// How many steps have been taken so far: polls of tasks, the root's among them, and pieces of blocking work. The
    /// difference of two calls bounds the wake-ups in between.
    pub fn steps(&self) -> u64 {
        self.scheduler.lock().steps
    }

    /// How often `task` has been polled so far, also if it has ended; 0 if there is no such task.
    pub fn polls(&self, task: TaskNumber) -> u64 {
        self.scheduler.lock().polls(task)
    }

    /// How many tasks, and pieces of blocking work not yet begun, are alive, the root among them.
    pub fn alive(&self) -> usize {
        self.scheduler.lock().alive()
    }

    /// The task that is being polled, or dropped, on the run's thread; `None` on any other.
    pub fn current_task(&self) -> Option<TaskNumber> {
        if self.scheduler.on_own_thread() { self.scheduler.lock().current } else { None }
    }

    /// Names `task` in reports and in the trace, there also in the lines so far. A child of a nursery has its own name
    /// there already.
    pub fn name(&self, task: TaskNumber, name: impl AsRef<str>) {
        self.scheduler.lock().name(task, name.as_ref());
    }

    /// A number below `bound` that the seed decides, 0 for a `bound` of 0: for tests that want to vary more than the
    /// order of tasks. Drawing from it does not change that order.
    pub fn random_below(&self, bound: u64) -> u64 {
        self.scheduler.lock().random_below(bound)
    }

    /// What has happened so far.
    pub fn trace(&self) -> Trace {
        self.scheduler.lock().trace()
    }

    /// Announces that another thread is at work and may wake a task: as long as the guard lives, a run with nothing
    /// ready waits for it instead of reporting a deadlock. Drop it after the wake-up.
    ///
    /// Such a run is no longer decided by its seed alone: when the wake-up arrives is up to the other thread.
    pub fn outside(&self) -> Outside {
        self.scheduler.outside()
    }
}

impl fmt::Debug for TestRuntime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = self.scheduler.lock().place();
        f.debug_struct("TestRuntime")
            .field("seed", &place.seed)
            .field("steps", &place.steps)
            .field("elapsed", &place.at)
            .finish_non_exhaustive()
    }
}

/// Makes a runtime the current one of this thread, and restores the one before.
pub(crate) struct Entered(Option<TestRuntime>);

impl Entered {
    pub(crate) fn new(runtime: TestRuntime) -> Self {
        Entered(CURRENT.replace(Some(runtime)))
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        let gone = CURRENT.replace(self.0.take());
        drop(gone);
    }
}

/// The core's view.
struct Adapter(Arc<Scheduler>);

impl Runtime for Adapter {
    fn name(&self) -> &'static str {
        "test"
    }

    fn spawn(&self, task: Task) -> Result<(), Refused> {
        let child = scope_core::task::launching();
        let child = child.as_ref();
        let label = Label { name: child.and_then(|child| child.name()), at: child.map(|child| child.location()) };
        self.0.spawn(task, label).map(drop)
    }

    fn spawn_blocking(&self, work: Job) -> Result<(), Refused> {
        self.0.spawn_blocking(work, Label::default())
    }

    fn now(&self) -> Instant {
        self.0.now()
    }

    fn timer(&self, at: Instant) -> Pin<Box<dyn Timer>> {
        Box::pin(TestTimer::new(self.0.clone(), at))
    }

    #[cfg(unix)]
    fn watch(&self, fd: std::os::fd::OwnedFd) -> std::io::Result<Box<dyn scope_core::rt::Io>> {
        // Closed here: it is owned from the call on.
        drop(fd);
        Err(std::io::Error::new(
            std::io::ErrorKind::Unsupported,
            "the test runtime watches no descriptors: their readiness would not be decided by the seed. Test processes \
             and sockets on tokio or smol, or put an in-memory stand-in behind the same trait",
        ))
    }

    fn can_block(&self) -> bool {
        !self.0.on_own_thread()
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
