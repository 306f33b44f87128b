//! Which requests are begun in the task of their connection, and which in one of their own.
//!
//! A task for a request that is answered in a microsecond costs more than its answer. But a handler that computes for long,
//! or blocks its thread, may not hold up its connection: so the first call of each runs in a task of its own, and further
//! ones in the connection's as long as they turn out to be answered at once. Whoever has to wait after all goes on in a
//! task of its own. Either way it is a child of the connection's nursery, with an identity of its own.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;
use std::time::Duration;

use scope_core::rt::Handle;
use scope_core::{Begun, Failure, Place, Room, SpawnError};

/// Longer than this is not at once.
const AT_ONCE: Duration = Duration::from_micros(200);

/// How the last request of a kind went.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pace(Arc<AtomicBool>);

impl Pace {
    pub(crate) fn is_quick(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// Begins a child in this very place, and sees how that goes.
    #[inline]
    pub(super) fn begin<F>(
        &self,
        rt: &Handle,
        place: Place<'_, Failure>,
        room: &mut Room,
        make: impl FnOnce() -> F,
    ) -> Result<Begun<F::Output>, SpawnError>
    where
        F: Future<Output: Send> + Send + 'static,
    {
        let start = rt.now();
        let begun = place.begin_in(room, make)?;
        let ended = !matches!(begun, Begun::GoesOn);
        self.saw(ended, rt.now().saturating_duration_since(start));
        Ok(begun)
    }

    /// That a handler was polled first for so long, and has ended or waits.
    fn saw(&self, ended: bool, took: Duration) {
        let quick = ended && took <= AT_ONCE;
        if quick != self.is_quick() {
            self.0.store(quick, Ordering::Relaxed);
        }
    }
}

/// Measures how one request goes.
pub(crate) struct Clock {
    pub(super) pace: Pace,
    pub(super) rt: Handle,
}

impl Clock {
    /// Polls a handler for the first time.
    pub(super) fn first<T>(self, poll: impl FnOnce() -> Poll<T>) -> Poll<T> {
        let start = self.rt.now();
        let polled = poll();
        self.pace.saw(polled.is_ready(), self.rt.now().saturating_duration_since(start));
        polled
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_one_counts() {
        let pace = Pace::default();
        assert!(!pace.is_quick(), "nothing is known of it yet");
        pace.saw(true, AT_ONCE);
        assert!(pace.clone().is_quick());
        pace.saw(true, AT_ONCE * 2);
        assert!(!pace.is_quick());
        pace.saw(true, Duration::ZERO);
        pace.saw(false, Duration::ZERO);
        assert!(!pace.is_quick());
    }
}
