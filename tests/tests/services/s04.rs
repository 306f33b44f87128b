//! s04: a time-out around opening leaves nothing; a failed opening says why, and wakes nobody afterwards.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use futures_lite::future::{or, pending, yield_now};
use scope_core::{
    Exit, Failure, Inbox, Name, ScopeError, Service, ServiceError, ServiceHandle, Spawns, fail_after, nursery, rt,
};
use scope_test::TestRuntime;
use scope_tests::{Boom, Gate, Journal, Rt, turns};

/// How long the time-outs here wait: nothing they wait for ever happens.
const SHORT: Duration = Duration::from_millis(20);

/// What an opening does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Opens {
    Never,
    Badly,
    WithAPanic,
    TooLate,
}

/// A peer that is never there when it is wanted.
struct Peer {
    opens: Opens,
    journal: Journal,
    gone: Gate,
}

impl Peer {
    fn new(opens: Opens, journal: &Journal) -> Self {
        Peer { opens, journal: journal.clone(), gone: Gate::new() }
    }
}

impl Service for Peer {
    type Request = ();
    type Info = ();
    type Report = ();

    fn name(&self) -> Name {
        Name::new("peer")
    }

    async fn open(&mut self) -> Result<(), Failure> {
        let _note = self.journal.on_drop("open is over");
        yield_now().await;
        match self.opens {
            Opens::Never => pending().await,
            Opens::Badly => Err(Boom("nobody is there").into()),
            Opens::WithAPanic => panic!("the address is a joke"),
            Opens::TooLate => Ok(fail_after(SHORT, pending()).await?),
        }
    }

    async fn serve(&mut self, inbox: &mut Inbox<()>) -> Result<(), Failure> {
        while inbox.next().await.is_some() {}
        Ok(())
    }

    async fn end(&mut self, _: Exit) {
        // Takes its time: whoever does not wait for it is seen.
        turns(3).await;
        scope_core::sleep(SHORT).await.expect("on a runtime");
        self.journal.add("ended");
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.journal.add("dropped");
        self.gone.open();
    }
}

/// It may have been told before it had begun to open; from its end on all is fixed.
#[track_caller]
fn assert_nothing_is_left(journal: &Journal) {
    let lines = journal.lines();
    assert!(lines.ends_with(&["ended", "dropped"].map(String::from)), "{lines:?}");
    assert_eq!((journal.count("ended"), journal.count("dropped")), (1, 1), "{lines:?}");
}

/// Fails if: a time-out gives up waiting, and what it waited for goes on behind its back.
pub(crate) async fn s04_fail_after_around_opening_leaves_nothing_when_it_returns<R: Rt>() {
    let journal = Journal::new();
    nursery(async |n| {
        let begun = R::now();
        let opened = fail_after(SHORT, n.open(Peer::new(Opens::Never, &journal))).await;
        assert!(opened.expect_err("it never opens").is_timed_out());
        assert_nothing_is_left(&journal);
        // The time-out, and the clean-up.
        R::assert_elapsed(begun, SHORT * 2);
        assert!(!n.is_cancelled(), "it was not the scope's deadline");
        Ok(())
    })
    .await
    .expect("the scope lives on");
}

/// Fails if: it holds only for services of the scope that one is in.
pub(crate) async fn s04_fail_after_in_a_child_around_opening_in_the_outer_scope<R: Rt>() {
    let journal = Journal::new();
    nursery(async |outer| {
        let (spawner, j) = (outer.spawner(), journal.clone());
        let child = outer.spawner().spawn_erased_with_handle(async move {
            let opened = fail_after(SHORT, spawner.open(Peer::new(Opens::Never, &j))).await;
            assert!(opened.expect_err("it never opens").is_timed_out());
            assert_nothing_is_left(&j);
            Ok(())
        })?;
        child.await?;
        Ok(())
    })
    .await
    .expect("the scope lives on");
}

/// Fails if: a whole scope with a service that is being opened is left behind by the time-out around it.
pub(crate) async fn s04_fail_after_around_a_scope_that_opens_leaves_nothing<R: Rt>() {
    let journal = Journal::new();
    let cut = fail_after(
        SHORT,
        nursery(async |n| {
            n.open(Peer::new(Opens::Never, &journal)).await?;
            Ok(())
        }),
    )
    .await;
    assert!(cut.expect_err("it never opens").is_timed_out());
    assert_nothing_is_left(&journal);
}

/// A time-out that the framework knows nothing of.
async fn foreign_time_out<T>(body: impl Future<Output = T>) -> Option<T> {
    let runtime = rt::current().expect("on a runtime");
    let late = async {
        runtime.sleep(SHORT).await;
        None
    };
    or(async { Some(body.await) }, late).await
}

/// Fails if: one who is dropped while he waits for the opening leaves a service that nobody will ever close.
pub(crate) async fn s04_a_foreign_time_out_leaves_nothing_when_the_scope_returns<R: Rt>() {
    // While it opens, and before it was asked for the first time.
    for polled in [true, false] {
        let journal = Journal::new();
        nursery(async |n| {
            let opening = n.open(Peer::new(Opens::Never, &journal));
            if polled {
                assert!(foreign_time_out(opening).await.is_none(), "it never opens");
            } else {
                drop(opening);
            }
            assert!(!n.is_cancelled());
            Ok(())
        })
        .await
        .expect("nothing fails");
        assert_nothing_is_left(&journal);
    }
}

