//! What a scope holds beside children: finalizers, services, owned scopes, what it has adopted.

use super::*;

impl Scope {
    /// Adds the finalizer that `make` makes. False, without making it, where the scope has closed.
    pub(crate) fn add_finalizer(&self, make: impl FnOnce() -> Finalizer) -> bool {
        let mut state = self.lock();
        if self.live.load(Ordering::Acquire) & CLOSED != 0 {
            return false;
        }
        state.finalizers.push(make());
        true
    }

    /// The one added last, and how many are left behind it.
    pub(crate) fn pop_finalizer(&self) -> Option<(Finalizer, usize)> {
        let mut state = self.lock();
        let finalizer = state.finalizers.pop()?;
        Some((finalizer, state.finalizers.len()))
    }

    /// Adds one that is about to begin. By the number it is removed again.
    pub(crate) fn add_service(&self, service: Weak<dyn Closable>) -> u64 {
        let mut state = self.lock();
        let number = state.next_service;
        state.next_service += 1;
        state.services.insert(number, service.clone());
        drop(state);
        // Read after the push: whoever winds up sets the bit before it reads the list.
        if self.flags.load(Ordering::Acquire) & WINDING_UP != 0
            && let Some(service) = service.upgrade()
        {
            service.begin_close();
        }
        number
    }

    /// It has ended, or was not begun. A scope may open and end services for as long as the program runs: nothing is to be
    /// left of them.
    pub(crate) fn remove_service(&self, number: u64) {
        let mut state = self.lock();
        let service = state.services.remove(&number);
        state.ended_services += 1;
        // The service's own scope is among them, even if its handles keep it in memory. Swept when half of them may have
        // gone: constant time for each service.
        let mut swept = Vec::new();
        if state.ended_services * 2 >= state.inner.len() {
            state.ended_services = 0;
            swept.extend(state.inner.drain(..).filter_map(|weak| weak.upgrade()));
            let open = swept.iter().filter(|scope| !scope.is_over()).map(Arc::downgrade);
            state.inner = open.collect();
        }
        drop(state);
        drop((service, swept));
    }

    pub(crate) fn add_owned(&self, held: &Arc<Held>) {
        self.lock().owned.add(held);
        self.flags.fetch_or(OWNS, Ordering::AcqRel);
    }

    /// One that a task which ends in this scope has opened elsewhere.
    pub(crate) fn add_owned_away(&self, held: &Arc<Held>) {
        self.lock().away.add(held);
        self.flags.fetch_or(OWNS, Ordering::AcqRel);
    }

    /// Whether owned scopes were opened in it.
    pub(crate) fn owns(&self) -> bool {
        self.flags.load(Ordering::Acquire) & OWNS != 0
    }

    /// The owned scopes opened in this one that are open, the oldest first.
    pub(crate) fn owned_open(&self) -> Vec<Arc<Held>> {
        if self.flags.load(Ordering::Acquire) & OWNS == 0 {
            return Vec::new();
        }
        let mut open: Vec<_> = self.lock().owned.homes.values().flatten().filter_map(Weak::upgrade).collect();
        open.retain(|held| held.is_open());
        open.sort_by_key(|held| held.age());
        open
    }

    /// Ends the owned scopes that `home` has opened and not closed, innermost first: it has ended, and it does so here.
    pub(crate) fn end_owned_of(self: &Arc<Self>, home: &TaskRef) {
        if !self.owns() {
            return;
        }
        let opened = {
            let mut state = self.lock();
            let here = state.owned.homes.remove(&home.id());
            [here, state.away.homes.remove(&home.id())]
        };
        let mut open: Vec<_> = opened.into_iter().flatten().flatten().filter_map(|weak| weak.upgrade()).collect();
        open.retain(|held| held.is_open());
        open.sort_by_key(|held| held.age());
        self.end_with_home(open, Some(home));
    }

    /// Ends all that are open here, whoever has opened them.
    pub(super) fn end_owned(self: &Arc<Self>) {
        let open = self.owned_open();
        self.end_with_home(open, None);
    }

    fn end_with_home(self: &Arc<Self>, open: Vec<Arc<Held>>, home: Option<&TaskRef>) {
        if open.is_empty() {
            return;
        }
        if let Err(payload) = catch_unwind(AssertUnwindSafe(|| crate::owned::end_with_home(open))) {
            // The policy says so.
            let cause = RecordCause::Panicked(PanicPayload::new(payload));
            let path = home.map_or_else(|| self.own_path(), |home| self.child_path(home));
            let location = home.map_or(self.id.location(), |home| home.location());
            self.fail(Record { path, location, task: home.cloned(), cause, secondary: false }, true);
        }
    }

    pub(crate) fn post(&self, adopted: Task) {
        self.lock().mail.push(adopted);
        self.flags.fetch_or(MAIL, Ordering::AcqRel);
        self.wake_joiners(false);
    }

    #[inline]
    pub(crate) fn has_mail(&self) -> bool {
        self.flags.load(Ordering::Acquire) & MAIL != 0
    }

    pub(crate) fn take_mail(&self) -> Vec<Task> {
        if !self.has_mail() {
            return Vec::new();
        }
        let mut state = self.lock();
        self.flags.fetch_and(!MAIL, Ordering::AcqRel);
        std::mem::take(&mut state.mail)
    }

    /// What is still in the way of closing: counts of children and of services.
    pub(crate) fn live(&self) -> (u32, u32) {
        let live = self.live.load(Ordering::Acquire);
        ((live & CHILDREN) as u32, ((live & SERVICES) >> 32) as u32)
    }

    pub(crate) fn child_path(&self, task: &TaskRef) -> Path {
        let mut path = self.path();
        path.push(Segment::Task(task.clone()));
        Path::new(path)
    }

    pub(crate) fn own_path(&self) -> Path {
        Path::new(self.path())
    }
}

impl ByHome {
    fn add(&mut self, held: &Arc<Held>) {
        if self.homes.len() >= self.sweep_at {
            // A scope that others open theirs in lives longer than they do. Constant time for each.
            self.homes.retain(|_, opened| opened.iter().any(|weak| weak.strong_count() > 0));
            self.sweep_at = (self.homes.len() * 2).max(8);
        }
        let open = self.homes.entry(held.home().id()).or_default();
        if open.len() == open.capacity() {
            // As in `attach`.
            open.retain(|weak| weak.strong_count() > 0);
            let live = open.len();
            open.reserve(live.max(2));
        }
        open.push(Arc::downgrade(held));
    }
}
