//! The orphan root of a runtime: what was dropped before its end with no scope around it.

use std::error::Error;
use std::fmt;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::pin;
use std::sync::{Mutex, PoisonError};
use std::task::Poll;
use std::time::Duration;

use crate::id::ScopeId;
use crate::rt;
use crate::scope_ref::ScopeRef;
use crate::sync::Listen;

#[derive(Default)]
pub(crate) struct Orphans {
    scopes: Mutex<Vec<ScopeRef>>,
    fewer: Listen,
}

impl Orphans {
    pub(crate) fn add(&self, scope: ScopeRef) {
        self.scopes.lock().unwrap_or_else(PoisonError::into_inner).push(scope);
    }

    pub(crate) fn remove(&self, id: ScopeId) {
        self.scopes.lock().unwrap_or_else(PoisonError::into_inner).retain(|scope| scope.id() != id);
        self.fewer.notify();
    }

    pub(crate) fn list(&self) -> Vec<ScopeRef> {
        self.scopes.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) async fn none(&self) {
        loop {
            let fewer = self.fewer.listen();
            if self.list().is_empty() {
                return;
            }
            fewer.await;
        }
    }
}

impl rt::Handle {
    /// What this runtime's orphan root still has to end: see [`Handle::settled`](rt::Handle::settled).
    pub fn orphaned(&self) -> Vec<ScopeRef> {
        self.orphans().list()
    }

    /// Waits until everything that was adopted by this runtime's orphan root has ended: what was dropped before its end
    /// with no scope around it.
    ///
    /// # Cancel safety
    /// Nothing to lose: what is not waited for goes on.
    pub async fn settled(&self) {
        self.orphans().none().await;
    }

    /// For adapters: polls `root` to its end, then waits as [`settled`](rt::Handle::settled). A panic of `root` comes out
    /// after that.
    ///
    /// # Cancel safety
    /// Dropped before it is ready, it drops `root`, which leaves to the orphan root what it has; a panic that was to come out
    /// is lost.
    pub async fn settled_after<T>(&self, root: impl Future<Output = T>) -> T {
        let ended = {
            let mut root = pin!(root);
            poll_fn(|cx| match catch_unwind(AssertUnwindSafe(|| root.as_mut().poll(cx))) {
                Ok(polled) => polled.map(Ok),
                Err(payload) => Poll::Ready(Err(payload)),
            })
            .await
        };
        self.settled().await;
        ended.unwrap_or_else(|payload| resume_unwind(payload))
    }

    /// [`settled`](rt::Handle::settled), for `budget` at the most.
    ///
    /// # Errors
    /// `budget` was over first: names what has not ended. It goes on, as long as the runtime does.
    ///
    /// # Cancel safety
    /// As `settled`.
    pub async fn settle(&self, budget: Duration) -> Result<(), Unsettled> {
        let (mut settled, mut over) = (pin!(self.settled()), pin!(self.sleep(budget)));
        let in_time = poll_fn(|cx| match settled.as_mut().poll(cx) {
            Poll::Ready(()) => Poll::Ready(true),
            Poll::Pending => over.as_mut().poll(cx).map(|()| false),
        })
        .await;
        let scopes = self.orphaned();
        if in_time || scopes.is_empty() { Ok(()) } else { Err(Unsettled { budget, scopes }) }
    }
}

/// What [`rt::Handle::settle`] did not see the end of.
#[derive(Clone, Debug)]
pub struct Unsettled {
    budget: Duration,
    scopes: Vec<ScopeRef>,
}

impl Unsettled {
    /// The scopes that had not ended.
    pub fn scopes(&self) -> &[ScopeRef] {
        &self.scopes
    }
}

impl fmt::Display for Unsettled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "still cleaning up after {:?}:", self.budget)?;
        for (i, scope) in self.scopes.iter().enumerate() {
            let comma = if i == 0 { "" } else { "," };
            write!(f, "{comma} {scope} (opened at {})", scope.location())?;
        }
        Ok(())
    }
}

impl Error for Unsettled {}
