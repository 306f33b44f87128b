//! What others may see of a scope.

use super::*;

impl Scope {
    pub(crate) fn place(&self) -> u64 {
        self.place
    }

    /// What a broken rule does in here.
    pub(crate) fn policy(&self) -> Policy {
        let mut at = self;
        loop {
            match Policy::from_bits(at.policy.load(Ordering::Relaxed)) {
                Policy::Inherit => {}
                policy => return policy,
            }
            match &at.parent {
                Some(parent) => at = parent,
                None => return Policy::Report,
            }
        }
    }

    pub(crate) fn set_policy(&self, policy: Policy) {
        self.policy.store(policy.bits(), Ordering::Relaxed);
    }

    /// To be called with `false` before the host joins: children that end while the body runs do not wake it.
    pub(crate) fn note_body(&self, runs: bool) {
        if runs {
            self.live.fetch_or(BODY, Ordering::AcqRel);
        } else {
            self.live.fetch_and(!BODY, Ordering::AcqRel);
        }
    }

    pub(crate) fn body_runs(&self) -> bool {
        self.live.load(Ordering::Acquire) & BODY != 0
    }

    pub(crate) fn set_finalizing(&self, finalizer: Option<(Name, &'static Location<'static>)>) {
        self.lock().finalizing = finalizer;
    }

    pub(crate) fn finalizing(&self) -> Option<(Name, &'static Location<'static>)> {
        self.lock().finalizing.clone()
    }
}
