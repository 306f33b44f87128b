//! t02: the current task is right in every combinator, and in every destructor.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use async_executor::LocalExecutor;
use futures_lite::future::{block_on, pending, yield_now};
use futures_util::future::join_all;
use futures_util::stream::{self, FuturesUnordered, StreamExt};
use futures_util::{FutureExt, join, select};
use scope_core::task;
use scope_core::{Spawns, TaskId, fail_after, nursery};
use scope_tests::{Boom, Gate, Journal, Rt, panic_text};

fn id() -> TaskId {
    task::id().expect("inside a task")
}

/// Asks before and after an await point: the second poll comes through whatever waker the combinator made.
async fn stays_in(task: TaskId) {
    assert_eq!(id(), task);
    yield_now().await;
    assert_eq!(id(), task);
    yield_now().await;
    assert_eq!(id(), task);
}

/// Runs `check` in the root, in a parallel child and in a same-task child.
async fn in_each_kind_of_task<R: Rt, C, F>(check: C)
where
    C: Fn(TaskId) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = ()> + Send + 'static,
{
    check(id()).await;
    nursery(async |n| {
        let c = check.clone();
        R::spawn(n, async move {
            c(id()).await;
            Ok(())
        });
        n.spawn_local(async {
            check(id()).await;
            Ok(())
        });
        Ok(())
    })
    .await
    .expect("nothing fails");
}

/// Fails if: identity follows the waker, or a sibling's frame stays behind.
pub(crate) async fn t02_in_join_and_select<R: Rt>() {
    in_each_kind_of_task::<R, _, _>(|me| async move {
        join!(stays_in(me), stays_in(me), stays_in(me));
        let mut left = Box::pin(stays_in(me).fuse());
        let mut right = Box::pin(stays_in(me).fuse());
        select! { () = left => {}, () = right => {} }
        futures_lite::future::or(stays_in(me), stays_in(me)).await;
        futures_lite::future::zip(stays_in(me), stays_in(me)).await;
    })
    .await;
}

/// Fails if: a time-out is a task, or polls its future outside the frame.
pub(crate) async fn t02_in_a_timeout<R: Rt>() {
    in_each_kind_of_task::<R, _, _>(|me| async move {
        fail_after(Duration::from_secs(3600), stays_in(me)).await.expect("in time");
        let runtime = scope_core::rt::current().expect("on a runtime");
        let late = async {
            runtime.sleep(Duration::from_secs(3600)).await;
        };
        futures_lite::future::or(stays_in(me), late).await;
    })
    .await;
}

/// Fails if: identity follows the waker: each of these makes its own.
pub(crate) async fn t02_in_futures_unordered_and_buffers<R: Rt>() {
    in_each_kind_of_task::<R, _, _>(|me| async move {
        let mut all: FuturesUnordered<_> = (0..10).map(|_| stays_in(me)).collect();
        while all.next().await.is_some() {
            assert_eq!(id(), me);
        }
        let done = stream::iter(0..10).map(|_| stays_in(me)).buffer_unordered(4).count().await;
        assert_eq!(done, 10);
    })
    .await;
}

/// Fails if: identity follows the waker: from 31 on `join_all` makes its own.
pub(crate) async fn t02_in_join_all_of_30_and_31<R: Rt>() {
    in_each_kind_of_task::<R, _, _>(|me| async move {
        assert_eq!(join_all((0..30).map(|_| stays_in(me))).await.len(), 30);
        assert_eq!(join_all((0..31).map(|_| stays_in(me))).await.len(), 31);
    })
    .await;
}

/// Fails if: a nested executor's child of ours is taken for its host, or its frame stays behind.
pub(crate) async fn t02_in_nested_executors<R: Rt>() {
    // Not in a same-task or parallel child: a LocalExecutor is not Send. The root may hold one.
    let me = id();
    let nested = LocalExecutor::new();
    let foreign = nested.spawn(stays_in(me));
    let ours = nested.spawn(async {
        // A foreign task, but polled within ours: so far it is us.
        stays_in(me).await;
        let children = Arc::new(std::sync::Mutex::new(Vec::new()));
        nursery(async |n| {
            for _ in 0..2 {
                n.spawn_local(async {
                    let child = id();
                    assert_ne!(child, me, "a child is a task of its own, whoever drives it");
                    stays_in(child).await;
                    children.lock().expect("no panic").push(child);
                    Ok(())
                });
            }
            stays_in(me).await;
            Ok(())
        })
        .await
        .expect("nothing fails");
        assert_eq!(children.lock().expect("no panic").len(), 2);
    });
    nested.run(async { join!(foreign, ours) }).await;
    assert_eq!(id(), me);
}

