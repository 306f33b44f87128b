//! Where a program is run.

use std::fmt::Debug;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::thread;

use async_executor::Executor;
use futures_lite::future;
use scope_tests::within_bound;

/// What `tokio::spawn` asks for, as far as it can be asked of a future that borrows.
pub(crate) fn assert_send<T: Send>(_: &T) {}

/// An await point that no scope knows of: pending once, woken at once.
pub(crate) async fn turn() {
    future::yield_now().await;
}

/// Runs a program with no runtime, in a task of tokio and in one of smol, and compares what it gives.
///
/// # Panics
/// When it gives something else somewhere, panics, or hangs.
#[track_caller]
pub(crate) fn everywhere<P, F, T>(program: P, right: T)
where
    P: Fn() -> F + Send + 'static,
    F: Future<Output = T> + Send + 'static,
    T: PartialEq + Debug + Send + 'static,
{
    within_bound("everywhere", move || {
        assert_eq!(future::block_on(program()), right, "with no runtime");
        assert_eq!(on_two_workers(program()), right, "in a task of tokio");
        assert_eq!(on_two_threads(program()), right, "in a task of smol");
    });
}

/// As [`everywhere`], for a program with parallel children: the runtime is known to the nursery around it.
///
/// # Panics
/// When it gives something else somewhere, panics, or hangs.
#[track_caller]
pub(crate) fn on_runtimes<P, F, T>(program: P, right: T)
where
    P: Fn() -> F + Send + 'static,
    F: Future<Output = T> + Send + 'static,
    T: PartialEq + Debug + Send + 'static,
{
    within_bound("on_runtimes", move || {
        let inner = program();
        let outer = async move { scope_tokio::nursery(async |_| Ok(inner.await)).await.unwrap() };
        assert_eq!(on_two_workers(outer), right, "in a task of tokio");
        let inner = program();
        let outer = async move { scope_smol::nursery(async |_| Ok(inner.await)).await.unwrap() };
        assert_eq!(on_two_threads(outer), right, "in a task of smol");
    });
}

/// Runs a future as a task of a tokio runtime with two workers.
///
/// # Panics
/// With what the future panics with, or when it hangs.
pub(crate) fn spawned_on_tokio<F>(future: F) -> F::Output
where
    F: Future<Output: Send> + Send + 'static,
{
    let (give, take) = std::sync::mpsc::channel();
    within_bound("spawned_on_tokio", move || give.send(on_two_workers(future)).expect("the receiver waits"));
    take.recv().expect("the thread has ended well")
}

fn on_two_workers<F>(future: F) -> F::Output
where
    F: Future<Output: Send> + Send + 'static,
{
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    match runtime.block_on(async { tokio::spawn(future).await }) {
        Ok(output) => output,
        Err(ended) => std::panic::resume_unwind(ended.into_panic()),
    }
}

fn on_two_threads<F>(future: F) -> F::Output
where
    F: Future<Output: Send> + Send + 'static,
{
    let executor = Arc::new(Executor::new());
    let (stop, stopped) = async_channel::bounded::<()>(1);
    let threads: Vec<_> = (0..2)
        .map(|_| {
            let (executor, stopped) = (executor.clone(), stopped.clone());
            thread::spawn(move || future::block_on(executor.run(stopped.recv())))
        })
        .collect();
    let output = future::block_on(executor.spawn(future));
    drop(stop);
    for thread in threads {
        let _closed = thread.join().expect("an executor's thread does not panic");
    }
    output
}

/// Compiles only where `T` is not `Send`: there are two impls to choose from otherwise.
pub(crate) fn assert_not_send<T: AmbiguousIfSend<A>, A>(_: &T) {}

pub(crate) trait AmbiguousIfSend<A> {}
impl<T> AmbiguousIfSend<()> for T {}
impl<T: Send> AmbiguousIfSend<u8> for T {}

/// Polls a future once, with a waker that does nothing.
pub(crate) fn poll_by_hand<F: Future + ?Sized>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}
