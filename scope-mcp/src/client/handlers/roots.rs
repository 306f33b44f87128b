use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll};

use futures_util::task::AtomicWaker;

use crate::model::Root;

/// The places that a client lets its servers know of: given to [`ClientOptions::roots`](crate::ClientOptions::roots), and
/// kept by whoever wants to change them.
///
/// Cheap to clone, and all clones are the same list. A server of the legacy era is told when the list changes
/// (`notifications/roots/list_changed`); one of the modern era is given it whenever it asks for it.
///
/// ```
/// use scope_mcp::{ClientOptions, Roots, model::Root};
/// let roots = Roots::new([Root::new("file:///home/me/project").name("project")]);
/// let options = ClientOptions::default().roots(roots.clone());
/// // Later, from anywhere:
/// roots.set([]);
/// # drop(options);
/// ```
#[derive(Clone, Default)]
pub struct Roots(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    list: Vec<Root>,
    /// How often the list was changed.
    version: u64,
    watchers: Vec<Weak<AtomicWaker>>,
}

impl Roots {
    /// These places, each with a `file://` address: the protocol knows no others yet.
    pub fn new(roots: impl IntoIterator<Item = Root>) -> Self {
        let state = State { list: roots.into_iter().collect(), ..State::default() };
        Roots(Arc::new(Mutex::new(state)))
    }

    /// The list as it is now.
    pub fn get(&self) -> Vec<Root> {
        self.state().list.clone()
    }

    /// Replaces the list. Servers are told of it if it is another one than before; of several changes in a row they may
    /// be told once.
    pub fn set(&self, roots: impl IntoIterator<Item = Root>) {
        let list: Vec<Root> = roots.into_iter().collect();
        let mut state = self.state();
        if state.list == list {
            return;
        }
        let old = std::mem::replace(&mut state.list, list);
        state.version += 1;
        let watchers: Vec<Arc<AtomicWaker>> = state.watchers.iter().filter_map(Weak::upgrade).collect();
        drop(state);
        drop(old);
        for watcher in watchers {
            watcher.wake();
        }
    }

    /// For a connection: hears of changes from now on.
    pub(crate) fn watch(&self) -> RootsWatch {
        let waker = Arc::new(AtomicWaker::new());
        let mut state = self.state();
        state.watchers.retain(|watcher| watcher.strong_count() > 0);
        state.watchers.push(Arc::downgrade(&waker));
        RootsWatch { roots: self.clone(), seen: state.version, waker }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Roots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Roots").field(&self.state().list.len()).finish()
    }
}

/// What a connection has of its [`Roots`].
#[derive(Debug)]
pub(crate) struct RootsWatch {
    roots: Roots,
    seen: u64,
    waker: Arc<AtomicWaker>,
}

impl RootsWatch {
    /// Ready once for all the changes since the last time.
    pub(crate) fn poll_changed(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        // Before the list is looked at: what comes after the look wakes.
        self.waker.register(cx.waker());
        let version = self.roots.state().version;
        if version == self.seen {
            return Poll::Pending;
        }
        self.seen = version;
        Poll::Ready(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Wakes;

    #[test]
    fn who_watches_is_woken_by_a_change_and_by_nothing_else() {
        let roots = Roots::new([Root::new("file:///a")]);
        let mut watch = roots.watch();
        let wakes = Wakes::new();
        let waker = wakes.waker();
        let mut cx = Context::from_waker(&waker);
        assert!(watch.poll_changed(&mut cx).is_pending());
        roots.set([Root::new("file:///a")]);
        assert_eq!(wakes.count(), 0, "the same list again");
        let other = roots.clone();
        other.set([Root::new("file:///b")]);
        other.set([]);
        assert_eq!(wakes.count(), 1, "woken once, not polled since");
        assert!(watch.poll_changed(&mut cx).is_ready(), "and told once");
        assert!(watch.poll_changed(&mut cx).is_pending());
        assert!(roots.get().is_empty());
    }

    #[test]
    fn connections_that_are_gone_are_forgotten() {
        let roots = Roots::default();
        for _ in 0..100 {
            drop(roots.watch());
        }
        let _last = roots.watch();
        assert_eq!(roots.state().watchers.len(), 1);
    }
}
