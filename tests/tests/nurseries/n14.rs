//! n14: blocking work is joined, can ask whether its scope is cancelled, and can call back into it.

use std::any::Any;
use std::io;
use std::panic::AssertUnwindSafe;
use std::pin::{Pin, pin};
use std::time::Instant;

use futures_lite::future::{pending, yield_now};
use futures_util::FutureExt;
use scope_core::{Blocking, Cause, Failure, Lost, Spawns, blocking, nursery, rt, task};
use scope_tests::{Boom, Gate, Journal, Rt, panic_text, poll_now, turns};

/// Fails if: the value, or what was captured, does not come back.
pub(crate) async fn n14_the_works_value_comes_back<R: Rt>() {
    let journal = Journal::new();
    let note = journal.on_drop("captured");
    let value = nursery(async move |_| {
        Ok(blocking(move |_| {
            let _note = note;
            6 * 7
        })
        .await?)
    })
    .await
    .expect("nothing fails");
    assert_eq!(value, 42);
    journal.assert_is(&["captured"]);
}

/// Fails if: a panic in the work is lost, or kills the runtime's thread and leaves its waiter waiting.
pub(crate) async fn n14_a_panic_in_the_work_comes_out_where_it_is_awaited<R: Rt>() {
    let panic = AssertUnwindSafe(nursery(async |_| -> Result<(), Failure> {
        blocking(|_| -> u32 { panic!("in the work") }).await?;
        Ok(())
    }))
    .catch_unwind()
    .await
    .expect_err("it panics");
    assert_eq!(panic_text(&*panic), "in the work");
}

/// Fails if: a panic is lost that was there already when the waiter was dropped; or it cancels somebody.
pub(crate) async fn n14_a_panic_of_work_whose_waiter_is_dropped_behind_it_is_the_scopes<R: Rt>() {
    let mut went_on = false;
    let error = nursery(async |n| {
        let go = Gate::new();
        if R::VIRTUAL {
            // It runs in turn, not while its waiter is polled.
            go.open();
        }
        let g = go.clone();
        let mut work = Box::pin(blocking(move |_| -> u32 {
            g.passed_blocking();
            panic!("in the work")
        }));
        assert!(poll_now(work.as_mut()).await.is_pending());
        go.open();
        while n.canceller().why_open().running() > 0 {
            turns(1).await;
        }
        drop(work);
        turns(10).await;
        went_on = !n.is_cancelled();
        Ok(())
    })
    .await
    .expect_err("nobody else has the panic");
    assert!(went_on);
    assert!(matches!(error.cause(), Cause::Panicked(panic) if panic.message() == "in the work"), "{error:?}");
}

/// Refuses blocking work, and spawns nothing.
struct NoThreads(rt::Handle);

