//! The future of a nursery, as its users have it.
//!
//! Its [`Host`] does the work. It is dropped by hand, so that a nursery that has ended in its first poll is not searched for
//! what it never had.

use std::fmt;
use std::future::Future;
use std::mem::ManuallyDrop;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use crate::failure::Fault;
use crate::name::Name;
use crate::nursery::{Mode, Nursery};
use crate::raw::host::{Host, Start};
use crate::rt;
use crate::violation::Policy;

/// The future of a nursery: [`nursery`](crate::nursery()) and its kin.
///
/// It does nothing until it is polled. Its methods set what is to be known before that.
///
/// # Cancel safety
/// Dropping it before its end drops the body and the same-task children where they are; parallel children are cancelled,
/// and they and the finalizers are adopted by the nearest scope around that is still open, which does not return before
/// they are done.
#[must_use = "a nursery does nothing unless it is awaited"]
pub struct NurseryFuture<'env, F, B: Future, E: Fault, K, M: Mode<B::Output, E>> {
    host: ManuallyDrop<Host<'env, F, B, E, K, M>>,
}

impl<'env, F, B: Future, E: Fault, K, M: Mode<B::Output, E>> NurseryFuture<'env, F, B, E, K, M> {
    #[inline]
    pub(crate) fn new(start: Start<'env, F, B, E, K>, body: F, nursery: Nursery<'env, 'env, E, K>) -> Self {
        NurseryFuture { host: ManuallyDrop::new(Host::new(start, body, nursery)) }
    }

    /// The name of the scope, for errors, events and the tree.
    pub fn named(mut self, name: impl Into<Name>) -> Self {
        self.host.origin().name = Some(name.into());
        self
    }

    /// Cancels the scope `timeout` after the first poll. Needs a runtime: without one the nursery fails with
    /// [`Cause::NoRuntime`](crate::Cause::NoRuntime). Movable by [`Nursery::set_deadline`].
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.host.timeout = Some(timeout);
        self
    }

    /// Cancels the scope at `at`, by the clock of its runtime. One that lies in the past still lets the body start.
    pub fn deadline(mut self, at: Instant) -> Self {
        self.host.origin().deadline = Some(at);
        self
    }

    /// How long the finalizers may take in all; 5 s where nothing is set.
    pub fn cleanup_budget(mut self, budget: Duration) -> Self {
        self.host.origin().budget = budget;
        self
    }

    /// The runtime that parallel children, timers and processes in this scope use; inherited where nothing is set.
    pub fn runtime(mut self, runtime: rt::Handle) -> Self {
        self.host.origin().runtime = Some(runtime);
        self
    }

    /// For adapters: chooses the runtime when the nursery is first polled, given the one of the scope around it. `None`
    /// inherits.
    pub fn runtime_with(mut self, choose: fn(Option<&rt::Handle>) -> Option<rt::Handle>) -> Self {
        self.host.choose = Some(choose);
        self
    }

    /// What a broken rule does in here, beside the event; inherited where nothing is set.
    pub fn policy(mut self, policy: Policy) -> Self {
        self.host.origin().policy = policy;
        self
    }
}

impl<F, B: Future, E: Fault, K, M: Mode<B::Output, E>> Future for NurseryFuture<'_, F, B, E, K, M> {
    type Output = M::Output;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        // SAFETY: the host is pinned with this, and moves nothing out of a pinned part.
        unsafe { self.get_unchecked_mut() }.host.poll(cx)
    }
}

impl<F, B: Future, E: Fault, K, M: Mode<B::Output, E>> Drop for NurseryFuture<'_, F, B, E, K, M> {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: it goes with this.
        unsafe { Host::drop_once(&mut self.host) };
    }
}

impl<F, B: Future, E: Fault, K, M: Mode<B::Output, E>> fmt::Debug for NurseryFuture<'_, F, B, E, K, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NurseryFuture").field("stage", &self.host.stage).finish_non_exhaustive()
    }
}
