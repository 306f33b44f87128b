//! c18, the foreign primitives that docs/CHECKED.md lists: nothing is lost when the one who waits is cancelled in the same
//! tick in which it is given what it waits for. It is received, or still to be had.

use std::cell::OnceCell;
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use async_lock::{Barrier, RwLock};
use futures_lite::future::pending;
use scope_core::{Canceller, Failure, ScopeError, nursery};
use scope_tests::{Gate, Rt, poll_now};

use crate::primitives::{
    ChannelRecv, ChannelSend, FuturesMpsc, FuturesOneshot, Listener, LockMutex, LockRead, LockSemaphore, LockWrite,
    Primitive, TokioMpsc, TokioMutex, TokioNotify, TokioOneshot, TokioSemaphore, at_once,
};

/// Whether somebody was woken.
#[derive(Default)]
struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::SeqCst);
    }
}

type Waiting<'a> = Pin<Box<dyn Future<Output = Result<(), ScopeError>> + 'a>>;

/// One who waits in a scope of its own, counts what it got, and keeps it until it is cut at the next await point.
fn waits<'a, P: Primitive>(from: &'a P, told: &'a OnceCell<Canceller>, got: &'a AtomicUsize) -> Waiting<'a> {
    Box::pin(nursery(async move |n| -> Result<(), Failure> {
        let _ = told.set(n.canceller());
        let _got = from.take().await;
        got.fetch_add(1, Ordering::SeqCst);
        pending().await
    }))
}

/// The orders in the one tick, and what becomes of the one who waits after it: whether its future is polled to its end,
/// or dropped as it is.
const WAYS: [(bool, bool); 4] = [(false, false), (false, true), (true, false), (true, true)];

/// Gives and cancels in one tick, and ends the one who waited. How many it got, for good.
async fn in_one_tick<P: Primitive>(
    from: &P,
    told: &OnceCell<Canceller>,
    got: &AtomicUsize,
    waiting: Waiting<'_>,
    (cancel_first, dropped): (bool, bool),
) -> usize {
    let canceller = told.get().expect("it was polled");
    if cancel_first {
        canceller.cancel("in the same tick");
        from.give();
    } else {
        from.give();
        canceller.cancel("in the same tick");
    }
    if dropped {
        drop(waiting);
    } else {
        assert!(waiting.await.expect_err("cancelled").is_cancelled());
    }
    if P::COMES_BACK { 0 } else { got.load(Ordering::SeqCst) }
}

/// One waits.
async fn alone<P: Primitive>() {
    for way in WAYS {
        let (from, told, got) = (P::empty(), OnceCell::new(), AtomicUsize::new(0));
        assert_eq!(from.left(), 0);
        let mut waiting = waits(&from, &told, &got);
        assert!(poll_now(waiting.as_mut()).await.is_pending());
        let got = in_one_tick(&from, &told, &got, waiting, way).await;
        assert_eq!(got + from.left(), 1, "got {got}; {way:?}");
    }
}

/// Two wait: what the first did not get, or gave back, goes to the second, which is woken for it.
async fn with_another_behind<P: Primitive>() {
    for way in WAYS {
        let from = P::empty();
        let (told, got) = (OnceCell::new(), AtomicUsize::new(0));
        let mut first = waits(&from, &told, &got);
        assert!(poll_now(first.as_mut()).await.is_pending());
        let woken = Arc::new(Woken::default());
        let waker = Waker::from(woken.clone());
        let mut second = pin!(from.take());
        assert!(second.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());

        let got = in_one_tick(&from, &told, &got, first, way).await;
        let to_be_had = got == 0;
        assert!(woken.0.load(Ordering::SeqCst) || !to_be_had, "the second sleeps; {way:?}");
        let second = second.poll(&mut Context::from_waker(&waker)).is_ready();
        assert_eq!(second, to_be_had, "got {got}; {way:?}");
        if P::COMES_BACK {
            assert_eq!(from.left(), 1, "{way:?}");
        } else {
            assert_eq!(from.left(), 0, "{way:?}");
        }
    }
}

/// One waits, another gives, a third cancels, each in a task of its own, in any order.
async fn among_tasks<R: Rt, P: Primitive>() {
    let rounds = if R::VIRTUAL { 1 } else { 100 };
    for round in 0..rounds {
        let (from, got) = (P::empty(), Arc::new(AtomicUsize::new(0)));
        let go = Gate::new();
        nursery(async |outer| {
            let (f, g, here) = (from.clone(), got.clone(), go.clone());
            let (told, canceller) = async_channel::bounded(1);
            R::spawn(outer, async move {
                let ended = nursery(async |n| -> Result<(), Failure> {
                    told.try_send(n.canceller())?;
                    here.passed().await;
                    let _got = f.take().await;
                    g.fetch_add(1, Ordering::SeqCst);
                    pending().await
                })
                .await;
                assert!(ended.expect_err("cancelled").is_cancelled());
                Ok(())
            });
            let canceller = canceller.recv().await?;
            let here = go.clone();
            R::spawn(outer, async move {
                here.passed().await;
                canceller.cancel("at about the same time");
                Ok(())
            });
            let (f, here) = (from.clone(), go.clone());
            R::spawn(outer, async move {
                here.passed().await;
                f.give();
                Ok(())
            });
            go.open();
            Ok(())
        })
        .await
        .expect("nothing fails");
        let got = if P::COMES_BACK { 0 } else { got.load(Ordering::SeqCst) };
        assert_eq!(got + from.left(), 1, "got {got}; round {round}");
    }
}

async fn check<R: Rt, P: Primitive>() {
    alone::<P>().await;
    with_another_behind::<P>().await;
    among_tasks::<R, P>().await;
}

