//! Blocking on a worker thread that has handed its work over.

use std::cell::Cell;

use tokio::runtime::{Handle, Id};

thread_local! {
    /// The runtime whose work this thread has handed over.
    static HANDED_OVER: Cell<Option<Id>> = const { Cell::new(None) };
}

/// Whether this thread is inside [`block_in_place`] of this runtime.
pub(crate) fn is_allowed(runtime: &Handle) -> bool {
    HANDED_OVER.get() == Some(runtime.id())
}

/// As [`tokio::task::block_in_place`]: runs blocking code on a worker of the multi-thread runtime, after another thread
/// has taken over its other tasks. The blocking calls of scope-core, such as `close_blocking` of a service, know of this
/// one and do not refuse in it.
///
/// The task that calls it makes no progress until `f` returns, and neither do other futures in the same task, same-task
/// children among them: do not wait for those in `f`.
///
/// # Panics
/// On a current-thread runtime, as tokio's does; and if `f` does.
#[track_caller]
pub fn block_in_place<R>(f: impl FnOnce() -> R) -> R {
    struct Restore(Option<Id>);
    impl Drop for Restore {
        fn drop(&mut self) {
            HANDED_OVER.set(self.0);
        }
    }
    tokio::task::block_in_place(|| {
        let here = Handle::try_current().ok().map(|runtime| runtime.id());
        let _restore = Restore(HANDED_OVER.replace(here));
        f()
    })
}
