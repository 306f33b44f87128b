//! Panics where they hurt most: in destructors while the nursery is being dropped, in the closure, in conversions.

use std::future::Ready;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};

use futures_lite::future::{block_on, poll_fn};
use scope_core::{Exit, Failure, Inbox, Name, Nursery, ScopeError, Service, Spawns, nursery, try_nursery};
use scope_tests::within_bound;

use super::by_hand::{ByHand, Habit};
use super::harness::{poll_by_hand, turn};

struct PanicsWhenDropped<'a>(&'a AtomicUsize);

impl Drop for PanicsWhenDropped<'_> {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::Relaxed);
        panic!("a destructor's panic");
    }
}

struct Counted<'a>(&'a AtomicUsize);

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// Two children whose destructors panic stand around one whose does not, with its waker kept outside. All are dropped
/// before the nursery's own drop is left, and the waker, let go last, drops nothing.
#[test]
fn panicking_destructors_of_siblings_when_the_nursery_is_dropped() {
    let (dropped, panicked) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let waker: Mutex<Option<Waker>> = Mutex::new(None);
    {
        let mut whole = Box::pin(nursery(async |n| {
            let (dropped, panicked, waker) = (&dropped, &panicked, &waker);
            for number in 0..3 {
                n.spawn_local(async move {
                    if number == 1 {
                        let _counted = Counted(dropped);
                        poll_fn(|cx| {
                            *waker.lock().unwrap() = Some(cx.waker().clone());
                            Poll::<()>::Pending
                        })
                        .await;
                    } else {
                        let _panics = PanicsWhenDropped(panicked);
                        std::future::pending::<()>().await;
                    }
                    Ok(())
                });
            }
            std::future::pending::<Result<(), _>>().await
        }));
        for _ in 0..4 {
            assert!(poll_by_hand(whole.as_mut()).is_pending());
        }
        // Whether the panic is kept in or comes out is not the point here.
        let _ = catch_unwind(AssertUnwindSafe(|| drop(whole)));
    }
    assert_eq!(panicked.load(Ordering::Relaxed), 2);
    assert_eq!(dropped.load(Ordering::Relaxed), 1);
    let waker = waker.into_inner().unwrap().unwrap();
    waker.wake_by_ref();
    drop(waker);
    assert_eq!(dropped.load(Ordering::Relaxed), 1);
}

/// As before, but the nursery is joined, not dropped: every sibling is heard.
#[test]
fn panicking_destructors_of_siblings_when_one_fails() {
    let panicked = AtomicUsize::new(0);
    let error = block_on(nursery(async |n| {
        for _ in 0..3 {
            n.spawn_local(async {
                let _panics = PanicsWhenDropped(&panicked);
                std::future::pending().await
            });
        }
        turn().await;
        turn().await;
        Err(Failure::msg("the first cause"))?;
        Ok(())
    }))
    .unwrap_err();
    assert_eq!(panicked.load(Ordering::Relaxed), 3);
    assert_eq!(error.cause().to_string(), "the first cause");
    assert_eq!(error.leaves().len(), 4, "{error:?}");
}

#[test]
fn a_panicking_destructor_in_the_body_when_the_nursery_is_dropped() {
    let (dropped, panicked) = (AtomicUsize::new(0), AtomicUsize::new(0));
    {
        let mut whole = Box::pin(nursery(async |n| {
            n.spawn_local(async {
                let _counted = Counted(&dropped);
                std::future::pending().await
            });
            let _panics = PanicsWhenDropped(&panicked);
            std::future::pending::<Result<(), _>>().await
        }));
        for _ in 0..3 {
            assert!(poll_by_hand(whole.as_mut()).is_pending());
        }
        let _ = catch_unwind(AssertUnwindSafe(|| drop(whole)));
    }
    assert_eq!((panicked.load(Ordering::Relaxed), dropped.load(Ordering::Relaxed)), (1, 1));
}

