//! The runtimes' own aborts in the tick of a cancellation: `JoinHandle::abort` of tokio, `Task::cancel` of smol.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;

use async_executor::Executor;
use futures_lite::future::{block_on, poll_fn, yield_now};
use scope_core::rt::Handle;
use scope_core::{Canceller, Failure, nursery};
use scope_smol::SmolRuntime;
use scope_tests::{Gate, Journal, poll_now, within_bound};
use scope_tokio::TokioRuntime;
use tokio::runtime::{Builder, Runtime};

/// A root that parks in its body, counts that body's polls, and has something to clean up.
async fn root(
    runtime: Handle,
    polls: Arc<AtomicUsize>,
    journal: Journal,
    parked: Gate,
    told: async_channel::Sender<Canceller>,
) {
    let ended = nursery(async |n| -> Result<(), Failure> {
        let j = journal.clone();
        n.finalizer("clean up", async move |_| {
            yield_now().await;
            j.add("finalizer");
            Ok(())
        });
        let _body = journal.on_drop("body");
        told.try_send(n.canceller())?;
        poll_fn(|_| {
            polls.fetch_add(1, Ordering::SeqCst);
            parked.open();
            Poll::<()>::Pending
        })
        .await;
        Ok(())
    })
    .runtime(runtime)
    .await;
    journal.add(format!("went on with {ended:?}"));
}

async fn on_tokio(runtime: &Runtime, cancel_first: bool) -> (usize, Vec<String>) {
    let handle = Handle::new(TokioRuntime::new(runtime.handle().clone()));
    let (polls, journal, parked) = (Arc::new(AtomicUsize::new(0)), Journal::new(), Gate::new());
    let (told, cancellers) = async_channel::bounded(1);
    let task = tokio::spawn(root(handle.clone(), polls.clone(), journal.clone(), parked.clone(), told));
    parked.passed().await;
    let canceller = cancellers.recv().await.expect("sent before");
    if cancel_first {
        canceller.cancel("in the same tick");
        task.abort();
    } else {
        task.abort();
        canceller.cancel("in the same tick");
    }
    let outcome = task.await;
    handle.settled().await;
    let lines = journal.lines();
    let finished = lines.iter().any(|line| line.starts_with("went on"));
    assert_eq!(outcome.is_err_and(|error| error.is_cancelled()), !finished, "the abort is told, if it was in time");
    (polls.load(Ordering::SeqCst), lines)
}

/// Fails if: tokio's abort is taken for the scope's cancellation: then the task would go on and end well.
#[test]
fn c16_tokios_abort_on_one_thread() {
    within_bound("c16_tokios_abort_on_one_thread", || {
        let runtime = Builder::new_current_thread().enable_all().build().expect("a tokio runtime");
        for cancel_first in [false, true] {
            let (polls, lines) = runtime.block_on(on_tokio(&runtime, cancel_first));
            assert_eq!(polls, 1);
            assert_eq!(lines, ["body", "finalizer"]);
        }
    });
}

/// Fails if: the same among threads leaves something behind, or cleans up twice.
#[test]
fn c16_tokios_abort_among_threads() {
    within_bound("c16_tokios_abort_among_threads", || {
        let runtime = Builder::new_multi_thread().worker_threads(4).enable_all().build().expect("a tokio runtime");
        for round in 0..200 {
            let (polls, mut lines) = runtime.block_on(on_tokio(&runtime, round % 2 == 0));
            assert!(polls <= 2, "{polls}");
            lines.retain(|line| !line.starts_with("went on with Err"));
            assert_eq!(lines, ["body", "finalizer"], "round {round}");
        }
    });
}

/// Fails if: smol's `Task::cancel` in the tick of a cancellation has the body polled again, or loses the clean-up.
#[test]
fn c16_smols_cancel() {
    within_bound("c16_smols_cancel", || {
        for cancel_first in [false, true] {
            let executor = Arc::new(Executor::new());
            let handle = Handle::new(SmolRuntime::on(&executor));
            let (polls, journal, parked) = (Arc::new(AtomicUsize::new(0)), Journal::new(), Gate::new());
            let (told, cancellers) = async_channel::bounded(1);
            block_on(executor.run(async {
                let task = executor.spawn(root(handle.clone(), polls.clone(), journal.clone(), parked.clone(), told));
                parked.passed().await;
                let canceller = cancellers.recv().await.expect("sent before");
                if cancel_first {
                    canceller.cancel("in the same tick");
                    assert!(task.cancel().await.is_none(), "it did not end by itself");
                } else {
                    // Begun: an async method does nothing before its first poll.
                    let mut cancelling = Box::pin(task.cancel());
                    let ended = poll_now(cancelling.as_mut()).await;
                    canceller.cancel("in the same tick");
                    let ended = match ended {
                        Poll::Ready(ended) => ended,
                        Poll::Pending => cancelling.await,
                    };
                    assert!(ended.is_none(), "it did not end by itself");
                }
                handle.settled().await;
            }));
            assert_eq!(polls.load(Ordering::SeqCst), 1);
            journal.assert_is(&["body", "finalizer"]);
        }
    });
}