/// Fails if: a message is lost that was sent when the receiver was cancelled.
pub(crate) async fn c18_async_channel_recv<R: Rt>() {
    check::<R, ChannelRecv>().await;
}

/// Fails if: a place is lost that became free when the sender who waited for it was cancelled.
pub(crate) async fn c18_async_channel_send<R: Rt>() {
    check::<R, ChannelSend>().await;
}

/// Fails if: a message that a cancelled sender did not send is sent later, sent twice, or not destroyed.
pub(crate) async fn c18_async_channel_send_keeps_count_of_its_message<R: Rt>() {
    for way in WAYS {
        let (sender, receiver) = async_channel::bounded(1);
        let message = Arc::new(());
        sender.send(None).await.expect("there is one place");
        let told = OnceCell::new();
        let mut sending: Waiting<'_> = Box::pin(nursery(async |n| -> Result<(), Failure> {
            let _ = told.set(n.canceller());
            sender.send(Some(message.clone())).await?;
            pending().await
        }));
        assert!(poll_now(sending.as_mut()).await.is_pending());
        assert_eq!(Arc::strong_count(&message), 2);
        let canceller: &Canceller = told.get().expect("it was polled");
        if way.0 {
            canceller.cancel("in the same tick");
        }
        assert!(receiver.try_recv().expect("the first").is_none());
        canceller.cancel("in the same tick");
        if way.1 {
            drop(sending);
        } else {
            drop(sending.await);
        }
        assert_eq!(receiver.len() + 1, Arc::strong_count(&message), "in the queue, or gone; {way:?}");
    }
}

/// Fails if: a lock is not free, and nobody woken for it, after the one that was next was cancelled.
pub(crate) async fn c18_async_lock_mutex<R: Rt>() {
    check::<R, LockMutex>().await;
}

/// Fails if: the same of a write lock.
pub(crate) async fn c18_async_lock_rwlock_write<R: Rt>() {
    check::<R, LockWrite>().await;
}

/// Fails if: the same of a read lock.
pub(crate) async fn c18_async_lock_rwlock_read<R: Rt>() {
    alone::<LockRead>().await;
    with_another_behind::<LockRead>().await;
    among_tasks::<R, LockRead>().await;
}

/// Fails if: readers who wait behind a writer wait for ever when the writer is cancelled while it waits.
pub(crate) async fn c18_async_lock_rwlock_lets_readers_pass_a_cancelled_writer<R: Rt>() {
    for (_, dropped) in WAYS {
        let lock = RwLock::new(());
        let reading = lock.read().await;
        let told = OnceCell::new();
        let mut writer: Waiting<'_> = Box::pin(nursery(async |n| -> Result<(), Failure> {
            let _ = told.set(n.canceller());
            let _guard = lock.write().await;
            Ok(())
        }));
        assert!(poll_now(writer.as_mut()).await.is_pending());
        let woken = Arc::new(Woken::default());
        let waker = Waker::from(woken.clone());
        let mut reader = pin!(lock.read());
        assert!(reader.as_mut().poll(&mut Context::from_waker(&waker)).is_pending(), "writers go first");
        let canceller: &Canceller = told.get().expect("it was polled");
        canceller.cancel("no longer needed");
        if dropped {
            drop(writer);
        } else {
            assert!(writer.await.expect_err("cancelled").is_cancelled());
        }
        assert!(woken.0.load(Ordering::SeqCst));
        assert!(matches!(reader.poll(&mut Context::from_waker(&waker)), Poll::Ready(_)));
        drop(reading);
    }
}

/// Fails if: a permit is lost.
pub(crate) async fn c18_async_lock_semaphore<R: Rt>() {
    check::<R, LockSemaphore>().await;
}

/// Fails if: a notification of one listener that was dropped is not passed on to the next.
pub(crate) async fn c18_event_listener<R: Rt>() {
    with_another_behind::<Listener>().await;
}

/// Fails if: a message is lost.
pub(crate) async fn c18_futures_channel<R: Rt>() {
    alone::<FuturesMpsc>().await;
    among_tasks::<R, FuturesMpsc>().await;
    alone::<FuturesOneshot>().await;
    among_tasks::<R, FuturesOneshot>().await;
}

/// Fails if: a message is lost. What `tokio::sync` has needs no runtime of tokio's.
pub(crate) async fn c18_tokio_sync_channels<R: Rt>() {
    alone::<TokioMpsc>().await;
    among_tasks::<R, TokioMpsc>().await;
    alone::<TokioOneshot>().await;
    among_tasks::<R, TokioOneshot>().await;
}

/// Fails if: a lock, a permit or a notification is lost.
pub(crate) async fn c18_tokio_sync_locks<R: Rt>() {
    check::<R, TokioMutex>().await;
    check::<R, TokioSemaphore>().await;
    check::<R, TokioNotify>().await;
}

/// What is not on the list of checked ones, and why: a barrier counts those who came, and keeps those who were cancelled.
///
/// Fails if: that has changed. Then the list is to be changed too.
pub(crate) async fn c18_async_lock_barrier_counts_the_cancelled<R: Rt>() {
    let barrier = Barrier::new(2);
    let told = OnceCell::new();
    let mut came: Waiting<'_> = Box::pin(nursery(async |n| -> Result<(), Failure> {
        let _ = told.set(n.canceller());
        barrier.wait().await;
        Ok(())
    }));
    assert!(poll_now(came.as_mut()).await.is_pending());
    let canceller: &Canceller = told.get().expect("it was polled");
    canceller.cancel("it went again");
    assert!(came.await.expect_err("cancelled").is_cancelled());
    assert!(at_once(barrier.wait()).is_some(), "alone, it passes a barrier for two");
}
