//! One `rt::Handle` for each executor: it carries the orphan root, so all roots of an executor must share it.

use std::sync::{Mutex, PoisonError};

use scope_core::rt;

use crate::SmolRuntime;
use crate::executor::{self, Home};

static KNOWN: Mutex<Vec<rt::Handle>> = Mutex::new(Vec::new());

fn smol(handle: &rt::Handle) -> Option<&SmolRuntime> {
    handle.downcast_ref()
}

/// The handle of the executor at `address`, which `make` makes now if this is the first use.
pub(crate) fn handle_of(address: usize, make: impl FnOnce() -> SmolRuntime) -> rt::Handle {
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(handle) = find(&known, |known| known.is_at(address)) {
        return handle;
    }
    let runtime = make();
    // An entry holds its executor weakly. Those of executors that have gone are swept when there is a new one.
    let over = |handle: &rt::Handle| smol(handle).is_none_or(SmolRuntime::is_gone) && handle.orphaned().is_empty();
    let (swept, mut kept): (Vec<_>, Vec<_>) = known.drain(..).partition(over);
    let handle = rt::Handle::new(runtime);
    kept.push(handle.clone());
    *known = kept;
    drop(known);
    drop(swept);
    handle
}

/// The handle of the executor of ours that this thread is running, else of the global one. `None` if that has no thread.
pub(crate) fn current() -> Option<rt::Handle> {
    if let Some(address) = executor::running_here() {
        let known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(handle) = find(&known, |known| known.is_at(address)) {
            return Some(handle);
        }
    }
    let (executor, threads) = executor::global().ok()?;
    let home = Home::Static(executor);
    Some(handle_of(home.address(), || SmolRuntime::ours(home, threads)))
}

/// Chooses the runtime of a nursery: the one of the scope around it if it is one of this crate's, else the executor of
/// this crate that the thread is running, else the [global](SmolRuntime::global) one. What [`nursery`](crate::nursery)
/// uses; for other nurseries of scope-core it is given to [`runtime_with`](scope_core::NurseryFuture::runtime_with):
///
/// ```
/// # scope_smol::run_current_thread(async |_| {
/// let two = scope_core::nursery_infallible(async |n| {
///     assert_eq!(n.runtime().unwrap().name(), "smol");
///     2
/// })
/// .runtime_with(scope_smol::runtime_here)
/// .await;
/// # assert_eq!(two, 2);
/// # Ok(())
/// # }).unwrap();
/// ```
pub fn runtime_here(inherited: Option<&rt::Handle>) -> Option<rt::Handle> {
    inherited.filter(|handle| smol(handle).is_some()).cloned().or_else(current)
}

fn find(known: &[rt::Handle], is: impl Fn(&SmolRuntime) -> bool) -> Option<rt::Handle> {
    known.iter().find(|handle| smol(handle).is_some_and(&is)).cloned()
}
