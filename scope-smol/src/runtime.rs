//! `scope_core::rt::Runtime` for async-executor, async-io and blocking.

use std::any::Any;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Instant;

use async_executor::Executor;
use scope_core::rt::{self, Refused, Task};

use crate::crewing::Crewed;
use crate::executor::{self, Home};
use crate::timer::Timer;

/// An executor, as scope-core sees it, with async-io's reactor and the `blocking` crate's threads.
///
/// The reactor and those threads are the process's: timers, watched descriptors and blocking work have no shutdown.
/// The executor may have one, and then spawning is [`Refused`].
#[derive(Clone, Debug)]
pub struct SmolRuntime {
    home: Home,
    /// Run by nobody but the threads of this crate.
    ours: bool,
    tasks: Arc<Tasks>,
}

/// How tasks are run.
#[derive(Debug)]
enum Tasks {
    /// All but a few in some tasks of the executor's.
    Crewed(Crewed),
    /// Each as a task of the executor's.
    Own,
}

impl Tasks {
    fn theirs() -> Arc<Self> {
        Arc::new(Tasks::Crewed(Crewed::theirs()))
    }
}

impl SmolRuntime {
    /// The executor of this crate that serves the whole process. Its threads are started by the first who asks for it:
    /// `SMOL_THREADS` of them, or one for each processor.
    ///
    /// # Errors
    /// [`Refused`] when the system gave not even one thread.
    pub fn global() -> Result<Self, Refused> {
        executor::global().map(|(executor, threads)| Self::ours(Home::Static(executor), threads))
    }

    /// An executor that somebody else runs, and ends: this handle does not keep it alive, and once it is gone spawning
    /// is [`Refused`].
    ///
    /// Which threads run it cannot be known here. So the blocking calls of scope-core are refused in every task of a
    /// nursery, but not in other tasks: there, blocking the only thread that runs the executor is yours to avoid.
    pub fn on(executor: &Arc<Executor<'static>>) -> Self {
        SmolRuntime { home: Home::Shared(Arc::downgrade(executor)), ours: false, tasks: Tasks::theirs() }
    }

    /// As [`on`](SmolRuntime::on), for an executor that lives as long as the process.
    pub fn on_static(executor: &'static Executor<'static>) -> Self {
        SmolRuntime { home: Home::Static(executor), ours: false, tasks: Tasks::theirs() }
    }

    /// With a task of the executor's own for each child, where otherwise a few tasks of it poll all, or those of a crowd: for
    /// those who count the executor's tasks or run them one by one. A short child of a crowd takes more than twice the time then.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use scope_core::rt::Handle;
    /// use scope_smol::{SmolRuntime, SpawnExt};
    ///
    /// let executor = Arc::new(async_executor::Executor::new());
    /// let runtime = Handle::new(SmolRuntime::on(&executor).with_own_tasks());
    /// let root = scope_core::nursery(async |n| {
    ///     for _ in 0..1000 {
    ///         n.spawn(async { Ok(()) });
    ///     }
    ///     // The caller is what runs the executor: nothing of it has run yet.
    ///     let mut ran = 0;
    ///     while executor.try_tick() {
    ///         ran += 1;
    ///     }
    ///     assert_eq!(ran, 1000);
    ///     Ok(())
    /// });
    /// futures_lite::future::block_on(root.runtime(runtime))?;
    /// # Ok::<(), scope_core::ScopeError>(())
    /// ```
    #[must_use]
    pub fn with_own_tasks(self) -> Self {
        SmolRuntime { tasks: Arc::new(Tasks::Own), ..self }
    }

    /// Whether tasks of both run on the same executor.
    pub fn same_executor(&self, other: &SmolRuntime) -> bool {
        self.home.same(&other.home)
    }

    /// Runs `future` to its end, detached. As [`rt::Runtime::spawn`], but without a box.
    ///
    /// # Errors
    /// [`Refused`] when the executor is gone; `future` has been dropped then, unpolled.
    pub fn launch<F>(&self, future: F) -> Result<(), Refused>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        match &*self.tasks {
            Tasks::Crewed(crewed) => crewed.carry(&self.home, future),
            Tasks::Own => self.home.spawn(future),
        }
    }
}

impl SmolRuntime {
    /// That so many threads run.
    pub(crate) fn ours(home: Home, threads: usize) -> Self {
        SmolRuntime { home, ours: true, tasks: Arc::new(Tasks::Crewed(Crewed::ours(threads))) }
    }

    pub(crate) fn is_gone(&self) -> bool {
        self.home.is_gone()
    }

    pub(crate) fn is_at(&self, address: usize) -> bool {
        self.home.address() == address
    }
}

impl rt::Runtime for SmolRuntime {
    fn name(&self) -> &'static str {
        "smol"
    }

    fn spawn(&self, task: Task) -> Result<(), Refused> {
        self.launch(task)
    }

    fn spawn_service(&self, task: Task) -> Result<(), Refused> {
        // Never carried: it has nothing to save, and its turn would come after that of others.
        self.home.spawn(task)
    }

    fn spawn_blocking(&self, work: Box<dyn FnOnce() + Send + 'static>) -> Result<(), Refused> {
        if self.home.is_gone() {
            return Err(Refused::new());
        }
        blocking::unblock(work).detach();
        Ok(())
    }

    fn now(&self) -> Instant {
        Instant::now()
    }

    fn timer(&self, at: Instant) -> Pin<Box<dyn rt::Timer>> {
        Box::pin(Timer::new(at))
    }

    #[cfg(unix)]
    fn watch(&self, fd: std::os::fd::OwnedFd) -> io::Result<Box<dyn rt::Io>> {
        Ok(Box::new(crate::watch::Watched::new(async_io::Async::new_nonblocking(fd)?)))
    }

    /// `false` on every thread that this crate has put to running the executor, however many there are: if each of them
    /// waited for a task of that executor, none would be left to run it. On another's executor also `false` in any task of
    /// a nursery.
    fn can_block(&self) -> bool {
        !self.home.runs_here() && (self.ours || scope_core::task::id().is_none())
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
