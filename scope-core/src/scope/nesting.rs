//! The tree of scopes: who is inside whom, and what is left half-polled in it.

use super::*;

impl Scope {
    pub(super) fn attach(&self, inner: &Arc<Scope>) {
        let mut state = self.lock();
        if state.inner.len() == state.inner.capacity() {
            // Those that have gone are swept out when the list would have to grow, and it grows when that freed little:
            // constant time for each scope, whatever the order in which they end.
            state.inner.retain(|weak| weak.strong_count() > 0);
            let live = state.inner.len();
            state.inner.reserve(live.max(2));
        }
        state.inner.push(Arc::downgrade(inner));
        let flags = self.flags.fetch_or(NESTS, Ordering::AcqRel);
        if flags & SHUTDOWN != 0 && inner.kind != Kind::CleanUp {
            inner.flags.fetch_or(SHUTDOWN, Ordering::AcqRel);
        }
        if flags & (SELF | ABOVE) != 0
            && !inner.masks_above()
            && let Some(reason) = &state.reason
        {
            // `inner` is not shared yet, so its lock is free: taking it here breaks no order.
            inner.lock().reason = Some(reason.inherited());
            inner.flags.fetch_or(ABOVE, Ordering::AcqRel);
        }
    }

    pub(crate) fn inner(&self) -> Vec<Arc<Scope>> {
        let mut inner: Vec<_> = self.lock().inner.iter().filter_map(Weak::upgrade).collect();
        inner.retain(|scope| !scope.is_over());
        inner
    }

    pub(crate) fn parked_tasks(&self) -> Vec<(TaskRef, Waiting)> {
        self.lock().parked.tasks()
    }

    /// Has the tree show the same-task children.
    pub(crate) fn show_locals(&self, queue: &Arc<Queue>) {
        self.locals.get_or_init(|| queue.clone());
    }

    pub(crate) fn local_tasks(&self) -> Vec<(TaskRef, Waiting)> {
        self.locals.get().map(|queue| queue.tasks()).unwrap_or_default()
    }

    pub(crate) fn body_waits(&self) -> &Waits {
        &self.body_waits
    }

    /// The finalizers that have not begun, in the order in which they were added.
    pub(crate) fn finalizers_left(&self) -> Vec<(Name, &'static Location<'static>)> {
        self.lock().finalizers.iter().map(|finalizer| (finalizer.name.clone(), finalizer.location)).collect()
    }

    /// The names down to this scope, outermost first.
    pub(crate) fn path(&self) -> Vec<Segment> {
        let mut path = Vec::new();
        if self.kind != Kind::Child {
            path.push(Segment::Scope(self.id.clone()));
        }
        let mut home = self.home.clone();
        let mut at = self.parent.as_ref();
        loop {
            // A scope's home is named once, below the scope whose child it is; a root is its own task.
            let outer = at.and_then(|scope| scope.home.clone());
            if at.is_some()
                && let Some(task) = home
                && outer.as_ref() != Some(&task)
                && task.name().is_some()
            {
                path.push(Segment::Task(task));
            }
            let Some(scope) = at else { break };
            if scope.kind != Kind::Child {
                path.push(Segment::Scope(scope.id.clone()));
            }
            home = scope.home.clone();
            at = scope.parent.as_ref();
        }
        path.reverse();
        path
    }

    /// Somebody else sees to its end from now on. False if that was so already.
    pub(crate) fn note_handed_over(&self) -> bool {
        self.flags.fetch_or(HANDED_OVER, Ordering::AcqRel) & HANDED_OVER == 0
    }

    pub(crate) fn is_handed_over(&self) -> bool {
        self.flags.load(Ordering::Acquire) & HANDED_OVER != 0
    }

    /// Adopts the scopes further in that are open although nobody will poll them in here any more: their futures were
    /// forgotten, or carried away.
    pub(super) fn take_in_strays(self: &Arc<Self>) {
        if self.flags.load(Ordering::Acquire) & NESTS == 0 {
            return;
        }
        for stray in self.inner() {
            if stray.kind == Kind::CleanUp || stray.is_handed_over() {
                continue;
            }
            // What was opened in it and not closed counts in it, and whoever should close it will not be polled any more.
            stray.end_owned();
            let begun = stray.finalizing();
            crate::adopt::hand_over(stray.clone(), Closing::new());
            if let Some((name, location)) = begun {
                // It lies half-way in that future, where nobody gets at it.
                let text = format!(
                    "finalizer {name} was left half-way: the future of its scope was forgotten or carried away"
                );
                let cause = RecordCause::clean_up(Failure::msg(text));
                self.fail(Record { path: stray.own_path(), location, task: None, cause, secondary: true }, false);
            }
            let told = catch_unwind(AssertUnwindSafe(|| {
                violated(&stray, stray.id.location(), || {
                    format!(
                        "{} (opened at {}) was still open when the scope around it, {} (opened at {}), ended: its future \
                         was forgotten or carried away; it is cancelled and cleaned up",
                        stray.id,
                        stray.id.location(),
                        self.id,
                        self.id.location()
                    )
                });
            }));
            if let Err(payload) = told {
                let cause = RecordCause::Panicked(PanicPayload::new(payload));
                self.fail(
                    Record { path: self.own_path(), location: self.id.location(), task: None, cause, secondary: false },
                    false,
                );
            }
        }
    }
}
