//! t01: a task is a future this framework wraps; it has an id never reused, a name, and the place that spawned it.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use futures_lite::future::pending;
use scope_core::task;
use scope_core::{Exit, Failure, Inbox, Name, OwnedScope, Service, Spawns, TaskId, TaskRef, nursery};
use scope_tests::{Gate, Journal, Rt};

fn here() -> TaskRef {
    task::current().expect("inside a task")
}

/// Serves nothing; says which task each of its parts ran in.
struct WhereAmI {
    tasks: Arc<Mutex<Vec<TaskRef>>>,
}

impl WhereAmI {
    fn note(&self) {
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner).push(here());
    }
}

impl Service for WhereAmI {
    type Request = ();
    type Info = ();
    type Report = ();

    fn name(&self) -> Name {
        Name::new("where-am-i")
    }

    async fn open(&mut self) -> Result<(), Failure> {
        self.note();
        Ok(())
    }

    async fn serve(&mut self, inbox: &mut Inbox<()>) -> Result<(), Failure> {
        self.note();
        while inbox.next().await.is_some() {}
        Ok(())
    }

    async fn end(&mut self, _exit: Exit) {
        self.note();
    }
}

/// Fails if: a kind of child is not wrapped, or shares its host's frame.
pub(crate) async fn t01_every_kind_of_child_is_a_task_of_its_own<R: Rt>() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let see = |seen: &Arc<Mutex<Vec<TaskRef>>>| seen.lock().unwrap_or_else(PoisonError::into_inner).push(here());
    let served = Arc::new(Mutex::new(Vec::new()));
    see(&seen);
    nursery(async |n| {
        assert_eq!(here(), seen.lock().unwrap_or_else(PoisonError::into_inner)[0], "a body runs in its host's task");
        let s = Arc::clone(&seen);
        R::spawn(n, async move {
            see(&s);
            Ok(())
        });
        let s = Arc::clone(&seen);
        n.spawn_erased(async move {
            see(&s);
            Ok(())
        });
        n.spawn_local(async {
            see(&seen);
            Ok(())
        });
        n.run_local(async { see(&seen) });
        let s = Arc::clone(&seen);
        n.spawner().spawn_erased(async move {
            see(&s);
            Ok(())
        })?;
        let s = Arc::clone(&seen);
        let with_handle = n.spawn_erased_with_handle(async move {
            see(&s);
            Ok(())
        });
        with_handle.await?;
        let service = n.open(WhereAmI { tasks: Arc::clone(&served) }).await?;
        service.close().await?;
        Ok(())
    })
    .await
    .expect("nothing fails");
    let seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
    let ids: HashSet<TaskId> = seen.iter().map(TaskRef::id).collect();
    assert_eq!(seen.len(), 7);
    assert_eq!(ids.len(), 7, "the root and six children are seven tasks: {seen:?}");
    let served = served.lock().unwrap_or_else(PoisonError::into_inner);
    assert_eq!(served.len(), 3);
    assert!(served.iter().all(|t| *t == served[0]), "one home for all of a service's life: {served:?}");
    assert!(!ids.contains(&served[0].id()), "a service is a task of its own");
    assert_eq!(served[0].name(), Some("where-am-i"));
}

/// Fails if: an id comes from an address, a slab's index, or a counter of the runtime or the thread.
pub(crate) async fn t01_ids_are_never_reused_in_the_process<R: Rt>() {
    // All runtimes, seeds and tests of this process share it.
    static SEEN: OnceLock<Mutex<HashSet<u64>>> = OnceLock::new();
    fn fresh() {
        let seen = SEEN.get_or_init(Mutex::default);
        assert!(seen.lock().unwrap_or_else(PoisonError::into_inner).insert(here().id().get()), "{:?} again", here());
    }
    fresh();
    for _ in 0..3 {
        nursery(async |n| {
            for _ in 0..4 {
                R::spawn(n, async {
                    fresh();
                    Ok(())
                });
                n.spawn_local(async {
                    fresh();
                    Ok(())
                });
            }
            Ok(())
        })
        .await
        .expect("nothing fails");
    }
}

