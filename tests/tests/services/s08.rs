//! s08: a handle works from synchronous code, and from a second runtime in the same process.

use std::thread;

use futures_lite::future::block_on;
use scope_core::{Exit, Failure, Inbox, Name, Reply, Service, ServiceHandle, Spawns, nursery};
use scope_test::{Outside, TestRuntime};
use scope_tests::{Gate, Journal, Rt, turns};

/// Adds up.
struct Sum(u32, Journal);

impl Service for Sum {
    type Request = (u32, Reply<u32>);
    type Info = &'static str;
    type Report = u32;

    fn name(&self) -> Name {
        Name::new("sum")
    }

    fn backlog(&self) -> usize {
        1
    }

    async fn open(&mut self) -> Result<&'static str, Failure> {
        turns(1).await;
        Ok("open")
    }

    async fn serve(&mut self, inbox: &mut Inbox<Self::Request>) -> Result<(), Failure> {
        while let Some((number, reply)) = inbox.next().await {
            self.0 += number;
            turns(1).await;
            let _ = reply.send(self.0);
        }
        Ok(())
    }

    async fn end(&mut self, _: Exit) -> u32 {
        turns(2).await;
        self.1.add("ended");
        self.0
    }
}

/// Where time is virtual, a run has to be told that another thread may yet wake it.
pub(crate) fn other_threads<R: Rt>() -> Option<Outside> {
    R::VIRTUAL.then(|| TestRuntime::current().outside())
}

/// Runs `work` on a thread that no runtime knows, while this task waits.
pub(crate) async fn on_a_thread<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    let over = Gate::new();
    let opens = over.clone();
    let thread = thread::spawn(move || {
        struct Over(Gate);
        impl Drop for Over {
            fn drop(&mut self) {
                self.0.open();
            }
        }
        let _over = Over(opens);
        work()
    });
    over.passed().await;
    thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// All that a handle can do.
async fn uses(service: &ServiceHandle<Sum>) {
    assert_eq!(*service.ready().await.expect("it opens"), "open");
    assert_eq!(service.info().as_deref(), Some(&"open"));
    let before = service.ask(|reply| (0, reply)).await.expect("it serves");
    // More than the backlog takes at once.
    let all = (1..=4).map(|number| service.ask(move |reply| (number, reply)));
    for answer in futures_util::future::join_all(all).await {
        assert!(answer.expect("it serves") > before);
    }
    assert_eq!(service.ask(|reply| (0, reply)).await.expect("it serves"), before + 10);
}

/// Fails if: a handle needs a runtime, or a task, around it to ask, to wait or to close.
pub(crate) async fn s08_from_a_thread_without_a_runtime<R: Rt>() {
    let _outside = other_threads::<R>();
    let journal = Journal::new();
    nursery(async |n| {
        let service = n.serve(Sum(0, journal.clone()));
        let (handle, j) = (service.clone(), journal.clone());
        let reported = on_a_thread(move || {
            assert!(scope_core::rt::current().is_err());
            block_on(uses(&handle));
            assert!(!handle.is_closed());
            let reported = *handle.close_blocking().expect("a thread that may block");
            assert!(j.has("ended") && handle.is_closed(), "it waited");
            assert!(block_on(handle.ask(|reply| (1, reply))).expect_err("it has ended").is_closed());
            reported
        })
        .await;
        assert_eq!(reported, 10);
        assert_eq!(*service.close().await?, 10);
        Ok(())
    })
    .await
    .expect("nothing fails");
    journal.assert_is(&["ended"]);
}

/// Fails if: what never waits needs a runtime or a task, or blocks.
pub(crate) async fn s08_what_never_waits_works_in_any_synchronous_code<R: Rt>() {
    let journal = Journal::new();
    nursery(async |n| {
        let service = n.open(Sum(0, journal.clone())).await?;
        // In a callback of blocking work, in a destructor, and in the middle of a poll.
        let (done, handle) = (Gate::new(), service.clone());
        let opens = done.clone();
        n.runtime()?.spawn_blocking(Box::new(move || {
            assert_eq!(handle.info().as_deref(), Some(&"open"));
            assert!(!handle.is_closed());
            drop(handle.clone());
            opens.open();
        }))?;
        done.passed().await;
        struct Closes(ServiceHandle<Sum>);
        impl Drop for Closes {
            fn drop(&mut self) {
                self.0.begin_close();
            }
        }
        drop(Closes(service.clone()));
        if !R::THREADS {
            assert!(!journal.has("ended"), "not before its task has a turn");
        }
        service.closed().await;
        assert!(journal.has("ended"));
        Ok(())
    })
    .await
    .expect("nothing fails");
}

