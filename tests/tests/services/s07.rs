//! s07: a service outlives requests and dies with its scope; one whose end takes too long is ended, not abandoned.

use std::time::Duration;

use futures_lite::future::{or, pending, yield_now};
use scope_core::{Exit, Failure, Inbox, Name, Reply, Service, ServiceHandle, Spawns, fail_after, nursery, rt};
use scope_tests::{Gate, Journal, Rt, poll_now, turns};

/// What a slow thing is given.
const SHORT: Duration = Duration::from_millis(20);

/// Adds up, one number after the other, and says so.
struct Sum {
    total: u32,
    journal: Journal,
    hangs_in_end: bool,
}

enum Ask {
    Add(u32, Reply<u32>),
    /// Holds all others up until its caller has given up.
    UntilGivenUp(Gate, Reply<u32>),
}

impl Sum {
    fn new(journal: &Journal) -> Self {
        Sum { total: 0, journal: journal.clone(), hangs_in_end: false }
    }

    fn that_hangs(journal: &Journal) -> Self {
        let mut sum = Sum::new(journal);
        sum.hangs_in_end = true;
        sum
    }
}

impl Service for Sum {
    type Request = Ask;
    type Info = ();
    type Report = u32;

    fn name(&self) -> Name {
        Name::new("sum")
    }

    fn cleanup_budget(&self) -> Option<Duration> {
        self.hangs_in_end.then_some(SHORT)
    }

    async fn open(&mut self) -> Result<(), Failure> {
        Ok(())
    }

    async fn serve(&mut self, inbox: &mut Inbox<Ask>) -> Result<(), Failure> {
        while let Some(request) = inbox.next().await {
            match request {
                Ask::Add(number, reply) => {
                    self.total += number;
                    yield_now().await;
                    if reply.send(self.total).is_err() {
                        self.journal.add("nobody waits for the sum");
                    }
                }
                Ask::UntilGivenUp(taken, mut reply) => {
                    taken.open();
                    reply.given_up().await;
                    assert!(reply.is_given_up());
                    self.journal.add("given up");
                }
            }
        }
        Ok(())
    }

    async fn end(&mut self, _: Exit) -> u32 {
        let _note = self.journal.on_drop("end is over");
        if self.hangs_in_end {
            pending::<()>().await;
        }
        turns(3).await;
        self.journal.add("ended");
        self.total
    }
}

impl Drop for Sum {
    fn drop(&mut self) {
        self.journal.add("dropped");
    }
}

/// Fails if: a service lives in the task, or the scope, that asked for it to be opened.
pub(crate) async fn s07_it_outlives_the_request_that_opened_it<R: Rt>() {
    let journal = Journal::new();
    nursery(async |n| {
        let (spawner, j) = (n.spawner(), journal.clone());
        let request = n.spawn_erased_with_handle(async move {
            // A scope of its own, which is cancelled as soon as the service is open.
            let (sent, service) = async_channel::bounded(1);
            let cut = nursery(async |own| -> Result<(), Failure> {
                let _ = sent.send(spawner.open(Sum::new(&j)).await?).await;
                own.cancel("the request is over");
                pending().await
            })
            .await;
            assert!(cut.expect_err("cancelled").is_cancelled());
            Ok(service.recv().await?)
        });
        let service: ServiceHandle<Sum> = request.await?;
        turns(5).await;
        assert!(!service.is_closed());
        assert_eq!(service.ask(|reply| Ask::Add(2, reply)).await?, 2);
        Ok(())
    })
    .await
    .expect("nothing fails");
    journal.assert_is(&["ended", "end is over", "dropped"]);
}

