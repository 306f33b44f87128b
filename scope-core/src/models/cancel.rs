//! A cancellation, and whoever comes to be told of it at the same time.

use std::future::{pending, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use loom::sync::atomic::{AtomicUsize, Ordering};
use loom::thread;

use super::{Drops, cancel, check, check_up_to, come_again, counted, open, scope, task};
use crate::deposit::Runs;
use crate::origin::Kind;
use crate::raw::child::Child;
use crate::scope::Scope;
use crate::shield;
use crate::sync::block_on;

fn child(scope: &Arc<Scope>, future: impl Future<Output = ()> + Send) -> impl Future<Output = ()> + Send {
    Child::new(task(), counted(scope), Runs, future)
}

/// (The look at `flags` in `with_parked` taken out of the lock fails here.)
#[test]
fn a_child_that_parks_is_told() {
    check(|| {
        let (scope, drops) = (scope(), Drops::default());
        let guard = drops.guard();
        let child = child(&scope, async move {
            let _guard = guard;
            pending().await
        });
        let told = scope.clone();
        let canceller = thread::spawn(move || cancel(&told));
        block_on(child);
        assert!(canceller.join().is_ok_and(|first| first));
        assert_eq!((drops.count(), scope.live()), (1, (0, 0)));
    });
}

/// Polled again with the waker that it is listed with, it does not take the lock.
#[test]
fn a_child_that_parks_again_is_told() {
    check(|| {
        let scope = scope();
        let child = child(&scope, async {
            come_again().await;
            pending().await
        });
        let told = scope.clone();
        thread::spawn(move || cancel(&told));
        block_on(child);
        assert_eq!(scope.live(), (0, 0));
    });
}

/// A scope that is attached meanwhile, and one further in.
#[test]
fn a_scope_that_is_attached_is_told() {
    check(|| {
        let outer = scope();
        let told = outer.clone();
        let canceller = thread::spawn(move || cancel(&told));
        let inner = open(Kind::Nursery, Some(&outer), false);
        let innermost = open(Kind::Nursery, Some(&inner), false);
        let masked = open(Kind::CleanUp, Some(&outer), false);
        assert!(canceller.join().is_ok());
        for scope in [&inner, &innermost] {
            assert!(scope.is_cancelled() && !scope.is_cancelled_itself());
            assert!(scope.reason().is_some());
        }
        assert!(!masked.is_cancelled());
    });
}

#[test]
fn a_shield_that_is_lifted_meanwhile_lets_it_in() {
    check(|| {
        let outer = scope();
        let shielded = open(Kind::Block, Some(&outer), true);
        let inner = open(Kind::Nursery, Some(&shielded), false);
        let told = outer.clone();
        let canceller = thread::spawn(move || cancel(&told));
        assert!(shielded.lift_shield());
        assert!(canceller.join().is_ok());
        assert!(shielded.is_cancelled() && inner.is_cancelled());
        assert!(inner.reason().is_some());
    });
}

/// A scope is attached inside a shield that is lifted over a cancellation.
#[test]
fn a_scope_that_is_attached_while_a_shield_is_lifted_is_told() {
    check(|| {
        let outer = scope();
        cancel(&outer);
        let shielded = open(Kind::Block, Some(&outer), true);
        let lifted = shielded.clone();
        let lifting = thread::spawn(move || lifted.lift_shield());
        let inner = open(Kind::Nursery, Some(&shielded), false);
        assert!(lifting.join().is_ok_and(|lifted| lifted));
        assert!(inner.is_cancelled() && inner.reason().is_some());
    });
}

/// A delivery that a shield holds back is made when the shield has gone: when it ends elsewhere, or is lifted.
#[test]
fn a_delivery_that_is_held_back_is_made_when_the_shield_goes() {
    check(|| {
        let scope = scope();
        cancel(&scope);
        let child = child(&scope, async {
            let open = shield::OpenShield::here();
            let ended = thread::spawn(move || drop(open));
            pending::<()>().await;
            drop(ended);
        });
        block_on(child);
        assert_eq!(scope.live(), (0, 0));
    });
}

/// The whole of it: a child in a shielded block, cancelled and lifted by two others.
#[test]
fn a_lifted_shield_and_a_cancel_end_a_child() {
    check_up_to(4, || {
        let scope = scope();
        let shared = scope.clone();
        let child = child(&scope, async move {
            let shielded = {
                let parent = shared.clone();
                let shielded = open(Kind::Block, Some(&parent), true);
                shielded.keep_shield(shield::OpenShield::here());
                shielded
            };
            thread::spawn(move || shielded.lift_shield());
            thread::spawn(move || cancel(&shared));
            pending().await
        });
        block_on(child);
        assert_eq!(scope.live(), (0, 0));
    });
}

/// One from outside and one of its own: exactly one is the reason, and it stays.
#[test]
fn two_cancellations_leave_one_reason() {
    check(|| {
        let outer = scope();
        let inner = open(Kind::Nursery, Some(&outer), false);
        let (told, again) = (outer.clone(), inner.clone());
        let above = thread::spawn(move || cancel(&told));
        let first = cancel(&again);
        let scopes = inner.reason().map(|reason| reason.scope().clone());
        assert!(above.join().is_ok_and(|first| first) && first);
        assert!(inner.is_cancelled_itself());
        assert_eq!(inner.reason().map(|reason| reason.scope().clone()), scopes);
    });
}

/// The host of the scope sees it although it looks only when it is woken.
#[test]
fn the_host_is_woken() {
    check(|| {
        let scope = scope();
        let told = scope.clone();
        thread::spawn(move || cancel(&told));
        block_on(poll_fn(|cx| {
            scope.register_host(cx.waker());
            if scope.is_cancelled() { Poll::Ready(()) } else { Poll::Pending }
        }));
    });
}

/// Who asks to be told is.
#[test]
fn whoever_listens_is_told() {
    check(|| {
        let scope = scope();
        let told = scope.clone();
        thread::spawn(move || cancel(&told));
        let listener = scope.listen();
        if !scope.is_cancelled() {
            block_on(pin!(listener));
        }
        assert!(scope.is_cancelled());
    });
}

/// A hook is called once, by the cancel or by whoever adds it.
#[test]
fn a_hook_is_called_once() {
    check(|| {
        let scope = scope();
        let told = scope.clone();
        let canceller = thread::spawn(move || cancel(&told));
        let calls = Arc::new(AtomicUsize::new(0));
        let counter = calls.clone();
        scope.add_hook(
            1,
            Box::new(move |_| {
                counter.fetch_add(1, Ordering::AcqRel);
            }),
        );
        assert!(canceller.join().is_ok());
        assert_eq!(calls.load(Ordering::Acquire), 1);
    });
}
