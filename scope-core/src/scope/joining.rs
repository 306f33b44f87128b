//! The end of a scope.

use super::*;

impl Scope {
    pub(crate) fn register_host(&self, waker: &Waker) {
        self.host.register(waker);
    }

    pub(crate) fn register_adopter(&self, waker: &Waker) {
        self.adopter.register(waker);
    }

    /// Ready when every child and service has ended and the scope has been closed. Asks the services to close once the
    /// children have ended.
    ///
    /// The caller has registered its waker.
    pub(crate) fn poll_join(self: &Arc<Self>) -> Poll<()> {
        loop {
            if self.live.load(Ordering::Acquire) & (CHILDREN | SERVICES) == 0 {
                self.take_in_strays();
            }
            match self.close() {
                Ok(()) => return Poll::Ready(()),
                Err(live) if live & CLOSED != 0 => return Poll::Ready(()),
                Err(live) if live & CHILDREN != 0 => return Poll::Pending,
                Err(_) => {
                    if self.flags.fetch_or(WINDING_UP, Ordering::AcqRel) & WINDING_UP != 0 {
                        return Poll::Pending;
                    }
                    let services = std::mem::take(&mut self.lock().services);
                    for service in services.values().filter_map(Weak::upgrade) {
                        service.begin_close();
                    }
                }
            }
        }
    }

    /// Closes the scope if nothing lives in it.
    ///
    /// # Errors
    /// What does, or that it has been closed.
    fn close(&self) -> Result<(), u64> {
        // The body of one that is adopted may have been forgotten: then it runs for ever.
        let close = |live: u64| (live & !BODY == 0).then_some(live | CLOSED);
        self.live.fetch_update(Ordering::AcqRel, Ordering::Acquire, close).map(drop)
    }

    /// Closes the scope if there is nothing to join and nothing to run. Otherwise it may be closed after this too, and is to
    /// be joined all the same.
    pub(crate) fn close_if_idle(self: &Arc<Self>) -> bool {
        if self.live.load(Ordering::Acquire) & !BODY == 0 {
            self.take_in_strays();
        }
        if self.close().is_err() {
            return false;
        }
        let state = self.lock();
        state.finalizers.is_empty() && state.mail.is_empty()
    }

    /// The last act: nothing of the scope is left.
    pub(crate) fn ended(&self) {
        let before = self.flags.fetch_or(OVER, Ordering::AcqRel);
        if before & OVER != 0 {
            return;
        }
        if before & HOOKED != 0 {
            self.drop_hooks();
        }
        if self.parent.is_none() {
            crate::tree::uproot(self.id.id());
        }
        if event::observed() && self.kind != Kind::Child {
            event::tell(EventKind::Closed, self, self.home.clone(), self.id.location());
        }
    }

    pub(crate) fn is_over(&self) -> bool {
        self.flags.load(Ordering::Acquire) & OVER != 0
    }
}
