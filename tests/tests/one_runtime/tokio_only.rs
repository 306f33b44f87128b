//! What only tokio has: `select!`, `timeout`, `block_in_place`, JoinHandle::abort, LocalSet, and a runtime's own end.

use std::future::Future;
use std::sync::{Arc, Barrier};
use std::time::Duration;

use futures_lite::future::{block_on, pending, yield_now};
use scope_core::rt::Handle;
use scope_core::task;
use scope_core::{Cause, Exit, Failure, Inbox, Name, Service, Spawns, TaskId, nursery};
use scope_tests::{Gate, Journal, Rt, TokioCt, TokioMt, within_bound};
use scope_tokio::{SpawnExt, TokioRuntime};
use tokio::runtime::{Builder, Runtime};

fn id() -> TaskId {
    task::id().expect("inside a task")
}

async fn stays_in(task: TaskId) {
    for _ in 0..3 {
        assert_eq!(id(), task);
        yield_now().await;
    }
    assert_eq!(id(), task);
}

fn both() -> [Runtime; 2] {
    let mut many = Builder::new_multi_thread();
    many.worker_threads(4);
    [Builder::new_current_thread(), many].map(|mut builder| builder.enable_all().build().expect("a tokio runtime"))
}

fn handle(runtime: &Runtime) -> Handle {
    Handle::new(TokioRuntime::new(runtime.handle().clone()))
}

