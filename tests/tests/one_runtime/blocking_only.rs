//! What needs a second real thread: blocking work that waits for tasks.

use futures_lite::future::block_on;
use scope_core::rt::{self, Handle};
use scope_core::{Exit, Failure, Inbox, Name, Reply, Service, Spawns, nursery};
use scope_test::Config;
use scope_tests::{Gate, Journal, Rt, SEEDS, Smol, TokioCt, TokioMt, turns, within_bound};

/// Counts; says when it has ended.
struct Counter(Journal, u32);

impl Service for Counter {
    type Request = (u32, Reply<u32>);
    type Info = ();
    type Report = u32;

    fn name(&self) -> Name {
        Name::new("counter")
    }

    async fn open(&mut self) -> Result<(), Failure> {
        Ok(())
    }

    async fn serve(&mut self, inbox: &mut Inbox<Self::Request>) -> Result<(), Failure> {
        while let Some((n, reply)) = inbox.next().await {
            self.1 += n;
            let _ = reply.send(self.1);
        }
        Ok(())
    }

    async fn end(&mut self, _: Exit) -> u32 {
        turns(3).await;
        self.0.add("ended");
        self.1
    }
}

/// Fails if: `close_blocking` does not wait, or needs a task around it, or a handle cannot ask from there.
async fn s02_closed_from_a_blocking_thread() {
    let journal = Journal::new();
    nursery(async |n| {
        let service = n.open(Counter(journal.clone(), 0)).await?;
        let (done, there) = (Gate::new(), Gate::new());
        let (opens, handle, j) = (done.clone(), service.clone(), journal.clone());
        rt::current()?.spawn_blocking(Box::new(move || {
            assert_eq!(block_on(handle.ask(|reply| (5, reply))).expect("it serves"), 5);
            assert_eq!(*handle.close_blocking().expect("a thread that may block"), 5);
            assert!(j.has("ended"), "it waited");
            assert_eq!(*handle.close_blocking().expect("idempotent"), 5);
            opens.open();
        }))?;
        done.passed().await;
        assert_eq!(*service.close().await?, 5);
        // A thread that no runtime knows.
        let service = n.open(Counter(journal.clone(), 7)).await?;
        let (opens, handle) = (there.clone(), service);
        let thread = std::thread::spawn(move || {
            assert_eq!(*handle.close_blocking().expect("a thread that may block"), 7);
            opens.open();
        });
        there.passed().await;
        thread.join().expect("no panic");
        Ok(())
    })
    .await
    .expect("nothing fails");
    assert_eq!(journal.count("ended"), 2);
}

#[test]
fn s02_close_from_a_blocking_thread_on_tokio_ct() {
    TokioCt::check("s02_close_from_a_blocking_thread", s02_closed_from_a_blocking_thread);
}

#[test]
fn s02_close_from_a_blocking_thread_on_tokio_mt() {
    TokioMt::check("s02_close_from_a_blocking_thread", s02_closed_from_a_blocking_thread);
}

#[test]
fn s02_close_from_a_blocking_thread_on_smol() {
    Smol::check("s02_close_from_a_blocking_thread", s02_closed_from_a_blocking_thread);
}

/// With real threads the seed no longer decides all; it still varies all that it decides.
#[test]
fn s02_close_from_a_blocking_thread_on_det() {
    within_bound("s02_close_from_a_blocking_thread_on_det", || {
        let configs = (0..SEEDS).map(|seed| Config::new(seed).blocking_threads(true));
        scope_test::for_each_config(configs, async |runtime| {
            let _outside = runtime.outside();
            let handle: Handle = runtime.handle();
            nursery(async |_| {
                s02_closed_from_a_blocking_thread().await;
                Ok(())
            })
            .runtime(handle)
            .await
            .expect("nothing fails");
        });
    });
}

/// Fails if: a worker that has given its core away is still taken for one that must not block.
#[test]
fn s02_close_blocking_in_block_in_place() {
    TokioMt::check("s02_close_blocking_in_block_in_place", async || {
        let journal = Journal::new();
        nursery(async |n| {
            let service = n.open(Counter(journal.clone(), 3)).await?;
            n.spawn_erased(async move {
                let closed = tokio::task::block_in_place(|| service.close_blocking());
                assert_eq!(*closed.expect("there is room for it"), 3);
                Ok(())
            });
            Ok(())
        })
        .await
        .expect("nothing fails");
        assert!(journal.has("ended"));
    });
}
