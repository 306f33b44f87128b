//! Tasks and their identity.
use crate::rt;
pub(crate) fn current_runtime() -> Option<rt::Handle> { None }
/// A checkpoint.
pub async fn checkpoint() {}
