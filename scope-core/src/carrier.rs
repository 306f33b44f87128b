//! Many tasks that are polled in one of a runtime's own.

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::task::Context;

use crate::raw::carried::{Shared, Tasks};
use crate::rt::Refused;

/// Many tasks that are polled in one of a runtime's own: for runtimes of a single thread, where they run one after another in
/// any case, and a task of the runtime's own costs more than one that is carried.
///
/// Each has a waker of its own and is polled only when it was woken, in the order of the wakes. An adapter gives the carrier to
/// its runtime once, in a future that calls [`poll`](Carrier::poll), and then spawns by [`CarrierHandle::carry`], which takes
/// one allocation. Carried tasks do not run beside each other, and what blocks one blocks them all: for runtimes of several
/// threads there is a [`Crew`](crate::rt::Crew).
///
/// ```
/// use std::task::{Context, Waker};
///
/// use scope_core::rt::Carrier;
///
/// let mut carrier = Carrier::new();
/// let tasks = carrier.handle();
/// let (sent, received) = std::sync::mpsc::channel();
/// let to = sent.clone();
/// tasks.carry(async move { to.send("first").unwrap() })?;
/// tasks.carry(async move { sent.send("second").unwrap() })?;
///
/// // What a runtime does:
/// let left = carrier.poll(&mut Context::from_waker(Waker::noop()), || true);
/// assert!(!left);
/// assert_eq!(received.iter().collect::<Vec<_>>(), ["first", "second"]);
///
/// drop(carrier);
/// assert!(tasks.carry(async {}).is_err());
/// # Ok::<(), scope_core::rt::Refused>(())
/// ```
///
/// # Dropping
/// Ends all its tasks where they are, by dropping their futures, and takes no more.
#[must_use = "what is carried does nothing unless the carrier is polled"]
pub struct Carrier(Tasks);

impl Carrier {
    /// A carrier with no tasks.
    pub fn new() -> Self {
        Carrier(Tasks::new())
    }

    /// For those who give it tasks.
    pub fn handle(&self) -> CarrierHandle {
        CarrierHandle(self.0.shared().clone())
    }

    /// Polls the tasks that were woken, one at least, and after each asks `goes_on` whether there is to be another: an adapter
    /// bounds by it how long everything else waits. True if some are left: the caller is to come back, by a wake of its own,
    /// when it has given others a turn. Otherwise the task that `cx` is of is woken when there is something to do.
    ///
    /// # Panics
    /// If `goes_on` does. What panics in a task ends that task, and is dropped: a [`rt::Task`](crate::rt::Task) has seen to what
    /// its user's code panicked with.
    pub fn poll(&mut self, cx: &mut Context<'_>, goes_on: impl FnMut() -> bool) -> bool {
        self.0.poll(cx, goes_on)
    }

    /// Whether there is nothing that it would ever poll, unless it is given more.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Default for Carrier {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Carrier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Carrier").finish_non_exhaustive()
    }
}

/// Gives tasks to a [`Carrier`], from any thread.
#[derive(Clone)]
pub struct CarrierHandle(Arc<Shared>);

impl CarrierHandle {
    /// Has `task` carried to its end, detached. What has been taken can still be dropped unpolled, with the carrier.
    ///
    /// # Errors
    /// [`Refused`] when the carrier has been dropped; `task` has been dropped then, unpolled, and a panic of its destructor
    /// with it.
    #[inline]
    pub fn carry<F>(&self, task: F) -> Result<(), Refused>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        if self.0.carry(task) { Ok(()) } else { Err(Refused::new()) }
    }
}

#[cfg(all(test, scope_loom))]
impl CarrierHandle {
    pub(crate) fn downgrade(&self) -> std::sync::Weak<Shared> {
        Arc::downgrade(&self.0)
    }
}

impl fmt::Debug for CarrierHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CarrierHandle").finish_non_exhaustive()
    }
}
