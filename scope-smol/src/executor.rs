//! Which executor tasks run on, and the threads of ours.

use std::cell::RefCell;
use std::fmt;
use std::future::{self, Future};
use std::num::NonZero;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, LazyLock, Weak};
use std::thread;

use async_executor::Executor;
use scope_core::rt::Refused;

/// The executor behind a [`SmolRuntime`](crate::SmolRuntime).
#[derive(Clone)]
pub(crate) enum Home {
    /// Lives as long as the process.
    Static(&'static Executor<'static>),
    /// Somebody else's to end: its handles must not keep it alive.
    Shared(Weak<Executor<'static>>),
}

impl Home {
    pub(crate) fn spawn<F>(&self, future: F) -> Result<(), Refused>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        match self {
            Home::Static(executor) => executor.spawn(future).detach(),
            Home::Shared(executor) => executor.upgrade().ok_or(Refused::new())?.spawn(future).detach(),
        }
        Ok(())
    }

    pub(crate) fn is_gone(&self) -> bool {
        match self {
            Home::Static(_) => false,
            Home::Shared(executor) => executor.strong_count() == 0,
        }
    }

    /// Whether this thread is one that we have put to running this executor.
    pub(crate) fn runs_here(&self) -> bool {
        running(|running| running.contains(&self.address())).unwrap_or(false)
    }

    pub(crate) fn same(&self, other: &Home) -> bool {
        self.address() == other.address()
    }

    /// Unique while any handle exists: a weak reference keeps the address taken.
    pub(crate) fn address(&self) -> usize {
        match self {
            Home::Static(executor) => std::ptr::from_ref(*executor).addr(),
            Home::Shared(executor) => executor.as_ptr().addr(),
        }
    }
}

impl fmt::Debug for Home {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Home::Static(_) => "Static",
            Home::Shared(_) if self.is_gone() => "Shared, ended",
            Home::Shared(_) => "Shared",
        })
    }
}

thread_local! {
    /// The executors this thread is running, outermost first: one, unless they are nested.
    static RUNNING: RefCell<Vec<usize>> = const { RefCell::new(Vec::new()) };
}

/// The address of the innermost executor that we have put this thread to running.
pub(crate) fn running_here() -> Option<usize> {
    running(|running| running.last().copied()).flatten()
}

/// `None` in the destructors of the thread's locals, once this one is gone: then it runs nothing any more.
fn running<T>(look: impl FnOnce(&[usize]) -> T) -> Option<T> {
    RUNNING.try_with(|running| look(&running.borrow())).ok()
}

/// Drives `executor` on this thread until `until` is ready.
pub(crate) fn drive<T>(executor: &Executor<'static>, until: impl Future<Output = T>) -> T {
    struct Leave;
    impl Drop for Leave {
        fn drop(&mut self) {
            RUNNING.with_borrow_mut(Vec::pop);
        }
    }
    RUNNING.with_borrow_mut(|running| running.push(std::ptr::from_ref(executor).addr()));
    let _leave = Leave;
    async_io::block_on(executor.run(until))
}

/// How many threads an executor of ours gets when nobody says: smol's own variable, else one per processor.
pub(crate) fn default_threads() -> usize {
    let asked = std::env::var("SMOL_THREADS").ok().and_then(|n| n.parse().ok());
    let given = asked.or_else(|| thread::available_parallelism().ok());
    given.map_or(1, NonZero::get)
}

/// The executor for those who bring none, and how many threads it has. They start with its first user and run for ever.
pub(crate) fn global() -> Result<(&'static Executor<'static>, usize), Refused> {
    static EXECUTOR: Executor<'static> = Executor::new();
    static STARTED: LazyLock<usize> = LazyLock::new(|| {
        let forever = |_| {
            let run = || loop {
                // A destructor may panic outside of any task's own poll: that must not cost the thread.
                let _: Result<(), _> = catch_unwind(|| drive(&EXECUTOR, future::pending()));
            };
            thread::Builder::new().name("scope-smol".into()).spawn(run)
        };
        (0..default_threads()).map(forever).filter(Result::is_ok).count()
    });
    // Without a single thread a task would wait for ever, in silence.
    if *STARTED == 0 { Err(Refused::new()) } else { Ok((&EXECUTOR, *STARTED)) }
}

/// Threads that run an executor until this is dropped; dropping it waits for them.
pub(crate) struct Crew {
    stop: Option<async_channel::Sender<std::convert::Infallible>>,
    threads: Vec<thread::JoinHandle<()>>,
}

impl Crew {
    /// Starts `n` threads, or as many of them as the system has to give.
    pub(crate) fn start(executor: &Arc<Executor<'static>>, n: usize) -> Self {
        let (stop, stopped) = async_channel::bounded(1);
        let mut threads = Vec::with_capacity(n);
        for _ in 0..n {
            let (executor, stopped) = (executor.clone(), stopped.clone());
            let run = move || {
                while catch_unwind(AssertUnwindSafe(|| drive(&executor, stopped.recv()))).is_err() {}
            };
            match thread::Builder::new().name("scope-smol".into()).spawn(run) {
                Ok(thread) => threads.push(thread),
                // The caller's own thread runs the executor too, so what there is suffices.
                Err(_) => break,
            }
        }
        Crew { stop: Some(stop), threads }
    }
}

impl Drop for Crew {
    fn drop(&mut self) {
        // Closes the channel, which is what they wait for.
        self.stop = None;
        for thread in self.threads.drain(..) {
            // They catch what they run; there is nothing to hear from them.
            let _ = thread.join();
        }
    }
}
