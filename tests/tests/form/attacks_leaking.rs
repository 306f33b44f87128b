//! Safe code that forgets, keeps and drops too early. Nothing that borrows may run, or be dropped, after its loan.

use std::mem::{ManuallyDrop, forget};
use std::pin::pin;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Poll, Waker};

use futures_lite::future::{block_on, poll_fn};
use scope_core::{Canceller, Nursery, nursery};

use super::harness::{poll_by_hand, turn};

/// Takes down the name of what is dropped, through a borrow: a drop after the loan would be seen by the sanitizer.
struct Noted<'a> {
    log: &'a Mutex<Vec<&'static str>>,
    name: &'static str,
}

impl Drop for Noted<'_> {
    fn drop(&mut self) {
        self.log.lock().unwrap().push(self.name);
    }
}

/// Pends for ever and leaves its waker where it was told.
async fn give_waker(to: &Mutex<Option<Waker>>) {
    poll_fn(|cx| {
        *to.lock().unwrap() = Some(cx.waker().clone());
        Poll::<()>::Pending
    })
    .await
}

#[test]
fn body_first_then_children_then_nothing() {
    let log = Mutex::new(Vec::new());
    let seen = AtomicUsize::new(0);
    {
        let whole = nursery(async |n| {
            for name in ["first child", "second child"] {
                let noted = Noted { log: &log, name };
                let seen = &seen;
                n.spawn_local(async move {
                    let _noted = noted;
                    seen.fetch_add(1, Ordering::Relaxed);
                    std::future::pending().await
                });
            }
            let _noted = Noted { log: &log, name: "body" };
            std::future::pending::<Result<(), _>>().await
        });
        let mut whole = pin!(whole);
        for _ in 0..4 {
            assert!(poll_by_hand(whole.as_mut()).is_pending());
        }
        assert_eq!(seen.load(Ordering::Relaxed), 2);
        assert!(log.lock().unwrap().is_empty());
    }
    let log = log.into_inner().unwrap();
    assert_eq!(log[0], "body");
    assert_eq!(log.len(), 3);
}

#[test]
fn dropped_before_its_first_poll() {
    let log = Mutex::new(Vec::new());
    let noted = Noted { log: &log, name: "captured" };
    drop(nursery(async move |_| {
        let _noted = noted;
        Ok(())
    }));
    assert_eq!(*log.lock().unwrap(), ["captured"]);
}

/// The whole future is forgotten after its first poll. The loans end with it as far as the compiler knows, so from then
/// on nothing of it may be polled or dropped, whatever wakers and cancellers are still about.
#[test]
fn a_forgotten_nursery_never_moves_again() {
    let waker = Mutex::new(None);
    let body_waker = Mutex::new(None);
    let canceller = Mutex::new(None::<Canceller>);
    let mut polls = 0;
    {
        let mut whole = Box::pin(nursery(async |n| {
            *canceller.lock().unwrap() = Some(n.canceller());
            n.spawn_local(async {
                poll_fn(|cx| {
                    polls += 1;
                    *waker.lock().unwrap() = Some(cx.waker().clone());
                    Poll::<()>::Pending
                })
                .await;
                Ok(())
            });
            give_waker(&body_waker).await;
            Ok(())
        }));
        for _ in 0..3 {
            assert!(poll_by_hand(whole.as_mut()).is_pending());
        }
        forget(whole);
    }
    assert_eq!(polls, 1);
    polls = 100;
    let waker = waker.into_inner().unwrap().unwrap();
    waker.wake_by_ref();
    drop(waker);
    body_waker.into_inner().unwrap().unwrap().wake();
    canceller.into_inner().unwrap().unwrap().cancel("too late");
    assert_eq!(polls, 100);
}

/// `ManuallyDrop` around the pinned future, in a frame that is reused: pinning is what forbids it, so this one is never
/// polled. What can be had without pinning is a future that has not begun, and that one may be forgotten.
#[test]
fn a_nursery_forgotten_before_its_first_poll_is_only_a_leak() {
    let number = 1;
    let whole = ManuallyDrop::new(nursery(async |_| Ok(number)));
    let _ = &*whole;
}

/// A waker of a child, a waker of the body, and a canceller outlive the nursery, and are used and dropped after it.
#[test]
fn what_escapes_only_frees_memory() {
    let log = Mutex::new(Vec::new());
    let (waker, body_waker, canceller) = (Mutex::new(None), Mutex::new(None), Mutex::new(None));
    {
        let mut whole = pin!(nursery(async |n| {
            *canceller.lock().unwrap() = Some(n.canceller());
            let noted = Noted { log: &log, name: "child" };
            n.spawn_local(async {
                let _noted = noted;
                give_waker(&waker).await;
                Ok(())
            });
            give_waker(&body_waker).await;
            Ok(())
        }));
        for _ in 0..3 {
            assert!(poll_by_hand(whole.as_mut()).is_pending());
        }
    }
    assert_eq!(*log.lock().unwrap(), ["child"]);
    let waker = waker.into_inner().unwrap().unwrap();
    let cloned = waker.clone();
    waker.wake();
    cloned.wake_by_ref();
    drop(cloned);
    body_waker.into_inner().unwrap().unwrap().wake();
    canceller.into_inner().unwrap().unwrap().cancel("too late");
    assert_eq!(*log.lock().unwrap(), ["child"]);
}

