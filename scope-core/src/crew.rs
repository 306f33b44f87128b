//! Many tasks that are polled by several of a runtime's own, which share them.

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::task::{Context, Poll};

use crate::raw::crewed::{Member, Shared};
use crate::rt::Refused;

/// Many tasks that are polled by several of a runtime's own, its carriers, which share them: what a
/// [`Carrier`](crate::rt::Carrier) is on one thread, for runtimes of several.
///
/// Each task has a waker of its own, is polled only when it was woken, and by one carrier at a time. Whatever is ready is within
/// reach of any carrier: one that is in a long poll, or blocks its thread, holds up nothing else. For that a carrier more than
/// are at work has always been woken, or is started, where something is ready.
///
/// # Dropping
/// The carriers end with the last task that there is.
pub struct Crew(Arc<Shared>);

impl Crew {
    /// A crew for a runtime with so many workers, of which each may [hold back](CrewRules::holds_back) a task, whose carriers
    /// [stay](CrewRules::leaves). `more` starts a carrier: it gives the runtime a task that polls it. It is called here for the
    /// first, and later whenever one is needed, from any thread that spawns or wakes; so it must not block, or take a lock that
    /// may be held then.
    ///
    /// When a carrier is dropped that has not ended, which a runtime does that shuts down, or has, the crew ends all its tasks,
    /// by dropping their futures, and takes no more.
    pub fn start(workers: usize, more: impl Fn(CrewMember) + Send + Sync + 'static) -> Self {
        Crew::start_with(CrewRules { workers, holds_back: true, leaves: false }, more)
    }

    /// [`start`](Crew::start) for other runtimes.
    pub fn start_with(rules: CrewRules, more: impl Fn(CrewMember) + Send + Sync + 'static) -> Self {
        Crew(Shared::start(rules, Box::new(move |member| more(CrewMember(member)))))
    }

    /// Has `task` carried to its end, detached, with one allocation. What has been taken can still be dropped unpolled, with
    /// the crew.
    ///
    /// # Errors
    /// [`Refused`] when the crew has gone; `task` has been dropped then, unpolled, and a panic of its destructor with it.
    #[inline]
    pub fn carry<F>(&self, task: F) -> Result<(), Refused>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        if self.0.carry(task) { Ok(()) } else { Err(Refused::new()) }
    }
}

impl Drop for Crew {
    fn drop(&mut self) {
        self.0.finish();
    }
}

impl fmt::Debug for Crew {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Crew").finish_non_exhaustive()
    }
}

/// What a [`Crew`] has to know of its runtime.
#[derive(Clone, Copy, Debug)]
pub struct CrewRules {
    /// How many threads poll, or so many of them as are to have tasks of their own.
    pub workers: usize,
    /// Whether a worker may keep a task that was woken there from all others, until it has another. If none does, one carrier is
    /// called at a time, which calls the next.
    pub holds_back: bool,
    /// Whether the carriers end whenever nothing is left, so that nothing is left of them in the runtime either. More are
    /// started with the next task: by who gives it, in [`carry`](Crew::carry), never by a waker.
    pub leaves: bool,
}

/// One carrier of a [`Crew`].
///
/// # Dropping
/// If it has not ended, the crew ends all its tasks.
#[must_use = "what a crew carries does nothing unless its members are polled"]
pub struct CrewMember(Member);

impl CrewMember {
    /// Polls tasks that were woken, and after each asks `goes_on` whether there is to be another. `worker`: which of the
    /// runtime's workers this is, from 0 on; none on another thread. Ready when this carrier is needed no more. Otherwise the
    /// task that `cx` is of is woken when it is; it does not come back by itself, for another carrier has been woken where
    /// something is left.
    ///
    /// # Panics
    /// If `goes_on` does. What panics in a task ends that task, and is dropped: a [`rt::Task`](crate::rt::Task) has seen to what
    /// its user's code panicked with.
    pub fn poll(&mut self, cx: &mut Context<'_>, worker: Option<usize>, goes_on: impl FnMut() -> bool) -> Poll<()> {
        let at = worker.map_or(0, |worker| worker.saturating_add(1));
        if self.0.poll(cx, at, goes_on) { Poll::Ready(()) } else { Poll::Pending }
    }
}

impl fmt::Debug for CrewMember {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CrewMember").finish_non_exhaustive()
    }
}

#[cfg(all(test, scope_loom))]
impl Crew {
    pub(crate) fn downgrade(&self) -> std::sync::Weak<Shared> {
        Arc::downgrade(&self.0)
    }
}
