//! The user's code that the core calls: wakers, observers, the text of an error. Each calls back into the core, or panics.
//! None of it may run under a lock, and none may keep a nursery from its end.

use std::fmt;
use std::future::pending;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, Wake, Waker};

use futures_lite::future::{block_on, poll_fn};
use scope_core::{Canceller, Failure, Nursery, ScopeError, Spawner, Spawns, event, nursery, tree, try_nursery};
use scope_tests::within_bound;

use super::by_hand::{ByHand, Habit};
use super::harness::{on_runtimes, turn};

/// Does all that can be done to a scope from outside.
#[derive(Default)]
struct Meddler {
    scope: OnceLock<(Canceller, Spawner)>,
    calls: AtomicUsize,
    /// What it does may wake and drop wakers again.
    busy: AtomicBool,
}

impl Meddler {
    fn meddle(&self) {
        let calls = self.calls.fetch_add(1, Ordering::Relaxed);
        if self.busy.swap(true, Ordering::AcqRel) {
            return;
        }
        if let Some((canceller, spawner)) = self.scope.get() {
            let _ = (tree::dump(), canceller.reason(), canceller.is_cancelled());
            // Not for ever: a scope that is spawned into at every turn has no end.
            if calls < 60 {
                let _ = spawner.spawn_erased(async { Ok(()) });
            }
            if calls > 40 {
                canceller.cancel("by a waker");
            }
        }
        self.busy.store(false, Ordering::Release);
    }

    fn waker(self: &Arc<Self>) -> Waker {
        Waker::from(Arc::new(MeddlingWaker(self.clone())))
    }
}

/// Meddles when it is woken, and when the last of it is dropped.
struct MeddlingWaker(Arc<Meddler>);

impl Wake for MeddlingWaker {
    fn wake(self: Arc<Self>) {
        self.0.meddle();
    }
}

impl Drop for MeddlingWaker {
    fn drop(&mut self) {
        self.0.meddle();
    }
}

/// Every poll comes with another waker, so that each time an older one is replaced, and dropped, somewhere in the core.
#[test]
fn wakers_that_call_back() {
    within_bound("wakers_that_call_back", || {
        let runtime = ByHand::new(Habit::Keep);
        let meddler = Arc::new(Meddler::default());
        let mut whole = pin!(
            nursery(async |n| {
                assert!(meddler.scope.set((n.canceller(), n.spawner())).is_ok());
                for _ in 0..3 {
                    n.spawn_local(async {
                        loop {
                            turn().await;
                        }
                    });
                    n.spawn_erased(pending());
                    n.spawn_erased(async {
                        loop {
                            turn().await;
                        }
                    });
                }
                let handle = n.spawn_erased_with_handle(pending::<Result<(), _>>());
                handle.await?;
                Ok(())
            })
            .runtime(runtime.handle())
        );
        let out = loop {
            let waker = meddler.waker();
            if let Poll::Ready(out) = whole.as_mut().poll(&mut Context::from_waker(&waker)) {
                break out;
            }
            runtime.turn(|| meddler.waker());
        };
        let error = out.unwrap_err();
        assert!(error.is_cancelled(), "{error:?}");
        assert_eq!(error.reason().unwrap().text(), "by a waker");
        assert!(meddler.calls.load(Ordering::Relaxed) > 40);
        assert!(!runtime.turn(|| meddler.waker()), "a task is left");
    });
}

/// A waker that panics: in whoever called it, and in nobody else.
#[test]
fn a_waker_that_panics() {
    struct Panics;
    impl Wake for Panics {
        fn wake(self: Arc<Self>) {
            panic!("a waker's panic");
        }
    }
    within_bound("a_waker_that_panics", || {
        let runtime = ByHand::new(Habit::Keep);
        let ended = AtomicUsize::new(0);
        struct Ended<'a>(&'a AtomicUsize);
        impl Drop for Ended<'_> {
            fn drop(&mut self) {
                self.0.fetch_add(1, Ordering::Relaxed);
            }
        }
        {
            let mut whole = Box::pin(
                nursery(async |n| {
                    for _ in 0..2 {
                        let guard = Ended(&ended);
                        n.spawn_local(async move {
                            let _guard = guard;
                            pending().await
                        });
                        n.spawn_erased(pending());
                    }
                    turn().await;
                    n.cancel("and wake everybody");
                    Ok(())
                })
                .runtime(runtime.handle()),
            );
            let panics = || Waker::from(Arc::new(Panics));
            for _ in 0..20 {
                let ready = catch_unwind(AssertUnwindSafe(|| {
                    let waker = panics();
                    let out = whole.as_mut().poll(&mut Context::from_waker(&waker));
                    out.is_ready()
                }));
                let _ = catch_unwind(AssertUnwindSafe(|| runtime.turn(panics)));
                if matches!(ready, Ok(true)) {
                    break;
                }
            }
            let _ = catch_unwind(AssertUnwindSafe(|| drop(whole)));
        }
        assert_eq!(ended.load(Ordering::Relaxed), 2);
    });
}