/// Dropped while another panic unwinds: nothing aborts the process.
#[test]
fn dropped_while_unwinding() {
    let dropped = AtomicUsize::new(0);
    let out = catch_unwind(AssertUnwindSafe(|| {
        let mut whole = pin!(nursery(async |n| {
            n.spawn_local(async {
                let _counted = Counted(&dropped);
                std::future::pending().await
            });
            std::future::pending::<Result<(), _>>().await
        }));
        for _ in 0..3 {
            assert!(poll_by_hand(whole.as_mut()).is_pending());
        }
        panic!("outside");
    }));
    assert_eq!(*out.unwrap_err().downcast_ref::<&str>().unwrap(), "outside");
    assert_eq!(dropped.load(Ordering::Relaxed), 1);
}

/// The closure itself panics, before there is a body: what it captured is dropped once, and the future can still be
/// polled and dropped.
#[test]
fn a_closure_that_panics_before_there_is_a_body() {
    let dropped = AtomicUsize::new(0);
    {
        let counted = Counted(&dropped);
        let whole = nursery(body_of(move |_| {
            // Dropped when the closure unwinds, having been moved into it.
            let _counted = counted;
            panic!("no body")
        }));
        let mut whole = Box::pin(whole);
        let out = catch_unwind(AssertUnwindSafe(|| poll_by_hand(whole.as_mut())));
        assert_eq!(*out.unwrap_err().downcast_ref::<&str>().unwrap(), "no body");
        assert_eq!(dropped.load(Ordering::Relaxed), 1);
        let _ = catch_unwind(AssertUnwindSafe(|| poll_by_hand(whole.as_mut()).is_ready()));
    }
    assert_eq!(dropped.load(Ordering::Relaxed), 1);
}

/// Gives a closure that is not async the type that a nursery asks for.
fn body_of<'env, F>(body: F) -> F
where
    F: for<'s> FnOnce(&'s Nursery<'s, 'env>) -> Ready<Result<(), Failure>>,
{
    body
}

/// Polled again after it has ended, well or by a panic: an answer of any kind, but nothing is dropped twice.
#[test]
fn polled_again_after_its_end() {
    let dropped = AtomicUsize::new(0);
    {
        let mut well = Box::pin(nursery(async |n| {
            n.spawn_local(async {
                let _counted = Counted(&dropped);
                Ok(())
            });
            let _counted = Counted(&dropped);
            Ok(())
        }));
        let mut ended = false;
        while !ended {
            ended = poll_by_hand(well.as_mut()).is_ready();
        }
        assert_eq!(dropped.load(Ordering::Relaxed), 2);
        let again = catch_unwind(AssertUnwindSafe(|| poll_by_hand(well.as_mut()).is_pending()));
        assert!(!matches!(again, Ok(false)), "it gave a second result");
    }
    assert_eq!(dropped.load(Ordering::Relaxed), 2);
    {
        let mut badly = Box::pin(nursery(async |_| -> Result<(), _> {
            let _counted = Counted(&dropped);
            panic!("the body's")
        }));
        assert!(catch_unwind(AssertUnwindSafe(|| poll_by_hand(badly.as_mut()).is_ready())).is_err());
        let _ = catch_unwind(AssertUnwindSafe(|| poll_by_hand(badly.as_mut()).is_ready()));
    }
    assert_eq!(dropped.load(Ordering::Relaxed), 3);
}

/// A child whose destructor spawns a child whose destructor spawns, ten deep.
struct Chain<'s, 'env> {
    n: &'s Nursery<'s, 'env>,
    dropped: &'env AtomicUsize,
    left: usize,
}

impl Drop for Chain<'_, '_> {
    fn drop(&mut self) {
        self.dropped.fetch_add(1, Ordering::Relaxed);
        if let Some(left) = self.left.checked_sub(1) {
            let next = Chain { n: self.n, dropped: self.dropped, left };
            self.n.spawn_local(async move {
                let _next = next;
                std::future::pending().await
            });
        }
    }
}