/// Fails if: a name is lost on one of the ways to spawn, or leaks into the next child.
pub(crate) async fn t01_a_child_has_the_name_it_was_given<R: Rt>() {
    nursery(async |n| {
        n.task("parallel").spawn_erased(async {
            assert_eq!(here().name(), Some("parallel"));
            Ok(())
        });
        n.task("same-task").spawn_local(async {
            assert_eq!(here().name(), Some("same-task"));
            Ok(())
        });
        n.task(String::from("made at run time")).spawn_erased(async {
            assert_eq!(here().name(), Some("made at run time"));
            assert_eq!(here().to_string(), "made at run time");
            Ok(())
        });
        R::spawn(n, async {
            assert_eq!(here().name(), None, "no one named it");
            assert!(here().to_string().contains(&here().id().to_string()), "so its number stands for it");
            Ok(())
        });
        Ok(())
    })
    .await
    .expect("nothing fails");
}

/// Fails if: `#[track_caller]` is missing somewhere between the caller and the task.
pub(crate) async fn t01_a_task_knows_where_it_was_spawned<R: Rt>() {
    fn from(line: u32) -> Result<(), Failure> {
        let found = here().location();
        assert_eq!((found.file(), found.line()), (file!(), line));
        Ok(())
    }
    nursery(async |n| {
        let line = line!() + 1;
        n.spawn_erased(async move { from(line) });
        let line = line!() + 1;
        n.spawn_local(async move { from(line) });
        let line = line!() + 1;
        n.task("named").spawn_erased(async move { from(line) });
        let spawner = n.spawner();
        let line = line!() + 1;
        spawner.spawn_erased(async move { from(line) })?;
        let line = line!() + 1;
        let _given_up = n.spawn_erased_with_handle(async move { from(line) });
        let served = Arc::new(Mutex::new(Vec::new()));
        let line = line!() + 1;
        let service = n.serve(WhereAmI { tasks: Arc::clone(&served) });
        service.close().await?;
        let served = served.lock().unwrap_or_else(PoisonError::into_inner);
        assert!(!served.is_empty());
        for task in served.iter() {
            assert_eq!((task.location().file(), task.location().line()), (file!(), line));
        }
        Ok(())
    })
    .await
    .expect("nothing fails");
}

/// Fails if: a nursery polled outside any task has none inside, leaves one behind, or opens a second one within a task.
pub(crate) async fn t01_a_nursery_polled_where_no_task_is_becomes_a_root<R: Rt>() {
    let outer = here();
    nursery(async |_| {
        assert_eq!(here(), outer, "within a task, a nursery's body stays in that task");
        Ok(())
    })
    .await
    .expect("nothing fails");

    let (sent, roots) = async_channel::unbounded();
    for _ in 0..2 {
        let sent = sent.clone();
        R::foreign(async move {
            assert_eq!(task::current(), None, "the framework knows nothing of this task");
            let root = nursery(async |_| {
                let root = here();
                nursery(async |_| {
                    assert_eq!(here(), root, "a nursery inside it is in the same root");
                    Ok(())
                })
                .await?;
                futures_lite::future::yield_now().await;
                assert_eq!(here(), root, "the same root at the next poll");
                Ok(root)
            })
            .await
            .expect("nothing fails");
            assert_eq!(task::current(), None, "the root ended with its nursery");
            let _ = sent.send(root).await;
        });
    }
    let (first, second) = (roots.recv().await.expect("sent"), roots.recv().await.expect("sent"));
    assert_ne!(first, second);
    assert_ne!(first, outer);
}

