//! The end of a scope: its host, or whoever adopted it, and the last that leave.

use std::future::{pending, poll_fn};
use std::panic::Location;
use std::pin::pin;
use std::ptr;
use std::sync::Arc;

use loom::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use loom::thread;

use super::{Drops, check, check_up_to, come_again, counted, open, poll_once, scope, task};
use crate::adopt;
use crate::closing::Closing;
use crate::deposit::Runs;
use crate::failure::Failure;
use crate::finalizer::{Exit, Finalizer};
use crate::name::Name;
use crate::nursery_infallible;
use crate::origin::Kind;
use crate::raw::child::Child;
use crate::raw::counted::Leaving;
use crate::scope::{Closable, Part, Scope};
use crate::sync::{Listen, block_on};

/// What a host does when the body has ended.
fn close(scope: &Arc<Scope>) {
    let mut closing = Closing::new();
    block_on(poll_fn(|cx| closing.poll(scope, &mut || Exit::Ok, cx)));
    scope.ended();
}

/// A child on a thread of its own, as a runtime would run it. `trace` is written by its last act.
fn run(scope: &Arc<Scope>, future: impl Future<Output = ()> + Send + 'static) -> thread::JoinHandle<()> {
    let child = Child::new(task(), counted(scope), Runs, future);
    thread::spawn(move || block_on(child))
}

/// What a child did is seen by whoever joined it, though nothing else orders the two.
#[test]
fn a_join_waits_for_the_last_child_and_sees_what_it_did() {
    check(|| {
        let (scope, trace) = (scope(), Arc::new(AtomicUsize::new(0)));
        for _ in 0..2 {
            let trace = trace.clone();
            run(&scope, async move {
                trace.fetch_add(1, Ordering::Relaxed);
            });
        }
        close(&scope);
        assert_eq!(trace.load(Ordering::Relaxed), 2);
    });
}

/// A child's failure is in the scope before the child is counted out. (A count-down before the deposit fails here.)
#[test]
fn a_join_finds_the_failure_of_the_last_child() {
    check(|| {
        let scope = scope();
        let deposit = crate::deposit::Fails::<Failure>::new();
        let child = Child::new(task(), counted(&scope), deposit, async { Err::<(), _>(Failure::from("torn")) });
        thread::spawn(move || block_on(child));
        close(&scope);
        assert_eq!(scope.take_records().len(), 1);
        assert!(scope.is_cancelled());
    });
}

/// A real nursery, its body over, and a child of another thread.
#[test]
fn a_nursery_returns_after_its_child() {
    check(|| {
        let drops = Drops::default();
        block_on(nursery_infallible(async |n| {
            let guard = drops.guard();
            run(n.scope.make(), async move {
                let _guard = guard;
                come_again().await;
            });
        }));
        assert_eq!(drops.count(), 1);
    });
}

/// Nobody else holds the scope any more: it is there as long as one of its children, and gone with the last.
#[test]
fn children_keep_their_scope_in_memory_and_let_it_go() {
    check(|| {
        let scope = scope();
        let weak = Arc::downgrade(&scope);
        let children = [run(&scope, async {}), run(&scope, come_again())];
        drop(scope);
        for child in children {
            assert!(child.join().is_ok());
        }
        assert_eq!(weak.strong_count(), 0);
    });
}

/// The first comes in while the last leaves, again and again. (A count that is given, or taken, by another than these is
/// one too many at the end, or too few.)
#[test]
fn the_first_and_the_last_meet() {
    check(|| {
        let scope = scope();
        let other = scope.clone();
        let comes_and_goes = |scope: &Arc<Scope>| {
            for _ in 0..2 {
                counted(scope).leave(Part::Child);
            }
        };
        let thread = thread::spawn(move || comes_and_goes(&other));
        comes_and_goes(&scope);
        assert!(thread.join().is_ok());
        assert_eq!((Arc::strong_count(&scope), scope.live()), (1, (0, 0)));
    });
}