/// Fails if: the cause of a failed opening is a text, or is kept from one of those who wait for it.
pub(crate) async fn s04_a_failed_opening_returns_its_typed_cause<R: Rt>() {
    nursery(async |n| {
        let journal = Journal::new();
        let error = n.open(Peer::new(Opens::Badly, &journal)).await.expect_err("nobody is there");
        assert!(error.is_open_failed() && !error.is_closed() && !error.is_cancelled(), "{error:?}");
        let boom = error.failure().and_then(|failure| failure.downcast_ref::<Boom>());
        assert_eq!(boom, Some(&Boom("nobody is there")));
        for part in ["peer", "could not be opened", "nobody is there"] {
            assert!(error.to_string().contains(part), "{part}: {error}");
        }
        assert_nothing_is_left(&journal);

        // Its own time-out, as it is.
        let late = n.open(Peer::new(Opens::TooLate, &journal)).await.expect_err("too late");
        let inner = late.failure().and_then(|failure| failure.downcast_ref::<ScopeError>());
        assert!(late.is_open_failed() && inner.is_some_and(ScopeError::is_timed_out), "{late:?}");

        // A panic is no cause of a type, but it is told.
        let panicked = n.open(Peer::new(Opens::WithAPanic, &journal)).await.expect_err("it panics");
        assert!(panicked.failure().is_none() && !panicked.is_closed(), "{panicked:?}");
        assert!(panicked.to_string().contains("the address is a joke"), "{panicked}");

        // All who wait, and those who come later.
        let service = n.serve(Peer::new(Opens::Badly, &journal));
        let (a, b) = futures_util::join!(service.ready(), service.ready());
        for error in [a.map(drop), b.map(drop), service.ready().await.map(drop), service.send(()).await] {
            let error = error.expect_err("nobody is there");
            assert!(error.failure().is_some_and(|failure| failure.is::<Boom>()), "{error:?}");
        }
        Ok(())
    })
    .await
    .expect("who asked knows; the scope lives on");

    // Where it could not even be started.
    let spawner = nursery(async |n| Ok(n.spawner())).await.expect("nothing fails");
    let journal = Journal::new();
    let error: ServiceError = spawner.open(Peer::new(Opens::Never, &journal)).await.expect_err("the scope has ended");
    assert!(error.spawn_error().is_some_and(scope_core::SpawnError::is_closed), "{error:?}");
    journal.assert_is(&["dropped"]);
}

/// Counts the polls of what it wraps.
struct Counted<F>(F, Arc<AtomicUsize>);

impl<F: Future + Unpin> Future for Counted<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        self.1.fetch_add(1, Ordering::SeqCst);
        Pin::new(&mut self.0).poll(cx)
    }
}

/// How many openings fail in each way before it is to be quiet.
const FAILURES: usize = 5;

/// How many turns somebody else takes meanwhile.
const QUIET: usize = 200;

/// Fails if: a failed opening leaves something that wakes its scope again and again: a loop that burns a processor.
pub(crate) async fn s04_a_failed_opening_causes_no_wake_ups_afterwards<R: Rt>() {
    nursery(async |n| {
        for opens in [Opens::Badly, Opens::WithAPanic, Opens::TooLate, Opens::Never] {
            // In a task of its own: the root of an executor may be polled along with whatever else its thread runs.
            let done = Gate::new();
            let there = done.clone();
            R::spawn(n, async move {
                let polls = Arc::new(AtomicUsize::new(0));
                let scope = fails_then_is_quiet::<R>(opens, Arc::clone(&polls));
                Counted(Box::pin(scope), polls).await?;
                there.open();
                Ok(())
            });
            done.passed().await;
        }
        Ok(())
    })
    .await
    .expect("nothing fails");
}

async fn fails_then_is_quiet<R: Rt>(opens: Opens, polls: Arc<AtomicUsize>) -> Result<(), ScopeError> {
    let journal = Journal::new();
    nursery(async |n| {
        let mut kept: Vec<ServiceHandle<Peer>> = Vec::new();
        for _ in 0..FAILURES {
            let peer = Peer::new(opens, &journal);
            let gone = peer.gone.clone();
            if opens == Opens::Never {
                assert!(foreign_time_out(n.open(peer)).await.is_none());
            } else {
                // A handle that is kept wakes nobody either.
                let service = n.serve(peer);
                service.ready().await.expect_err("it cannot open");
                kept.push(service);
            }
            gone.passed().await;
        }
        // What is still on its way may arrive.
        turns(20).await;

        let quiet = Gate::new();
        let over = quiet.clone();
        let before = polls.load(Ordering::SeqCst);
        let steps = R::VIRTUAL.then(|| TestRuntime::current().steps());
        R::foreign(async move {
            turns(QUIET).await;
            if R::VIRTUAL {
                // Whatever a timer may yet bring.
                TestRuntime::current().sleep(Duration::from_secs(86400)).await;
            }
            over.open();
        });
        quiet.passed().await;
        let polled = polls.load(Ordering::SeqCst) - before;
        // One for the gate; on many threads a service's task may be that slow to go.
        let allowed = if R::THREADS { 1 + FAILURES } else { 1 };
        assert!(polled <= allowed, "{opens:?}: {polled} polls while nothing happened");
        if let Some(steps) = steps {
            // Of all tasks: the foreign one's turns, its sleep, and this one for the gate.
            let taken = TestRuntime::current().steps() - steps;
            assert_eq!(taken, QUIET as u64 + 3, "{opens:?}");
        }
        drop(kept);
        Ok(())
    })
    .await
}
