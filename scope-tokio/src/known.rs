//! One `rt::Handle` for each tokio runtime: it carries the orphan root, so all roots of a runtime must share it.

use std::future;
use std::sync::{Mutex, MutexGuard, PoisonError};

use scope_core::rt;
use tokio::runtime::{Handle, Id};

use crate::launch;
use crate::runtime::TokioRuntime;

static KNOWN: Mutex<Vec<(Id, rt::Handle)>> = Mutex::new(Vec::new());

fn lock() -> MutexGuard<'static, Vec<(Id, rt::Handle)>> {
    KNOWN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The handle of this runtime, made now if this is the first use.
pub(crate) fn handle_of(runtime: &Handle) -> rt::Handle {
    let id = runtime.id();
    let mut known = lock();
    if let Some((_, handle)) = known.iter().find(|(known, _)| *known == id) {
        return handle.clone();
    }
    let handle = rt::Handle::new(TokioRuntime::new(runtime.clone()));
    known.push((id, handle.clone()));
    drop(known);
    // An entry keeps tokio's descriptors open, so it must go with the runtime. tokio tells nobody that it shuts down, but
    // it drops its tasks then: this one waits for nothing else. Refused, it does the same at once.
    let forget = Forget(id);
    let _ = launch::task(runtime, async move {
        let _forget = forget;
        future::pending().await
    });
    handle
}

/// The handle of the runtime this thread is in, if it is in one.
pub(crate) fn current() -> Option<rt::Handle> {
    Handle::try_current().ok().map(|runtime| handle_of(&runtime))
}

/// Chooses the runtime of a nursery: the one this thread is in, else the one of the scope around it. What
/// [`nursery`](crate::nursery) uses; for other nurseries of scope-core it is given to
/// [`runtime_with`](scope_core::NurseryFuture::runtime_with):
///
/// ```
/// # scope_tokio::run_current_thread(async |_| {
/// let two = scope_core::nursery_infallible(async |n| {
///     assert_eq!(n.runtime().unwrap().name(), "tokio");
///     2
/// })
/// .runtime_with(scope_tokio::runtime_here)
/// .await;
/// # assert_eq!(two, 2);
/// # Ok(())
/// # }).unwrap();
/// ```
pub fn runtime_here(inherited: Option<&rt::Handle>) -> Option<rt::Handle> {
    let Ok(here) = Handle::try_current() else {
        return inherited.cloned();
    };
    let same = |handle: &&rt::Handle| {
        let runtime: Option<&TokioRuntime> = handle.downcast_ref();
        runtime.is_some_and(|runtime| runtime.handle().id() == here.id())
    };
    Some(inherited.filter(same).cloned().unwrap_or_else(|| handle_of(&here)))
}

struct Forget(Id);

impl Drop for Forget {
    fn drop(&mut self) {
        let mut known = lock();
        let at = known.iter().position(|(id, _)| *id == self.0);
        let forgotten = at.map(|at| known.swap_remove(at));
        drop(known);
        // Perhaps the last reference to the runtime's insides: not dropped under the lock.
        drop(forgotten);
    }
}