/// An observer that looks at the tree and cancels what it hears of.
#[test]
fn an_observer_that_calls_back() {
    within_bound("an_observer_that_calls_back", || {
        let heard = Arc::new(AtomicUsize::new(0));
        let canceller = Arc::new(OnceLock::<(Canceller, Spawner)>::new());
        let guard = event::observe({
            let (heard, canceller) = (heard.clone(), canceller.clone());
            move |event| {
                if event.scope().name() != Some("observed") {
                    return;
                }
                heard.fetch_add(1, Ordering::Relaxed);
                assert!(!event.to_string().is_empty());
                let _ = tree::dump();
                if let Some((canceller, spawner)) = canceller.get() {
                    canceller.cancel("heard enough");
                    let _ = spawner.canceller().reason();
                }
            }
        });
        let runtime = ByHand::new(Habit::Keep);
        let mut whole = pin!(
            nursery(async |n| {
                assert!(canceller.set((n.canceller(), n.spawner())).is_ok());
                n.spawn_erased(pending());
                n.finalizer("last", |_| async { Ok(()) });
                pending::<Result<(), _>>().await
            })
            .named("observed")
            .runtime(runtime.handle())
        );
        let out = loop {
            if let Poll::Ready(out) = whole.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
                break out;
            }
            runtime.turn(|| Waker::noop().clone());
        };
        assert_eq!(out.unwrap_err().reason().unwrap().text(), "heard enough");
        drop(guard);
        let before = heard.load(Ordering::Relaxed);
        assert!(before >= 6, "opened, spawned, cancelled, ended, two of the finalizer: {before}");
    });
}

#[derive(Debug)]
struct BadText;

impl fmt::Display for BadText {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        panic!("in its text")
    }
}

impl std::error::Error for BadText {}

struct BadConversion;

impl From<BadConversion> for BadText {
    fn from(_: BadConversion) -> Self {
        panic!("in the conversion")
    }
}

/// What the nursery came to: its result, or what it panicked with.
async fn outcome(nursery: impl Future<Output = Result<(), ScopeError<BadText>>>) -> String {
    let mut nursery = pin!(nursery);
    let out = poll_fn(|cx| match catch_unwind(AssertUnwindSafe(|| nursery.as_mut().poll(cx))) {
        Ok(Poll::Pending) => Poll::Pending,
        Ok(Poll::Ready(out)) => Poll::Ready(Ok(out)),
        Err(payload) => Poll::Ready(Err(payload)),
    })
    .await;
    match out {
        Ok(Ok(())) => "well".to_owned(),
        Ok(Err(_)) => "an error".to_owned(),
        Err(payload) => format!("panic {}", payload.downcast_ref::<&str>().unwrap_or(&"?")),
    }
}

/// In the body, in a same-task child, in a parallel child: the nursery ends, and its other children with it.
#[test]
fn an_error_whose_text_panics() {
    let program = async || {
        let mut ways = Vec::new();
        for way in 0..3 {
            let out = outcome(try_nursery(async |n: &Nursery<'_, '_, BadText>| {
                n.spawn_local(pending());
                n.spawn_erased(pending());
                match way {
                    0 => return Err(BadText),
                    1 => n.spawn_local(async { Err(BadText) }),
                    _ => n.spawn_erased(async { Err(BadText) }),
                }
                pending().await
            }));
            ways.push(out.await != "well");
        }
        ways
    };
    on_runtimes(program, vec![true; 3]);
}

#[test]
fn a_conversion_that_panics() {
    let program = async || {
        let mut ways = Vec::new();
        for way in 0..2 {
            let out = outcome(try_nursery(async |n: &Nursery<'_, '_, BadText>| {
                n.spawn_local(pending());
                n.spawn_erased(pending());
                match way {
                    0 => n.spawn_local_into(async { Err::<(), _>(BadConversion) }),
                    _ => n.spawn_erased_into(async { Err::<(), _>(BadConversion) }),
                }
                pending().await
            }));
            ways.push(out.await);
        }
        ways
    };
    on_runtimes(program, vec!["panic in the conversion".to_owned(); 2]);
}

/// A child's handle is awaited by something whose waker panics: the child that makes the value is not at fault.
#[test]
fn a_reader_whose_waker_panics() {
    struct Panics;
    impl Wake for Panics {
        fn wake(self: Arc<Self>) {
            panic!("a waker's panic");
        }
    }
    within_bound("a_reader_whose_waker_panics", || {
        let dropped = AtomicUsize::new(0);
        struct Guard<'a>(&'a AtomicUsize);
        impl Drop for Guard<'_> {
            fn drop(&mut self) {
                self.0.fetch_add(1, Ordering::Relaxed);
            }
        }
        let out = catch_unwind(AssertUnwindSafe(|| {
            block_on(nursery(async |n| {
                let guard = Guard(&dropped);
                n.spawn_local(async move {
                    let _guard = guard;
                    pending().await
                });
                let mut handle = n.spawn_local_with_handle(async {
                    turn().await;
                    Ok(1)
                });
                let waker = Waker::from(Arc::new(Panics));
                assert!(std::pin::Pin::new(&mut handle).poll(&mut Context::from_waker(&waker)).is_pending());
                for _ in 0..5 {
                    turn().await;
                }
                Err::<(), _>(Failure::msg("over"))
            }))
        }));
        // As a panic or as an error, but it comes out, and nothing is left.
        assert!(!matches!(out, Ok(Ok(()))));
        assert_eq!(dropped.load(Ordering::Relaxed), 1);
    });
}
