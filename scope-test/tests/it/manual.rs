use std::cell::Cell;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::Poll;

use scope_test::{Manual, poll_once, yield_now};

#[test]
fn polls_and_wakes_are_counted() {
    let polled = Rc::new(Cell::new(0));
    let seen = polled.clone();
    let mut future = Manual::new(poll_fn(move |cx| {
        seen.set(seen.get() + 1);
        if seen.get() == 2 {
            return Poll::Ready("done");
        }
        cx.waker().wake_by_ref();
        cx.waker().wake_by_ref();
        Poll::Pending
    }));
    assert_eq!((polled.get(), future.wakes(), future.is_woken()), (0, 0, false));
    assert_eq!(future.poll(), Poll::Pending);
    assert_eq!((polled.get(), future.wakes(), future.is_woken()), (1, 2, true));
    assert_eq!(future.poll(), Poll::Ready("done"));
    assert_eq!((future.polls(), future.wakes(), future.is_woken()), (2, 2, false));
}

#[test]
fn a_waker_used_on_another_thread_is_counted() {
    let mut future = Manual::new(std::future::pending::<()>());
    assert!(future.poll().is_pending());
    let waker = future.waker();
    std::thread::spawn(move || waker.wake()).join().unwrap();
    assert!(future.is_woken());
}

#[test]
fn dropping_drops_the_future() {
    let held = Rc::new(());
    let inner = held.clone();
    let mut future = Manual::new(async move {
        let _inner = inner;
        std::future::pending::<()>().await;
    });
    assert!(future.poll().is_pending());
    drop(future);
    assert_eq!(Rc::strong_count(&held), 1);
}

#[test]
fn poll_once_uses_the_waker_of_the_task() {
    scope_test::block_on(0, async |rt| {
        let mut once = Box::pin(yield_now());
        assert!(poll_once(&mut once).await.is_pending());
        // The wake-up of the inner future belongs to this task, which is polled again for it.
        let before = rt.steps();
        let mut waited = false;
        poll_fn(|_| if std::mem::replace(&mut waited, true) { Poll::Ready(()) } else { Poll::Pending }).await;
        assert_eq!(rt.steps(), before + 1);
        assert!(poll_once(&mut once).await.is_ready());
    });
}