/// The runtimes that a second one can be.
const SECOND: [&str; 3] = ["tokio", "smol", "test"];

/// Runs `body` as the root of a second runtime, on a thread of its own, while this one goes on.
async fn on_a_second_runtime<F: Future<Output = Result<(), Failure>> + Send>(
    kind: &'static str,
    body: impl FnOnce() -> F + Send + 'static,
) {
    on_a_thread(move || match kind {
        "tokio" => scope_tokio::run_current_thread(async |_| body().await),
        "smol" => scope_smol::run(async |_| body().await),
        _ => scope_test::block_on(7, async |runtime| {
            let _outside = runtime.outside();
            nursery(async |_| body().await).runtime(runtime.handle()).await
        }),
    })
    .await
    .unwrap_or_else(|error| panic!("{kind}: {error:?}"));
}

/// Fails if: a handle hangs, or asks the wrong runtime, where another one runs than its service's.
pub(crate) async fn s08_a_service_of_this_runtime_is_used_from_a_second<R: Rt>() {
    let _outside = other_threads::<R>();
    for kind in SECOND {
        let journal = Journal::new();
        nursery(async |n| {
            let service = n.serve(Sum(0, journal.clone()));
            let (handle, j) = (service.clone(), journal.clone());
            on_a_second_runtime(kind, move || async move {
                // In the root, and in a child of that runtime.
                uses(&handle).await;
                nursery(async |there| {
                    let (handle, j) = (handle.clone(), j.clone());
                    there.spawn_erased(async move {
                        uses(&handle).await;
                        assert_eq!(*handle.close().await?, 20);
                        assert!(j.has("ended"), "it waited");
                        Ok(())
                    });
                    Ok(())
                })
                .await?;
                assert!(handle.ask(|reply| (1, reply)).await.expect_err("it has ended").is_closed());
                Ok(())
            })
            .await;
            assert!(service.is_closed() && !n.is_cancelled());
            Ok(())
        })
        .await
        .unwrap_or_else(|error| panic!("{kind}: {error:?}"));
        journal.assert_is(&["ended"]);
    }
}

/// Fails if: the other way round differs; or the end of the second runtime leaves one who waits here waiting.
pub(crate) async fn s08_a_service_of_a_second_runtime_is_used_from_this<R: Rt>() {
    let _outside = other_threads::<R>();
    for kind in SECOND {
        let journal = Journal::new();
        let (sent, handles) = async_channel::bounded(1);
        let j = journal.clone();
        nursery(async |n| {
            n.spawn_erased(async move {
                let may_end = Gate::new();
                let there = may_end.clone();
                on_a_second_runtime(kind, move || async move {
                    nursery(async |n| {
                        let _ = sent.send((n.open(Sum(0, j)).await?, there)).await;
                        may_end.passed().await;
                        Ok(())
                    })
                    .await?;
                    Ok(())
                })
                .await;
                Ok(())
            });
            let (service, may_end): (ServiceHandle<Sum>, Gate) = handles.recv().await?;
            uses(&service).await;
            let handle = service.clone();
            n.spawn_erased_with_handle(async move {
                uses(&handle).await;
                Ok(())
            })
            .await?;
            // It ends with its own scope, over there: and who waits here hears of it.
            let watching = n.spawn_erased_with_handle(async move {
                let end = service.closed().await;
                Ok((end.was_asked(), end.report().map(|report| **report)))
            });
            may_end.open();
            assert_eq!(watching.await?, (true, Some(20)));
            Ok(())
        })
        .await
        .unwrap_or_else(|error| panic!("{kind}: {error:?}"));
        journal.assert_is(&["ended"]);
    }
}
