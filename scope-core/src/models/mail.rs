//! What is left for somebody else to run or to read: a task's mail, a scope's, what children left for one reader, and a
//! child that is cancelled alone. The child's handle, which keeps its scope, is there to the end.

use std::future::{Future as _, pending, poll_fn};
use std::panic::Location;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;

use loom::sync::atomic::{AtomicBool, Ordering};
use loom::thread;

use super::{Drops, check, check_up_to, come_again, scope, task};
use crate::closing::Closing;
use crate::collect::{Collected, Made};
use crate::failure::Failure;
use crate::finalizer::Exit;
use crate::handle::{self, Lost};
use crate::name::Name;
use crate::nursery;
use crate::raw::frame::{self, Here};
use crate::reason::CancelCause;
use crate::rt::Task;
use crate::scope::Part;
use crate::spawner::Spawns;
use crate::sync::block_on;
use crate::task_mail::MailCell;
use crate::tracked::{Own, Tracked};

/// A child that waits once.
async fn ends() -> Result<(), Failure> {
    come_again().await;
    Ok(())
}

/// Clean-up that sets `ran`.
fn letter(ran: &Arc<AtomicBool>) -> Task {
    let ran = ran.clone();
    Box::pin(async move {
        come_again().await;
        ran.store(true, Ordering::Relaxed);
    })
}

/// What is left for a task is run by it, though it waits, and is not ready for anything else.
#[test]
fn mail_wakes_its_owner() {
    check(|| {
        let (cell, ran) = (MailCell::new(), Arc::new(AtomicBool::new(false)));
        let (mail, letter) = (cell.get(), letter(&ran));
        let posting = thread::spawn(move || mail.post(letter).is_ok());
        block_on(poll_fn(|cx| {
            cell.poll(cx);
            if ran.load(Ordering::Relaxed) { Poll::Ready(()) } else { Poll::Pending }
        }));
        assert!(posting.join().is_ok_and(|posted| posted));
    });
}

/// Two at once, one of them while the other is being run.
#[test]
fn mail_that_comes_while_mail_is_run_is_run_too() {
    check_up_to(4, || {
        let cell = MailCell::new();
        let ran: Vec<_> = (0..2).map(|_| Arc::new(AtomicBool::new(false))).collect();
        for ran in &ran {
            let (mail, letter) = (cell.get(), letter(ran));
            thread::spawn(move || mail.post(letter).is_ok());
        }
        block_on(poll_fn(|cx| {
            cell.poll(cx);
            if ran.iter().all(|ran| ran.load(Ordering::Relaxed)) { Poll::Ready(()) } else { Poll::Pending }
        }));
    });
}

/// At the owner's end it goes back to the one who posts, or to the one who closes: to exactly one.
#[test]
fn mail_at_the_end_goes_back() {
    check(|| {
        let (cell, ran) = (MailCell::new(), Arc::new(AtomicBool::new(false)));
        let (mail, letter) = (cell.get(), letter(&ran));
        let posting = thread::spawn(move || mail.post(letter).is_err());
        let left = cell.close().len();
        let refused = posting.join().is_ok_and(|refused| refused);
        assert_eq!(left + usize::from(refused), 1);
        assert!(cell.close().is_empty());
    });
}

/// A scope's mail: whoever posts is counted in, and the host runs it before it is done.
#[test]
fn mail_of_a_scope_is_run_by_its_host() {
    check(|| {
        let (scope, ran) = (scope(), Arc::new(AtomicBool::new(false)));
        assert!(scope.admit(Part::Child).is_ok());
        let (posts, letter) = (scope.clone(), letter(&ran));
        thread::spawn(move || {
            let counted = posts.clone();
            posts.post(Box::pin(async move {
                letter.await;
                counted.leave(Part::Child);
            }));
        });
        let mut closing = Closing::new();
        block_on(poll_fn(|cx| closing.poll(&scope, &mut || Exit::Ok, cx)));
        assert!(ran.load(Ordering::Relaxed));
    });
}

/// What was left is read, and then the end is seen.
#[test]
fn a_reader_gets_every_item_and_the_end() {
    check(|| {
        let items = Collected::new();
        for item in 0..2 {
            let expected = items.expect();
            // One leaves something, the other nothing.
            thread::spawn(move || if item == 1 { expected.leave(item).is_ok() } else { false });
        }
        assert_eq!(block_on(items.next()), Some(1));
        assert_eq!(block_on(items.next()), None);
        assert_eq!(items.len(), 0);
    });
}

/// The results of a same-task child, and of one on another thread: their reader hears of both, and of the end.
#[test]
fn a_reader_of_both_kinds_gets_every_value_and_the_end() {
    check_up_to(3, || {
        let sum = block_on(nursery(async |n| {
            let mut results = n.results::<u32>();
            results.spawn_local(async {
                come_again().await;
                Ok(1)
            });
            let mut made = Some(Made::new(2, task(), n.scope.make().clone()));
            let mut elsewhere = None;
            let mut sum = 0;
            // Added when the reader waits for the first.
            poll_fn(|cx| {
                loop {
                    match results.values.poll_next(cx) {
                        Poll::Ready(Some(value)) => sum += value,
                        Poll::Ready(None) => return Poll::Ready(Ok(sum)),
                        Poll::Pending => break,
                    }
                }
                if elsewhere.is_none() {
                    let (expected, made) = (results.values.expect(), made.take());
                    elsewhere = Some(thread::spawn(move || made.map(|made| expected.leave(made).is_ok())));
                }
                Poll::Pending
            })
            .await
        }));
        assert_eq!(sum.ok(), Some(3));
    });
}

