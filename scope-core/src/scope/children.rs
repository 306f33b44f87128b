//! Children: who is told of their end, and what failed. (They are counted in `raw/counted`.)

use super::*;

impl Scope {
    /// Notes that a child was dropped at an await point for a cancellation.
    pub(crate) fn note_cut(&self) {
        if !self.cut_a_child() {
            self.flags.fetch_or(CUT, Ordering::AcqRel);
        }
    }

    pub(crate) fn cut_a_child(&self) -> bool {
        self.flags.load(Ordering::Acquire) & CUT != 0
    }

    pub(crate) fn wake_host(&self) {
        self.host.take().into_iter().for_each(wake);
    }

    /// Whether the `body_runs`: then the host need not hear of it. When the body has ended it looks by itself.
    pub(crate) fn wake_joiners(&self, body_runs: bool) {
        if !body_runs {
            self.wake_host();
        }
        // Registered before it looks at what is left, and read after that was changed. Not taken where none is.
        self.adopter.take().into_iter().for_each(wake);
    }

    /// Shows the list of parked children, and whether the scope has been cancelled, under the lock.
    pub(crate) fn with_parked<R>(&self, f: impl FnOnce(&mut Parked, bool) -> R) -> R {
        let mut state = self.lock();
        let cancelled = self.is_cancelled();
        f(&mut state.parked, cancelled)
    }

    /// Records a failure and, unless it is a secondary one, cancels the scope for it.
    pub(crate) fn fail(self: &Arc<Self>, record: Record, cancels: bool) {
        if event::observed() {
            let (text, task) = (record.cause.to_string(), record.task.clone());
            event::tell(EventKind::Failed(text), self, task, record.location);
        }
        let (cause, text, location) = match &record.cause {
            RecordCause::Aborted => (CancelCause::RuntimeShutdown, Name::new(""), record.location),
            cause => (CancelCause::SiblingFailed, Name::from(cause.to_string()), record.location),
        };
        {
            let mut state = self.lock();
            let own = state.records.partition_point(|record| !record.secondary);
            let at = if record.secondary { state.records.len() } else { own };
            state.records.insert(at, record);
        }
        if cancels {
            self.cancel(cause, text, location);
        }
    }

    /// What failed in it first, as its finalizers are told.
    pub(crate) fn failed_exit(&self) -> Option<Exit> {
        let state = self.lock();
        let first = state.records.first().filter(|record| !record.secondary)?;
        Some(match &first.cause {
            RecordCause::Panicked(payload) => Exit::Panicked(Name::from(payload.message().to_owned())),
            cause => Exit::Failed(Name::from(cause.to_string())),
        })
    }

    pub(crate) fn has_records(&self) -> bool {
        !self.lock().records.is_empty()
    }

    /// Whether a deadline of its own cut a child short: then it timed out, whatever its body returned.
    pub(crate) fn is_late(&self) -> bool {
        self.cut_a_child() && self.reason().is_some_and(|reason| reason.cause() == CancelCause::Deadline)
    }

    pub(crate) fn take_records(&self) -> Vec<Record> {
        std::mem::take(&mut self.lock().records)
    }
}
