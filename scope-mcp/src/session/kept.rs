use std::sync::Arc;
use std::time::{Duration, Instant};

/// For so long the memory of a long line is kept for the next: where long ones follow each other, the system need not give new
/// memory for each; and who says nothing more soon holds none.
const FOR: Duration = Duration::from_millis(500);

/// The memory of the last long line that nobody took.
#[derive(Debug, Default)]
pub(super) struct Kept {
    /// Who was begun by it may still read it.
    line: Option<Arc<String>>,
    /// Its time has not been told.
    is_new: bool,
    /// Of one that is kept.
    until: Option<Instant>,
}

impl Kept {
    pub(super) fn keep(&mut self, line: Arc<String>) {
        *self = Kept { line: Some(line), is_new: true, until: None };
    }

    /// Empty, if nobody reads it any more.
    #[inline]
    pub(super) fn take(&mut self) -> Option<String> {
        if self.line.is_none() { None } else { self.take_it() }
    }

    fn take_it(&mut self) -> Option<String> {
        let Kept { line, .. } = std::mem::take(self);
        let mut line = Arc::into_inner(line?)?;
        line.clear();
        Some(line)
    }

    /// Whether it is to be told the time.
    pub(super) fn is_new(&self) -> bool {
        self.is_new
    }

    pub(super) fn told(&mut self, now: Instant) {
        if std::mem::take(&mut self.is_new) {
            self.until = Some(now + FOR);
        }
    }

    /// When it is given back.
    pub(super) fn until(&self) -> Option<Instant> {
        self.until
    }

    pub(super) fn expire(&mut self, now: Instant) {
        if self.until.is_some_and(|until| until <= now) {
            *self = Kept::default();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_given_back_after_a_while_and_is_nobody_elses() {
        let mut kept = Kept::default();
        let now = Instant::now();
        kept.expire(now);
        assert!(kept.take().is_none() && !kept.is_new());
        let line = Arc::new("long".to_owned());
        kept.keep(Arc::clone(&line));
        assert!(kept.is_new() && kept.until().is_none());
        kept.told(now);
        kept.told(now + FOR);
        assert_eq!(kept.until(), Some(now + FOR));
        kept.expire(now);
        assert!(kept.take().is_none(), "it is still read");
        let at = line.as_ptr();
        kept.keep(line);
        assert_eq!(kept.until(), None, "its time begins anew");
        kept.told(now);
        kept.expire(now);
        let memory = kept.take().unwrap();
        assert!(memory.is_empty() && memory.as_ptr() == at);
        kept.keep(Arc::new(memory));
        kept.told(now);
        kept.expire(now + FOR);
        assert!(kept.take().is_none() && kept.until().is_none());
    }
}
