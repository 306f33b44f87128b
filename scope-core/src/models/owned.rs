//! Owned scopes: a close in the middle, against the end of the task that opened it, and against the guard's drop elsewhere.

use std::future::{pending, poll_fn};
use std::sync::Arc;

use loom::thread;

use super::{Drops, cancel, check, check_up_to, scope, task};
use crate::closing::Closing;
use crate::finalizer::Exit;
use crate::raw::frame::{self, Here};
use crate::scope::{Part, Scope};
use crate::sync::block_on;
use crate::task::TaskRef;
use crate::{Failure, OwnedScope};

/// Opens one in `around`, as `home` would.
fn open_in(around: &Arc<Scope>, home: &TaskRef) -> OwnedScope {
    frame::enter(home, Here::Made(around), || OwnedScope::open("owned")).unwrap_or_else(|error| panic!("{error}"))
}

/// Its close, as `home` awaits it.
async fn close_at(around: Arc<Scope>, home: TaskRef, owned: OwnedScope) -> bool {
    let mut closing = Box::pin(owned.close());
    poll_fn(|cx| frame::enter(&home, Here::Made(&around), || closing.as_mut().poll(cx))).await.is_ok()
}

fn join(scope: &Arc<Scope>) {
    let mut closing = Closing::new();
    block_on(poll_fn(|cx| closing.poll(scope, &mut || Exit::Ok, cx)));
    scope.ended();
}

/// Counts what runs in a finalizer of the scope.
fn finalize(owned: &OwnedScope, ran: &Drops) {
    let guard = ran.guard();
    let added = owned.finalizer("last", move |_| async move {
        drop(guard);
        Ok::<_, Failure>(())
    });
    assert!(added.is_ok());
}

/// A close that was carried elsewhere, when home ends: one of the two sees it to its end, once, and the scope around waits.
#[test]
fn a_close_and_the_end_of_home_end_it_once() {
    check_up_to(3, || {
        let (around, home, ran) = (scope(), task(), Drops::default());
        let owned = open_in(&around, &home);
        finalize(&owned, &ran);
        let (ends, of) = (around.clone(), home.clone());
        let closing = close_at(around.clone(), home, owned);
        let ending = thread::spawn(move || ends.end_owned_of(&of));
        let _ = block_on(closing);
        join(&around);
        assert!(ending.join().is_ok());
        assert_eq!((ran.count(), around.live()), (1, (0, 0)));
    });
}

/// The same while a child is in the way, which ends when the scope is cancelled for it.
#[test]
fn a_close_that_waits_is_taken_over_by_the_end_of_home() {
    check_up_to(2, || {
        let (around, home) = (scope(), task());
        let owned = open_in(&around, &home);
        let inner = around.inner().pop().unwrap_or_else(|| panic!("it is in there"));
        assert!(inner.admit(Part::Child).is_ok());
        let child = inner.listen();
        let (ends, of) = (around.clone(), home.clone());
        let joins = around.clone();
        let closing = close_at(around.clone(), home, owned);
        let ending = thread::spawn(move || {
            ends.end_owned_of(&of);
            block_on(child);
            inner.leave(Part::Child);
            join(&joins);
        });
        assert!(!block_on(closing), "it was ended before");
        assert!(ending.join().is_ok());
        assert_eq!(around.live(), (0, 0));
    });
}

/// Dropped in another thread while home ends.
#[test]
fn a_drop_elsewhere_and_the_end_of_home_end_it_once() {
    check(|| {
        let (around, home, ran) = (scope(), task(), Drops::default());
        let owned = open_in(&around, &home);
        finalize(&owned, &ran);
        let dropping = thread::spawn(move || drop(owned));
        around.end_owned_of(&home);
        join(&around);
        assert!(dropping.join().is_ok());
        assert_eq!((ran.count(), around.live()), (1, (0, 0)));
    });
}

/// A scope that had been cancelled, whose finalizer waits for good: the one who closes it is told that home has ended.
#[test]
fn a_close_of_a_cancelled_scope_is_told_that_home_has_ended() {
    check_up_to(2, || {
        let (around, home) = (scope(), task());
        let owned = open_in(&around, &home);
        let inner = around.inner().pop().unwrap_or_else(|| panic!("it is in there"));
        assert!(owned.finalizer("hangs", |_| pending()).is_ok());
        cancel(&inner);
        let (ends, of) = (around.clone(), home.clone());
        let ending = thread::spawn(move || ends.end_owned_of(&of));
        let mut closing = Box::pin(close_at(around.clone(), home, owned));
        let told = block_on(poll_fn(|cx| closing.as_mut().poll(cx)));
        assert!(!told);
        assert!(ending.join().is_ok());
    });
}
