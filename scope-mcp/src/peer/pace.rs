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

/// Longer than this is not at once, for a request of few bytes.
const AT_ONCE: Duration = Duration::from_micros(200);

/// So much longer for each byte that it has: reading and answering it take so long at the worst.
const A_BYTE: Duration = Duration::from_nanos(4);

/// How the last request of a kind went.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pace(Arc<AtomicBool>);

impl Pace {
    pub(crate) fn is_quick(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// Begins a child in this very place, for a request of so many bytes, and sees how that goes.
    #[inline]
    pub(super) fn begin<F>(
        &self,
        rt: &Handle,
        bytes: usize,
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
        self.saw(ended, bytes, rt.now().saturating_duration_since(start));
        Ok(begun)
    }

    /// That a handler was polled first for so long, and has ended or waits.
    fn saw(&self, ended: bool, bytes: usize, took: Duration) {
        let more = || A_BYTE * u32::try_from(bytes).unwrap_or(u32::MAX);
        let quick = ended && (took <= AT_ONCE || took <= AT_ONCE + more());
        if quick != self.is_quick() {
            self.0.store(quick, Ordering::Relaxed);
        }
    }
}

/// Measures how one request goes.
pub(crate) struct Clock {
    pub(super) pace: Pace,
    pub(super) rt: Handle,
    /// That the request has.
    pub(super) bytes: usize,
}

impl Clock {
    /// Polls a handler for the first time.
    pub(super) fn first<T>(self, poll: impl FnOnce() -> Poll<T>) -> Poll<T> {
        let start = self.rt.now();
        let polled = poll();
        self.pace.saw(polled.is_ready(), self.bytes, self.rt.now().saturating_duration_since(start));
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
        pace.saw(true, 0, AT_ONCE);
        assert!(pace.clone().is_quick());
        pace.saw(true, 100, AT_ONCE * 2);
        assert!(!pace.is_quick());
        pace.saw(true, 1 << 20, AT_ONCE * 2);
        assert!(pace.is_quick(), "it had much to read");
        pace.saw(false, 1 << 20, Duration::ZERO);
        assert!(!pace.is_quick());
    }
}