/// The output of a child whose handle is gone, forgotten, or kept past the nursery: dropped once, and while it may be.
#[test]
fn an_output_is_dropped_once_whoever_has_the_handle() {
    let log = Mutex::new(Vec::new());
    {
        let log = &log;
        let kept = block_on(nursery(async |n| {
            let of = |name| {
                let noted = Noted { log, name };
                async move {
                    turn().await;
                    Ok(noted)
                }
            };
            let awaited = n.spawn_local_with_handle(of("awaited"));
            let kept = n.spawn_local_with_handle(of("kept"));
            drop(n.spawn_local_with_handle(of("dropped at once")));
            let unread = n.spawn_local_with_handle(of("unread"));
            drop(awaited.await);
            turn().await;
            turn().await;
            log.lock().unwrap().push("---");
            drop(unread);
            Ok(kept)
        }))
        .unwrap();
        log.lock().unwrap().push("ended");
        let output = block_on(kept);
        assert!(output.is_ok());
        drop(output);
    }
    let log = log.into_inner().unwrap();
    let mut sorted = log.clone();
    sorted.sort_unstable();
    assert_eq!(sorted, ["---", "awaited", "dropped at once", "ended", "kept", "unread"]);
    assert_eq!(log[log.len() - 2..], ["ended", "kept"]);
    let before = log.iter().position(|name| *name == "---").unwrap();
    assert!(log[..before].contains(&"dropped at once"), "{log:?}");
}

/// A handle of a child that never ended, read after the nursery is gone: an answer, not a hang and not a dangling read.
#[test]
fn a_handle_outlives_a_dropped_nursery() {
    let mut slot = None;
    {
        let mut whole = pin!(nursery(async |n| {
            slot = Some(n.spawn_local_with_handle(std::future::pending::<Result<u32, _>>()));
            std::future::pending::<Result<(), _>>().await
        }));
        for _ in 0..3 {
            assert!(poll_by_hand(whole.as_mut()).is_pending());
        }
    }
    assert!(block_on(slot.unwrap()).is_err());
}

/// A child keeps the handle of its sibling, whose output borrows the nursery itself.
#[test]
fn an_output_that_borrows_the_nursery() {
    let spawned = AtomicUsize::new(0);
    struct SpawnsWhenDropped<'s, 'env>(&'s Nursery<'s, 'env>, &'env AtomicUsize);
    impl Drop for SpawnsWhenDropped<'_, '_> {
        fn drop(&mut self) {
            let count = self.1;
            self.0.spawn_local(async move {
                count.fetch_add(1, Ordering::Relaxed);
                Ok(())
            });
        }
    }
    // Read by the sibling, while the nursery lives.
    block_on(nursery(async |n| {
        let spawned = &spawned;
        let handle = n.spawn_local_with_handle(async move { Ok(SpawnsWhenDropped(n, spawned)) });
        n.spawn_local(async move {
            drop(handle.await);
            Ok(())
        });
        Ok(())
    }))
    .unwrap();
    assert_eq!(spawned.load(Ordering::Relaxed), 1);

    // Never read, and dropped with the whole: whatever the spawn is answered, nothing hangs and nothing dangles.
    {
        let mut whole = pin!(nursery(async |n| {
            let spawned = &spawned;
            let handle = n.spawn_local_with_handle(async move { Ok(SpawnsWhenDropped(n, spawned)) });
            n.spawn_local(async move {
                let _handle = handle;
                std::future::pending().await
            });
            std::future::pending::<Result<(), _>>().await
        }));
        for _ in 0..4 {
            assert!(poll_by_hand(whole.as_mut()).is_pending());
        }
    }
    assert_eq!(spawned.load(Ordering::Relaxed), 1, "a child ran after its nursery was dropped");
}

/// A nursery that is polled in one scope first belongs to it, and is cancelled with it; carried out and awaited when that
/// scope has ended, it says so instead of waiting for ever.
fn carried_out(referred_to: bool) {
    scope_tests::within_bound("carried_out", move || {
        let log = Mutex::new(Vec::new());
        let mut inner = Box::pin(nursery(async |n| {
            // A scope that nothing refers to is never allocated.
            let _canceller = referred_to.then(|| n.canceller());
            let noted = Noted { log: &log, name: "inner child" };
            n.spawn_local(async {
                let _noted = noted;
                std::future::pending().await
            });
            let _noted = Noted { log: &log, name: "inner body" };
            std::future::pending::<Result<(), _>>().await
        }));
        let outer = block_on(nursery(async |n| {
            assert!(poll_by_hand(inner.as_mut()).is_pending());
            n.cancel("over");
            turn().await;
            Ok(())
        }));
        assert!(outer.unwrap_err().is_cancelled());
        let error = block_on(inner).unwrap_err();
        assert!(error.is_cancelled(), "{error:?}");
        assert_eq!(error.reason().unwrap().text(), "over");
        assert_eq!(*log.lock().unwrap(), ["inner body", "inner child"]);
    });
}

#[test]
fn carried_out_of_the_scope_it_began_in() {
    carried_out(true);
}

#[test]
fn carried_out_of_the_scope_it_began_in_with_nothing_that_refers_to_it() {
    carried_out(false);
}
