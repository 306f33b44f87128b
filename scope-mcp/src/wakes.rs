//! Which of several things that one task polls were woken: so that a poll looks at those only.

use std::array;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Wake, Waker};

use futures_util::task::AtomicWaker;

/// A waker for each of `N` things, up to eight.
#[derive(Debug)]
pub(crate) struct Wakes<const N: usize> {
    shared: Arc<Shared>,
    wakers: [Waker; N],
}

#[derive(Debug)]
struct Shared {
    /// A bit for each that was woken since the last look.
    woken: AtomicU8,
    /// The task that polls them first: as a rule the only one, for which nothing has to be registered again.
    task: OnceLock<Waker>,
    /// Another polls them by now, which is registered each time.
    moved: AtomicBool,
    other: AtomicWaker,
}

struct One {
    shared: Arc<Shared>,
    bit: u8,
}

impl Wake for One {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let Shared { woken, task, moved, other } = &*self.shared;
        // Before the task: it looks for this when it has registered.
        woken.fetch_or(self.bit, Ordering::AcqRel);
        if let Some(task) = task.get() {
            task.wake_by_ref();
        }
        if moved.load(Ordering::Acquire) {
            other.wake();
        }
    }
}

/// Those that were woken.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Woken(u8);

impl Woken {
    pub(crate) fn has(self, thing: usize) -> bool {
        self.0 & (1 << thing) != 0
    }
}

impl<const N: usize> Wakes<N> {
    /// At first, each of them counts as woken: none has been polled yet.
    pub(crate) fn new() -> Self {
        const { assert!(N <= 8) };
        let shared = Arc::new(Shared {
            woken: AtomicU8::new(u8::MAX),
            task: OnceLock::new(),
            moved: AtomicBool::new(false),
            other: AtomicWaker::new(),
        });
        let wakers = array::from_fn(|thing| Arc::new(One { shared: Arc::clone(&shared), bit: 1 << thing }).into());
        Wakes { shared, wakers }
    }

    /// Those that were woken since the last time, to be polled now. Registers the task for the next.
    pub(crate) fn take(&self, cx: &Context<'_>) -> Woken {
        let Shared { woken, task, moved, other } = &*self.shared;
        match task.get() {
            // Who wakes it wakes this task, before or after this look.
            Some(task) if task.will_wake(cx.waker()) && woken.load(Ordering::Acquire) == 0 => return Woken(0),
            Some(task) if task.will_wake(cx.waker()) => {}
            Some(_) => {
                other.register(cx.waker());
                moved.store(true, Ordering::Release);
            }
            None => drop(task.set(cx.waker().clone())),
        }
        Woken(woken.swap(0, Ordering::AcqRel))
    }

    /// What `thing` is to be polled with.
    pub(crate) fn of(&self, thing: usize) -> &Waker {
        &self.wakers[thing]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;

    #[test]
    fn what_was_woken_is_told_once_and_wakes_the_task() {
        let task = testing::Wakes::new();
        let waker = task.waker();
        let cx = Context::from_waker(&waker);
        let wakes = Wakes::<2>::new();
        let first = wakes.take(&cx);
        assert!(first.has(0) && first.has(1), "none has been polled yet");
        let second = wakes.take(&cx);
        assert!(!second.has(0) && !second.has(1));
        wakes.of(1).wake_by_ref();
        assert_eq!(task.count(), 1);
        let third = wakes.take(&cx);
        assert!(!third.has(0) && third.has(1));
    }

    #[test]
    fn whichever_task_polls_them_last_is_woken() {
        let (first, second) = (testing::Wakes::new(), testing::Wakes::new());
        let wakes = Wakes::<1>::new();
        for task in [&first, &second, &first, &second] {
            let waker = task.waker();
            wakes.take(&Context::from_waker(&waker));
            let before = task.count();
            wakes.of(0).wake_by_ref();
            assert_eq!(task.count(), before + 1);
            assert!(wakes.take(&Context::from_waker(&waker)).has(0));
        }
    }

    #[test]
    fn one_that_is_woken_before_the_task_is_known_is_found() {
        let wakes = Wakes::<1>::new();
        wakes.take(&Context::from_waker(Waker::noop()));
        wakes.of(0).wake_by_ref();
        assert!(wakes.take(&Context::from_waker(Waker::noop())).has(0));
    }
}