async fn hold_chain<'s, 'env>(n: &'s Nursery<'s, 'env>, dropped: &'env AtomicUsize) -> Result<(), Failure> {
    n.spawn_local(async move {
        let _chain = Chain { n, dropped, left: 9 };
        std::future::pending().await
    });
    turn().await;
    turn().await;
    Ok(())
}

#[test]
fn destructors_that_spawn_when_the_nursery_is_dropped() {
    let dropped = AtomicUsize::new(0);
    {
        let mut whole = Box::pin(nursery(async |n| {
            hold_chain(n, &dropped).await?;
            std::future::pending::<Result<(), _>>().await
        }));
        for _ in 0..4 {
            assert!(poll_by_hand(whole.as_mut()).is_pending());
        }
        assert_eq!(dropped.load(Ordering::Relaxed), 0);
    }
    assert_eq!(dropped.load(Ordering::Relaxed), 10);
}

#[test]
fn destructors_that_spawn_when_the_nursery_is_cancelled() {
    let dropped = AtomicUsize::new(0);
    let out = block_on(nursery(async |n| {
        hold_chain(n, &dropped).await?;
        n.cancel("enough");
        turn().await;
        Ok(())
    }));
    assert_eq!(dropped.load(Ordering::Relaxed), 10);
    assert!(out.unwrap_err().is_cancelled());
}

/// The body's own destructors spawn, on every way a body can end.
#[test]
fn a_bodys_destructor_that_spawns() {
    for way in 0..4 {
        let dropped = AtomicUsize::new(0);
        let mut whole = Box::pin(nursery(async |n| {
            let _chain = Chain { n, dropped: &dropped, left: 3 };
            turn().await;
            match way {
                0 => n.cancel("enough"),
                1 => Err("failed")?,
                2 => std::future::pending().await,
                _ => panic!("panicked"),
            }
            turn().await;
            Ok(())
        }));
        if way == 2 {
            assert!(poll_by_hand(whole.as_mut()).is_pending());
            assert!(poll_by_hand(whole.as_mut()).is_pending());
            drop(whole);
        } else {
            let out = catch_unwind(AssertUnwindSafe(|| block_on(whole.as_mut())));
            assert!(!matches!(out, Ok(Ok(()))), "way {way}");
        }
        assert_eq!(dropped.load(Ordering::Relaxed), 4, "way {way}");
    }
}

#[derive(Debug, thiserror::Error)]
#[error("converted")]
struct Converted;

struct Bad;

impl From<Bad> for Converted {
    fn from(_: Bad) -> Self {
        panic!("in the conversion")
    }
}

#[test]
fn a_conversion_that_panics_is_the_childs_panic() {
    let dropped = AtomicUsize::new(0);
    let out = catch_unwind(AssertUnwindSafe(|| {
        block_on(try_nursery(async |n: &Nursery<'_, '_, Converted>| {
            n.spawn_local(async {
                let _counted = Counted(&dropped);
                std::future::pending().await
            });
            n.spawn_local_into(async { Err::<(), _>(Bad) });
            Ok(())
        }))
    }));
    assert_eq!(*out.unwrap_err().downcast_ref::<&str>().unwrap(), "in the conversion");
    assert_eq!(dropped.load(Ordering::Relaxed), 1);
}

/// Payloads whose own destructors panic, in several children at once.
#[test]
fn payloads_that_panic_when_dropped() {
    struct Payload(&'static AtomicUsize);
    impl Drop for Payload {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::Relaxed);
            panic!("a payload's destructor");
        }
    }
    static DROPPED: AtomicUsize = AtomicUsize::new(0);
    let out = catch_unwind(AssertUnwindSafe(|| {
        block_on(nursery(async |n| {
            for _ in 0..3 {
                n.spawn_local(async {
                    turn().await;
                    std::panic::panic_any(Payload(&DROPPED))
                });
            }
            Ok(())
        }))
    }));
    let payload = out.unwrap_err();
    assert!(payload.is::<Payload>(), "the first child's payload is the one that is resumed");
    let _ = catch_unwind(AssertUnwindSafe(|| drop(payload)));
}

