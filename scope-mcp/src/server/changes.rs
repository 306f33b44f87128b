//! What has changed since a connection looked last.
//!
//! Each thing that can change is remembered once, however often it changes, and of addresses only those that were asked
//! for; so a connection that does not look for a while finds no more than it asked for.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll};

use futures_util::task::AtomicWaker;

use super::uri_template::MAX_URI;
use crate::jsonrpc::Rejection;

/// How many addresses one connection, or one subscription, can watch.
pub(crate) const MAX_WATCHED: usize = 1024;

/// Something that a client may want to know.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Change {
    Tools,
    Resources,
    Prompts,
    /// What stands at this address.
    Resource(String),
    /// The task of this id.
    Task(String),
}

impl Change {
    /// What has to be watched by name for this to be news.
    fn name(&self) -> Option<&str> {
        match self {
            Change::Resource(name) | Change::Task(name) => Some(name),
            Change::Tools | Change::Resources | Change::Prompts => None,
        }
    }
}

/// Why an address is not watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotWatched {
    /// There are so many watched addresses already.
    TooMany,
    /// It is longer than any that is offered.
    TooLong,
}

impl NotWatched {
    /// What a client is told.
    pub(crate) fn rejection(self) -> Rejection {
        Rejection::invalid_params(match self {
            NotWatched::TooMany => format!("no more than {MAX_WATCHED} addresses can be watched at once"),
            NotWatched::TooLong => format!("an address of more than {MAX_URI} bytes cannot be watched"),
        })
    }
}

/// What one looks at. Dropping it ends that.
#[derive(Debug)]
pub(crate) struct Changes(Arc<Watch>);

/// All that look.
#[derive(Debug, Default)]
pub(crate) struct Watchers(Mutex<Vec<Weak<Watch>>>);

#[derive(Debug, Default)]
struct Watch {
    state: Mutex<State>,
    waker: AtomicWaker,
}

#[derive(Debug, Default)]
struct State {
    watched: HashSet<String>,
    /// In the order in which it first happened.
    news: Vec<Change>,
}

impl Watchers {
    pub(crate) fn watch(&self) -> Changes {
        let watch = Arc::new(Watch::default());
        let mut all = lock(&self.0);
        all.retain(|watch| watch.strong_count() > 0);
        all.push(Arc::downgrade(&watch));
        Changes(watch)
    }

    pub(crate) fn tell(&self, change: &Change) {
        // Wakers may do anything, so none is called under the lock.
        let all: Vec<_> = lock(&self.0).iter().filter_map(Weak::upgrade).collect();
        for watch in all {
            if watch.learn(change) {
                watch.waker.wake();
            }
        }
    }
}

impl Watch {
    /// Whether that is news.
    fn learn(&self, change: &Change) -> bool {
        let mut state = lock(&self.state);
        if change.name().is_some_and(|name| !state.watched.contains(name)) || state.news.contains(change) {
            return false;
        }
        state.news.push(change.clone());
        true
    }
}

impl Changes {
    /// From now on, changes of what stands at `uri` are news; or, where tasks are watched, of the task of that id.
    pub(crate) fn watch(&self, uri: &str) -> Result<(), NotWatched> {
        if uri.len() > MAX_URI {
            return Err(NotWatched::TooLong);
        }
        let mut state = lock(&self.0.state);
        if state.watched.len() >= MAX_WATCHED && !state.watched.contains(uri) {
            return Err(NotWatched::TooMany);
        }
        state.watched.insert(uri.to_owned());
        Ok(())
    }

    /// They are not any more. Whether they were.
    pub(crate) fn unwatch(&self, uri: &str) -> bool {
        let mut state = lock(&self.0.state);
        state.news.retain(|change| change.name() != Some(uri));
        state.watched.remove(uri)
    }

    /// The news since the last time; there are some.
    pub(crate) fn poll_take(&self, cx: &mut Context<'_>) -> Poll<Vec<Change>> {
        // First the waker: what happens after the look wakes it.
        self.0.waker.register(cx.waker());
        let news = std::mem::take(&mut lock(&self.0.state).news);
        if news.is_empty() { Poll::Pending } else { Poll::Ready(news) }
    }
}

/// Nothing that holds one of these locks can panic half-way.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Wakes;

    fn take(changes: &Changes) -> Vec<Change> {
        let waker = Wakes::new().waker();
        match changes.poll_take(&mut Context::from_waker(&waker)) {
            Poll::Ready(news) => news,
            Poll::Pending => Vec::new(),
        }
    }

    #[test]
    fn each_change_is_told_once_to_each() {
        let all = Watchers::default();
        let (one, two) = (all.watch(), all.watch());
        for change in [Change::Prompts, Change::Tools, Change::Prompts] {
            all.tell(&change);
        }
        assert_eq!(take(&one), [Change::Prompts, Change::Tools]);
        assert_eq!(take(&one), []);
        all.tell(&Change::Prompts);
        assert_eq!(take(&one), [Change::Prompts]);
        assert_eq!(take(&two), [Change::Prompts, Change::Tools]);
        assert_eq!(take(&all.watch()), [], "what was before is no news");
    }

    #[test]
    fn only_watched_addresses_are_news() {
        let all = Watchers::default();
        let changes = all.watch();
        let changed = |uri: &str| Change::Resource(uri.to_owned());
        all.tell(&changed("a:1"));
        changes.watch("a:1").unwrap();
        changes.watch("a:2").unwrap();
        for uri in ["a:1", "a:2", "a:3", "a:1"] {
            all.tell(&changed(uri));
        }
        assert!(changes.unwatch("a:2") && !changes.unwatch("a:3"));
        assert_eq!(take(&changes), [changed("a:1")]);
        all.tell(&changed("a:2"));
        assert_eq!(take(&changes), []);
    }

    #[test]
    fn watching_is_bounded() {
        let all = Watchers::default();
        let changes = all.watch();
        for n in 0..MAX_WATCHED {
            changes.watch(&format!("a:{n}")).unwrap();
        }
        assert_eq!(changes.watch("a:new"), Err(NotWatched::TooMany));
        assert_eq!(changes.watch(&"a".repeat(MAX_URI + 1)), Err(NotWatched::TooLong));
        assert_eq!(changes.watch("a:0"), Ok(()), "it is watched already");
        assert!(changes.unwatch("a:0"));
        assert_eq!(changes.watch("a:new"), Ok(()));
    }

    #[test]
    fn one_wake_for_one_piece_of_news() {
        let all = Watchers::default();
        let changes = all.watch();
        let wakes = Wakes::new();
        let waker = wakes.waker();
        assert!(changes.poll_take(&mut Context::from_waker(&waker)).is_pending());
        all.tell(&Change::Resource("a:1".into()));
        assert_eq!(wakes.count(), 0);
        all.tell(&Change::Tools);
        all.tell(&Change::Tools);
        assert_eq!(wakes.count(), 1);
    }

    #[test]
    fn who_does_not_look_any_more_is_forgotten() {
        let all = Watchers::default();
        for _ in 0..100 {
            drop(all.watch());
        }
        let _one = all.watch();
        assert_eq!(lock(&all.0).len(), 1);
    }
}
