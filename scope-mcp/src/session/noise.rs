/// What a server printed that was no message. The first and the last of it are kept, cut, and the rest counted.
#[derive(Debug, Default)]
pub(crate) struct Noise {
    count: u64,
    first: Option<String>,
    last: Option<String>,
}

/// How much of a line is kept.
const KEPT: usize = 400;

impl Noise {
    pub(crate) fn heard(&mut self, line: &[u8]) {
        self.count = self.count.saturating_add(1);
        let kept = String::from_utf8_lossy(&line[..line.len().min(KEPT)]).into_owned();
        if self.first.is_none() {
            self.first = Some(kept);
        } else {
            self.last = Some(kept);
        }
    }

    /// How many lines.
    pub(crate) fn count(&self) -> u64 {
        self.count
    }

    /// The first one.
    pub(crate) fn first(&self) -> Option<&str> {
        self.first.as_deref()
    }

    /// The last one, if there was any after the first `count`.
    pub(crate) fn last_since(&self, count: u64) -> Option<String> {
        if self.count > count { self.last.clone().or_else(|| self.first.clone()) } else { None }
    }
}
