//! `scope_core::rt::Runtime` for tokio.

use std::any::Any;
use std::future::Future;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use scope_core::rt::{self, Crew, Refused, Task};
use tokio::runtime::{EnterGuard, Handle, RuntimeFlavor, TryCurrentError};
use tokio::time::Sleep;

use crate::carrying::Carried;
use crate::crewing;
use crate::launch;
use crate::recent::Recent;
use crate::timer::Timer;

/// A tokio runtime, as scope-core sees it.
///
/// It holds a [`Handle`], so it does not keep the runtime running. After the runtime has shut down, spawning is
/// [`Refused`], a watched descriptor gives an error instead of waiting, and timers go on, on a thread of their own.
///
/// In a runtime that was built without `enable_time` timers use that thread too; in one without `enable_io` a
/// descriptor cannot be watched. The only way to find out is to ask tokio, which says it by a panic: it is caught, but
/// the panic hook prints tokio's advice once.
#[derive(Clone, Debug)]
pub struct TokioRuntime {
    handle: Handle,
    missing: Arc<Missing>,
    tasks: Arc<Tasks>,
}

/// How tasks are run.
#[derive(Debug)]
enum Tasks {
    /// All in one task of tokio's, which is spawned with the first.
    Carried(OnceLock<Carried>),
    /// All in a few tasks of tokio's, the first of which is spawned with the first.
    Crewed(OnceLock<Crew>),
    /// Each as a task of tokio's.
    Own(Recent),
}

/// Drivers that were asked for in vain, so that tokio is asked only once.
#[derive(Debug, Default)]
struct Missing {
    time: AtomicBool,
    io: AtomicBool,
}

impl Tasks {
    fn of(runtime: &Handle) -> Self {
        match runtime.runtime_flavor() {
            RuntimeFlavor::CurrentThread => Tasks::Carried(OnceLock::new()),
            _ => Tasks::Crewed(OnceLock::new()),
        }
    }
}

impl TokioRuntime {
    /// The runtime behind `handle`.
    pub fn new(handle: Handle) -> Self {
        let tasks = Tasks::of(&handle);
        TokioRuntime { handle, missing: Arc::default(), tasks: Arc::new(tasks) }
    }

    /// With a task of tokio's own for each child, where otherwise a few tasks of tokio's poll all of them: for those who look at
    /// tokio's tasks, by `tokio::task::id`, its metrics or tokio-console. A child that is short takes about twice the time then.
    ///
    /// ```
    /// use scope_core::rt::Handle;
    /// use scope_tokio::{SpawnExt, TokioRuntime};
    ///
    /// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
    /// let runtime = Handle::new(TokioRuntime::current()?.with_own_tasks());
    /// let differ = scope_core::nursery(async |n| {
    ///     let one = n.spawn_with_handle(async { Ok(tokio::task::id()) });
    ///     let other = n.spawn_with_handle(async { Ok(tokio::task::id()) });
    ///     Ok(one.await? != other.await?)
    /// });
    /// assert!(differ.runtime(runtime).await?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn with_own_tasks(self) -> Self {
        TokioRuntime { tasks: Arc::new(Tasks::Own(Recent::of(&self.handle))), ..self }
    }

    /// The runtime this thread is in.
    ///
    /// # Errors
    /// The thread is in no tokio runtime.
    pub fn current() -> Result<Self, TryCurrentError> {
        Handle::try_current().map(Self::new)
    }

    /// tokio's own handle.
    pub fn handle(&self) -> &Handle {
        &self.handle
    }

    /// Runs `future` to its end, detached. As [`rt::Runtime::spawn`], but without a box.
    ///
    /// # Errors
    /// [`Refused`] when the runtime has shut down; `future` has been dropped then, unpolled.
    pub fn launch<F>(&self, future: F) -> Result<(), Refused>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        match &*self.tasks {
            Tasks::Carried(carrier) => self.carrier(carrier).carry(future),
            Tasks::Crewed(crew) => self.crew(crew).carry(future),
            Tasks::Own(_) => launch::task(&self.handle, future),
        }
    }

    /// The same of a child that notices itself when it is refused.
    pub(crate) fn launch_child<F>(&self, child: F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        match &*self.tasks {
            Tasks::Carried(carrier) => drop(self.carrier(carrier).carry(child)),
            Tasks::Crewed(crew) => drop(self.crew(crew).carry(child)),
            // After shutdown tokio drops it in here.
            Tasks::Own(recent) => recent.keep(self.handle.spawn(child), size_of::<F>()),
        }
    }

    fn carrier<'a>(&self, carrier: &'a OnceLock<Carried>) -> &'a Carried {
        carrier.get_or_init(|| Carried::start(&self.handle))
    }

    fn crew<'a>(&self, crew: &'a OnceLock<Crew>) -> &'a Crew {
        crew.get_or_init(|| crewing::start(&self.handle))
    }

    /// `None` in the destructors of a thread's locals, where tokio has no context any more and `enter` panics.
    fn enter(&self) -> Option<EnterGuard<'_>> {
        match Handle::try_current() {
            Err(e) if e.is_thread_local_destroyed() => None,
            _ => Some(self.handle.enter()),
        }
    }

    /// `None` where there is no timer to be had from tokio.
    pub(crate) fn sleep_until(&self, at: Instant) -> Option<Sleep> {
        if self.missing.time.load(Ordering::Relaxed) {
            return None;
        }
        let _guard = self.enter()?;
        let sleep = catch_unwind(|| tokio::time::sleep_until(at.into())).ok();
        if sleep.is_none() {
            self.missing.time.store(true, Ordering::Relaxed);
        }
        sleep
    }

    /// tokio's clock, which can be paused in tests: of the runtime, whatever thread asks.
    pub(crate) fn clock(&self) -> Instant {
        // On a thread of the runtime the context is there already, and entering it again costs two shared counters.
        if tokio::runtime::worker_index().is_some() {
            return tokio::time::Instant::now().into_std();
        }
        match self.enter() {
            Some(_guard) => tokio::time::Instant::now().into_std(),
            None => Instant::now(),
        }
    }
}

