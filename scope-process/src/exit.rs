//! Waiting for a child's end without reaping it.
//!
//! An unreaped leader keeps its number, and with it the group's, from being given to a stranger. So the end is read off
//! a pidfd, never from `wait`.

use std::fmt;
use std::future::Future;
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::pin::Pin;
use std::process::ExitStatus;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags};
use rustix::process::{Pid, WaitId, WaitIdOptions};
use scope_core::rt::{Handle, Interest, Io, Sleep};

/// Tells whether, and when, one process has ended.
pub(crate) struct ExitWatch {
    pid: Option<Pid>,
    source: Source,
    waiters: Arc<Waiters>,
    /// Set when the child is reaped: its number may be another's from then on.
    reaped: AtomicBool,
}

enum Source {
    /// Readable once the process has ended, for good.
    Pidfd(Box<dyn Io>),
    /// Where there is no pidfd (not Linux, before 5.3, or filtered): asked for, again and again.
    Polled(Handle),
}

/// The longest pause between two looks where there is no pidfd.
const SLOWEST_LOOK: Duration = Duration::from_millis(32);

impl ExitWatch {
    /// `end` is what becomes readable at the end, if that is not a pidfd of `pid`.
    ///
    /// # Errors
    /// No descriptor was left, or the runtime cannot watch one.
    pub(crate) fn new(rt: &Handle, pid: Pid, end: Option<OwnedFd>) -> io::Result<ExitWatch> {
        if let Some(end) = end {
            return Ok(ExitWatch::from(Some(pid), Source::Pidfd(rt.watch(end)?)));
        }
        let source = match pidfd(pid) {
            Ok(Some(fd)) => Source::Pidfd(rt.watch(fd)?),
            Ok(None) => Source::Polled(rt.clone()),
            // It has ended, and where SIGCHLD is ignored the kernel has reaped it.
            Err(e) if rustix::io::Errno::from_io_error(&e) == Some(rustix::io::Errno::SRCH) => {
                let watch = ExitWatch::from(Some(pid), Source::Polled(rt.clone()));
                watch.set_reaped();
                return Ok(watch);
            }
            Err(e) => return Err(e),
        };
        Ok(ExitWatch::from(Some(pid), source))
    }

    /// A watch of any process by its pidfd, which need not be a child.
    ///
    /// # Errors
    /// The runtime cannot watch it.
    pub(crate) fn of_fd(rt: &Handle, fd: OwnedFd) -> io::Result<Arc<ExitWatch>> {
        Ok(Arc::new(ExitWatch::from(None, Source::Pidfd(rt.watch(fd)?))))
    }

    /// A watch without a runtime, for a child that is about to be ended because it could not be watched.
    pub(crate) fn unwatched(rt: &Handle, pid: Pid) -> ExitWatch {
        ExitWatch::from(Some(pid), Source::Polled(rt.clone()))
    }

    fn from(pid: Option<Pid>, source: Source) -> ExitWatch {
        ExitWatch { pid, source, waiters: Arc::default(), reaped: AtomicBool::new(false) }
    }

    /// Whether the end is seen as it comes.
    pub(crate) fn is_prompt(&self) -> bool {
        matches!(self.source, Source::Pidfd(_)) || self.reaped.load(Ordering::Acquire)
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.reaped.load(Ordering::Acquire)
            || match &self.source {
                Source::Pidfd(io) => wait_all(&[io.fd()], Duration::ZERO),
                // No such child: someone else has reaped it, or SIGCHLD is ignored here.
                Source::Polled(_) => self.pid.is_none_or(|pid| !matches!(peek(pid), Ok(None))),
            }
    }

    /// Blocks the thread. Whether the child has ended by `deadline`, by the system's clock.
    pub(crate) fn wait_blocking(&self, deadline: Instant) -> bool {
        if let Source::Pidfd(io) = &self.source {
            return self.has_ended() || wait_all(&[io.fd()], deadline.saturating_duration_since(Instant::now()));
        }
        let mut pause = Duration::from_micros(100);
        while !self.has_ended() {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            std::thread::sleep(pause.min(left));
            pause = (pause * 2).min(SLOWEST_LOOK);
        }
        true
    }

    pub(crate) fn set_reaped(&self) {
        self.reaped.store(true, Ordering::Release);
    }
}

/// A future that ends when the child has: [`Process::exited`](crate::Process::exited).
///
/// # Cancel safety
/// Dropping it loses nothing, and any number of them may be awaited at once.
#[must_use = "a future does nothing unless it is awaited"]
pub struct Exited {
    watch: Arc<ExitWatch>,
    slot: Option<usize>,
    /// With no pidfd: when to look next, and how long it was since the last time.
    look: Option<(Sleep, Duration)>,
}

impl Exited {
    pub(crate) fn new(watch: Arc<ExitWatch>) -> Exited {
        Exited { watch, slot: None, look: None }
    }
}

