//! Watching one scope, and a scope that has something to lose.
//!
//! Observers are for the whole process, and cases run side by side: what is told of other scopes is none of ours.

use std::sync::{Arc, Mutex, PoisonError};

use futures_lite::future::{pending, yield_now};
use scope_core::event::{self, Event, EventKind, ObserverGuard};
use scope_core::{OwnedScope, ScopeRef, Spawns};
use scope_tests::{Gate, Journal};

/// What is told of some events, as long as this lives.
pub(crate) struct Watch {
    told: Arc<Mutex<Vec<Event>>>,
    _guard: ObserverGuard,
}

impl Watch {
    pub(crate) fn of(scope: &ScopeRef) -> Self {
        let scope = scope.id();
        Watch::which(move |event| event.scope().id() == scope)
    }

    /// What is told of those events that `is` picks.
    pub(crate) fn which(is: impl Fn(&Event) -> bool + Send + Sync + 'static) -> Self {
        let told = Arc::new(Mutex::new(Vec::new()));
        let into = told.clone();
        let guard = event::observe(move |event: &Event| {
            if is(event) {
                into.lock().unwrap_or_else(PoisonError::into_inner).push(event.clone());
            }
        });
        Watch { told, _guard: guard }
    }

    fn all(&self, is: impl Fn(&EventKind) -> bool) -> Vec<Event> {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner).clone();
        told.retain(|event| is(event.kind()));
        told
    }

    /// The broken rules, each with the place that its event carries.
    pub(crate) fn violations(&self) -> Vec<String> {
        let told = self.all(|kind| matches!(kind, EventKind::Violated(_)));
        told.iter().map(|event| format!("{event} ({})", event.location())).collect()
    }

    /// The one broken rule, which names all of these.
    #[track_caller]
    pub(crate) fn assert_one_violation(&self, parts: &[&str]) {
        let told = self.violations();
        assert_eq!(told.len(), 1, "{told:?}");
        for part in parts {
            assert!(told[0].contains(part), "{part:?} is missing: {}", told[0]);
        }
    }

    #[track_caller]
    pub(crate) fn assert_no_violation(&self) {
        let told = self.violations();
        assert!(told.is_empty(), "{told:?}");
    }

    /// How often its end was told.
    pub(crate) fn ends(&self) -> usize {
        self.all(|kind| matches!(kind, EventKind::Closed)).len()
    }

    /// By whom it was adopted, once for each time it was; `None` is the orphan root.
    pub(crate) fn adopted_by(&self) -> Vec<Option<ScopeRef>> {
        let told = self.all(|kind| matches!(kind, EventKind::Adopted(_)));
        let heirs = told.iter().map(|event| match event.kind() {
            EventKind::Adopted(heir) => heir.clone(),
            _ => None,
        });
        heirs.collect()
    }
}

/// What a [`busy`] scope leaves in its journal, whichever way it ends.
pub(crate) const ENDED: &[&str] = &["child ended", "cleaned up"];

/// A scope with a parallel child that goes on for ever and has begun, and a finalizer that takes a few turns.
///
/// # Panics
/// Outside any task.
#[track_caller]
pub(crate) fn busy(name: &'static str, journal: &Journal) -> (OwnedScope, Gate) {
    let owned: OwnedScope = OwnedScope::open(name).expect("in a task");
    let (note, begun) = (journal.on_drop("child ended"), Gate::new());
    let here = begun.clone();
    let child = async move {
        let _note = note;
        here.open();
        pending().await
    };
    owned.spawn_erased(child).expect("it is open");
    let cleaned = journal.clone();
    let sweep = async move |_| {
        yield_now().await;
        cleaned.add("cleaned up");
        Ok(())
    };
    owned.finalizer("sweep", sweep).expect("it is open");
    (owned, begun)
}