#[cfg(unix)]
pub(crate) fn no_reactor() -> io::Error {
    io::Error::new(
        io::ErrorKind::Unsupported,
        "this tokio runtime has no I/O driver: build it with enable_io or enable_all",
    )
}

impl rt::Runtime for TokioRuntime {
    fn name(&self) -> &'static str {
        "tokio"
    }

    fn spawn(&self, task: Task) -> Result<(), Refused> {
        self.launch(task)
    }

    fn spawn_service(&self, task: Task) -> Result<(), Refused> {
        // Never carried: it has nothing to save, and its turn would come after that of sixty children.
        launch::task(&self.handle, task)
    }

    fn spawn_blocking(&self, work: Box<dyn FnOnce() + Send + 'static>) -> Result<(), Refused> {
        launch::blocking(&self.handle, work)
    }

    fn now(&self) -> Instant {
        self.clock()
    }

    fn timer(&self, at: Instant) -> Pin<Box<dyn rt::Timer>> {
        Timer::new(self.clone(), at)
    }

    #[cfg(unix)]
    fn watch(&self, fd: std::os::fd::OwnedFd) -> io::Result<Box<dyn rt::Io>> {
        use tokio::io::unix::AsyncFd;

        if self.missing.io.load(Ordering::Relaxed) {
            return Err(no_reactor());
        }
        let _guard =
            self.enter().ok_or_else(|| io::Error::other("this thread is ending: tokio cannot be used on it"))?;
        // Deprecated because an arbitrary type may lie about its descriptor or give it away, which its successor has the
        // caller vouch for. An OwnedFd does neither, and nobody but us ever holds this one: there is nothing to vouch for.
        #[expect(deprecated, reason = "what it was deprecated for cannot happen with an OwnedFd")]
        let register = AsyncFd::new;
        match catch_unwind(AssertUnwindSafe(|| register(fd))) {
            Ok(watched) => Ok(Box::new(crate::watch::Watched(watched?))),
            Err(_) => {
                self.missing.io.store(true, Ordering::Relaxed);
                Err(no_reactor())
            }
        }
    }

    /// `false` on a worker of this runtime, however many there are: a task that is woken from a worker waits in a slot
    /// that the others cannot steal from, so blocking the worker to wait for that task lasts for ever.
    /// Inside `block_in_place` the thread is no worker any more.
    fn can_block(&self) -> bool {
        tokio::runtime::worker_index().is_none()
            || Handle::try_current().is_ok_and(|current| current.id() != self.handle.id())
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
