//! `scope_core::rt::Runtime` for async-executor, async-io and blocking.

use std::any::Any;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Instant;

use async_executor::Executor;
use scope_core::rt::{self, Refused, Task};

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
}

impl SmolRuntime {
    /// The executor of this crate that serves the whole process. Its threads are started by the first who asks for it:
    /// `SMOL_THREADS` of them, or one for each processor.
    ///
    /// # Errors
    /// [`Refused`] when the system gave not even one thread.
    pub fn global() -> Result<Self, Refused> {
        executor::global().map(|executor| Self::ours(Home::Static(executor)))
    }

    /// An executor that somebody else runs, and ends: this handle does not keep it alive, and once it is gone spawning
    /// is [`Refused`].
    ///
    /// Which threads run it cannot be known here. So the blocking calls of scope-core are refused in every task of a
    /// nursery, but not in other tasks: there, blocking the only thread that runs the executor is yours to avoid.
    pub fn on(executor: &Arc<Executor<'static>>) -> Self {
        SmolRuntime { home: Home::Shared(Arc::downgrade(executor)), ours: false }
    }

    /// As [`on`](SmolRuntime::on), for an executor that lives as long as the process.
    pub fn on_static(executor: &'static Executor<'static>) -> Self {
        SmolRuntime { home: Home::Static(executor), ours: false }
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
        self.home.spawn(future)
    }
}

impl SmolRuntime {
    pub(crate) fn ours(home: Home) -> Self {
        SmolRuntime { home, ours: true }
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