/// Fails if: one who gives up takes the service with him, or what others asked; or is not seen to have given up.
pub(crate) async fn s07_it_outlives_the_requests_made_of_it<R: Rt>() {
    for how in ["cancelled", "timed out", "foreign", "dropped"] {
        let journal = Journal::new();
        nursery(async |n| {
            let service = n.open(Sum::new(&journal)).await?;
            assert_eq!(service.ask(|reply| Ask::Add(1, reply)).await?, 1);
            let taken = Gate::new();
            let (asks, t) = (service.clone(), taken.clone());
            let asking = async move { asks.ask(|reply| Ask::UntilGivenUp(t, reply)).await.map(drop) };
            // Behind it, and served when it has given up.
            let mut behind = Box::pin(service.ask(|reply| Ask::Add(2, reply)));
            match how {
                "cancelled" => {
                    let cut = nursery(async |callers| -> Result<(), Failure> {
                        R::spawn(callers, async move { Ok(asking.await?) });
                        taken.passed().await;
                        assert!(poll_now(behind.as_mut()).await.is_pending());
                        callers.cancel("given up");
                        pending().await
                    });
                    assert!(cut.await.expect_err("cancelled").is_cancelled());
                }
                "timed out" => {
                    assert!(fail_after(SHORT, asking).await.expect_err("no answer").is_timed_out());
                }
                "foreign" => {
                    let foreign = R::foreign(async move { drop(asking.await) });
                    taken.passed().await;
                    assert!(poll_now(behind.as_mut()).await.is_pending());
                    foreign.abort();
                }
                _ => or(async { drop(asking.await) }, taken.passed()).await,
            }
            assert_eq!(behind.await?, 3);
            assert_eq!(journal.count("given up"), 1);
            Ok(())
        })
        .await
        .unwrap_or_else(|error| panic!("{how}: {error:?}"));
        journal.assert_is(&["given up", "ended", "end is over", "dropped"]);
    }
}

/// Fails if: a service outlives the scope it was opened in, however that ends, and whoever holds a handle.
pub(crate) async fn s07_it_dies_with_its_scope<R: Rt>() {
    for how in ["orderly", "cancelled", "timed out", "failed", "future dropped"] {
        let journal = Journal::new();
        let (sent, service) = async_channel::bounded(1);
        let open = Gate::new();
        nursery(async |_| {
            let inner = nursery(async |n| -> Result<(), Failure> {
                let _ = sent.send(n.open(Sum::new(&journal)).await?).await;
                open.open();
                match how {
                    "orderly" => return Ok(()),
                    "cancelled" => n.cancel("enough"),
                    "timed out" => n.set_deadline(Some(rt::current()?.now() + SHORT)),
                    "failed" => return Err(Failure::msg("it failed")),
                    _ => {}
                }
                pending().await
            });
            if how == "future dropped" {
                or(async { drop(inner.await) }, open.passed()).await;
                return Ok(());
            }
            assert_eq!(inner.await.is_ok(), how == "orderly");
            // Not a turn later.
            assert_eq!(journal.lines(), ["ended", "end is over", "dropped"], "{how}");
            Ok(())
        })
        .await
        .expect("the outer scope is well");
        assert_eq!(journal.lines(), ["ended", "end is over", "dropped"], "{how}");
        let service: ServiceHandle<Sum> = service.recv().await.expect("sent");
        let error = service.ask(|reply| Ask::Add(1, reply)).await.expect_err("its scope has ended");
        assert_eq!(error.is_closed(), how == "orderly", "{how}: {error:?}");
        assert_eq!(error.is_cancelled(), how != "orderly", "{how}: {error:?}");
        assert!(service.is_closed());
    }
}

/// Fails if: an end that hangs is waited for for ever, or goes on behind the back of those who were told that it is over.
pub(crate) async fn s07_an_end_that_overruns_its_budget_is_ended<R: Rt>() {
    for asked in [true, false] {
        let journal = Journal::new();
        nursery(async |_| {
            let begun = R::now();
            let mut closed = None;
            let scope = nursery(async |n| {
                let service = n.open(Sum::that_hangs(&journal)).await?;
                if asked {
                    let error = service.close().await.expect_err("there is no report");
                    assert!(error.has_ended() && !error.is_from_within() && !error.is_would_block(), "{error:?}");
                    assert!(error.to_string().contains("sum"), "{error}");
                    journal.assert_is(&["end is over", "dropped"]);
                    // For those who come later too.
                    assert!(service.close().await.expect_err("there is no report").has_ended());
                }
                closed = Some(service);
                Ok(())
            })
            .await;
            journal.assert_is(&["end is over", "dropped"]);
            R::assert_elapsed(begun, SHORT);
            drop(scope);
            let end = closed.expect("the body has run").closed().await;
            assert!(end.was_asked() && end.report().is_none(), "{end:?}");
            Ok(())
        })
        .await
        .expect("the outer scope is well");
    }
}