/// The last child is cut by a cancellation that comes while its reader looks: that is not the end of what there was to read.
#[test]
fn a_reader_does_not_go_on_from_a_cut() {
    check(|| {
        let (scope, items) = (scope(), Collected::<u8>::new());
        let (cancelled, expected) = (scope.clone(), items.expect());
        let cutting = thread::spawn(move || {
            cancelled.cancel(CancelCause::Explicit, Name::new(""), Location::caller());
            drop(expected);
        });
        let mut next = pin!(items.next());
        let read = block_on(poll_fn(|cx| {
            Poll::Ready(frame::enter(&task(), Here::Made(&scope), || next.as_mut().poll(cx).is_ready()))
        }));
        assert!(!read);
        assert!(cutting.join().is_ok());
    });
}

/// The same of a child's handle: it tells of the cut only where nothing was cancelled.
#[test]
fn a_handle_does_not_tell_of_what_has_cut_its_reader() {
    check(|| {
        let scope = scope();
        let (slot, mut handle) = handle::pair::<u8>(task(), scope.clone());
        let cancelled = scope.clone();
        let cutting = thread::spawn(move || {
            cancelled.cancel(CancelCause::Explicit, Name::new(""), Location::caller());
            slot.fill(Err(Lost::Cancelled));
        });
        let told = block_on(poll_fn(|cx| {
            let polled = frame::enter(&task(), Here::Made(&scope), || Pin::new(&mut handle).poll(cx).is_ready());
            Poll::Ready(polled)
        }));
        assert!(!told);
        assert_eq!(block_on(&mut handle), Err(Lost::Cancelled));
        assert!(cutting.join().is_ok());
    });
}

/// Nobody reads any more: an item comes back to the one who left it, or to the one who closes.
#[test]
fn an_item_left_at_the_end_comes_back_once() {
    check(|| {
        let items = Collected::new();
        let expected = items.expect();
        let leaving = thread::spawn(move || expected.leave(7).is_err());
        let unread = items.close().len();
        let refused = leaving.join().is_ok_and(|refused| refused);
        assert_eq!(unread + usize::from(refused), 1);
        assert_eq!(items.len(), 0);
    });
}

/// A child that waits is ended by the cancel that makes its scope.
#[test]
fn a_child_cancelled_alone_ends() {
    check(|| {
        let (parent, drops) = (scope(), Drops::default());
        let own = Arc::new(Own::new(task(), parent.clone(), 0));
        let (cancels, guard) = (own.clone(), drops.guard());
        let cancelling =
            thread::spawn(move || cancels.cancel(CancelCause::Explicit, Name::new(""), Location::caller()));
        let body = async move {
            let _guard = guard;
            come_again().await;
            pending::<Result<(), Failure>>().await
        };
        assert!(block_on(Tracked::new(body, own.clone())).is_err());
        assert!(cancelling.join().is_ok_and(|first| first));
        assert_eq!(drops.count(), 1);
        assert!(parent.inner().is_empty(), "a scope was left behind");
        drop(own);
    });
}

/// A child that ends meanwhile: the cancel comes in time, or not at all, and no scope is left open.
#[test]
fn a_child_cancelled_alone_at_its_end_leaves_no_scope() {
    check(|| {
        let parent = scope();
        let own = Arc::new(Own::new(task(), parent.clone(), 0));
        let cancels = own.clone();
        let cancelling =
            thread::spawn(move || cancels.cancel(CancelCause::Explicit, Name::new(""), Location::caller()));
        let cut = block_on(Tracked::new(ends(), own.clone())).is_err();
        let cancelled = cancelling.join().is_ok_and(|first| first);
        assert!(cancelled || !cut);
        assert!(parent.inner().is_empty(), "a scope was left behind");
        drop(own);
    });
}

/// Dropped meanwhile, by its runtime.
#[test]
fn a_child_cancelled_alone_while_it_is_dropped_leaves_no_scope() {
    check(|| {
        let parent = scope();
        let own = Arc::new(Own::new(task(), parent.clone(), 0));
        let cancels = own.clone();
        let cancelling =
            thread::spawn(move || cancels.cancel(CancelCause::Explicit, Name::new(""), Location::caller()));
        let mut child = Box::pin(Tracked::new(pending::<Result<(), Failure>>(), own.clone()));
        let _ = super::poll_once(child.as_mut());
        drop(child);
        assert!(cancelling.join().is_ok());
        assert!(parent.inner().is_empty(), "a scope was left behind");
        drop(own);
    });
}
