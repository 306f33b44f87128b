//! P6: what being cancellable adds to a poll. Each peer is a future that is never ready, polled `n` times by hand; "bare" is
//! that future without anything around it, so what is added is the difference to its row. "task" is what runtimes put around
//! a future anyway, to know whose panic it was: the difference to that row is the check alone.
//!
//! In the case "asking" there is no poll: code asks whether it has been cancelled.
//!
//! What each gives beside that:
//! * ours is the wrapper of a parallel child as a runtime polls it: cancelled from outside at the await point it waits at,
//!   its panics are caught, and it knows which task it is;
//! * `run_until_cancelled` and `select!` are woken by a cancellation too;
//! * `Abortable` likewise, for one future;
//! * `AtomicBool` and `is_cancelled` see it when they are polled the next time, and nobody wakes them.

use std::cell::Cell;
use std::future::{pending, poll_fn};
use std::hint::black_box;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Barrier, Mutex};
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::Duration;

use futures_util::future::{AbortHandle, Abortable};
use rustix::time::{ClockId, clock_gettime};
use scope_core::rt::{Handle, Task};
use scope_core::{Launch, LaunchError, Spawns as _};
use tokio_util::sync::CancellationToken;

use super::on_tokio::current_thread;
use crate::bench::{Bench, Goal, Peer};
use crate::measure::Meter;

pub(crate) fn benches() -> Vec<Bench> {
    vec![
        Bench {
            name: "P6",
            case: "one thread",
            sizes: &[100_000],
            peers: |n| peers(n, 1),
            goals: &[Goal::Over("bare", 2.0)],
        },
        Bench {
            name: "P6",
            case: "four threads",
            sizes: &[1_000_000],
            peers: |n| peers(n, 4),
            goals: &[Goal::Over("bare", 3.0)],
        },
        Bench { name: "P6", case: "asking", sizes: &[100_000], peers: asking, goals: &[Goal::Over("bare", 2.0)] },
    ]
}

fn peers(n: usize, threads: usize) -> Vec<Peer> {
    vec![
        Peer::metered("scope", move || {
            // The nursery first: it is dropped after its children.
            let (nursery, children) = children(threads);
            let mut polled = polled(n, children);
            move |meter| {
                let _ = &nursery;
                polled(meter);
            }
        }),
        each("bare", n, threads, || || Box::pin(pending())),
        each("task", n, threads, || || Box::pin(as_task(1))),
        each("AtomicBool", n, threads, || {
            let flag = Arc::new(AtomicBool::new(false));
            move || Box::pin(until(flag.clone(), |flag| flag.load(Ordering::Acquire)))
        }),
        each("is_cancelled", n, threads, || {
            let token = CancellationToken::new();
            move || Box::pin(until(token.clone(), CancellationToken::is_cancelled))
        }),
        each("Abortable", n, threads, || {
            || {
                let (handle, registration) = AbortHandle::new_pair();
                let abortable = Abortable::new(pending::<()>(), registration);
                Box::pin(async move {
                    let _handle = handle;
                    abortable.await.expect("nobody aborts it");
                })
            }
        }),
        each("run_until_cancelled", n, threads, || {
            let token = CancellationToken::new();
            move || {
                let token = token.clone();
                Box::pin(async move { token.run_until_cancelled(pending()).await.expect("nobody cancels it") })
            }
        }),
        each("select!", n, threads, || {
            let token = CancellationToken::new();
            move || {
                let token = token.clone();
                Box::pin(async move {
                    tokio::select! {
                        () = token.cancelled() => {}
                        () = pending() => {}
                    }
                })
            }
        }),
    ]
}

/// Code that asks by itself, in a loop: the first of these says what the loop takes.
fn asking(n: usize) -> Vec<Peer> {
    vec![
        Peer::whole("scope", move || {
            move || {
                let mut nursery = pin!(scope_core::nursery(async |_| {
                    ask(n, scope_core::is_cancelled);
                    Ok(())
                }));
                let done = nursery.as_mut().poll(&mut Context::from_waker(Waker::noop()));
                assert!(done.is_ready(), "nothing in it waits");
            }
        }),
        Peer::whole("bare", move || move || ask(n, || false)),
        Peer::whole("AtomicBool", move || {
            let flag = AtomicBool::new(false);
            move || ask(n, || flag.load(Ordering::Acquire))
        }),
        Peer::whole("is_cancelled", move || {
            let token = CancellationToken::new();
            move || ask(n, || token.is_cancelled())
        }),
    ]
}