/// Children that a crew has polled on two threads, one after the other on each, are counted out together there. All have left
/// when the join returns, and the scope is in memory as long as one has not.
#[test]
fn children_that_leave_together_are_waited_for() {
    check_up_to(3, || {
        let scope = scope();
        let (weak, left) = (Arc::downgrade(&scope), Arc::new(AtomicUsize::new(0)));
        let threads = [2, 1].map(|count| {
            let children: Vec<_> = (0..count).map(|_| counted(&scope)).collect();
            let left = left.clone();
            thread::spawn(move || {
                let leaving = Leaving::begin();
                for child in children {
                    leaving.polls(Arc::as_ptr(&child));
                    left.fetch_add(1, Ordering::Relaxed);
                    child.leave(Part::Child);
                }
                // Of something else.
                leaving.polls(ptr::null());
            })
        });
        close(&scope);
        assert_eq!((left.load(Ordering::Relaxed), scope.live()), (3, (0, 0)));
        for thread in threads {
            assert!(thread.join().is_ok());
        }
        drop(scope);
        assert_eq!(weak.strong_count(), 0);
    });
}

/// Whoever is admitted is waited for; whoever is not comes after the end.
#[test]
fn one_that_asks_at_the_end_is_waited_for_or_refused() {
    check(|| {
        let (scope, left) = (scope(), Arc::new(AtomicBool::new(false)));
        let (asks, leaves) = (scope.clone(), left.clone());
        let asking = thread::spawn(move || {
            let admitted = asks.admit(Part::Child).is_ok();
            if admitted {
                leaves.store(true, Ordering::Relaxed);
                asks.leave(Part::Child);
            }
            admitted
        });
        close(&scope);
        let seen = left.load(Ordering::Relaxed);
        assert!(asking.join().is_ok_and(|admitted| admitted == seen));
        assert_eq!(scope.live(), (0, 0));
        assert!(scope.admit(Part::Child).is_err());
    });
}

/// A finalizer that is added at the end runs, or is refused.
#[test]
fn a_finalizer_that_is_added_at_the_end_runs_or_is_refused() {
    check(|| {
        let (scope, ran) = (scope(), Drops::default());
        let (adds, guard) = (scope.clone(), ran.guard());
        let adding = thread::spawn(move || {
            let run = move |_| async move {
                drop(guard);
                Ok(())
            };
            Finalizer::add(&adds, Name::new("late"), Location::caller(), None, run).is_ok()
        });
        close(&scope);
        let ran = ran.count();
        // A refused one comes back, and goes with the result.
        assert!(adding.join().is_ok_and(|added| !added || ran == 1));
    });
}

struct Asked(Listen, AtomicUsize);

impl Closable for Asked {
    fn begin_close(&self) {
        self.1.fetch_add(1, Ordering::AcqRel);
        self.0.notify();
    }
}

impl Asked {
    async fn asked(&self) {
        let asked = self.0.listen();
        if self.1.load(Ordering::Acquire) == 0 {
            asked.await;
        }
    }
}

/// A service is asked to close when the last child has left, or when it comes after that.
#[test]
fn a_service_is_asked_when_the_children_have_ended() {
    check_up_to(4, || {
        let scope = scope();
        run(&scope, async {});
        assert!(scope.admit(Part::Service).is_ok());
        let serves = scope.clone();
        thread::spawn(move || {
            let service = Arc::new(Asked(Listen::new(), AtomicUsize::new(0)));
            let weak = Arc::downgrade(&service);
            serves.add_service(weak);
            block_on(service.asked());
            serves.leave(Part::Service);
        });
        close(&scope);
        assert_eq!(scope.live(), (0, 0));
    });
}

/// Handed over while its last child leaves: the scope around waits until its finalizer has run.
#[test]
fn a_dropped_scope_is_over_before_the_one_around_returns() {
    check_up_to(4, || {
        let (drops, ran) = (Drops::default(), Drops::default());
        block_on(nursery_infallible(async |_| {
            let mut inner = pin!(Some(nursery_infallible(async |n| {
                let guard = drops.guard();
                run(n.scope.make(), async move {
                    let _guard = guard;
                    come_again().await;
                    pending().await
                });
                let guard = ran.guard();
                let run = move |_| async move {
                    drop(guard);
                    Ok(())
                };
                assert!(Finalizer::add(n.scope.make(), Name::new("last"), Location::caller(), None, run).is_ok());
                pending::<()>().await;
            })));
            if let Some(inner) = inner.as_mut().as_pin_mut() {
                assert!(poll_once(inner).is_pending());
            }
            inner.set(None);
        }));
        assert_eq!((drops.count(), ran.count()), (1, 1));
    });
}

