//! Shields, as whoever delivers a cancellation sees them: what holds it back.
//!
//! A shield covers a region of a body. A cancellation from further out is delivered to that body by dropping it, so while
//! a shield is open anywhere in it the delivery waits: of every body and same-task child between the shield and the task
//! of the runtime's own that polls it. Each of these has a cell; a shield that is opened counts itself in there.
//!
//! Invariants
//! 1. A shield counts itself into a cell once, and out once: when it ends, is dropped, or is lifted.
//! 2. Whoever defers a delivery registers its waker first and looks at the count after; whoever counts down to zero wakes
//!    after: so none stays deferred for ever.

use std::sync::Arc;
use std::task::Waker;

use crate::raw::frame;
use crate::raw::late::Late;
use crate::sync::AtomicWaker;
use crate::sync::atomic::{AtomicU32, Ordering};
use crate::wake::wake;

#[derive(Default)]
struct Shields {
    open: AtomicU32,
    /// Whoever deferred a delivery.
    deferred: AtomicWaker,
}

/// The shields open in one body or child. Allocates when the first is opened.
#[derive(Default)]
pub(crate) struct ShieldCell(Late<Shields>);

impl ShieldCell {
    pub(crate) fn new() -> Self {
        ShieldCell(Late::new())
    }

    /// Whether a delivery has to wait; `waker` is woken when it need not any longer.
    pub(crate) fn holds_back(&self, waker: &Waker) -> bool {
        let Some(shields) = self.0.get() else { return false };
        if shields.open.load(Ordering::Acquire) == 0 {
            return false;
        }
        shields.deferred.register(waker);
        shields.open.load(Ordering::Acquire) > 0
    }

    /// Gives up the waker that is kept: its owner has ended.
    pub(crate) fn forget_waker(&self) {
        if let Some(shields) = self.0.get() {
            drop(shields.deferred.take());
        }
    }
}

/// An open shield's places in the cells it counts in. Dropping it counts it out.
pub(crate) struct OpenShield(Vec<Arc<Shields>>);

impl OpenShield {
    /// Opens one here: in every cell from the innermost frame outwards.
    pub(crate) fn here() -> Self {
        let mut cells = Vec::new();
        frame::each_shield_cell(|cell| {
            let shields = cell.0.share(Shields::default);
            shields.open.fetch_add(1, Ordering::AcqRel);
            cells.push(shields);
        });
        OpenShield(cells)
    }
}

impl OpenShield {
    /// Opens one in the innermost cell only: what runs here is not cut, though what is around it may be.
    pub(crate) fn innermost() -> Self {
        let mut cells = Vec::new();
        frame::each_shield_cell(|cell| {
            if cells.is_empty() {
                let shields = cell.0.share(Shields::default);
                shields.open.fetch_add(1, Ordering::AcqRel);
                cells.push(shields);
            }
        });
        OpenShield(cells)
    }
}

impl Drop for OpenShield {
    fn drop(&mut self) {
        for shields in &self.0 {
            if shields.open.fetch_sub(1, Ordering::AcqRel) == 1 {
                // It counts in others, too.
                shields.deferred.take().into_iter().for_each(wake);
            }
        }
    }
}
