use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Instant;

/// When calls are over at the latest.
///
/// Nearly every call is answered long before, and most have the same time: so an entry is cheap to make, and stays when
/// its call has gone. Whoever makes them clears the old ones away from time to time.
#[derive(Debug, Default)]
pub(super) struct Deadlines(BinaryHeap<Reverse<(Instant, u64)>>);

impl Deadlines {
    pub(super) fn insert(&mut self, at: Instant, id: u64) {
        self.0.push(Reverse((at, id)));
    }

    /// The earliest.
    pub(super) fn first(&self) -> Option<(Instant, u64)> {
        self.0.peek().map(|Reverse(first)| *first)
    }

    pub(super) fn remove_first(&mut self) {
        self.0.pop();
    }

    /// Keeps those only that `holds` is true for.
    pub(super) fn retain(&mut self, mut holds: impl FnMut(Instant, u64) -> bool) {
        self.0.retain(|Reverse((at, id))| holds(*at, *id));
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    #[cfg(test)]
    pub(super) fn contains(&self, at: Instant, id: u64) -> bool {
        self.0.iter().any(|Reverse(entry)| *entry == (at, id))
    }
}
