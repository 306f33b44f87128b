//! Cancelling a scope, and all in it.

use super::*;

impl Scope {
    /// Whether code in this scope is to end: it or a scope around it was cancelled.
    #[inline]
    pub(crate) fn is_cancelled(&self) -> bool {
        self.flags.load(Ordering::Acquire) & (SELF | ABOVE) != 0
    }

    /// Whether it was cancelled by itself.
    pub(crate) fn is_cancelled_itself(&self) -> bool {
        self.flags.load(Ordering::Acquire) & SELF != 0
    }

    /// Whether a cancellation from further out has made this scope's own end moot, as seen from the code that awaits it:
    /// whoever absorbs it drops that code, and this scope's future with it. Not so where the future was carried out of the
    /// scope that was cancelled.
    pub(crate) fn is_moot(&self) -> bool {
        self.flags.load(Ordering::Acquire) & (ABOVE | HANDED_OVER) == ABOVE && crate::raw::frame::here_is_cancelled()
    }

    pub(crate) fn reason_if_cancelled(&self) -> Option<CancelReason> {
        if self.is_cancelled() { self.reason() } else { None }
    }

    pub(crate) fn reason(&self) -> Option<CancelReason> {
        self.lock().reason.clone()
    }

    /// Cancels this scope and all in it. True if it had not been cancelled by itself before, and has not ended.
    pub(crate) fn cancel(
        self: &Arc<Self>,
        cause: CancelCause,
        text: Name,
        location: &'static Location<'static>,
    ) -> bool {
        let reason = CancelReason::new(cause, text, self.id.clone(), location);
        let mut inside = Vec::new();
        if !self.strike(SELF, &reason, &mut inside) {
            return false;
        }
        let mut wakers = Vec::new();
        strike_from_above(inside, &reason.inherited(), &mut wakers);
        self.wake_all(&mut wakers);
        true
    }

    /// Sets `bit`, and calls the hooks; scopes further in go to `inside`. False if `bit` was set already. Those who wait in it
    /// are woken by [`wake_all`](Self::wake_all), which is the caller's to call.
    fn strike(self: &Arc<Self>, bit: u32, reason: &CancelReason, inside: &mut Vec<Arc<Scope>>) -> bool {
        let hooks;
        {
            let mut state = self.lock();
            // Looked at under the lock: whoever lifts a shield looks at what is above after it.
            if bit == ABOVE && self.masks_above() {
                return false;
            }
            if bit == SELF && self.is_over() {
                return false;
            }
            let before = self.flags.fetch_or(bit, Ordering::AcqRel);
            if before & bit != 0 {
                return false;
            }
            if before & (SELF | ABOVE) != 0 {
                // Everybody in it has been told; only who absorbs it has changed.
                drop(state);
                self.wake_host();
                return true;
            }
            state.reason = Some(reason.clone());
            inside.extend(state.inner.iter().filter_map(Weak::upgrade));
            hooks = std::mem::take(&mut state.hooks);
        }
        for (_, hook) in hooks {
            // A user's: one that panics is not to keep the others from being told.
            if let Err(payload) = catch_unwind(AssertUnwindSafe(|| hook(reason))) {
                let cause = RecordCause::Panicked(PanicPayload::new(payload));
                let record =
                    Record { path: self.own_path(), location: reason.location(), task: None, cause, secondary: false };
                self.fail(record, false);
            }
        }
        if event::observed() && (self.kind != Kind::Child || bit == SELF) {
            let task = crate::task::current();
            event::tell(EventKind::Cancelled(reason.clone()), self, task, reason.location());
        }
        true
    }

    /// Wakes all who wait in a cancelled scope: its children, its host, those who asked. `wakers` is empty, before and after:
    /// room that one cancellation needs once.
    fn wake_all(&self, wakers: &mut Vec<Waker>) {
        // Who is parked is counted: where nobody is there is nothing to look for.
        let mut more = self.live.load(Ordering::Acquire) & (CHILDREN | SERVICES) != 0;
        while more {
            more = self.lock().parked.tell(wakers);
            wakers.drain(..).for_each(wake);
        }
        self.wake_host();
        self.asked.notify();
    }

    /// Tells when the scope has been cancelled.
    pub(crate) fn listen(&self) -> EventListener {
        self.asked.listen()
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        if self.had_deadline() { self.lock().deadline } else { None }
    }

    pub(crate) fn set_deadline(self: &Arc<Self>, at: Option<Instant>) {
        let gave = Gave::until(at, self.runtime.as_ref());
        {
            let mut state = self.lock();
            state.deadline = at;
            state.gave = gave;
            self.flags.fetch_or(DEADLINE, Ordering::Release);
        }
        self.wake_timer();
    }

    /// Calls `hook` when the scope is cancelled; at once if it has been. Never, if it has ended without.
    pub(crate) fn add_hook(&self, id: u64, hook: Hook) {
        let reason = {
            let mut state = self.lock();
            match &state.reason {
                Some(reason) => Some(reason.clone()),
                None if self.flags.fetch_or(HOOKED, Ordering::AcqRel) & OVER != 0 => None,
                None => {
                    state.hooks.push((id, hook));
                    return;
                }
            }
        };
        if let Some(reason) = reason {
            hook(&reason);
        }
    }

    /// It has ended: what hooks hold is not kept for as long as somebody has a handle on it.
    pub(super) fn drop_hooks(&self) {
        let hooks = std::mem::take(&mut self.lock().hooks);
        for (_, hook) in hooks {
            // What a hook of a user's holds may panic: the scope has ended all the same, and nobody is left to be told.
            if let Err(payload) = catch_unwind(AssertUnwindSafe(|| drop(hook))) {
                crate::raw::carried::forget(payload);
            }
        }
    }

    pub(crate) fn remove_hook(&self, id: u64) {
        let hook = {
            let mut state = self.lock();
            state.hooks.iter().position(|(other, _)| *other == id).map(|at| state.hooks.swap_remove(at))
        };
        drop(hook);
    }
}

/// Strikes these scopes, and all in them, from above. Then wakes who waits in them, the innermost first: a child that ends
/// before the one around it is dropped leaves nothing that would have to be adopted.
pub(super) fn strike_from_above(mut scopes: Vec<Arc<Scope>>, inherited: &CancelReason, wakers: &mut Vec<Waker>) {
    let mut struck = Vec::new();
    // A work list, not recursion: scopes may be nested a hundred thousand deep.
    while let Some(scope) = scopes.pop() {
        if scope.strike(ABOVE, inherited, &mut scopes) {
            struck.push(scope);
        }
    }
    while let Some(scope) = struck.pop() {
        scope.wake_all(wakers);
    }
}