/// Fails if: blocking inside a poll loses the frame of the task it is in.
pub(crate) async fn t02_in_a_nested_block_on<R: Rt>() {
    in_each_kind_of_task::<R, _, _>(|me| async move {
        block_on(async move {
            stays_in(me).await;
            nursery(async |n| {
                n.spawn_local(async move {
                    assert_ne!(id(), me);
                    stays_in(id()).await;
                    Ok(())
                });
                stays_in(me).await;
                Ok(())
            })
            .await
            .expect("nothing fails");
            assert_eq!(id(), me);
        });
        stays_in(me).await;
    })
    .await;
}

/// Fails if: the wrapper's frame is set on polls only: a cancelled child's future is dropped, not polled.
pub(crate) async fn t02_in_drop_of_a_cancelled_future<R: Rt>() {
    let journal = Journal::new();
    nursery(async |n| {
        let parked = Arc::new((Gate::new(), Gate::new()));
        let (note, gates) = (journal.on_drop_with_task("future"), Arc::clone(&parked));
        n.task("parallel").spawn_erased(async move {
            let _note = note;
            gates.0.open();
            pending().await
        });
        let note = journal.on_drop_with_task("future");
        let gate = parked.1.clone();
        n.task("same-task").spawn_local(async move {
            let _note = note;
            gate.open();
            pending().await
        });
        parked.0.passed().await;
        parked.1.passed().await;
        n.cancel("enough");
        pending::<()>().await;
        Ok(())
    })
    .await
    .expect_err("cancelled");
    assert!(journal.has("future@parallel"), "{journal:?}");
    assert!(journal.has("future@same-task"), "{journal:?}");
}

/// Fails if: the wrapper's frame is set on polls only: what was captured by a future that ended is dropped after them.
pub(crate) async fn t02_in_drop_of_a_finished_future<R: Rt>() {
    let journal = Journal::new();
    nursery(async |n| {
        // Captured, never used: dropped with the future itself.
        let kept = Kept { _note: journal.on_drop_with_task("future") };
        n.task("parallel").spawn_erased(kept.ready());
        let kept = Kept { _note: journal.on_drop_with_task("future") };
        n.task("same-task").spawn_local(kept.ready());
        Ok(())
    })
    .await
    .expect("nothing fails");
    assert!(journal.has("future@parallel"), "{journal:?}");
    assert!(journal.has("future@same-task"), "{journal:?}");
}

struct Kept {
    _note: scope_tests::Note,
}

impl Kept {
    fn ready(self) -> KeptFuture {
        KeptFuture { _kept: self }
    }
}

/// Keeps what it has until it is dropped, also when it is ready: an `async fn` drops its locals in its last poll.
struct KeptFuture {
    _kept: Kept,
}

impl Future for KeptFuture {
    type Output = Result<(), scope_core::Failure>;

    fn poll(self: std::pin::Pin<&mut Self>, _: &mut std::task::Context<'_>) -> std::task::Poll<Self::Output> {
        std::task::Poll::Ready(Ok(()))
    }
}

/// Fails if: an output that no one took is dropped outside its task's frame, or in that of who dropped the handle.
pub(crate) async fn t02_in_drop_of_an_untaken_output<R: Rt>() {
    let journal = Journal::new();
    nursery(async |n| {
        let ended = Gate::new();
        // The handle is dropped first, the output made later.
        let (note, gate) = (journal.on_drop_with_task("handle first"), ended.clone());
        drop(n.task("child").spawn_erased_with_handle(async move {
            gate.passed().await;
            Ok(note)
        }));
        let note = journal.on_drop_with_task("handle first");
        let gate = ended.clone();
        drop(n.task("child").spawn_local_with_handle(async move {
            gate.passed().await;
            Ok(note)
        }));
        ended.open();
        Ok(())
    })
    .await
    .expect("nothing fails");
    assert_eq!(journal.count("handle first@child"), 2, "{journal:?}");

    // The output is made first; its handle outlives the nursery and is dropped untaken, in another task.
    let journal = Journal::new();
    let handles = nursery(async |n| {
        let note = journal.on_drop_with_task("output first");
        let parallel = n.task("child").spawn_erased_with_handle(async move { Ok(note) });
        let note = journal.on_drop_with_task("output first");
        let same_task = n.task("child").spawn_local_with_handle(async move { Ok(note) });
        Ok((parallel, same_task))
    })
    .await
    .expect("nothing fails");
    assert_eq!(journal.lines().len(), 0, "the outputs are the handles'");
    drop(handles);
    assert_eq!(journal.count("output first@child"), 2, "{journal:?}");
}