impl Future for Exited {
    type Output = io::Result<()>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let watch = Arc::clone(&this.watch);
        match &watch.source {
            Source::Pidfd(io) => {
                // The reactor holds one waker for each descriptor; this one stands for all who wait. It is entered
                // before the look: an end in between wakes it.
                watch.waiters.enter(&mut this.slot, cx.waker());
                let waker = Waker::from(Arc::clone(&watch.waiters));
                let mut look = |fd: BorrowedFd<'_>| match wait_all(&[fd], Duration::ZERO) {
                    true => Ok(1),
                    false => Err(io::ErrorKind::WouldBlock.into()),
                };
                io.poll_io(Interest::Read, &mut Context::from_waker(&waker), &mut look).map_ok(|_| ())
            }
            Source::Polled(rt) => loop {
                if watch.has_ended() {
                    return Poll::Ready(Ok(()));
                }
                let (sleep, pause) = this.look.get_or_insert_with(|| {
                    let first = Duration::from_millis(1);
                    (rt.sleep(first), first)
                });
                if Pin::new(&mut *sleep).poll(cx).is_pending() {
                    return Poll::Pending;
                }
                *pause = (*pause * 2).min(SLOWEST_LOOK);
                *sleep = rt.sleep(*pause);
            },
        }
    }
}

impl Drop for Exited {
    fn drop(&mut self) {
        if let Some(slot) = self.slot {
            self.watch.waiters.leave(slot);
        }
    }
}

impl fmt::Debug for Exited {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Exited").field("pid", &self.watch.pid).finish_non_exhaustive()
    }
}

/// Everyone who waits for the same end.
#[derive(Default)]
struct Waiters(Mutex<Vec<Option<Waker>>>);

impl Waiters {
    fn slots(&self) -> MutexGuard<'_, Vec<Option<Waker>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn enter(&self, slot: &mut Option<usize>, waker: &Waker) {
        let mut slots = self.slots();
        let at = *slot.get_or_insert_with(|| match slots.iter().position(Option::is_none) {
            Some(free) => free,
            None => {
                slots.push(None);
                slots.len() - 1
            }
        });
        // The old waker is dropped with the lock released: a destructor may do anything.
        let old = match slots.get_mut(at) {
            Some(Some(held)) if held.will_wake(waker) => None,
            Some(place) => place.replace(waker.clone()),
            None => None,
        };
        drop(slots);
        drop(old);
    }

    fn leave(&self, slot: usize) {
        let old = self.slots().get_mut(slot).and_then(Option::take);
        drop(old);
    }
}

impl Wake for Waiters {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        // Cloned, not taken: a place stays its owner's until it leaves. Woken with the lock released.
        let wakers: Vec<Waker> = self.slots().iter().flatten().cloned().collect();
        for waker in wakers {
            waker.wake();
        }
    }
}

/// How the child ended, without reaping it; `None` while it runs.
///
/// # Errors
/// `ECHILD`: someone else has reaped it, or the host ignores SIGCHLD.
pub(crate) fn peek(pid: Pid) -> io::Result<Option<ExitStatus>> {
    use std::os::unix::process::ExitStatusExt;
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    let status = rustix::io::retry_on_intr(|| rustix::process::waitid(WaitId::Pid(pid), options))?;
    Ok(status.map(|status| {
        let core = if status.dumped() { 0x80 } else { 0 };
        let code = status.exit_status().unwrap_or(0) << 8;
        ExitStatus::from_raw(code | status.terminating_signal().unwrap_or(0) | core)
    }))
}

/// A descriptor for the process `pid`, which the caller knows not to have been reaped; `None` where there are none.
///
/// # Errors
/// No descriptor or no memory is left, or the process is gone.
#[cfg(target_os = "linux")]
pub(crate) fn pidfd(pid: Pid) -> io::Result<Option<OwnedFd>> {
    use rustix::io::Errno;
    use rustix::process::{PidfdFlags, pidfd_open};
    let opened = match pidfd_open(pid, PidfdFlags::NONBLOCK) {
        // The flag is younger (5.10) than the call (5.3). It is never read from, so that it may as well be without.
        Err(Errno::INVAL) => pidfd_open(pid, PidfdFlags::empty()),
        other => other,
    };
    match opened {
        Ok(fd) => Ok(Some(fd)),
        // No such call, or a sandbox that does not know it.
        Err(Errno::NOSYS | Errno::PERM | Errno::INVAL) => Ok(None),
        Err(e) => Err(e.into()),
    }
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn pidfd(_: Pid) -> io::Result<Option<OwnedFd>> {
    Ok(None)
}

/// Blocks until all of `fds` are readable, for `limit` at the most. Whether they are.
pub(crate) fn wait_all(fds: &[BorrowedFd<'_>], limit: Duration) -> bool {
    let start = Instant::now();
    let mut polled: Vec<PollFd<'_>> = fds.iter().map(|fd| PollFd::from_borrowed_fd(*fd, PollFlags::IN)).collect();
    loop {
        let left = limit.saturating_sub(start.elapsed());
        let timeout = rustix::event::Timespec {
            tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: left.subsec_nanos().into(),
        };
        match rustix::event::poll(&mut polled, Some(&timeout)) {
            Ok(0) => return polled.is_empty(),
            Ok(_) => polled.retain(|fd| fd.revents().is_empty()),
            Err(rustix::io::Errno::INTR) => {}
            Err(_) => return false,
        }
        if polled.is_empty() {
            return true;
        }
    }
}
