//! Who asks, and what it said of itself.

use std::sync::atomic::{AtomicU8, Ordering};

use crate::Revision;
use crate::model::{ClientCapabilities, Implementation, LoggingLevel};

/// A client: of a connection in the legacy era, of a single request in the modern one.
#[derive(Debug)]
pub(crate) struct Caller {
    pub(crate) revision: Revision,
    pub(crate) capabilities: ClientCapabilities,
    pub(crate) info: Option<Implementation>,
    pub(crate) log: LogFilter,
}

/// The least important lines of the log that a client wants.
#[derive(Debug)]
pub(crate) struct LogFilter(AtomicU8);

/// More than any level.
const NOTHING: u8 = u8::MAX;

impl LogFilter {
    /// `None`: no lines at all.
    pub(crate) fn new(level: Option<LoggingLevel>) -> LogFilter {
        LogFilter(AtomicU8::new(level.map_or(NOTHING, |level| level as u8)))
    }

    pub(crate) fn set(&self, level: LoggingLevel) {
        self.0.store(level as u8, Ordering::Relaxed);
    }

    pub(crate) fn wants(&self, level: LoggingLevel) -> bool {
        level as u8 >= self.0.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_wanted_from_a_level_on() {
        let filter = LogFilter::new(None);
        assert!(LoggingLevel::ALL.iter().all(|level| !filter.wants(*level)));
        filter.set(LoggingLevel::Warning);
        let wanted: Vec<_> = LoggingLevel::ALL.into_iter().filter(|level| filter.wants(*level)).collect();
        assert_eq!(wanted, LoggingLevel::ALL[3..]);
    }
}