/// An error whose destructor panics is dropped with the nursery's result, outside.
#[test]
fn a_result_is_dropped_by_whoever_has_it() {
    #[derive(Debug, thiserror::Error)]
    #[error("bad to drop")]
    struct BadToDrop;
    impl Drop for BadToDrop {
        fn drop(&mut self) {
            panic!("an error's destructor");
        }
    }
    let out: Result<(), ScopeError<BadToDrop>> = block_on(try_nursery(async |n| {
        n.spawn_local(async { Err(BadToDrop) });
        Ok(())
    }));
    assert!(catch_unwind(AssertUnwindSafe(|| drop(out))).is_err());
}

/// A service that leaves its requests waiting, and ends when it is asked to.
struct Lazy(Arc<AtomicUsize>);

struct BadRequest;

impl Drop for BadRequest {
    fn drop(&mut self) {
        panic!("a request's destructor");
    }
}

impl Service for Lazy {
    type Request = BadRequest;
    type Info = ();
    type Report = ();

    fn name(&self) -> Name {
        Name::new("lazy")
    }

    async fn open(&mut self) -> Result<(), Failure> {
        Ok(())
    }

    async fn serve(&mut self, inbox: &mut Inbox<BadRequest>) -> Result<(), Failure> {
        inbox.closing().await;
        Ok(())
    }

    async fn end(&mut self, _: Exit) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// A request that waited when its service was asked to end panics when it is dropped. The service is ended all the same.
#[test]
fn a_request_that_panics_when_its_service_ends() {
    within_bound("a_request_that_panics_when_its_service_ends", || {
        let (runtime, ended) = (ByHand::new(Habit::Keep), Arc::new(AtomicUsize::new(0)));
        let mut whole = pin!(
            nursery(async |n| {
                let handle = n.open(Lazy(ended.clone())).await?;
                handle.send(BadRequest).await?;
                let report = handle.close().await;
                assert!(report.is_ok(), "{report:?}");
                let end = handle.closed().await;
                assert!(!end.was_asked(), "{end:?}");
                Ok(())
            })
            .runtime(runtime.handle())
        );
        while poll_by_hand(whole.as_mut()).is_pending() {
            runtime.turn(|| Waker::noop().clone());
        }
        assert_eq!(ended.load(Ordering::Relaxed), 1);
    });
}

/// The same where the runtime drops the service before it has begun: who waits for its end hears of it.
#[test]
fn a_request_that_panics_when_its_service_is_dropped() {
    within_bound("a_request_that_panics_when_its_service_is_dropped", || {
        let (runtime, ended) = (ByHand::new(Habit::Keep), Arc::new(AtomicUsize::new(0)));
        let kept = Mutex::new(None);
        let mut whole = Box::pin(
            nursery(async |n| {
                let handle = n.serve(Lazy(ended.clone()));
                handle.send(BadRequest).await?;
                *kept.lock().unwrap() = Some(handle);
                std::future::pending::<Result<(), Failure>>().await
            })
            .runtime(runtime.handle()),
        );
        assert!(poll_by_hand(whole.as_mut()).is_pending());
        let handle = kept.lock().unwrap().take().unwrap();
        let mut closed = pin!(handle.closed());
        let told = Arc::new(Told(AtomicUsize::new(0)));
        let waker = Waker::from(told.clone());
        assert!(closed.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        let _ = catch_unwind(AssertUnwindSafe(|| runtime.drop_tasks()));
        assert!(told.0.load(Ordering::Relaxed) > 0, "who waits for the end was not told");
        assert!(poll_by_hand(closed).is_ready());
        let out = catch_unwind(AssertUnwindSafe(|| poll_by_hand(whole.as_mut()).map(|out| out.unwrap_err())));
        assert!(!matches!(out, Ok(Poll::Pending)), "the nursery waits for a service that is gone");
    });
}

struct Told(AtomicUsize);

impl Wake for Told {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}
