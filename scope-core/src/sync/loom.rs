//! What loom has, and for what it has not, the same contract made of its parts.
//!
//! An [`AtomicWaker`], a [`OnceLock`] and a [`Listen`] are one mutex each here: their own inner steps are theirs to check;
//! what they promise about the order of everything around them is what a mutex promises. `Arc` stays std's: counting is one
//! step, and nothing in this crate relies on the order of two counts. So do cells, whose accesses the address sanitizer and
//! Miri check better.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::{Arc, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

use loom::sync::Condvar;
pub(crate) use loom::sync::{Mutex, MutexGuard, atomic};

/// A slot for one waker.
#[derive(Default)]
pub(crate) struct AtomicWaker(Mutex<Option<Waker>>);

impl AtomicWaker {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    pub(crate) fn register(&self, waker: &Waker) {
        let fresh = waker.clone();
        let old = self.0.lock().unwrap_or_else(PoisonError::into_inner).replace(fresh);
        drop(old);
    }

    pub(crate) fn take(&self) -> Option<Waker> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    pub(crate) fn wake(&self) {
        if let Some(waker) = self.take() {
            waker.wake();
        }
    }
}

/// A value that is set once.
pub(crate) struct OnceLock<T> {
    value: std::sync::OnceLock<T>,
    set: atomic::AtomicBool,
    setting: Mutex<()>,
}

impl<T> Default for OnceLock<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> OnceLock<T> {
    pub(crate) fn new() -> Self {
        OnceLock { value: std::sync::OnceLock::new(), set: atomic::AtomicBool::new(false), setting: Mutex::new(()) }
    }

    pub(crate) fn get(&self) -> Option<&T> {
        if self.set.load(atomic::Ordering::Acquire) { self.value.get() } else { None }
    }

    pub(crate) fn get_or_init(&self, make: impl FnOnce() -> T) -> &T {
        if let Some(value) = self.get() {
            return value;
        }
        let _setting = self.setting.lock().unwrap_or_else(PoisonError::into_inner);
        if self.value.get().is_none() {
            let fresh = make();
            self.value.get_or_init(|| fresh);
            self.set.store(true, atomic::Ordering::Release);
        }
        self.value.get().unwrap_or_else(|| unreachable!("set above"))
    }

    pub(crate) fn set(&self, value: T) -> Result<(), T> {
        let mut value = Some(value);
        self.get_or_init(|| value.take().unwrap_or_else(|| unreachable!("called once")));
        value.map_or(Ok(()), Err)
    }
}

/// An event: whoever listens before it is notified is told.
#[derive(Default)]
pub(crate) struct Listen(Arc<Mutex<Listeners>>);

#[derive(Default)]
struct Listeners {
    next: u64,
    /// Those not notified.
    waiting: BTreeMap<u64, Option<Waker>>,
}

impl Listen {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    pub(crate) fn listen(&self) -> EventListener {
        let mut listeners = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let number = listeners.next;
        listeners.next += 1;
        listeners.waiting.insert(number, None);
        EventListener { listeners: self.0.clone(), number }
    }

    pub(crate) fn notify(&self) {
        let told = std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner).waiting);
        told.into_values().flatten().for_each(Waker::wake);
    }
}

pub(crate) struct EventListener {
    listeners: Arc<Mutex<Listeners>>,
    number: u64,
}

impl Future for EventListener {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let fresh = cx.waker().clone();
        let old = match self.listeners.lock().unwrap_or_else(PoisonError::into_inner).waiting.get_mut(&self.number) {
            None => return Poll::Ready(()),
            Some(waker) => waker.replace(fresh),
        };
        drop(old);
        Poll::Pending
    }
}

impl Drop for EventListener {
    fn drop(&mut self) {
        let old = self.listeners.lock().unwrap_or_else(PoisonError::into_inner).waiting.remove(&self.number);
        drop(old);
    }
}

impl EventListener {
    /// Waits on the spot.
    pub(crate) fn wait(self) {
        block_on(self);
    }
}

/// Polls `future` to its end on this thread, once for each time that it is woken. One that is never woken again is what
/// loom calls a deadlock.
pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    let parker = Arc::new(Parker { woken: Mutex::new(false), told: Condvar::new() });
    let waker = Waker::from(parker.clone());
    let mut cx = Context::from_waker(&waker);
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut cx) {
            return output;
        }
        let mut woken = parker.woken.lock().unwrap_or_else(PoisonError::into_inner);
        while !std::mem::take(&mut *woken) {
            woken = parker.told.wait(woken).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

struct Parker {
    woken: Mutex<bool>,
    told: Condvar,
}

impl Wake for Parker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        *self.woken.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.told.notify_one();
    }
}

/// A thread-local of the model's threads, which share one thread of the system's.
pub(crate) struct ThreadLocal<T: 'static>(pub(crate) &'static loom::thread::LocalKey<Cell<T>>);

macro_rules! per_thread {
    ($($(#[$attribute:meta])* static $name:ident: Cell<$value:ty> = const { $init:expr };)*) => {
        $($(#[$attribute])*
        static $name: $crate::sync::ThreadLocal<$value> = {
            loom::thread_local! { static INNER: std::cell::Cell<$value> = $init; }
            $crate::sync::ThreadLocal(&INNER)
        };)*
    };
}
pub(crate) use per_thread as thread_local;

impl<T: Copy> ThreadLocal<T> {
    pub(crate) fn get(&'static self) -> T {
        self.0.with(Cell::get)
    }

    pub(crate) fn set(&'static self, value: T) {
        self.0.with(|cell| cell.set(value));
    }

    pub(crate) fn replace(&'static self, value: T) -> T {
        self.0.with(|cell| cell.replace(value))
    }
}
