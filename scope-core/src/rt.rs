//! What the core asks of a runtime: spawn, timer, blocking work, "this descriptor is readable or writable".
//!
//! Users never meet these traits: an adapter (`scope-tokio`, `scope-smol`, `scope-test`) implements [`Runtime`] and puts
//! a [`Handle`] into the frame of the tasks it runs, and whatever is built on the core (timers, processes, transports)
//! asks [`current`] for it. There is no process, signal or protocol here, and nothing of any one runtime.
//!
//! # For those who write an adapter
//!
//! * Every method may be called from any thread, also one the runtime does not own, also after it has shut down.
//! * Nothing here may block.
//! * A task that cannot be run is dropped, and [`Refused`] says so; it is never kept in silence.

use std::any::Any;
use std::fmt;
use std::future::Future;
use std::io;
use std::ops::Deref;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

pub use crate::carrier::{Carrier, CarrierHandle};
pub use crate::crew::{Crew, CrewMember, CrewRules};
use crate::orphans::Orphans;

/// A task as the runtime gets it: already wrapped, so that its outcome is recorded elsewhere.
pub type Task = Pin<Box<dyn Future<Output = ()> + Send + 'static>>;

/// A runtime, as the core sees it. See the [module](self) for the rules an implementation keeps.
pub trait Runtime: Send + Sync + 'static {
    /// A short name for messages: `"tokio"`, `"smol"`, `"test"`.
    fn name(&self) -> &'static str;

    /// Runs `task` to its end, detached.
    ///
    /// # Errors
    /// [`Refused`] when the runtime has shut down; `task` has been dropped then, unpolled.
    fn spawn(&self, task: Task) -> Result<(), Refused>;

    /// As [`spawn`](Runtime::spawn), for a task that is there for long and is woken often: a service's. For a runtime that
    /// has another place for such.
    ///
    /// # Errors
    /// As [`spawn`](Runtime::spawn).
    fn spawn_service(&self, task: Task) -> Result<(), Refused> {
        self.spawn(task)
    }

    /// Runs `work` where blocking is allowed.
    ///
    /// # Errors
    /// [`Refused`] when the runtime has shut down; `work` has been dropped then, not called.
    fn spawn_blocking(&self, work: Box<dyn FnOnce() + Send + 'static>) -> Result<(), Refused>;

    /// The clock that [`Runtime::timer`] goes by. Virtual under test.
    fn now(&self) -> Instant;

    /// A timer that elapses at `at`, by this runtime's [clock](Runtime::now). One that lies in the past elapses at its
    /// first poll.
    fn timer(&self, at: Instant) -> Pin<Box<dyn Timer>>;

    /// Watches a descriptor, which must be non-blocking already and is owned from here on; dropping the [`Io`] closes it.
    ///
    /// # Errors
    /// What the reactor says: a regular file cannot be watched, for example; and `Unsupported` from a runtime that has
    /// no reactor.
    #[cfg(unix)]
    fn watch(&self, fd: std::os::fd::OwnedFd) -> io::Result<Box<dyn Io>>;

    /// Whether the calling thread, which may be in the middle of polling a task, can be blocked without stopping the
    /// runtime for good. `false` on a runtime's only thread.
    fn can_block(&self) -> bool;

    /// For an adapter to find its own type again.
    fn as_any(&self) -> &dyn Any;
}

/// A timer. Dropping it disarms it.
pub trait Timer: Send {
    /// Ready once the time has come, and from then on until it is [reset](Timer::reset).
    fn poll_elapsed(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()>;

    /// Moves it, earlier or later. Takes effect at the next poll: the caller polls after it.
    fn reset(self: Pin<&mut Self>, at: Instant);
}

/// What one waits for on a descriptor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Interest {
    /// Readable, or at end of file, or in error.
    Read,
    /// Writable, or closed by the other side, or in error.
    Write,
}