/// Says whether it is dropped in the task it should be.
struct SaysWhetherIn(TaskId, Journal, &'static str);

impl Drop for SaysWhetherIn {
    fn drop(&mut self) {
        let right = task::id() == Some(self.0);
        self.1.add(format!("{}: {}", self.2, if right { "right" } else { "wrong" }));
    }
}

fn assert_right(journal: &Journal, who: &[&str]) {
    let mut lines = journal.lines();
    lines.sort();
    assert_eq!(lines, who.iter().map(|who| format!("{who}: right")).collect::<Vec<_>>());
}

/// A root with a body and a child of each kind, all parked, each with something that says where it is dropped.
async fn parked_root(journal: Journal, runtime: Option<Handle>, parked: Gate) {
    let root = nursery(async |n| -> Result<(), Failure> {
        let (j, in_parallel) = (journal.clone(), Gate::new());
        let here = in_parallel.clone();
        if n.runtime().is_ok() {
            n.spawn_erased(async move {
                let _note = SaysWhetherIn(id(), j, "parallel");
                here.open();
                pending().await
            });
            in_parallel.passed().await;
        }
        n.spawn_local(async {
            let _note = SaysWhetherIn(id(), journal.clone(), "same-task");
            parked.open();
            pending().await
        });
        let _note = SaysWhetherIn(id(), journal.clone(), "body");
        pending().await
    });
    let _ = match runtime {
        Some(runtime) => root.runtime(runtime).await,
        None => root.await,
    };
}

fn t02_in_tokio_select_and_timeout_on<R: Rt>() {
    R::check("t02_in_tokio_select_and_timeout", async || {
        let me = id();
        tokio::time::timeout(Duration::from_secs(3600), stays_in(me)).await.expect("in time");
        tokio::select! {
            () = stays_in(me) => {}
            () = stays_in(me) => {}
            () = tokio::time::sleep(Duration::from_secs(3600)) => {}
        }
        tokio::join!(stays_in(me), stays_in(me));
        nursery(async |n| {
            n.spawn_erased(async {
                let me = id();
                tokio::time::timeout(Duration::from_secs(3600), stays_in(me)).await?;
                tokio::select! {
                    biased;
                    () = stays_in(me) => {}
                    () = tokio::task::yield_now() => assert_eq!(id(), me),
                }
                Ok(())
            });
            Ok(())
        })
        .await
        .expect("nothing fails");
    });
}

/// Fails if: identity follows what tokio makes of the waker or of its own budget.
#[test]
fn t02_in_tokio_select_and_timeout() {
    t02_in_tokio_select_and_timeout_on::<TokioCt>();
    t02_in_tokio_select_and_timeout_on::<TokioMt>();
}

/// Fails if: the frame is lost when tokio moves its worker's core to another thread under a running task.
#[test]
fn t02_in_block_in_place() {
    TokioMt::check("t02_in_block_in_place", async || {
        nursery(async |n| {
            for _ in 0..8 {
                n.spawn_erased(async {
                    let me = id();
                    tokio::task::block_in_place(|| {
                        assert_eq!(id(), me);
                        block_on(stays_in(me));
                        tokio::runtime::Handle::current().block_on(async {
                            tokio::task::yield_now().await;
                            stays_in(me).await;
                        });
                        assert_eq!(id(), me);
                    });
                    stays_in(me).await;
                    Ok(())
                });
            }
            Ok(())
        })
        .await
        .expect("nothing fails");
    });
}

/// Fails if: the frame is set on polls only: tokio drops an aborted task's future without one.
#[test]
fn t02_in_drop_by_a_join_handles_abort() {
    within_bound("t02_in_drop_by_a_join_handles_abort", || {
        for runtime in both() {
            let (journal, parked) = (Journal::new(), Gate::new());
            let core = handle(&runtime);
            runtime.block_on(async {
                let root = tokio::spawn(parked_root(journal.clone(), Some(core.clone()), parked.clone()));
                parked.passed().await;
                root.abort();
                assert!(root.await.expect_err("aborted").is_cancelled());
                // The parallel child is cancelled, and ends on its own.
                core.settled().await;
            });
            assert_right(&journal, &["body", "parallel", "same-task"]);
        }
    });
}

/// Fails if: a nursery that was never polled runs something, or is taken for the task that it never was.
#[test]
fn t02_aborted_before_the_first_poll() {
    within_bound("t02_aborted_before_the_first_poll", || {
        let runtime = Builder::new_current_thread().enable_all().build().expect("a tokio runtime");
        let journal = Journal::new();
        runtime.block_on(async {
            let (j, note) = (journal.clone(), journal.on_drop_with_task("captured"));
            let root = tokio::spawn(async move {
                let _ = nursery(async move |_| {
                    let _note = note;
                    j.add("body");
                    Ok(())
                })
                .await;
            });
            root.abort();
            assert!(root.await.expect_err("aborted").is_cancelled());
        });
        journal.assert_is(&["captured@nowhere"]);
    });
}

/// Fails if: the frame is set on polls only: a LocalSet drops its tasks when it is dropped.
#[test]
fn t02_in_drop_of_a_local_set() {
    within_bound("t02_in_drop_of_a_local_set", || {
        let [runtime, _] = both();
        let (journal, parked) = (Journal::new(), Gate::new());
        let local = tokio::task::LocalSet::new();
        local.spawn_local(parked_root(journal.clone(), None, parked.clone()));
        local.block_on(&runtime, parked.passed());
        drop(local);
        assert_right(&journal, &["body", "same-task"]);
    });
}

/// Fails if: the frame is set on polls only: a runtime that ends drops its tasks.
#[test]
fn t02_in_drop_at_runtime_shutdown() {
    within_bound("t02_in_drop_at_runtime_shutdown", || {
        for runtime in both() {
            let (journal, parked) = (Journal::new(), Gate::new());
            runtime.spawn(parked_root(journal.clone(), Some(handle(&runtime)), parked.clone()));
            runtime.block_on(parked.passed());
            drop(runtime);
            assert_right(&journal, &["body", "parallel", "same-task"]);
        }
    });
}

/// Fails if: a child that tokio drops before its first poll is dropped outside its frame.
#[test]
fn t02_in_drop_at_shutdown_before_the_first_poll() {
    within_bound("t02_in_drop_at_shutdown_before_the_first_poll", || {
        let runtime = Builder::new_current_thread().enable_all().build().expect("a tokio runtime");
        let journal = Journal::new();
        // Polled on this thread: no one runs the children.
        let mut owner = Box::pin(
            nursery(async |n| {
                let note = journal.on_drop_with_task("unpolled");
                n.task("child").spawn_erased(async move {
                    let _note = note;
                    Ok(())
                });
                Ok(())
            })
            .runtime(handle(&runtime)),
        );
        assert!(block_on(scope_tests::poll_now(owner.as_mut())).is_pending());
        drop(runtime);
        let error = block_on(owner).expect_err("the child never ran");
        journal.assert_is(&["unpolled@child"]);
        assert!(matches!(error.cause(), Cause::Aborted), "{error:?}");
    });
}

/// Fails if: an owner on another thread waits for ever for a child that went down with its runtime.
#[test]
fn n01_children_lost_with_their_runtime_leave_a_leaf_each() {
    within_bound("n01_children_lost_with_their_runtime_leave_a_leaf_each", || {
        for runtime in both() {
            let runtime_handle = handle(&runtime);
            let error = block_on(
                nursery(async move |n| -> Result<(), Failure> {
                    let parked = [Gate::new(), Gate::new()];
                    for (name, gate) in ["one", "two"].into_iter().zip(parked.clone()) {
                        n.task(name).spawn_erased(async move {
                            gate.open();
                            pending().await
                        });
                    }
                    for gate in &parked {
                        // A current-thread runtime runs only inside this.
                        runtime.block_on(gate.passed());
                    }
                    runtime.shutdown_background();
                    pending().await
                })
                .runtime(runtime_handle),
            )
            .expect_err("its children are gone");
            assert!(matches!(error.cause(), Cause::Aborted), "{error:?}");
            // The second is dropped by the runtime, or, told in time, by the cancellation.
            assert!((1..=2).contains(&error.leaves().len()), "{error:?}");
            assert!(error.leaves().iter().all(|leaf| matches!(leaf.cause(), Cause::Aborted)), "{error:?}");
        }
    });
}

/// Fails if: tokio's silence about a task that it did not take is passed on.
#[test]
fn n05_on_a_tokio_that_has_shut_down() {
    within_bound("n05_on_a_tokio_that_has_shut_down", || {
        for (runtime, boxed) in both().into_iter().zip([false, true]).chain(both().into_iter().zip([true, false])) {
            let gone = handle(&runtime);
            drop(runtime);
            let journal = Journal::new();
            let child = || {
                let note = journal.on_drop("dropped");
                async move {
                    drop(note);
                    Ok(())
                }
            };
            let error = block_on(
                nursery(async |n| {
                    let spawner = n.spawner();
                    let refused = if boxed { spawner.spawn_erased(child()) } else { spawner.spawn(child()) };
                    let error = refused.expect_err("nobody takes it");
                    assert!(error.is_shut_down(), "{error:?}");
                    journal.assert_is(&["dropped"]);
                    let unlucky = n.task("unlucky");
                    if boxed {
                        unlucky.spawn_erased(child())
                    } else {
                        unlucky.spawn(child())
                    }
                    Ok(())
                })
                .runtime(gone),
            )
            .expect_err("a child was refused");
            journal.assert_is(&["dropped", "dropped"]);
            assert!(matches!(error.cause(), Cause::Refused(why) if why.is_shut_down()), "{error:?}");
        }
    });
}

/// Fails if: parallel children share a thread: each waits, blocking, for the other.
#[test]
fn n10_parallel_children_run_at_the_same_time() {
    TokioMt::check("n10_parallel_children_run_at_the_same_time", async || {
        let both = Arc::new(Barrier::new(2));
        nursery(async |n| {
            for _ in 0..2 {
                let both = Arc::clone(&both);
                n.spawn_erased(async move {
                    both.wait();
                    Ok(())
                });
            }
            Ok(())
        })
        .await
        .expect("nothing fails");
    });
}

/// Fails if: a cancellation that meets a child on its way to its first await point wakes nobody.
#[test]
fn c01_cancel_from_a_second_thread_while_children_park() {
    TokioMt::check("c01_cancel_from_a_second_thread_while_children_park", async || {
        for round in 0..500 {
            let start = Arc::new(Barrier::new(2));
            let error = nursery(async |n| -> Result<(), Failure> {
                for _ in 0..4 {
                    n.spawn_erased(pending());
                }
                n.spawn_local(pending());
                let (canceller, there) = (n.canceller(), Arc::clone(&start));
                let thread = std::thread::spawn(move || {
                    there.wait();
                    canceller.cancel("from a second thread");
                });
                start.wait();
                if round % 2 == 0 {
                    // It has been told, or is being told: both must end it.
                    tokio::task::yield_now().await;
                }
                drop(thread);
                pending().await
            })
            .await
            .expect_err("cancelled");
            assert!(error.is_cancelled(), "{error:?}");
        }
    });
}

/// Fails if: what the core does for each runtime depends on where its nursery is polled.
#[test]
fn t01_a_root_is_a_root_on_any_thread_of_the_runtime() {
    fn is_send(root: impl Future<Output = ()> + Send) -> impl Future<Output = ()> + Send {
        root
    }
    within_bound("t01_a_root_is_a_root_on_any_thread_of_the_runtime", || {
        for runtime in both() {
            let runtime_handle = handle(&runtime);
            let roots = runtime.block_on(async {
                let (sent, roots) = async_channel::unbounded();
                for _ in 0..16 {
                    let (sent, runtime_handle) = (sent.clone(), runtime_handle.clone());
                    tokio::spawn(is_send(async move {
                        assert_eq!(task::id(), None);
                        let root = nursery(async |_| {
                            let me = id();
                            stays_in(me).await;
                            Ok(me)
                        })
                        .runtime(runtime_handle)
                        .await;
                        assert_eq!(task::id(), None);
                        let _ = sent.try_send(root.expect("nothing fails"));
                    }));
                }
                drop(sent);
                let mut all = Vec::new();
                while let Ok(root) = roots.recv().await {
                    all.push(root);
                }
                all
            });
            let distinct: std::collections::HashSet<_> = roots.iter().collect();
            assert_eq!((roots.len(), distinct.len()), (16, 16));
        }
    });
}

/// Holds something that says where it is dropped.
struct Resource(Journal, Option<SaysWhetherIn>);

impl Service for Resource {
    type Request = ();
    type Info = ();
    type Report = ();

    fn name(&self) -> Name {
        Name::new("resource")
    }

    async fn open(&mut self) -> Result<(), Failure> {
        self.1 = Some(SaysWhetherIn(id(), self.0.clone(), "resource"));
        Ok(())
    }

    async fn serve(&mut self, inbox: &mut Inbox<()>) -> Result<(), Failure> {
        while inbox.next().await.is_some() {}
        Ok(())
    }

    async fn end(&mut self, _: Exit) {
        self.0.add("ended");
    }
}

/// Fails if: those who wait for a service that went down with its runtime wait for ever, or its resource is dropped
/// outside its task.
#[test]
fn s02_closing_a_service_that_went_down_with_its_runtime() {
    within_bound("s02_closing_a_service_that_went_down_with_its_runtime", || {
        for runtime in both() {
            let (journal, (sent, got)) = (Journal::new(), async_channel::bounded(1));
            let (core, j) = (handle(&runtime), journal.clone());
            runtime.spawn(async move {
                let _ = nursery(async |n| -> Result<(), Failure> {
                    let _ = sent.send(n.open(Resource(j, None)).await?).await;
                    pending().await
                })
                .runtime(core)
                .await;
            });
            let service = runtime.block_on(got.recv()).expect("it opens");
            let waiting = service.clone();
            let waiter = std::thread::spawn(move || waiting.close_blocking().map(drop));
            if runtime.handle().runtime_flavor() == tokio::runtime::RuntimeFlavor::CurrentThread {
                // Nobody runs it: it is dropped where it stands.
                drop(runtime);
                let error = waiter.join().expect("no panic").expect_err("nobody ended it");
                assert!(error.has_ended(), "{error:?}");
                assert!(block_on(service.close()).is_err(), "and so for those who come later");
                assert_right(&journal, &["resource"]);
            } else {
                // Its workers may end it before they go.
                drop(runtime);
                let closed = waiter.join().expect("no panic");
                assert_eq!(closed.is_ok(), journal.has("ended"), "{closed:?}");
                assert!(journal.has("resource: right"), "{journal:?}");
            }
        }
    });
}
