//! Shields: what is cancelled above does not reach in, until they are lifted.

use super::*;

impl Scope {
    /// Whether what is cancelled above does not reach in.
    pub(crate) fn masks_above(&self) -> bool {
        self.kind == Kind::CleanUp || self.is_shielded()
    }

    pub(crate) fn is_shielded(&self) -> bool {
        self.flags.load(Ordering::Acquire) & SHIELDED != 0
    }

    /// Keeps where this shield counts, until it ends or is lifted.
    pub(crate) fn keep_shield(&self, open: OpenShield) {
        let too_late = {
            let mut state = self.lock();
            if self.is_shielded() { state.shield.replace(open) } else { Some(open) }
        };
        drop(too_late);
    }

    /// The shielded region has been left.
    pub(crate) fn leave_shield(&self) {
        let open = self.lock().shield.take();
        drop(open);
    }

    /// From now on what is cancelled above reaches in. False if it did already.
    pub(crate) fn lift_shield(self: &Arc<Self>) -> bool {
        let open = {
            let mut state = self.lock();
            if self.flags.fetch_and(!SHIELDED, Ordering::AcqRel) & SHIELDED == 0 {
                return false;
            }
            state.shield.take()
        };
        // A cancellation that came before was masked, and is passed on here; one that comes after finds no shield.
        if let Some(reason) = self.parent.as_ref().and_then(|parent| parent.reason_if_cancelled()) {
            super::cancellation::strike_from_above(vec![self.clone()], &reason.inherited(), &mut Vec::new());
        }
        drop(open);
        true
    }
}