/// Fails if: a body's value that its nursery cannot return, because a child failed, is destroyed outside the task.
pub(crate) async fn t02_in_drop_of_a_value_that_is_given_up<R: Rt>() {
    let bare = std::thread::spawn(|| {
        let journal = Journal::new();
        for panics in [false, true] {
            let root = nursery(async |n| {
                n.spawn_local(async move {
                    yield_now().await;
                    assert!(!panics, "in a child");
                    Err(Boom("child").into())
                });
                Ok(SaysWhetherIn(id(), journal.clone(), "value"))
            });
            let ended = block_on(std::panic::AssertUnwindSafe(root).catch_unwind());
            match ended {
                Ok(ended) => assert!(!panics && ended.is_err()),
                Err(panic) => assert_eq!(panic_text(&*panic), "in a child"),
            }
        }
        journal.lines()
    });
    assert_eq!(bare.join().expect("no panic gets out"), ["value: right", "value: right"]);
}

/// Fails if: the body's future is dropped outside the frame of the task that its nursery was polled in.
pub(crate) async fn t02_in_drop_of_an_aborted_root<R: Rt>() {
    let journal = Journal::new();
    let parked = Gate::new();
    let dropped = Gate::new();
    let root = R::foreign({
        let (journal, parked, dropped) = (journal.clone(), parked.clone(), dropped.clone());
        async move {
            let _dropped = OpensOnDrop(dropped);
            let _ = nursery(async |n| {
                let root = id();
                let _note = SaysWhetherIn(root, journal.clone(), "body");
                n.task("same-task").spawn_local(async {
                    let _note = SaysWhetherIn(id(), journal.clone(), "child");
                    parked.open();
                    pending().await
                });
                pending::<()>().await;
                Ok(())
            })
            .await;
        }
    });
    parked.passed().await;
    root.abort();
    dropped.passed().await;
    let mut lines = journal.lines();
    lines.sort();
    assert_eq!(lines, ["body: right", "child: right"]);
}

/// Fails if: a child that was dropped before its first poll is dropped outside its frame.
pub(crate) async fn t02_in_drop_before_the_first_poll<R: Rt>() {
    let journal = Journal::new();
    let doomed = scope_tests::Doomed::new(scope_core::rt::current().expect("on a runtime"));
    let error = nursery(async |n| {
        let note = journal.on_drop_with_task("parallel");
        // A race on several threads: it may have been polled once. On one thread it cannot.
        n.task("child").spawn_erased(async move {
            let _note = note;
            pending().await
        });
        doomed.end();
        Ok(())
    })
    .runtime(doomed.handle())
    .await
    .expect_err("the runtime dropped a child");
    journal.assert_is(&["parallel@child"]);
    assert_eq!(error.leaves().len(), 1, "{error}");

    // Same-task children are dropped with their nursery.
    let journal = Journal::new();
    {
        let mut unfinished = Box::pin(nursery(async |n| {
            let note = journal.on_drop_with_task("same-task");
            n.task("child").spawn_local(async move {
                let _note = note;
                Ok(())
            });
            pending::<()>().await;
            Ok(())
        }));
        let dropped_unpolled = scope_tests::poll_now(unfinished.as_mut()).await;
        assert!(dropped_unpolled.is_pending());
    }
    journal.assert_is(&["same-task@child"]);
}

/// Says whether it is dropped in the task it should be.
struct SaysWhetherIn(TaskId, Journal, &'static str);

impl Drop for SaysWhetherIn {
    fn drop(&mut self) {
        let right = task::id() == Some(self.0);
        self.1.add(format!("{}: {}", self.2, if right { "right" } else { "wrong" }));
    }
}

struct OpensOnDrop(Gate);

impl Drop for OpensOnDrop {
    fn drop(&mut self) {
        self.0.open();
    }
}
