//! Which of several things that one task polls were woken: so that a poll looks at those only.
//!
//! The first of them can be lent to another task, which is then woken in the place of this one, and polls it. What becomes
//! of a wake is decided by one word: who takes the thing back sees in the same step whether it was woken meanwhile.

use std::array;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Wake, Waker};

use futures_util::task::AtomicWaker;

/// The first thing is lent.
const LENT: u8 = 1 << 7;

/// This task will look for itself whether it was woken.
const WATCHED: u8 = 1 << 6;

/// Whatever can be woken.
const THINGS: u8 = WATCHED - 1;

/// The first of them.
const FIRST: u8 = 1;

/// A waker for each of `N` things, up to six.
#[derive(Debug)]
pub(crate) struct Wakes<const N: usize> {
    shared: Arc<Shared>,
    wakers: [Waker; N],
}

#[derive(Debug)]
struct Shared {
    /// A bit for each that was woken since the last look, `LENT` and `WATCHED`.
    woken: AtomicU8,
    /// To whom the first is lent.
    borrower: AtomicWaker,
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
        let Shared { woken, borrower, task, moved, other } = &*self.shared;
        // Before the task: it looks for this when it has registered.
        let before = woken.fetch_or(self.bit, Ordering::AcqRel);
        if self.bit == FIRST && before & LENT != 0 {
            borrower.wake();
            if before & WATCHED != 0 {
                return;
            }
        }
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
        const { assert!(N <= THINGS.count_ones() as usize) };
        let shared = Arc::new(Shared {
            woken: AtomicU8::new(THINGS),
            borrower: AtomicWaker::new(),
            task: OnceLock::new(),
            moved: AtomicBool::new(false),
            other: AtomicWaker::new(),
        });
        let wakers = array::from_fn(|thing| Arc::new(One { shared: Arc::clone(&shared), bit: 1 << thing }).into());
        Wakes { shared, wakers }
    }

    /// Those that were woken since the last time, to be polled now. Registers the task for the next.
    pub(crate) fn take(&self, cx: &Context<'_>) -> Woken {
        let Shared { woken, task, moved, other, .. } = &*self.shared;
        match task.get() {
            // Who wakes it wakes this task, before or after this look.
            Some(task) if task.will_wake(cx.waker()) && woken.load(Ordering::Acquire) & THINGS == 0 => return Woken(0),
            Some(task) if task.will_wake(cx.waker()) => {}
            Some(_) => {
                other.register(cx.waker());
                moved.store(true, Ordering::Release);
            }
            None => drop(task.set(cx.waker().clone())),
        }
        Woken(woken.fetch_and(!THINGS, Ordering::AcqRel) & THINGS)
    }

    /// Lends the first thing to the task of `waker`, or lends it again to one that has polled it and wants to be woken. If it
    /// was woken, so is that task at once.
    pub(crate) fn lend(&self, waker: &Waker) {
        let Shared { woken, borrower, .. } = &*self.shared;
        borrower.register(waker);
        if woken.fetch_or(LENT, Ordering::AcqRel) & FIRST != 0 {
            borrower.wake();
        }
    }

    /// For the borrower: whether the first thing was woken, to be polled now.
    pub(crate) fn take_lent(&self) -> bool {
        self.shared.woken.fetch_and(!FIRST, Ordering::AcqRel) & FIRST != 0
    }

    /// From here on this task is woken for it again. Whether it was woken before: then this task may not have been.
    #[must_use = "nobody else comes to poll it"]
    pub(crate) fn take_back(&self) -> bool {
        let Shared { woken, borrower, .. } = &*self.shared;
        let before = woken.fetch_and(!LENT, Ordering::AcqRel);
        drop(borrower.take());
        before & (LENT | FIRST) == LENT | FIRST
    }

    /// Whether the first is lent, and this task is woken for it all the same.
    pub(crate) fn is_lent_unwatched(&self) -> bool {
        self.shared.woken.load(Ordering::Acquire) & (LENT | WATCHED) == LENT
    }

    /// This task [looks](Wakes::look) by itself whether what is lent was woken, and need not be woken for it.
    pub(crate) fn watch(&self) {
        self.shared.woken.fetch_or(WATCHED, Ordering::AcqRel);
    }

    /// It looks: whether what is lent was woken and not been polled. From here on it is woken for it again.
    #[must_use = "nobody else may come to poll it"]
    pub(crate) fn look(&self) -> bool {
        let before = self.shared.woken.fetch_and(!WATCHED, Ordering::AcqRel);
        before & (LENT | FIRST) == LENT | FIRST
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

    /// Counts its wakes: the task, and the one to whom something is lent.
    fn two() -> [(Arc<testing::Wakes>, Waker); 2] {
        [testing::Wakes::new(), testing::Wakes::new()].map(|it| (Arc::clone(&it), it.waker()))
    }

    #[test]
    fn what_is_lent_wakes_its_borrower_and_the_task_unless_that_looks() {
        let [(task, waker), (borrower, borrowing)] = two();
        let wakes = Wakes::<2>::new();
        let cx = Context::from_waker(&waker);
        wakes.take(&cx);
        wakes.lend(&borrowing);
        assert!(wakes.is_lent_unwatched());
        wakes.of(0).wake_by_ref();
        assert_eq!((task.count(), borrower.count()), (1, 1));
        assert!(wakes.take(&cx).has(0), "whoever comes first polls it");
        assert!(!wakes.take_lent());
        wakes.watch();
        wakes.lend(&borrowing);
        assert!(!wakes.is_lent_unwatched());
        wakes.of(0).wake_by_ref();
        wakes.of(1).wake_by_ref();
        assert_eq!((task.count(), borrower.count()), (2, 2), "the other thing is not lent");
        assert!(wakes.take_lent() && !wakes.take_lent());
        let woken = wakes.take(&cx);
        assert!(!woken.has(0) && woken.has(1));
    }

    #[test]
    fn a_wake_that_its_borrower_did_not_see_is_seen_by_the_task() {
        let [(task, waker), (_, borrowing)] = two();
        let wakes = Wakes::<1>::new();
        wakes.take(&Context::from_waker(&waker));
        wakes.lend(&borrowing);
        wakes.watch();
        assert!(!wakes.look(), "it was not woken");
        wakes.watch();
        wakes.of(0).wake_by_ref();
        assert_eq!(task.count(), 0);
        assert!(wakes.look() && wakes.take_back() && !wakes.take_back());
        assert!(wakes.take(&Context::from_waker(&waker)).has(0));
        wakes.of(0).wake_by_ref();
        assert_eq!(task.count(), 1, "it is not lent any more");
    }

    #[test]
    fn what_is_lent_again_after_a_wake_wakes_its_borrower_again() {
        let [(_, waker), (borrower, borrowing)] = two();
        let wakes = Wakes::<1>::new();
        wakes.take(&Context::from_waker(&waker));
        wakes.lend(&borrowing);
        wakes.watch();
        wakes.of(0).wake_by_ref();
        assert!(wakes.take_lent());
        // While it is polled.
        wakes.of(0).wake_by_ref();
        wakes.lend(&borrowing);
        assert_eq!(borrower.count(), 2);
        assert!(wakes.take_lent());
    }

    #[test]
    fn no_wake_is_lost_between_two_who_poll_by_turns() {
        let [(task, waker), (borrower, borrowing)] = two();
        let wakes = Arc::new(Wakes::<1>::new());
        let cx = Context::from_waker(&waker);
        wakes.take(&cx);
        for round in 0..20_000 {
            let before = (task.count(), borrower.count());
            let theirs = Arc::clone(&wakes);
            wakes.lend(&borrowing);
            if round % 2 == 0 {
                wakes.watch();
            }
            let waking = (round % 50 == 0).then(|| std::thread::spawn(move || theirs.of(0).wake_by_ref()));
            if waking.is_none() {
                wakes.of(0).wake_by_ref();
            }
            let seen = match round % 3 {
                0 => wakes.take_back(),
                1 => wakes.take_lent(),
                _ => wakes.look(),
            };
            let waked = waking.is_none_or(|it| it.join().is_ok());
            let told = (task.count(), borrower.count()) != before;
            assert!(waked && (seen || told), "{round}");
            let left = wakes.take_back();
            assert!(seen || left || wakes.take(&cx).has(0), "{round}: it is to be polled by somebody");
            wakes.take(&cx);
            let _ = wakes.look();
        }
    }
}
