//! Waiting for what was dropped with no scope around it.

use std::error::Error;
use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use scope_core::ScopeRef;

use crate::known;

/// Waits until everything that was left to the current runtime's orphan root has ended: scopes whose future was dropped
/// before its end (in a `select!`, by a time-out, by an abort) while no other scope was around them.
///
/// For the end of a program with a `main` of its own; [`run`](crate::run()) does it by itself. Outside a tokio runtime
/// there is nothing to wait for.
///
/// # Errors
/// `budget` was over first: names what has not ended. It goes on, until the runtime shuts down.
///
/// # Cancel safety
/// Nothing to lose.
pub async fn settle(budget: Duration) -> Result<(), Unsettled> {
    let Some(runtime) = known::current() else {
        return Ok(());
    };
    let (mut settled, mut over) = (pin!(runtime.settled()), pin!(runtime.sleep(budget)));
    let in_time = poll_fn(|cx| match settled.as_mut().poll(cx) {
        Poll::Ready(()) => Poll::Ready(true),
        Poll::Pending => over.as_mut().poll(cx).map(|()| false),
    })
    .await;
    let scopes = runtime.orphaned();
    if in_time || scopes.is_empty() { Ok(()) } else { Err(Unsettled { budget, scopes }) }
}

/// What [`settle`] did not see the end of.
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
