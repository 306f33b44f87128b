//! n05: spawning into a cancelled, a closed, or a runtime-less nursery.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_lite::future::{pending, yield_now};
use scope_core::{Cause, Failure, Spawns, nursery};
use scope_tests::{Doomed, Journal, Note, Rt, poll_now, way_to};

/// Says when it is polled and when it is dropped.
struct Tells {
    journal: Journal,
    _note: Note,
}

impl Tells {
    fn new(journal: &Journal) -> Self {
        Tells { journal: journal.clone(), _note: journal.on_drop("dropped") }
    }
}

impl Future for Tells {
    type Output = Result<(), Failure>;

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Self::Output> {
        self.journal.add("polled");
        Poll::Ready(Ok(()))
    }
}

/// Fails if: a child of a cancelled nursery is dropped unstarted, or goes past its first await point.
pub(crate) async fn n05_into_a_cancelled_one_starts_and_ends_at_the_first_await_point<R: Rt>() {
    for kind in 0..4 {
        let journal = Journal::new();
        let j = journal.clone();
        let child = async move {
            let _note = j.on_drop("destructor");
            j.add("started");
            // Ready at once: no await point.
            std::future::ready(()).await;
            j.add("still there");
            yield_now().await;
            j.add("past its first await point");
            Ok(())
        };
        nursery(async |n| {
            n.cancel("before there is a child");
            match kind {
                0 => R::spawn(n, child),
                1 => n.spawn_erased(child),
                2 => n.spawn_local(child),
                _ => n.spawner().spawn_erased(child)?,
            }
            Ok(())
        })
        .await
        .expect("the body had its value");
        journal.assert_is(&["started", "still there", "destructor"]);
    }
}

/// Fails if: the cancellation is delivered before the first poll, where a value would have won.
pub(crate) async fn n05_into_a_cancelled_one_a_child_that_never_waits_completes<R: Rt>() {
    let (parallel, same_task) = nursery(async |n| {
        n.cancel("before there is a child");
        let parallel = n.spawn_erased_with_handle(async { Ok(1) });
        let same_task = n.spawn_local_with_handle(async { Ok(2) });
        Ok((parallel, same_task))
    })
    .await
    .expect("the body had its value");
    assert_eq!(parallel.await.expect("it never waited"), 1);
    assert_eq!(same_task.await.expect("it never waited"), 2);
}

/// Fails if: a closed nursery takes a child, keeps it, or polls it.
pub(crate) async fn n05_into_a_closed_one_is_an_error_and_drops_it_unpolled<R: Rt>() {
    let spawner = nursery(async |n| Ok(n.spawner())).named("gone").await.expect("nothing fails");
    let journal = Journal::new();
    let error = spawner.spawn_erased(Tells::new(&journal)).expect_err("it has closed");
    assert!(error.is_closed(), "{error:?}");
    assert!(error.to_string().contains("gone"), "{error}");
    journal.assert_is(&["dropped"]);

    let error = spawner.spawn_erased_with_handle(async { Ok(()) }).expect_err("it has closed");
    assert!(error.is_closed(), "{error:?}");
}

/// Fails if: a scope that was dropped, and has ended under its heir, still takes a child.
pub(crate) async fn n05_into_a_dropped_one_is_an_error_and_drops_it_unpolled<R: Rt>() {
    let spawner = nursery(async |_| {
        let (sent, got) = async_channel::bounded(1);
        let mut unfinished = Box::pin(nursery(async |n| {
            let _ = sent.send(n.spawner()).await;
            pending::<()>().await;
            Ok(())
        }));
        assert!(poll_now(unfinished.as_mut()).await.is_pending());
        drop(unfinished);
        Ok(got.recv().await?)
    })
    .await
    .expect("nothing fails");
    // The outer one has returned, so whatever it adopted is over.
    let journal = Journal::new();
    let error = spawner.spawn_erased(Tells::new(&journal)).expect_err("it is gone");
    assert!(error.is_closed(), "{error:?}");
    journal.assert_is(&["dropped"]);
}

/// Fails if: a runtime's refusal is lost, or leaves the nursery waiting for a child that never was.
pub(crate) async fn n05_on_a_runtime_that_has_shut_down_is_an_error_and_drops_it_unpolled<R: Rt>() {
    let doomed = Doomed::new(scope_core::rt::current().expect("on a runtime"));
    doomed.end();
    let journal = Journal::new();
    nursery(async |n| {
        let error = n.spawner().spawn_erased(Tells::new(&journal)).expect_err("no runtime takes it");
        assert!(error.is_shut_down() && !error.is_closed(), "{error:?}");
        Ok(())
    })
    .runtime(doomed.handle())
    .await
    .expect("who has the error decides");
    journal.assert_is(&["dropped"]);

    // Through the nursery itself, whose spawn returns nothing, the refusal is the nursery's failure.
    let journal = Journal::new();
    let error = nursery(async |n| {
        n.task("unlucky").spawn_erased(Tells::new(&journal));
        Ok(())
    })
    .named("scope")
    .runtime(doomed.handle())
    .await
    .expect_err("the child never ran");
    journal.assert_is(&["dropped"]);
    assert!(matches!(error.cause(), Cause::Refused(why) if why.is_shut_down()), "{error:?}");
    assert_eq!(error.leaves().len(), 1, "{error:?}");
    assert_eq!(way_to(&error.leaves()[0]), ["scope", "unlucky"]);
}
