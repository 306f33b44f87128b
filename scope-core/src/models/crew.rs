//! Tasks that a crew carries: its carriers on two workers, the tasks' wakers, and who gives them.

use std::collections::VecDeque;
use std::future::{pending, poll_fn};
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

use loom::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use loom::sync::{Condvar, Mutex, MutexGuard};
use loom::thread::{self, JoinHandle};

use super::{Drops, check_up_to, come_again};
use crate::rt::{Crew, CrewMember, CrewRules};

/// A runtime with two workers.
#[derive(Default)]
struct Runtime {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    woken: VecDeque<Arc<Carrying>>,
    all: Vec<Arc<Carrying>>,
    ended: usize,
    down: bool,
}

/// A task of that runtime.
struct Carrying {
    member: Mutex<Option<CrewMember>>,
    woken: AtomicBool,
    runtime: Arc<Runtime>,
}

impl Wake for Carrying {
    fn wake(self: Arc<Self>) {
        if !self.woken.swap(true, Ordering::AcqRel) {
            lock(&self.runtime.state).woken.push_back(self.clone());
            self.runtime.changed.notify_one();
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|_| panic!("no thread panics"))
}

impl Runtime {
    fn crew(self: &Arc<Self>) -> Crew {
        let runtime = self.clone();
        Crew::start(2, move |member| runtime.spawn(member))
    }

    fn leaving_crew(self: &Arc<Self>) -> Crew {
        let runtime = self.clone();
        let rules = CrewRules { workers: 2, holds_back: false, leaves: true };
        Crew::start_with(rules, move |member| runtime.spawn(member))
    }

    fn spawn(self: &Arc<Self>, member: CrewMember) {
        let member = Mutex::new(Some(member));
        let task = Arc::new(Carrying { member, woken: AtomicBool::new(true), runtime: self.clone() });
        let mut state = lock(&self.state);
        if state.down {
            drop(state);
            let refused = lock(&task.member).take();
            drop(refused);
            return;
        }
        state.all.push(task.clone());
        state.woken.push_back(task);
        drop(state);
        self.changed.notify_one();
    }

    /// Two workers, until all tasks have ended.
    fn run(self: &Arc<Self>) -> [JoinHandle<()>; 2] {
        [0, 1].map(|index| {
            let runtime = self.clone();
            thread::spawn(move || runtime.work(index))
        })
    }

    fn work(&self, index: usize) {
        let mut state = lock(&self.state);
        loop {
            if state.down || state.ended == state.all.len() {
                return;
            }
            let Some(task) = state.woken.pop_front() else {
                state = self.changed.wait(state).unwrap_or_else(|_| panic!("no thread panics"));
                continue;
            };
            drop(state);
            task.woken.swap(false, Ordering::AcqRel);
            let waker = Waker::from(task.clone());
            let mut member = lock(&task.member);
            let ended = member
                .as_mut()
                .is_some_and(|member| member.poll(&mut Context::from_waker(&waker), Some(index), || true).is_ready());
            let over = if ended { member.take() } else { None };
            drop(member);
            drop(over);
            state = lock(&self.state);
            if ended {
                state.ended += 1;
                self.changed.notify_all();
            }
        }
    }

