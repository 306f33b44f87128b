//! What c18 asks of a channel, a lock or a semaphore, and how each of those that we list as checked does it.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

use futures_util::Stream;

/// Something to wait for: a message, a place, a permit.
pub(crate) trait Primitive: Clone + Send + Sync + 'static {
    /// What one has when one has waited.
    type Got: Send;

    /// Whether dropping that gives it back (a permit), or not (a message).
    const COMES_BACK: bool;

    /// One of which nothing is to be had.
    fn empty() -> Self;

    /// Makes one to be had.
    fn give(&self);

    /// Waits for one.
    fn take(&self) -> impl Future<Output = Self::Got> + Send;

    /// How many are to be had at once: takes them.
    fn left(&self) -> usize;
}

/// Polls `fut` once, with nobody to wake.
pub(crate) fn at_once<F: Future>(fut: F) -> Option<F::Output> {
    match pin!(fut).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => Some(output),
        Poll::Pending => None,
    }
}

/// How many times `take` says yes; what it gives is kept until all have been taken.
fn count<T>(mut take: impl FnMut() -> Option<T>) -> usize {
    std::iter::from_fn(&mut take).take(10).collect::<Vec<_>>().len()
}

/// A value behind a lock that is held for one call.
fn with<T, X>(shared: &Mutex<T>, f: impl FnOnce(&mut T) -> X) -> X {
    f(&mut shared.lock().unwrap_or_else(PoisonError::into_inner))
}

#[derive(Clone)]
pub(crate) struct ChannelRecv(async_channel::Sender<u8>, async_channel::Receiver<u8>);

impl Primitive for ChannelRecv {
    type Got = u8;
    const COMES_BACK: bool = false;

    fn empty() -> Self {
        let (sender, receiver) = async_channel::unbounded();
        ChannelRecv(sender, receiver)
    }

    fn give(&self) {
        self.0.try_send(1).expect("it is open");
    }

    async fn take(&self) -> u8 {
        self.1.recv().await.expect("it is open")
    }

    fn left(&self) -> usize {
        count(|| self.1.try_recv().ok())
    }
}

/// What is to be had is a place.
#[derive(Clone)]
pub(crate) struct ChannelSend(async_channel::Sender<u8>, async_channel::Receiver<u8>);

impl Primitive for ChannelSend {
    type Got = ();
    const COMES_BACK: bool = false;

    fn empty() -> Self {
        let (sender, receiver) = async_channel::bounded(1);
        sender.try_send(0).expect("there is one place");
        ChannelSend(sender, receiver)
    }

    fn give(&self) {
        assert_eq!(self.1.try_recv(), Ok(0));
    }

    async fn take(&self) {
        self.0.send(1).await.expect("it is open");
    }

    fn left(&self) -> usize {
        count(|| self.0.try_send(2).ok())
    }
}

/// A lock that is held until it is given, and how one waits for it.
macro_rules! lock {
    ($name:ident, $lock:ty, $guard:ty, $wait:ident, held: $held:expr, free: $free:expr) => {
        #[derive(Clone)]
        pub(crate) struct $name(Arc<$lock>, Arc<Mutex<Option<Box<dyn Send>>>>);

        impl Primitive for $name {
            type Got = $guard;
            const COMES_BACK: bool = true;

            fn empty() -> Self {
                let lock = Arc::new(<$lock>::new(()));
                let held = $held(lock.clone());
                $name(lock, Arc::new(Mutex::new(Some(held))))
            }

            fn give(&self) {
                let held = with(&self.1, Option::take);
                drop(held.expect("it is held"));
            }

            async fn take(&self) -> Self::Got {
                self.0.clone().$wait().await
            }

            fn left(&self) -> usize {
                usize::from($free(self.0.clone()))
            }
        }
    };
}

lock!(
    LockMutex,
    async_lock::Mutex<()>,
    async_lock::MutexGuardArc<()>,
    lock_arc,
    held: |lock: Arc<async_lock::Mutex<()>>| -> Box<dyn Send> { Box::new(lock.try_lock_arc()) },
    free: |lock: Arc<async_lock::Mutex<()>>| lock.try_lock_arc().is_some()
);
lock!(
    LockWrite,
    async_lock::RwLock<()>,
    async_lock::RwLockWriteGuardArc<()>,
    write_arc,
    held: |lock: Arc<async_lock::RwLock<()>>| -> Box<dyn Send> { Box::new(lock.try_read_arc()) },
    free: |lock: Arc<async_lock::RwLock<()>>| lock.try_write_arc().is_some()
);
// A writer gets in only when no reader is left.
lock!(
    LockRead,
    async_lock::RwLock<()>,
    async_lock::RwLockReadGuardArc<()>,
    read_arc,
    held: |lock: Arc<async_lock::RwLock<()>>| -> Box<dyn Send> { Box::new(lock.try_write_arc()) },
    free: |lock: Arc<async_lock::RwLock<()>>| lock.try_write_arc().is_some()
);
lock!(
    TokioMutex,
    tokio::sync::Mutex<()>,
    tokio::sync::OwnedMutexGuard<()>,
    lock_owned,
    held: |lock: Arc<tokio::sync::Mutex<()>>| -> Box<dyn Send> { Box::new(lock.try_lock_owned()) },
    free: |lock: Arc<tokio::sync::Mutex<()>>| lock.try_lock_owned().is_ok()
);