fn ask(n: usize, is_set: impl Fn() -> bool) {
    for _ in 0..n {
        assert!(!black_box(is_set()), "nobody cancels");
    }
}

/// A future that looks at `flag` whenever it is polled.
async fn until<T>(flag: T, is_set: impl Fn(&T) -> bool) {
    let mut waiting = pin!(pending());
    poll_fn(|cx| if is_set(&flag) { Poll::Ready(()) } else { waiting.as_mut().poll(cx) }).await;
}

/// A future that is found in a thread-local while it is polled, and whose panics are caught.
async fn as_task(id: u64) {
    thread_local! {
        static CURRENT: Cell<u64> = const { Cell::new(0) };
    }
    let mut pending = pin!(pending::<()>());
    let done = poll_fn(|cx| {
        let before = CURRENT.replace(id);
        let polled = catch_unwind(AssertUnwindSafe(|| pending.as_mut().poll(cx)));
        CURRENT.set(before);
        match polled {
            Ok(polled) => polled.map(Ok),
            Err(payload) => Poll::Ready(Err(payload)),
        }
    });
    done.await.expect("it does not panic");
}

/// A peer whose futures share what `begin` begins.
fn each<M: FnMut() -> Task>(name: &'static str, n: usize, threads: usize, begin: impl FnOnce() -> M + 'static) -> Peer {
    Peer::metered(name, move || {
        let mut make = begin();
        polled(n, (0..threads).map(|_| make()).collect())
    })
}

/// Polls each of the futures `n` times, each on a thread of its own if there are several.
fn polled(n: usize, mut futures: Vec<Task>) -> impl FnMut(&mut Meter) {
    move |meter| {
        if let [future] = &mut futures[..] {
            meter.start();
            poll_times(future, n);
            meter.stop();
            return;
        }
        let barrier = &Barrier::new(futures.len());
        let threads = u32::try_from(futures.len()).expect("a few threads");
        let taken: Duration = thread::scope(|scope| {
            let polling: Vec<_> = futures
                .iter_mut()
                .map(|future| {
                    scope.spawn(move || {
                        barrier.wait();
                        let begun = own_time();
                        poll_times(future, n);
                        own_time() - begun
                    })
                })
                .collect();
            polling.into_iter().map(|thread| thread.join().expect("polling does not panic")).sum()
        });
        meter.took(taken / threads);
    }
}

/// What this thread has run for, whoever else wanted the processor: waiting for a cache line counts, waiting for a turn
/// does not.
fn own_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.try_into().expect("it began at zero")
}

fn poll_times(future: &mut Task, n: usize) {
    let mut cx = Context::from_waker(Waker::noop());
    for _ in 0..n {
        // Which future it is must not be seen through: a runtime does not know either.
        assert!(black_box(&mut *future).as_mut().poll(&mut cx).is_pending(), "it is never ready");
    }
}

/// Children of one nursery that nobody polls yet, and the nursery, which waits for them.
fn children(count: usize) -> (Task, Vec<Task>) {
    let caught = Arc::new(Mutex::new(Vec::new()));
    let mut nursery: Task = Box::pin({
        let caught = caught.clone();
        async move {
            let done = scope_tokio::nursery(async |nursery| {
                for _ in 0..count {
                    let spawned = nursery.place().run(Catch(&caught), pending());
                    spawned.expect("whoever catches it refuses nothing");
                }
                pending().await
            });
            done.await.expect("nothing in it ends")
        }
    });
    let runtime = current_thread();
    let _inside = runtime.enter();
    assert!(nursery.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending(), "its children wait");
    let children = std::mem::take(&mut *caught.lock().expect("nobody panics under it"));
    (nursery, children)
}

/// Keeps a child, wrapped as a runtime gets it, instead of running it.
struct Catch<'a>(&'a Mutex<Vec<Task>>);

impl Launch for Catch<'_> {
    fn launch<F>(self, _: &Handle, task: F) -> Result<(), LaunchError>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.0.lock().expect("nobody panics under it").push(Box::pin(task));
        Ok(())
    }
}