    /// Drops all tasks, those that are being polled after that.
    fn shut_down(&self) {
        let all = {
            let mut state = lock(&self.state);
            state.down = true;
            state.woken.clear();
            std::mem::take(&mut state.all)
        };
        self.changed.notify_all();
        for task in all {
            let member = lock(&task.member).take();
            drop(member);
        }
    }
}

fn join(threads: impl IntoIterator<Item = JoinHandle<()>>) {
    for thread in threads {
        assert!(thread.join().is_ok());
    }
}

/// Two tasks, one of which is woken while it is polled: each is polled by one carrier at a time and as often as it was woken,
/// and all carriers end when nobody gives them more.
#[test]
fn each_is_polled_by_one_at_a_time_and_none_is_forgotten() {
    check_up_to(2, || {
        let runtime = Arc::<Runtime>::default();
        let crew = runtime.crew();
        let workers = runtime.run();
        let (drops, polled) = (Drops::default(), Arc::new(AtomicUsize::new(0)));
        let (guard, polls) = (drops.guard(), polled.clone());
        let carried = crew.carry(async move {
            let _guard = guard;
            let mut again = Box::pin(come_again());
            poll_fn(|cx| {
                let before = polls.load(Ordering::Relaxed);
                let poll = again.as_mut().poll(cx);
                polls.store(before + 1, Ordering::Relaxed);
                poll
            })
            .await;
        });
        assert!(carried.is_ok());
        let guard = drops.guard();
        assert!(crew.carry(async move { drop(guard) }).is_ok());
        drop(crew);
        join(workers);
        assert_eq!((polled.load(Ordering::Relaxed), drops.count()), (2, 2));
    });
}

/// What a thread sets before it wakes is seen by the poll that it causes, or by the one that runs meanwhile, although setting it
/// orders nothing by itself: the wake has to. (A carrier that sets `RUNNING` by a store fails here.)
#[test]
fn a_wake_is_not_lost_while_its_task_is_being_polled() {
    check_up_to(2, || {
        let runtime = Arc::<Runtime>::default();
        let crew = runtime.crew();
        let workers = runtime.run();
        let (drops, set) = (Drops::default(), Arc::new(AtomicBool::new(false)));
        let guard = drops.guard();
        let carried = crew.carry(async move {
            let _guard = guard;
            let mut started = false;
            poll_fn(|cx| {
                if set.load(Ordering::Relaxed) {
                    return Poll::Ready(());
                }
                if !std::mem::replace(&mut started, true) {
                    let (set, waker) = (set.clone(), cx.waker().clone());
                    thread::spawn(move || {
                        set.store(true, Ordering::Relaxed);
                        waker.wake();
                    });
                    // Queued already when that thread wakes it, in some orders.
                    cx.waker().wake_by_ref();
                }
                Poll::Pending
            })
            .await;
        });
        assert!(carried.is_ok());
        drop(crew);
        join(workers);
        assert_eq!(drops.count(), 1);
    });
}

/// A task that waits for another, which is ready, inside of its poll: there is always a carrier to poll that.
#[test]
fn what_is_ready_is_polled_while_another_blocks() {
    check_up_to(2, || {
        let runtime = Arc::<Runtime>::default();
        let crew = runtime.crew();
        let workers = runtime.run();
        let (drops, set) = (Drops::default(), Arc::new((Mutex::new(false), Condvar::new())));
        let (guard, waits) = (drops.guard(), set.clone());
        let carried = crew.carry(async move {
            let _guard = guard;
            let mut done = lock(&waits.0);
            while !*done {
                done = waits.1.wait(done).unwrap_or_else(|_| panic!("no thread panics"));
            }
        });
        assert!(carried.is_ok());
        let guard = drops.guard();
        let carried = crew.carry(async move {
            let _guard = guard;
            *lock(&set.0) = true;
            set.1.notify_one();
        });
        assert!(carried.is_ok());
        drop(crew);
        join(workers);
        assert_eq!(drops.count(), 2);
    });
}

/// The runtime goes down while a task waits, is polled, or is woken by another thread: it is destroyed once, and the crew's
/// memory goes with the last waker.
#[test]
fn a_crew_that_closes_ends_each_task_once_and_leaks_nothing() {
    check_up_to(3, || {
        let runtime = Arc::<Runtime>::default();
        let crew = runtime.crew();
        let shared = crew.downgrade();
        let workers = runtime.run();
        let (drops, woken) = (Drops::default(), Arc::new(Mutex::new(None::<JoinHandle<()>>)));
        let (guard, started) = (drops.guard(), woken.clone());
        let carried = crew.carry(async move {
            let _guard = guard;
            poll_fn(|cx| {
                let waker = cx.waker().clone();
                lock(&started).get_or_insert_with(|| thread::spawn(move || waker.wake()));
                Poll::<()>::Pending
            })
            .await;
        });
        assert!(carried.is_ok());
        runtime.shut_down();
        join(workers);
        assert_eq!(drops.count(), 1);
        let woken = lock(&woken).take();
        join(woken);
        drop(crew);
        assert_eq!(shared.strong_count(), 0, "a header was leaked");
    });
}

/// Given while the runtime goes down, beside one that two polls end: each is destroyed once.
#[test]
fn a_task_given_to_a_crew_that_closes_is_destroyed_once() {
    check_up_to(2, || {
        let runtime = Arc::<Runtime>::default();
        let crew = runtime.crew();
        let shared = crew.downgrade();
        let workers = runtime.run();
        let drops = Drops::default();
        let guards = [drops.guard(), drops.guard()];
        let giver = thread::spawn(move || {
            for guard in guards {
                let _ = crew.carry(async move {
                    let _guard = guard;
                    come_again().await;
                    pending().await
                });
            }
        });
        runtime.shut_down();
        join(workers);
        assert!(giver.join().is_ok());
        assert_eq!(drops.count(), 2);
        assert_eq!(shared.strong_count(), 0, "a header was leaked");
    });
}

/// Given while the carriers leave, for nothing was left, or after that: there is one for it, or one is started.
#[test]
fn a_task_given_to_carriers_that_leave_is_not_forgotten() {
    check_up_to(3, || {
        let runtime = Arc::<Runtime>::default();
        let crew = runtime.leaving_crew();
        let shared = crew.downgrade();
        let drops = Drops::default();
        let guards = [drops.guard(), drops.guard(), drops.guard()];
        let mut carry = guards.into_iter().map(|guard| {
            crew.carry(async move {
                drop(guard);
            })
        });
        assert!(carry.next().is_some_and(|carried| carried.is_ok()));
        let worker = {
            let runtime = runtime.clone();
            thread::spawn(move || runtime.work(0))
        };
        assert!(carry.next().is_some_and(|carried| carried.is_ok()));
        // The other may have come to the end of its work before.
        runtime.work(1);
        join([worker]);
        assert_eq!(drops.count(), 2);
        assert!(carry.next().is_some_and(|carried| carried.is_ok()));
        drop(carry);
        runtime.work(1);
        assert_eq!(drops.count(), 3);
        drop(crew);
        assert_eq!(shared.strong_count(), 0, "nothing is left, and no carrier");
    });
}

/// A task is woken by another thread while what was called for it leaves, or its last carrier does.
#[test]
fn a_task_that_is_woken_keeps_a_carrier_that_would_leave() {
    check_up_to(2, || {
        let runtime = Arc::<Runtime>::default();
        let crew = runtime.leaving_crew();
        let (drops, woken) = (Drops::default(), Arc::new(Mutex::new(None::<JoinHandle<()>>)));
        let (guard, started) = (drops.guard(), woken.clone());
        let carried = crew.carry(async move {
            let _guard = guard;
            poll_fn(|cx| {
                let mut started = lock(&started);
                if started.is_some() {
                    return Poll::Ready(());
                }
                let waker = cx.waker().clone();
                *started = Some(thread::spawn(move || waker.wake()));
                Poll::Pending
            })
            .await;
        });
        assert!(carried.is_ok());
        // Before there is one, the workers have nothing to do, and go.
        join(runtime.run());
        assert_eq!(drops.count(), 1);
        let woken = lock(&woken).take();
        join(woken);
    });
}