/// A watched, non-blocking descriptor.
///
/// At most one task at a time waits for each [`Interest`]: a later waiter replaces an earlier one.
#[cfg(unix)]
pub trait Io: Send + Sync {
    /// Tries `op` on the descriptor until it says something other than [`WouldBlock`](io::ErrorKind::WouldBlock), and
    /// returns that; `Pending` in between, with the task to be woken when the descriptor is ready.
    ///
    /// `op` is called at least once before `Pending` is returned or the readiness is known to be absent, and may be
    /// called more than once. It must not block.
    ///
    /// # Cancel safety
    /// Nothing is lost by not polling again: an `op` that did something is always reported.
    fn poll_io(
        &self,
        interest: Interest,
        cx: &mut Context<'_>,
        op: &mut dyn FnMut(std::os::fd::BorrowedFd<'_>) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>>;

    /// As [`poll_io`](Io::poll_io) for reading, with an `op` that also says whether it has left nothing: if so, the next
    /// call may wait at once, without a try that would find nothing. What comes later wakes it.
    ///
    /// # Cancel safety
    /// As [`poll_io`](Io::poll_io).
    fn poll_drain(
        &self,
        cx: &mut Context<'_>,
        op: &mut dyn FnMut(std::os::fd::BorrowedFd<'_>) -> io::Result<Drained>,
    ) -> Poll<io::Result<usize>> {
        self.poll_io(Interest::Read, cx, &mut |fd| op(fd).map(|drained| drained.count))
    }

    /// The descriptor itself.
    fn fd(&self) -> std::os::fd::BorrowedFd<'_>;
}

/// What an attempt to read has come to.
#[cfg(unix)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drained {
    /// How many bytes were read.
    pub count: usize,
    /// Whether nothing was left behind them at that moment. The end of what can be read is not nothing.
    pub all: bool,
}

/// The runtime did not take the work: it has shut down, or is shutting down.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Refused;

impl Refused {
    /// The refusal, for adapters.
    pub const fn new() -> Self {
        Refused
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the runtime has shut down and takes no more tasks")
    }
}

impl std::error::Error for Refused {}

/// A runtime, shared, and its orphan root.
#[derive(Clone)]
pub struct Handle(Arc<Shared<dyn Runtime>>);

struct Shared<R: ?Sized> {
    orphans: Orphans,
    runtime: R,
}

impl Handle {
    /// Shares `runtime`.
    pub fn new(runtime: impl Runtime) -> Self {
        Handle(Arc::new(Shared { orphans: Orphans::default(), runtime }))
    }

    /// The runtime as an adapter's own type, if it is one.
    pub fn downcast_ref<R: Runtime>(&self) -> Option<&R> {
        self.0.runtime.as_any().downcast_ref()
    }

    /// Whether both are the same runtime, shared.
    pub fn same(&self, other: &Handle) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    pub(crate) fn orphans(&self) -> &Orphans {
        &self.0.orphans
    }

    /// Waits until `at`. Not a [checkpoint](crate::checkpoint): it does not look at the scope it is awaited in.
    pub fn sleep_until(&self, at: Instant) -> Sleep {
        Sleep { timer: self.timer(at) }
    }

    /// Waits for `duration`, counted from this call.
    pub fn sleep(&self, duration: Duration) -> Sleep {
        // Centuries ahead, where the clock cannot count: as good as never.
        let at = self.now().checked_add(duration);
        self.sleep_until(at.unwrap_or_else(|| self.now() + Duration::from_secs(86400 * 365 * 30)))
    }
}

impl Deref for Handle {
    type Target = dyn Runtime;

    fn deref(&self) -> &Self::Target {
        &self.0.runtime
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Handle").field(&self.name()).finish()
    }
}

/// A future that ends at a time: [`Handle::sleep`].
#[must_use = "a timer does nothing unless it is awaited"]
pub struct Sleep {
    timer: Pin<Box<dyn Timer>>,
}

impl Sleep {
    /// Moves the end, earlier or later.
    pub fn reset(&mut self, at: Instant) {
        self.timer.as_mut().reset(at);
    }
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.timer.as_mut().poll_elapsed(cx)
    }
}

impl fmt::Debug for Sleep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sleep").finish_non_exhaustive()
    }
}

/// The runtime of the task that is being polled on this thread.
///
/// # Errors
/// [`NoRuntime`] outside any task of this framework, or in one whose root was started by `scope_core::nursery` itself.
pub fn current() -> Result<Handle, NoRuntime> {
    crate::task::current_runtime().ok_or(NoRuntime(()))
}

/// A timer, a parallel task or a process was asked for where no runtime is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoRuntime(());

impl NoRuntime {
    pub(crate) const fn new() -> Self {
        NoRuntime(())
    }
}

impl fmt::Display for NoRuntime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "no runtime is known here: parallel tasks, timers and processes need one. Start the outermost nursery with \
             an adapter: scope_tokio::run or scope_tokio::nursery on tokio, scope_smol::run or scope_smol::nursery on \
             smol, scope_test::run in tests",
        )
    }
}

impl std::error::Error for NoRuntime {}
