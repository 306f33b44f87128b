use std::ops::Range;
use std::sync::Arc;

/// What stands between the braces of a call's parameters: a text of its own, or a part of the line in which it came, where that
/// is long. No larger than its most frequent.
#[derive(Clone, Debug)]
pub(super) enum Members {
    Own(String),
    Of(Box<(Arc<String>, Range<usize>)>),
}

impl Members {
    /// `part` is a part of `line`.
    pub(super) fn of(line: &Arc<String>, part: &[u8]) -> Members {
        let from = part.as_ptr().addr().saturating_sub(line.as_ptr().addr());
        Members::Of(Box::new((Arc::clone(line), from..from + part.len())))
    }

    pub(super) fn get(&self) -> &str {
        match self {
            Members::Own(text) => text,
            Members::Of(part) => part.0.get(part.1.clone()).unwrap_or_default(),
        }
    }
}
