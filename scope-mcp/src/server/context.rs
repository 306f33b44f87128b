//! What a handler knows of the call that it answers.

use crate::era::Revision;

/// What a handler knows of the call that it answers.
#[derive(Clone, Debug)]
pub struct Context {
    revision: Revision,
}

impl Context {
    pub(crate) fn new(revision: Revision) -> Context {
        Context { revision }
    }

    /// What the client speaks.
    pub fn revision(&self) -> Revision {
        self.revision
    }
}
