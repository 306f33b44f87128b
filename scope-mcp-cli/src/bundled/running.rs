//! The calls that take their time, so that they can be cancelled.

use std::collections::HashMap;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use serde_json::Value;

/// More at once are refused: each has a thread.
const MOST: usize = 512;

/// The calls in progress, by the id of their request.
#[derive(Clone, Default)]
pub(super) struct Running(Arc<Mutex<HashMap<Value, Arc<Cancel>>>>);

/// Whether one call has been cancelled.
#[derive(Default)]
pub(super) struct Cancel {
    cancelled: Mutex<bool>,
    changed: Condvar,
}

/// The place of one call among those in progress. Dropped, the call is over.
pub(super) struct Place {
    running: Running,
    id: Value,
    cancel: Arc<Cancel>,
}

impl Running {
    /// `None` if there are too many, or one with this id.
    pub(super) fn enter(&self, id: &Value) -> Option<Place> {
        let cancel = Arc::new(Cancel::default());
        let mut calls = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if calls.len() >= MOST || calls.contains_key(id) {
            return None;
        }
        calls.insert(id.clone(), cancel.clone());
        Some(Place { running: self.clone(), id: id.clone(), cancel })
    }

    /// Cancels the call with this id. One that is unknown or over is none of our business: the two cross on the way.
    pub(super) fn cancel(&self, id: &Value) {
        let found = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(id).cloned();
        if let Some(cancel) = found {
            *cancel.cancelled.lock().unwrap_or_else(PoisonError::into_inner) = true;
            cancel.changed.notify_all();
        }
    }
}

impl Place {
    /// Sleeps for `time`. `false` if the call was cancelled in the meantime.
    pub(super) fn sleep(&self, time: Duration) -> bool {
        let cancelled = self.cancel.cancelled.lock().unwrap_or_else(PoisonError::into_inner);
        let (cancelled, _) = self
            .cancel
            .changed
            .wait_timeout_while(cancelled, time, |cancelled| !*cancelled)
            .unwrap_or_else(PoisonError::into_inner);
        !*cancelled
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.running.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.id);
    }
}
