//! s05: a service that fails in the background is supervised: who asks is told why, and nobody else is hurt.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use futures_lite::future::{or, pending, yield_now};
use scope_core::event::{self, EventKind};
use scope_core::{Exit, Failure, Inbox, Name, Reply, Service, ServiceEnd, ServiceError, Spawns, nursery};
use scope_tests::{Boom, Gate, Journal, Rt, turns, while_it_waits};

/// Breaks when it is told to from behind.
struct Flaky {
    name: String,
    breaks: Gate,
    panics: bool,
    holds: Gate,
    journal: Journal,
}

enum Ask {
    Answer(Reply<&'static str>),
    /// Kept unanswered, and everybody else with it.
    Hold(Reply<&'static str>),
    Nothing,
}

impl Flaky {
    fn new(journal: &Journal) -> Self {
        Flaky::named("flaky", journal)
    }

    fn named(name: &str, journal: &Journal) -> Self {
        let (breaks, holds, journal) = (Gate::new(), Gate::new(), journal.clone());
        Flaky { name: name.to_owned(), breaks, panics: false, holds, journal }
    }
}

impl Service for Flaky {
    type Request = Ask;
    type Info = ();
    type Report = &'static str;

    fn name(&self) -> Name {
        Name::from(self.name.clone())
    }

    fn backlog(&self) -> usize {
        1
    }

    async fn open(&mut self) -> Result<(), Failure> {
        Ok(())
    }

    async fn serve(&mut self, inbox: &mut Inbox<Ask>) -> Result<(), Failure> {
        loop {
            let broken = async {
                self.breaks.passed().await;
                None
            };
            let mut _held = None;
            match or(inbox.next(), broken).await {
                Some(Ask::Answer(reply)) => drop(reply.send("answer")),
                Some(Ask::Hold(reply)) => {
                    _held = Some(reply);
                    self.holds.open();
                    or(inbox.closing(), self.breaks.passed()).await;
                }
                Some(Ask::Nothing) => {}
                None if self.breaks.is_open() => break,
                None => return Ok(()),
            }
        }
        assert!(!self.panics, "it went to pieces");
        Err(Boom("it broke").into())
    }

    async fn end(&mut self, exit: Exit) -> &'static str {
        self.journal.add(match exit {
            Exit::Ok => "well",
            Exit::Failed(_) => "failed",
            Exit::Cancelled(_) => "cancelled",
            _ => "panicked",
        });
        "report"
    }
}

#[track_caller]
fn assert_broke(error: &ServiceError) {
    assert!(!error.is_closed() && !error.is_cancelled() && !error.is_unanswered(), "{error:?}");
    let cause = error.failure().and_then(|failure| failure.downcast_ref::<Boom>());
    assert_eq!(cause, Some(&Boom("it broke")), "{error:?}");
}

/// Fails if: one who waits for an answer, in the backlog, for a place in it, or comes later, is not told the cause as it
/// was returned.
pub(crate) async fn s05_the_typed_cause_reaches_its_callers<R: Rt>() {
    let journal = Journal::new();
    nursery(async |n| {
        let flaky = Flaky::new(&journal);
        let (breaks, holds) = (flaky.breaks.clone(), flaky.holds.clone());
        let service = n.open(flaky).await?;
        let asking: Vec<_> = (0..4)
            .map(|_| {
                let service = service.clone();
                n.spawn_erased_with_handle(async move { Ok(service.ask(Ask::Hold).await) })
            })
            .collect();
        holds.passed().await;
        turns(3).await;
        breaks.open();
        for asked in asking {
            assert_broke(&asked.await?.expect_err("nobody answered"));
        }
        assert_broke(&service.ask(Ask::Answer).await.expect_err("it is gone"));
        assert_broke(&service.send(Ask::Nothing).await.expect_err("it is gone"));
        // It has been ended as any other.
        assert_eq!(*service.close().await?, "report");
        Ok(())
    })
    .await
    .expect("who asked knows; the scope lives on");
    journal.assert_is(&["failed"]);
}

/// Fails if: one who watches for the end is told another cause, or nothing before he asks.
pub(crate) async fn s05_the_typed_cause_reaches_closed<R: Rt>() {
    let journal = Journal::new();
    nursery(async |n| {
        let flaky = Flaky::new(&journal);
        let breaks = flaky.breaks.clone();
        let service = n.open(flaky).await?;
        {
            let mut watching = Box::pin(service.closed());
            while_it_waits(watching.as_mut(), "it serves still").await;
            breaks.open();
            let end: ServiceEnd<Flaky> = watching.await;
            assert!(!end.was_asked(), "{end:?}");
            assert_broke(end.error());
            assert_eq!(end.report().map(|report| **report), Some("report"));
        }
        // And for those who come later.
        assert!(service.is_closed());
        assert_broke(service.closed().await.error());
        Ok(())
    })
    .await
    .expect("nobody who merely opened it");
}

/// Fails if: a service that nobody asks breaks in silence, or is told of twice.
pub(crate) async fn s05_the_cause_reaches_the_events<R: Rt>() {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    for panics in [false, true] {
        // Observers are for the whole process, so the name is for this run alone.
        let name = format!("s05-{}", NEXT.fetch_add(1, Ordering::Relaxed));
        let told: Arc<Mutex<Vec<(String, String)>>> = Arc::default();
        let (only, t) = (name.clone(), Arc::clone(&told));
        let guard = event::observe(move |event| {
            if event.scope().name() == Some(&only)
                && let EventKind::Failed(how) = event.kind()
            {
                let task = event.task().and_then(|task| task.name()).unwrap_or("no task");
                t.lock().expect("no panic").push((how.clone(), task.to_owned()));
            }
        });
        let journal = Journal::new();
        nursery(async |n| {
            let flaky = Flaky { panics, ..Flaky::named(&name, &journal) };
            let breaks = flaky.breaks.clone();
            let service = n.open(flaky).await?;
            breaks.open();
            let end = service.closed().await;
            let text = if panics { "it went to pieces" } else { "it broke" };
            let told = told.lock().expect("no panic").clone();
            assert_eq!(told.len(), 1, "{told:?}");
            let (how, task) = &told[0];
            for part in [&name, text] {
                assert!(how.contains(part), "{part}: {how}");
            }
            assert_eq!(*task, name, "its own task: {told:?}");
            assert!(end.error().to_string().contains(text), "{end:?}");
            Ok(())
        })
        .await
        .expect("nobody who merely opened it");
        drop(guard);
    }
}

/// Fails if: a failure goes to the scope, its children, or another service of it.
pub(crate) async fn s05_it_cancels_nobody_who_merely_opened_it<R: Rt>() {
    for panics in [false, true] {
        let journal = Journal::new();
        let value = nursery(async |n| {
            let flaky = Flaky { panics, ..Flaky::new(&journal) };
            let breaks = flaky.breaks.clone();
            let other = n.open(Flaky::named("other", &journal)).await?;
            let goes_on = Gate::new();
            let (here, there, asks) = (goes_on.clone(), goes_on.clone(), other.clone());
            let parallel = n.spawn_erased_with_handle(async move {
                here.passed().await;
                Ok(asks.ask(Ask::Answer).await?)
            });
            let same_task = n.spawn_local_with_handle(async move {
                there.passed().await;
                Ok(7)
            });
            let service = n.open(flaky).await?;
            breaks.open();
            service.closed().await;
            turns(5).await;
            assert!(!n.is_cancelled(), "{:?}", n.reason());
            goes_on.open();
            assert_eq!((parallel.await?, same_task.await?), ("answer", 7));
            assert_eq!(other.ask(Ask::Answer).await?, "answer");
            Ok(8)
        })
        .await
        .expect("a service that breaks is no failure of the scope");
        assert_eq!(value, 8);
        journal.assert_is(&[if panics { "panicked" } else { "failed" }, "well"]);
    }
}

/// Fails if: a caller who is cancelled is told so by the service, as if that had been.
pub(crate) async fn s05_a_cancelled_caller_is_not_told_that_the_service_was<R: Rt>() {
    let journal = Journal::new();
    nursery(async |n| {
        let flaky = Flaky::new(&journal);
        let holds = flaky.holds.clone();
        let service = n.open(flaky).await?;
        let told = Gate::new();
        let error = nursery(async |callers| -> Result<(), Failure> {
            let (handle, t) = (service.clone(), told.clone());
            R::spawn(callers, async move {
                let _ = handle.ask(Ask::Hold).await;
                t.open();
                Ok(())
            });
            holds.passed().await;
            callers.cancel("the caller's own");
            // Ready as it is, it is not served to one who has been cancelled.
            let _ = service.send(Ask::Nothing).await;
            told.open();
            pending().await
        })
        .await
        .expect_err("cancelled");
        assert!(error.is_cancelled(), "{error:?}");
        assert_eq!(error.reason().expect("cancelled").text(), "the caller's own");
        assert!(!told.is_open(), "its caller was told something");
        assert!(!service.is_closed());
        Ok(())
    })
    .await
    .expect("the service is not touched");
    journal.assert_is(&["well"]);
}

/// Fails if: a caller elsewhere cannot tell that it was the service's scope that was cancelled, or is taken down with it.
pub(crate) async fn s05_a_caller_of_a_cancelled_service_is_told_and_lives_on<R: Rt>() {
    let journal = Journal::new();
    nursery(async |outer| {
        let (sent, handles) = async_channel::bounded(1);
        let (asked, here) = (Gate::new(), Gate::new());
        let opens = here.clone();
        let caller = outer.spawn_erased_with_handle(async move {
            let service: scope_core::ServiceHandle<Flaky> = handles.recv().await.expect("sent");
            opens.open();
            let error = service.ask(Ask::Hold).await.expect_err("its scope is cancelled");
            // It goes on after that.
            yield_now().await;
            scope_core::checkpoint().await;
            Ok(error)
        });
        let flaky = Flaky::new(&journal);
        let (holds, a) = (flaky.holds.clone(), asked.clone());
        let inner = nursery(async |n| -> Result<(), Failure> {
            let _ = sent.send(n.open(flaky).await?).await;
            holds.passed().await;
            a.open();
            n.cancel("the service's own");
            pending().await
        })
        .await;
        assert!(inner.expect_err("cancelled").is_cancelled() && asked.is_open());
        here.passed().await;
        let error = caller.await?;
        assert!(error.is_cancelled() && !error.is_closed() && error.failure().is_none(), "{error:?}");
        assert!(error.to_string().contains("the service's own"), "{error}");
        Ok(())
    })
    .await
    .expect("the caller was not cancelled");
    journal.assert_is(&["cancelled"]);
}