impl rt::Runtime for NoThreads {
    fn name(&self) -> &'static str {
        "no threads"
    }

    fn spawn(&self, task: rt::Task) -> Result<(), rt::Refused> {
        self.0.spawn(task)
    }

    fn spawn_blocking(&self, work: Box<dyn FnOnce() + Send + 'static>) -> Result<(), rt::Refused> {
        drop(work);
        Err(rt::Refused::new())
    }

    fn now(&self) -> Instant {
        self.0.now()
    }

    fn timer(&self, at: Instant) -> Pin<Box<dyn rt::Timer>> {
        self.0.timer(at)
    }

    fn watch(&self, fd: std::os::fd::OwnedFd) -> io::Result<Box<dyn rt::Io>> {
        self.0.watch(fd)
    }

    fn can_block(&self) -> bool {
        self.0.can_block()
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// Fails if: the scope waits for ever for work that was never begun, because what it had captured panics when it is dropped.
pub(crate) async fn n14_refused_work_whose_destructor_panics_is_counted_out<R: Rt>() {
    struct Panics;
    impl Drop for Panics {
        fn drop(&mut self) {
            panic!("what it had captured");
        }
    }
    let runtime = rt::Handle::new(NoThreads(rt::current().expect("in a case")));
    let mut refused = false;
    let error = nursery(async |_| {
        let captured = Panics;
        refused = blocking(move |_| drop(captured)).await.is_err_and(|error| error.is_shut_down());
        Ok(())
    })
    .runtime(runtime)
    .await
    .expect_err("a destructor panicked");
    assert!(refused);
    assert!(matches!(error.cause(), Cause::Panicked(_)), "{error:?}");
}

/// Fails if: the work cannot see that its scope was cancelled while it runs; or the cancellation cuts its waiter before it
/// has ended (c19), or is not delivered after that.
pub(crate) async fn n14_it_can_ask_whether_its_scope_is_cancelled<R: Rt>() {
    let journal = Journal::new();
    let error = nursery(async |n| -> Result<(), Failure> {
        let (canceller, j) = (n.canceller(), journal.clone());
        blocking(move |b: &Blocking| {
            assert!(!b.is_cancelled());
            // From the work itself, so that it is in the middle of it on every runtime.
            canceller.cancel("while it works");
            assert!(b.is_cancelled());
            j.add("worked on to its end");
        })
        .await?;
        // No await point yet: it has what the work made, though cancelled.
        journal.add("has its value");
        yield_now().await;
        journal.add("past an await point");
        Ok(())
    })
    .await
    .expect_err("cancelled");
    assert!(error.is_cancelled(), "{error:?}");
    journal.assert_is(&["worked on to its end", "has its value"]);
}

/// Fails if: a scope further out is not asked too, or a sibling scope is.
pub(crate) async fn n14_it_is_cancelled_with_a_scope_further_out<R: Rt>() {
    let journal = Journal::new();
    let error = nursery(async |outer| -> Result<(), Failure> {
        let canceller = outer.canceller();
        let beside = nursery(async |n| Ok(n.canceller())).await?;
        let j_after = &journal;
        nursery(async |_| {
            let j = journal.clone();
            blocking(move |b: &Blocking| {
                beside.cancel("another scope");
                assert!(!b.is_cancelled());
                canceller.cancel("the outer one");
                assert!(b.is_cancelled());
                j.add("seen");
            })
            .await?;
            yield_now().await;
            j_after.add("past an await point");
            Ok(())
        })
        .await?;
        Ok(())
    })
    .await
    .expect_err("cancelled");
    assert!(error.is_cancelled(), "{error:?}");
    journal.assert_is(&["seen"]);
}

/// Fails if: what the work calls back runs outside its scope, or its value is lost, or a runtime's only thread is blocked
/// for ever by it.
pub(crate) async fn n14_it_can_call_back_into_its_scope<R: Rt>() {
    let journal = Journal::new();
    let called = nursery(async |n| {
        let (j, around) = (journal.clone(), n.scope());
        Ok(blocking(move |b: &Blocking| {
            let spawner = b.spawner();
            assert_eq!(spawner.scope(), &around);
            b.run(async move {
                // Code of the scope: it is a task, may wait for others, and spawn.
                assert!(task::id().is_some());
                turns(2).await;
                spawner.spawn_erased(async move {
                    turns(3).await;
                    j.add("child of the scope");
                    Ok(())
                })?;
                Ok(7)
            })
        })
        .await?)
    })
    .await
    .expect("nothing fails");
    match called {
        Ok(value) => {
            assert_eq!(value, 7);
            journal.assert_is(&["child of the scope"]);
        }
        // Blocking work is a task like others there: with threads of its own it can, which is tried elsewhere.
        Err(error) => assert!(R::VIRTUAL && error.is_only_thread(), "{error:?}"),
    }
}

/// Fails if: a failure in what the work calls back is lost, or only the work's: it is a child of the scope.
pub(crate) async fn n14_a_call_back_that_fails_is_the_scopes<R: Rt>() {
    let journal = Journal::new();
    let ended = nursery(async |_| {
        let j = journal.clone();
        blocking(move |b: &Blocking| {
            let error = b.run(async { Err::<u32, _>(Boom("called back").into()) }).expect_err("it failed");
            assert_eq!(error.lost(), if R::VIRTUAL { None } else { Some(Lost::Failed) }, "{error:?}");
            j.add("thread went on");
        })
        .await?;
        Ok(())
    })
    .await;
    journal.assert_is(&["thread went on"]);
    if R::VIRTUAL {
        ended.expect("it was never called");
    } else {
        assert_eq!(ended.expect_err("a child failed").find::<Boom>(), Some(&Boom("called back")));
    }
}

/// Fails if: what the work calls back waits for ever in a cancelled scope, its thread with it.
pub(crate) async fn n14_a_call_back_into_a_cancelled_scope_ends<R: Rt>() {
    let journal = Journal::new();
    let error = nursery(async |n| -> Result<(), Failure> {
        let (canceller, j) = (n.canceller(), journal.clone());
        blocking(move |b: &Blocking| {
            canceller.cancel("while it works");
            let note = j.on_drop("dropped");
            let error = b
                .run(async move {
                    let _note = note;
                    pending::<Result<(), Failure>>().await
                })
                .expect_err("it was cut at its await point");
            assert_eq!(error.lost(), if R::VIRTUAL { None } else { Some(Lost::Cancelled) }, "{error:?}");
            j.add("thread went on");
        })
        .await?;
        yield_now().await;
        Ok(())
    })
    .await
    .expect_err("cancelled");
    assert!(error.is_cancelled(), "{error:?}");
    journal.assert_is(&["dropped", "thread went on"]);
}

/// Fails if: the scope returns while work that nobody waits for any more still runs.
pub(crate) async fn n14_work_whose_waiter_is_dropped_is_joined_by_the_scope<R: Rt>() {
    for polled in [false, true] {
        let journal = Journal::new();
        nursery(async |_| {
            let j = journal.clone();
            let mut work = Box::pin(blocking(move |_| {
                for _ in 0..100 {
                    std::thread::yield_now();
                }
                j.add("worked");
            }));
            let ended = polled && poll_now(work.as_mut()).await.is_ready();
            drop(work);
            assert!(!ended || journal.has("worked"));
            Ok(())
        })
        .await
        .expect("nothing fails");
        // Never polled, it never began.
        assert_eq!(journal.count("worked"), usize::from(polled));
    }
}

/// Fails if: work that says that it may be left keeps its waiter; or the scope does not join it all the same.
pub(crate) async fn n14_cancellable_work_lets_its_waiter_go_and_is_joined<R: Rt>() {
    let journal = Journal::new();
    let error = nursery(async |n| -> Result<(), Failure> {
        let (canceller, j) = (n.canceller(), journal.clone());
        let note = journal.on_drop("waiter gone");
        n.spawn_local(async move {
            let _note = note;
            blocking(move |_| {
                canceller.cancel("while it works");
                j.add("worked");
            })
            .cancellable()
            .await?;
            Ok(())
        });
        pending().await
    })
    .await
    .expect_err("cancelled");
    assert!(error.is_cancelled(), "{error:?}");
    let mut lines = journal.lines();
    lines.sort();
    assert_eq!(lines, ["waiter gone", "worked"]);
}

/// Fails if: work that no runtime takes leaves its waiter waiting, or the scope open.
pub(crate) async fn n14_without_a_runtime_it_is_an_error<R: Rt>() {
    // A root that knows no runtime: polled by hand, on a thread of its own.
    let failed = std::thread::spawn(|| {
        let mut root = pin!(nursery(async |_| Ok(blocking(|_| 7).await.is_err())));
        let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
        (0..10).find_map(|_| match root.as_mut().poll(&mut cx) {
            std::task::Poll::Ready(out) => Some(out.expect("the body returned")),
            std::task::Poll::Pending => None,
        })
    })
    .join()
    .expect("it does not panic");
    assert_eq!(failed, Some(true));
}

/// Fails if: a child that is a same-task one, or the body itself, starves while the work goes on.
pub(crate) async fn n14_others_go_on_meanwhile<R: Rt>() {
    let journal = Journal::new();
    nursery(async |n| {
        let (gate, j) = (Gate::new(), journal.clone());
        let (opens, here) = (gate.clone(), &journal);
        n.spawn_local(async move {
            turns(3).await;
            here.add("sibling");
            opens.open();
            Ok(())
        });
        let mut work = pin!(blocking(move |_| j.add("work")));
        // The work runs elsewhere, whenever the runtime likes; the sibling needs nobody's leave.
        let mut done = poll_now(work.as_mut()).await.is_ready();
        gate.passed().await;
        if !done {
            work.as_mut().await?;
            done = true;
        }
        assert!(done);
        Ok(())
    })
    .await
    .expect("nothing fails");
    assert!(journal.has("work") && journal.has("sibling"));
}