/// The same with nothing but the child: whoever finds nothing left closes it, and nobody waits for ever.
#[test]
fn a_scope_handed_over_while_its_last_child_leaves_is_over() {
    check(|| {
        let outer = scope();
        let inner = open(Kind::Nursery, Some(&outer), false);
        run(&inner, async {});
        adopt::hand_over(inner.clone(), Closing::new());
        close(&outer);
        assert!(inner.is_over());
        assert_eq!((outer.live(), inner.live()), ((0, 0), (0, 0)));
    });
}

/// Handed over by two at once: to one heir, counted once.
#[test]
fn a_scope_handed_over_twice_has_one_heir() {
    check(|| {
        let outer = scope();
        let inner = open(Kind::Nursery, Some(&outer), false);
        assert!(inner.admit(Part::Child).is_ok());
        let other = inner.clone();
        let twice = thread::spawn(move || adopt::hand_over(other, Closing::new()));
        adopt::hand_over(inner.clone(), Closing::new());
        assert!(twice.join().is_ok());
        assert_eq!(outer.live(), (1, 0));
        let last = inner.clone();
        thread::spawn(move || last.leave(Part::Child));
        close(&outer);
        assert!(inner.is_over());
    });
}

/// Dropped elsewhere just when the scope around ends: whichever is first, nothing of it is left when that one has ended. (One
/// that is taken for handed over before its heir counts it fails here.)
#[test]
fn a_scope_dropped_elsewhere_is_over_when_the_one_around_has_ended() {
    check_up_to(3, || {
        let outer = scope();
        let inner = open(Kind::Nursery, Some(&outer), false);
        let dropped = inner.clone();
        let dropping = thread::spawn(move || adopt::hand_over(dropped, Closing::new()));
        close(&outer);
        assert!(inner.is_over());
        assert!(dropping.join().is_ok());
        assert_eq!((outer.live(), inner.live()), ((0, 0), (0, 0)));
    });
}

/// The same while a child is in it, which ends when it is told to.
#[test]
fn a_scope_with_a_child_dropped_elsewhere_is_over_when_the_one_around_has_ended() {
    check_up_to(3, || {
        let outer = scope();
        let inner = open(Kind::Nursery, Some(&outer), false);
        assert!(inner.admit(Part::Child).is_ok());
        let (told, child) = (inner.listen(), inner.clone());
        let dropped = inner.clone();
        let dropping = thread::spawn(move || {
            adopt::hand_over(dropped, Closing::new());
            block_on(told);
            child.leave(Part::Child);
        });
        close(&outer);
        assert!(inner.is_over());
        assert!(dropping.join().is_ok());
        assert_eq!((outer.live(), inner.live()), ((0, 0), (0, 0)));
    });
}

/// The heir's own end against the adoption: it waits, or the next one out does.
#[test]
fn an_heir_that_is_closing_waits_or_passes_it_on() {
    check_up_to(4, || {
        let outermost = scope();
        let outer = open(Kind::Nursery, Some(&outermost), false);
        assert!(outer.admit(Part::Child).is_ok());
        let inner = open(Kind::Nursery, Some(&outer), false);
        assert!(inner.admit(Part::Child).is_ok());
        let (drops, parent) = (inner.clone(), outer.clone());
        let dropping = thread::spawn(move || {
            adopt::hand_over(drops.clone(), Closing::new());
            drops.leave(Part::Child);
            // The child that had the inner scope ends.
            parent.leave(Part::Child);
        });
        close(&outer);
        close(&outermost);
        assert!(dropping.join().is_ok());
        assert!(inner.is_over());
        assert_eq!((inner.live(), outer.live(), outermost.live()), ((0, 0), (0, 0), (0, 0)));
    });
}
