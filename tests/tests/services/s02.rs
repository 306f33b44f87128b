//! s02: `close` from any handle, any task, or a blocking thread; idempotent; a typed error where it would deadlock.

use std::sync::Arc;

use futures_lite::future::{pending, yield_now};
use scope_core::{CloseError, Exit, Failure, Inbox, Name, Service, ServiceHandle, Spawns, nursery, rt};
use scope_tests::{Gate, Journal, Rt, Stopped, turns, while_it_waits};

/// Ends slowly, and waits for a gate while it does.
struct Slow {
    journal: Journal,
    may_end: Gate,
}

impl Slow {
    fn new(journal: &Journal) -> (Self, Gate) {
        let may_end = Gate::new();
        (Slow { journal: journal.clone(), may_end: may_end.clone() }, may_end)
    }

    fn free(journal: &Journal) -> Self {
        let (slow, may_end) = Slow::new(journal);
        may_end.open();
        slow
    }
}

impl Service for Slow {
    type Request = ();
    type Info = ();
    type Report = &'static str;

    fn name(&self) -> Name {
        Name::new("slow")
    }

    async fn open(&mut self) -> Result<(), Failure> {
        Ok(())
    }

    async fn serve(&mut self, inbox: &mut Inbox<()>) -> Result<(), Failure> {
        while inbox.next().await.is_some() {}
        Ok(())
    }

    async fn end(&mut self, _: Exit) -> &'static str {
        self.journal.add("ending");
        self.may_end.passed().await;
        turns(2).await;
        self.journal.add("ended");
        "report"
    }
}

/// Fails if: `close` only asks.
pub(crate) async fn s02_close_waits_until_the_service_has_ended<R: Rt>() {
    let journal = Journal::new();
    nursery(async |n| {
        let (slow, may_end) = Slow::new(&journal);
        let service = n.open(slow).await?;
        let mut closing = Box::pin(service.close());
        while_it_waits(closing.as_mut(), "the service may not end yet").await;
        assert!(!journal.has("ended"));
        may_end.open();
        assert_eq!(*closing.await?, "report");
        assert!(journal.has("ended"));
        Ok(())
    })
    .await
    .expect("nothing fails");
}

/// Fails if: only the task that opened it may close it, or one who asks while another waits is forgotten.
pub(crate) async fn s02_close_from_any_handle_and_any_task<R: Rt>() {
    let closers = ["opener", "parallel", "same-task", "foreign", "other scope"];
    for closer in closers {
        let journal = Journal::new();
        nursery(async |n| {
            let service = n.open(Slow::free(&journal)).await?;
            let handle = service.clone();
            let j = journal.clone();
            let close = async move {
                assert_eq!(*handle.close().await.expect("it can be closed here"), "report");
                assert!(j.has("ended"), "{closer}");
            };
            match closer {
                "opener" => close.await,
                "parallel" => R::spawn(n, async move {
                    close.await;
                    Ok(())
                }),
                "same-task" => n.spawn_local(async move {
                    close.await;
                    Ok(())
                }),
                "other scope" => {
                    nursery(async |other| {
                        R::spawn(other, async move {
                            close.await;
                            Ok(())
                        });
                        Ok(())
                    })
                    .await?
                }
                _ => {
                    let done = Gate::new();
                    let there = done.clone();
                    R::foreign(async move {
                        close.await;
                        there.open();
                    });
                    done.passed().await;
                }
            }
            service.closed().await;
            Ok(())
        })
        .await
        .unwrap_or_else(|error| panic!("{closer}: {error:?}"));
        assert_eq!(journal.count("ended"), 1, "{closer}");
    }
}

/// Fails if: a second `close` is an error, ends it again, hangs, or gets another report.
pub(crate) async fn s02_close_is_idempotent<R: Rt>() {
    let journal = Journal::new();
    let service = nursery(async |n| {
        let service = n.open(Slow::free(&journal)).await?;
        let other = service.clone();
        service.begin_close();
        service.begin_close();
        let (a, b, c) = futures_util::join!(service.close(), service.close(), other.close());
        let first = a?;
        for report in [b?, c?, service.close().await?] {
            assert!(Arc::ptr_eq(&first, &report));
        }
        Ok(service)
    })
    .await
    .expect("nothing fails");
    assert_eq!(*service.close().await.expect("after its scope too"), "report");
    assert_eq!(journal.count("ended"), 1);
}

/// Fails if: one who stops waiting takes the closing back, or keeps others from waiting.
pub(crate) async fn s02_a_close_that_is_dropped_has_asked_all_the_same<R: Rt>() {
    let journal = Journal::new();
    nursery(async |n| {
        let (slow, may_end) = Slow::new(&journal);
        let service = n.open(slow).await?;
        {
            let mut closing = Box::pin(service.close());
            assert!(scope_tests::poll_now(closing.as_mut()).await.is_pending());
        }
        may_end.open();
        service.closed().await;
        assert!(journal.has("ended"));
        Ok(())
    })
    .await
    .expect("nothing fails");
}

/// Tries to close itself, in one of the ways there are.
struct Suicidal {
    handle: async_channel::Receiver<ServiceHandle<Suicidal>>,
    from: &'static str,
    outcome: async_channel::Sender<Result<(), CloseError>>,
}

impl Service for Suicidal {
    type Request = ();
    type Info = ();
    type Report = ();

    fn name(&self) -> Name {
        Name::new("suicidal")
    }

    async fn open(&mut self) -> Result<(), Failure> {
        Ok(())
    }