#[derive(Clone)]
pub(crate) struct LockSemaphore(Arc<async_lock::Semaphore>);

impl Primitive for LockSemaphore {
    type Got = async_lock::SemaphoreGuardArc;
    const COMES_BACK: bool = true;

    fn empty() -> Self {
        LockSemaphore(Arc::new(async_lock::Semaphore::new(0)))
    }

    fn give(&self) {
        self.0.add_permits(1);
    }

    async fn take(&self) -> Self::Got {
        self.0.acquire_arc().await
    }

    fn left(&self) -> usize {
        count(|| self.0.try_acquire_arc())
    }
}

#[derive(Clone)]
pub(crate) struct TokioSemaphore(Arc<tokio::sync::Semaphore>);

impl Primitive for TokioSemaphore {
    type Got = tokio::sync::OwnedSemaphorePermit;
    const COMES_BACK: bool = true;

    fn empty() -> Self {
        TokioSemaphore(Arc::new(tokio::sync::Semaphore::new(0)))
    }

    fn give(&self) {
        self.0.add_permits(1);
    }

    async fn take(&self) -> Self::Got {
        self.0.clone().acquire_owned().await.expect("it is open")
    }

    fn left(&self) -> usize {
        count(|| self.0.clone().try_acquire_owned().ok())
    }
}

#[derive(Clone)]
pub(crate) struct TokioNotify(Arc<tokio::sync::Notify>);

impl Primitive for TokioNotify {
    type Got = ();
    const COMES_BACK: bool = false;

    fn empty() -> Self {
        TokioNotify(Arc::default())
    }

    fn give(&self) {
        self.0.notify_one();
    }

    async fn take(&self) {
        self.0.notified().await;
    }

    fn left(&self) -> usize {
        count(|| at_once(self.0.notified()))
    }
}

/// Remembers nothing: a notification that nobody waits for is gone, by its own documentation. For two who wait.
#[derive(Clone)]
pub(crate) struct Listener(Arc<event_listener::Event>);

impl Primitive for Listener {
    type Got = ();
    const COMES_BACK: bool = false;

    fn empty() -> Self {
        Listener(Arc::new(event_listener::Event::new()))
    }

    fn give(&self) {
        self.0.notify(1);
    }

    async fn take(&self) {
        self.0.listen().await;
    }

    fn left(&self) -> usize {
        0
    }
}

/// A queue with one receiver: for one who waits.
macro_rules! queue {
    ($name:ident, $sender:ty, $receiver:ty, $new:expr, give: $give:expr, poll: $poll:expr, left: $left:expr) => {
        #[derive(Clone)]
        pub(crate) struct $name(Arc<Mutex<Option<$sender>>>, Arc<Mutex<$receiver>>);

        impl Primitive for $name {
            type Got = u8;
            const COMES_BACK: bool = false;

            fn empty() -> Self {
                let (sender, receiver) = $new;
                $name(Arc::new(Mutex::new(Some(sender))), Arc::new(Mutex::new(receiver)))
            }

            fn give(&self) {
                with(&self.0, $give);
            }

            async fn take(&self) -> u8 {
                poll_fn(|cx| with(&self.1, |receiver| $poll(receiver, cx))).await.expect("it is open")
            }

            fn left(&self) -> usize {
                count(|| with(&self.1, $left))
            }
        }
    };
}

queue!(
    FuturesMpsc,
    futures_channel::mpsc::UnboundedSender<u8>,
    futures_channel::mpsc::UnboundedReceiver<u8>,
    futures_channel::mpsc::unbounded(),
    give: |sender| sender.as_ref().map(|sender| sender.unbounded_send(1)),
    poll: |receiver: &mut futures_channel::mpsc::UnboundedReceiver<u8>, cx: &mut Context<'_>| {
        Pin::new(receiver).poll_next(cx)
    },
    left: |receiver| receiver.try_recv().ok()
);
queue!(
    FuturesOneshot,
    futures_channel::oneshot::Sender<u8>,
    futures_channel::oneshot::Receiver<u8>,
    futures_channel::oneshot::channel(),
    give: |sender| sender.take().map(|sender| sender.send(1)),
    poll: |receiver: &mut futures_channel::oneshot::Receiver<u8>, cx: &mut Context<'_>| Pin::new(receiver).poll(cx),
    left: |receiver| receiver.try_recv().ok().flatten()
);
queue!(
    TokioMpsc,
    tokio::sync::mpsc::UnboundedSender<u8>,
    tokio::sync::mpsc::UnboundedReceiver<u8>,
    tokio::sync::mpsc::unbounded_channel(),
    give: |sender| sender.as_ref().map(|sender| sender.send(1)),
    poll: |receiver: &mut tokio::sync::mpsc::UnboundedReceiver<u8>, cx: &mut Context<'_>| receiver.poll_recv(cx),
    left: |receiver| receiver.try_recv().ok()
);
queue!(
    TokioOneshot,
    tokio::sync::oneshot::Sender<u8>,
    tokio::sync::oneshot::Receiver<u8>,
    tokio::sync::oneshot::channel(),
    give: |sender| sender.take().map(|sender| sender.send(1)),
    poll: |receiver: &mut tokio::sync::oneshot::Receiver<u8>, cx: &mut Context<'_>| Pin::new(receiver).poll(cx),
    left: |receiver| receiver.try_recv().ok()
);
