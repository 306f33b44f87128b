//! The orphan root of a runtime: what was dropped before its end with no scope around it.

use std::sync::{Mutex, PoisonError};

use event_listener::{Event, listener};

use crate::id::ScopeId;
use crate::scope::ScopeRef;

#[derive(Default)]
pub(crate) struct Orphans {
    scopes: Mutex<Vec<ScopeRef>>,
    fewer: Event,
}

impl Orphans {
    pub(crate) fn add(&self, scope: ScopeRef) {
        self.scopes.lock().unwrap_or_else(PoisonError::into_inner).push(scope);
    }

    pub(crate) fn remove(&self, id: ScopeId) {
        self.scopes.lock().unwrap_or_else(PoisonError::into_inner).retain(|scope| scope.id() != id);
        self.fewer.notify(usize::MAX);
    }

    pub(crate) fn list(&self) -> Vec<ScopeRef> {
        self.scopes.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) async fn none(&self) {
        loop {
            listener!(self.fewer => fewer);
            if self.list().is_empty() {
                return;
            }
            fewer.await;
        }
    }
}
