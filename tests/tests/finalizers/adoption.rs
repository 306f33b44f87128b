//! A scope that leaves something when it is dropped, and what is told of who takes it.

use std::sync::{Arc, Mutex, PoisonError};

use futures_lite::future::{pending, yield_now};
use scope_core::event::{self, Event, EventKind, ObserverGuard};
use scope_core::{Failure, Nursery, ScopeRef};
use scope_tests::{Gate, Journal, Rt};

/// What is told of one scope after this. Observers are for the whole process: others are none of ours.
pub(crate) struct Told {
    events: Arc<Mutex<Vec<Event>>>,
    _guard: ObserverGuard,
}

impl Told {
    pub(crate) fn of(scope: &ScopeRef) -> Self {
        let (events, scope) = (Arc::new(Mutex::new(Vec::new())), scope.id());
        let into = events.clone();
        let guard = event::observe(move |event: &Event| {
            if event.scope().id() == scope {
                into.lock().unwrap_or_else(PoisonError::into_inner).push(event.clone());
            }
        });
        Told { events, _guard: guard }
    }

    fn all(&self) -> Vec<Event> {
        self.events.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Who adopted it, once for each time; `None` is the orphan root.
    pub(crate) fn heirs(&self) -> Vec<Option<ScopeRef>> {
        let heir = |event: &Event| match event.kind() {
            EventKind::Adopted(heir) => Some(heir.clone()),
            _ => None,
        };
        self.all().iter().filter_map(heir).collect()
    }

    /// What could not be cleaned up.
    pub(crate) fn lost(&self) -> Vec<String> {
        let lost = |event: &Event| match event.kind() {
            EventKind::Lost(what) => Some(what.clone()),
            _ => None,
        };
        self.all().iter().filter_map(lost).collect()
    }

    /// How often its end was told.
    pub(crate) fn ends(&self) -> usize {
        self.all().iter().filter(|event| matches!(event.kind(), EventKind::Closed)).count()
    }
}

/// Fills `n` with what must not be lost with its future: a parallel child that has begun, and a finalizer that first waits
/// for `go`. Both say so in the journal, as `<name>: child ended` and `<name>: cleaned up`.
pub(crate) async fn fill<R: Rt>(n: &Nursery<'_, '_>, name: &'static str, journal: &Journal, go: &Gate) {
    let (cleaned, go) = (journal.clone(), go.clone());
    n.finalizer("sweep", async move |_| {
        go.passed().await;
        yield_now().await;
        cleaned.add(format!("{name}: cleaned up"));
        Ok(())
    });
    let (note, begun) = (journal.on_drop(format!("{name}: child ended")), Gate::new());
    let here = begun.clone();
    R::spawn(n, async move {
        let _note = note;
        here.open();
        pending().await
    });
    begun.passed().await;
}

/// An open gate.
pub(crate) fn open() -> Gate {
    let gate = Gate::new();
    gate.open();
    gate
}

/// A body that has filled its nursery and waits for ever.
pub(crate) async fn filled<R: Rt>(
    n: &Nursery<'_, '_>,
    name: &'static str,
    journal: &Journal,
    go: &Gate,
    filled: &Gate,
) -> Result<(), Failure> {
    fill::<R>(n, name, journal, go).await;
    let _note = journal.on_drop(format!("{name}: body dropped"));
    filled.open();
    pending().await
}