/// Fails if: what a root's nursery owns can outlive it: here its drop in mid-flight leaves a child running.
pub(crate) async fn t01_a_root_dropped_in_mid_flight_ends_its_children<R: Rt>() {
    let started = Gate::new();
    let ended = Gate::new();
    let runtime = scope_core::rt::current().expect("on a runtime");
    let foreign = R::foreign({
        let (started, ended) = (started.clone(), ended.clone());
        async move {
            nursery(async |n| {
                n.spawn_erased(async move {
                    let _ended = OpensOnDrop(ended);
                    started.open();
                    pending::<()>().await;
                    Ok(())
                });
                pending::<()>().await;
                Ok(())
            })
            .runtime(runtime)
            .await
            .expect("never gets there");
        }
    });
    started.passed().await;
    foreign.abort();
    ended.passed().await;
}

struct OpensOnDrop(Gate);

impl Drop for OpensOnDrop {
    fn drop(&mut self) {
        self.0.open();
    }
}

/// Fails if: a guard that left with the body's value keeps its scope open, or is closed by whoever got it.
pub(crate) async fn t01_a_guard_does_not_outlive_the_body_it_was_opened_in<R: Rt>() {
    let journal = Journal::new();
    let guard = nursery(async |_| {
        let guard: OwnedScope = OwnedScope::open("connection")?;
        let (note, cleaned) = (journal.on_drop("child ended"), journal.clone());
        guard.spawn_erased(async move {
            let _note = note;
            pending().await
        })?;
        guard.finalizer("hang up", async move |_| {
            cleaned.add("cleaned up");
            Ok(())
        })?;
        Ok(guard)
    })
    .await
    .expect("an open guard is no failure");
    journal.assert_is(&["child ended", "cleaned up"]);
    let error = guard.close().await.expect_err("it has ended");
    assert!(error.is_home_ended(), "{error}");
    assert!(error.to_string().contains("connection"), "{error}");
}

/// Fails if: what a child opened is left to whoever holds the guard when the child has ended.
pub(crate) async fn t01_a_guard_does_not_outlive_the_child_that_opened_it<R: Rt>() {
    let journal = Journal::new();
    nursery(async |n| {
        let (cleaned, held) = (journal.clone(), Arc::new(Mutex::new(None)));
        let (put, ended) = (held.clone(), Gate::new());
        let tell = ended.clone();
        n.task("opener").spawn_erased(async move {
            let guard: OwnedScope = OwnedScope::open("lent")?;
            guard.finalizer("sweep", async move |_| {
                cleaned.add("cleaned up");
                tell.open();
                Ok(())
            })?;
            *put.lock().unwrap_or_else(PoisonError::into_inner) = Some(guard);
            Ok(())
        });
        // The child ends with its guard in our hands; its scope is cleaned up without us.
        ended.passed().await;
        let guard = held.lock().unwrap_or_else(PoisonError::into_inner).take().expect("it was lent");
        assert_eq!(guard.home().name(), Some("opener"));
        assert!(guard.close().await.expect_err("it has ended").is_home_ended());
        Ok(())
    })
    .await
    .expect("nothing fails");
    journal.assert_is(&["cleaned up"]);
}

/// Fails if: closing in another task does something, or does not say whose it is.
pub(crate) async fn t01_a_guard_is_closed_by_the_task_that_opened_it<R: Rt>() {
    let journal = Journal::new();
    nursery(async |n| {
        let guard: OwnedScope = OwnedScope::open("ours")?;
        let cleaned = journal.clone();
        guard.finalizer("sweep", async move |_| {
            cleaned.add("cleaned up");
            Ok(())
        })?;
        let back = n.task("stranger").spawn_erased_with_handle(async move {
            let error = guard.close().await.expect_err("not its own");
            assert!(error.is_wrong_task());
            for part in ["ours", "stranger", "t01.rs"] {
                assert!(error.to_string().contains(part), "{error}");
            }
            Ok(error.into_scope().expect("unchanged"))
        });
        let guard = back.await?;
        journal.assert_is(&[]);
        guard.close().await?;
        journal.assert_is(&["cleaned up"]);
        Ok(())
    })
    .await
    .expect("nothing fails");
}