    async fn serve(&mut self, inbox: &mut Inbox<()>) -> Result<(), Failure> {
        if self.from != "end" {
            self.close_it().await?;
        }
        while inbox.next().await.is_some() {}
        Ok(())
    }

    async fn end(&mut self, _: Exit) {
        if self.from == "end" {
            self.close_it().await.expect("no child fails");
        }
    }
}

impl Suicidal {
    async fn close_it(&mut self) -> Result<(), Failure> {
        let handle = self.handle.recv().await.expect("sent");
        let outcome = self.outcome.clone();
        match self.from {
            "a child" => {
                nursery(async |n| {
                    n.spawn_erased(async move {
                        let _ = outcome.try_send(handle.close().await.map(drop));
                        Ok(())
                    });
                    Ok(())
                })
                .await?;
            }
            "a same-task grandchild" => {
                nursery(async |n| {
                    n.spawn_local(async {
                        nursery(async |n| {
                            n.spawn_local(async {
                                let _ = outcome.try_send(handle.close().await.map(drop));
                                Ok(())
                            });
                            Ok(())
                        })
                        .await?;
                        Ok(())
                    });
                    Ok(())
                })
                .await?;
            }
            "itself, blocking" => {
                let _ = outcome.try_send(handle.close_blocking().map(drop));
            }
            _ => {
                let _ = outcome.try_send(handle.close().await.map(drop));
            }
        }
        Ok(())
    }
}

/// Fails if: it deadlocks; or the question is asked of the task alone, not of its subtree.
pub(crate) async fn s02_close_from_within_is_a_typed_error<R: Rt>() {
    for from in ["itself", "itself, blocking", "a child", "a same-task grandchild", "end"] {
        let (send_handle, handle) = async_channel::bounded(1);
        let (outcome, outcomes) = async_channel::bounded(1);
        nursery(async |n| {
            let service = n.open(Suicidal { handle, from, outcome }).await?;
            let _ = send_handle.send(service.clone()).await;
            if from == "end" {
                service.begin_close();
            }
            let error = outcomes.recv().await.expect("it tries").expect_err("it cannot wait for itself");
            assert!(error.is_from_within(), "{from}: {error:?}");
            assert!(error.to_string().contains("suicidal"), "{from}: it names the service: {error}");
            if from != "end" {
                // Refused without side effect: it still serves.
                service.send(()).await?;
            }
            service.close().await?;
            Ok(())
        })
        .await
        .unwrap_or_else(|error| panic!("{from}: {error:?}"));
    }
}

/// Fails if: blocking inside a poll stops the only thread that could end the service.
pub(crate) async fn s02_blocking_where_the_runtime_runs_is_a_typed_error<R: Rt>() {
    let journal = Journal::new();
    nursery(async |n| {
        let service = n.open(Slow::free(&journal)).await?;
        if !rt::current()?.can_block() {
            let error = service.close_blocking().expect_err("it would stand still for ever");
            assert!(error.is_would_block(), "{error:?}");
            assert!(error.to_string().contains("`close`"), "it says what to do: {error}");
        }
        let (handle, done) = (service.clone(), Gate::new());
        let there = done.clone();
        R::spawn(n, async move {
            if !rt::current()?.can_block() {
                assert!(handle.close_blocking().expect_err("nor in a child").is_would_block());
            }
            there.open();
            Ok(())
        });
        done.passed().await;
        // Without side effect.
        assert!(!journal.has("ending"));
        service.send(()).await?;
        assert_eq!(*service.close().await?, "report");
        Ok(())
    })
    .await
    .expect("nothing fails");
}

/// Fails if: a service that is cancelled leaves those waiting who wanted it closed.
pub(crate) async fn s02_close_of_one_whose_scope_is_cancelled_still_gets_the_report<R: Rt>() {
    let journal = Journal::new();
    let (sent, handles) = async_channel::bounded(1);
    let (mut waiting, reported) = (None, Gate::new());
    nursery(async |outer| {
        let here = reported.clone();
        waiting = Some(outer.spawner().spawn_erased_with_handle(async move {
            let handle: ServiceHandle<Slow> = handles.recv().await.expect("sent");
            let report = handle.close().await.map(|report| *report);
            here.open();
            Ok(report.ok())
        })?);
        let _ = nursery(async |n| -> Result<(), Failure> {
            let _ = sent.send(n.open(Slow::free(&journal)).await?).await;
            yield_now().await;
            n.cancel("enough");
            pending().await
        })
        .await;
        reported.passed().await;
        Ok(())
    })
    .await
    .expect("the outer scope was not cancelled");
    let report = waiting.expect("it was spawned").await.expect("it ended");
    assert_eq!(report, Some("report"));
}

/// Fails if: those who wait for the end, or for a place, are woken under a lock, which their task needs to be dropped.
pub(crate) async fn s02_who_waits_in_an_executor_that_has_stopped<R: Rt>() {
    let journal = Journal::new();
    nursery(async |n| {
        let (slow, may_end) = Slow::new(&journal);
        let handle = n.open(slow).await?;
        let (ends, closes) = (handle.clone(), handle.clone());
        let waits = [
            Stopped::with(async move { drop(ends.closed().await) }),
            Stopped::with(async move { drop(closes.close().await) }),
        ];
        may_end.open();
        handle.close().await?;
        assert!(waits.iter().all(|waits| waits.has_gone()));
        Ok(())
    })
    .await
    .expect("nothing fails");
}
