//! v01: every transition is one event; an observer that panics is switched off and reported.
//!
//! Observers are for the whole process: each case gives its scopes names that no other run has.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use futures_lite::future::pending;
use scope_core::event::{self, Event, EventKind, ObserverGuard};
use scope_core::{CancelCause, Exit, Failure, Inbox, Name, OwnedScope, Service, Spawns, nursery};
use scope_tests::{Boom, Gate, Rt, poll_now};

fn unique(name: &str) -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    format!("{name}-{}", NEXT.fetch_add(1, Ordering::Relaxed))
}

#[derive(Clone, Default)]
struct Seen(Arc<Mutex<Vec<Event>>>);

impl Seen {
    /// Observes the scope of this name, and no other.
    fn of(scope: &str) -> (Self, ObserverGuard) {
        let seen = Seen::default();
        let (into, name) = (seen.clone(), scope.to_owned());
        let guard = event::observe(move |event| {
            if event.scope().name() == Some(&name) {
                into.0.lock().expect("no panic").push(event.clone());
            }
        });
        (seen, guard)
    }

    fn all(&self) -> Vec<Event> {
        self.0.lock().expect("no panic").clone()
    }

    fn kinds(&self) -> Vec<String> {
        self.all().iter().map(kind).collect()
    }
}

fn kind(event: &Event) -> String {
    let task = || event.task().and_then(|task| task.name()).unwrap_or("?").to_owned();
    match event.kind() {
        EventKind::Opened => "opened".to_owned(),
        EventKind::Spawned => format!("spawned {}", task()),
        EventKind::Ready => format!("ready {}", task()),
        EventKind::Ended => format!("ended {}", task()),
        EventKind::Failed(text) => format!("failed {}: {text}", task()),
        EventKind::Cancelled(reason) => format!("cancelled: {:?}", reason.cause()),
        EventKind::FinalizerStarted(name) => format!("finalizer {name} started"),
        EventKind::FinalizerEnded { name, ok } => format!("finalizer {name} ended: {ok}"),
        EventKind::Closed => "closed".to_owned(),
        EventKind::Adopted(_) => "adopted".to_owned(),
        EventKind::ObserverFailed => "observer failed".to_owned(),
        other => format!("{other:?}"),
    }
}

/// Fails if: a transition is told twice, not at all, or out of order.
pub(crate) async fn v01_every_transition_is_one_event<R: Rt>() {
    let name = unique("whole-life");
    let (seen, _guard) = Seen::of(&name);
    nursery(async |n| -> Result<(), Failure> {
        n.finalizer("good", async |_| Ok(()));
        n.finalizer("bad", async |_| Err(Boom("clean-up").into()));
        let done = n.task("parallel").spawn_erased_with_handle(async { Ok(()) });
        done.await?;
        let done = n.task("same-task").spawn_local_with_handle(async { Ok(()) });
        done.await?;
        n.cancel("enough");
        pending().await
    })
    .named(name)
    .await
    .expect_err("cancelled");
    let kinds = seen.kinds();
    // A child's handle may be served before its end is told: compare without order, then the order that must be.
    let mut sorted = kinds.clone();
    sorted.sort();
    let mut expected = vec![
        "opened",
        "spawned parallel",
        "ended parallel",
        "spawned same-task",
        "ended same-task",
        "cancelled: Explicit",
        "finalizer bad started",
        "finalizer bad ended: false",
        "finalizer good started",
        "finalizer good ended: true",
        "closed",
    ];
    let failures: Vec<_> = sorted.iter().filter(|kind| kind.starts_with("failed ")).cloned().collect();
    assert_eq!(failures.len(), 1, "the failed finalizer's: {kinds:?}");
    sorted.retain(|kind| !kind.starts_with("failed "));
    let in_order = expected.clone();
    expected.sort_unstable();
    assert_eq!(sorted, expected, "{kinds:?}");
    let at = |kind: &str| kinds.iter().position(|k| k == kind).expect("just seen");
    for pair in [
        ["opened", "spawned parallel"],
        ["spawned parallel", "ended parallel"],
        ["spawned same-task", "ended same-task"],
        ["ended parallel", "finalizer bad started"],
    ] {
        assert!(at(pair[0]) < at(pair[1]), "{pair:?}: {kinds:?}");
    }
    let tail: Vec<_> =
        kinds.iter().filter(|k| !k.starts_with("failed ")).skip_while(|k| !k.starts_with("fin")).collect();
    assert_eq!(tail, in_order[6..].iter().collect::<Vec<_>>(), "{kinds:?}");
}

/// Fails if: a scope that needed no memory has no life either.
pub(crate) async fn v01_an_empty_nursery_is_opened_and_closed<R: Rt>() {
    let name = unique("empty");
    let (seen, _guard) = Seen::of(&name);
    nursery(async |_| Ok(())).named(name).await.expect("nothing fails");
    assert_eq!(seen.kinds(), ["opened", "closed"]);
}

/// Fails if: an event has the wrong scope, task, place or time.
pub(crate) async fn v01_an_event_says_which_scope_and_task_when_and_where<R: Rt>() {
    let name = unique("identity");
    let (seen, _guard) = Seen::of(&name);
    let before = R::now();
    let opened = line!() + 1;
    let (scope, child, spawned, cancelled) = nursery(async |n| {
        let spawned = line!() + 1;
        let child = n.task("child").spawn_erased_with_handle(async { Ok(scope_core::task::current()) });
        let child = child.await?.expect("inside a task");
        let cancelled = line!() + 1;
        n.cancel("enough");
        Ok((n.reason().expect("it has one").scope().id(), child, spawned, cancelled))
    })
    .named(name.clone())
    .await
    .expect("the body had its value");
    let events = seen.all();
    let after = R::now();
    assert!(events.len() >= 5, "{events:?}");
    let mut last = before;
    for event in &events {
        assert_eq!(event.scope().id(), scope);
        assert_eq!(event.scope().name(), Some(name.as_str()));
        assert_eq!(event.location().file(), file!());
        assert!(event.to_string().contains(&name), "{event}");
        if !R::THREADS {
            assert!(event.time() >= last, "{events:?}");
            last = event.time();
        }
        assert!(event.time() >= before && event.time() <= after);
        let line = match event.kind() {
            EventKind::Opened | EventKind::Closed => opened,
            EventKind::Spawned | EventKind::Ended => {
                assert_eq!(event.task(), Some(&child));
                spawned
            }
            EventKind::Cancelled(reason) => {
                assert_eq!(reason.cause(), CancelCause::Explicit);
                assert_eq!(reason.text(), "enough");
                cancelled
            }
            other => panic!("{other:?}"),
        };
        assert_eq!(event.location().line(), line, "{event:?}");
    }
}

/// Fails if: a failure, or the cancellation it causes, is not told.
pub(crate) async fn v01_a_failure_and_what_it_cancels<R: Rt>() {
    let name = unique("failure");
    let (seen, _guard) = Seen::of(&name);
    nursery(async |n| -> Result<(), Failure> {
        n.task("broken").spawn_erased(async { Err(Boom("it broke").into()) });
        pending().await
    })
    .named(name)
    .await
    .expect_err("a child failed");
    let kinds = seen.kinds();
    for kind in ["failed broken: it broke", "cancelled: SiblingFailed", "ended broken", "closed"] {
        assert_eq!(kinds.iter().filter(|k| *k == kind).count(), 1, "{kind}: {kinds:?}");
    }
}

/// Fails if: a scope that is dropped half-way is not told to be adopted, or never told to be closed.
pub(crate) async fn v01_a_dropped_scope_is_adopted_then_closed<R: Rt>() {
    let (outer, name) = (unique("heir"), unique("dropped"));
    let (seen, _guard) = Seen::of(&name);
    nursery(async |n| {
        let parked = Gate::new();
        {
            let here = parked.clone();
            let mut half = Box::pin(
                nursery(async |inner| -> Result<(), Failure> {
                    inner.task("child").spawn_erased(async move {
                        here.open();
                        pending().await
                    });
                    pending().await
                })
                .named(name.clone()),
            );
            assert!(poll_now(half.as_mut()).await.is_pending());
            parked.passed().await;
        }
        assert!(!n.is_cancelled());
        Ok(())
    })
    .named(outer.clone())
    .await
    .expect("nothing fails");
    let kinds = seen.kinds();
    for kind in ["opened", "spawned child", "cancelled: Dropped", "adopted", "ended child", "closed"] {
        assert_eq!(kinds.iter().filter(|k| *k == kind).count(), 1, "{kind}: {kinds:?}");
    }
    assert_eq!(kinds.last().map(String::as_str), Some("closed"), "{kinds:?}");
    let heir = seen.all().into_iter().find_map(|event| match event.kind() {
        EventKind::Adopted(heir) => Some(heir.clone()),
        _ => None,
    });
    let heir = heir.expect("just seen").expect("a scope is around it");
    assert_eq!(heir.name(), Some(outer.as_str()));
}

struct Ready(String);

impl Service for Ready {
    type Request = ();
    type Info = ();
    type Report = ();

    fn name(&self) -> Name {
        Name::from(self.0.clone())
    }

    async fn open(&mut self) -> Result<(), Failure> {
        Ok(())
    }

    async fn serve(&mut self, inbox: &mut Inbox<()>) -> Result<(), Failure> {
        while inbox.next().await.is_some() {}
        Ok(())
    }

    async fn end(&mut self, _: Exit) {}
}

/// Fails if: a service's life is not told: as a child in the scope it was started in, and in its own.
pub(crate) async fn v01_a_service_is_spawned_ready_and_ended<R: Rt>() {
    let (name, service) = (unique("with-service"), unique("service"));
    let (seen, _guard) = Seen::of(&name);
    let (own, _own_guard) = Seen::of(&service);
    nursery(async |n| {
        n.open(Ready(service.clone())).await?.close().await?;
        Ok(())
    })
    .named(name)
    .await
    .expect("nothing fails");
    let (spawned, ended) = (format!("spawned {service}"), format!("ended {service}"));
    assert_eq!(seen.kinds(), ["opened", &spawned, &ended, "closed"]);
    assert_eq!(own.kinds(), ["opened", &format!("ready {service}"), "closed"]);
}

/// Fails if: an observer's panic reaches the task, is told to nobody, or the observer is called again.
pub(crate) async fn v01_a_panicking_observer_is_switched_off_and_reported<R: Rt>() {
    let name = unique("panicking");
    let (seen, _guard) = Seen::of(&name);
    let calls = Arc::new(AtomicUsize::new(0));
    let (c, only) = (Arc::clone(&calls), name.clone());
    let broken = event::observe(move |event| {
        if event.scope().name() == Some(&only) {
            c.fetch_add(1, Ordering::SeqCst);
            panic!("in an observer");
        }
    });
    let value = nursery(async |n| {
        n.task("child").spawn_erased(async { Ok(()) });
        Ok(7)
    })
    .named(name)
    .await;
    assert_eq!(value.expect("nobody else is hurt"), 7);
    assert_eq!(calls.load(Ordering::SeqCst), 1, "switched off at its first panic");
    let kinds = seen.kinds();
    assert_eq!(kinds.iter().filter(|k| *k == "observer failed").count(), 1, "{kinds:?}");
    // Already off; dropping its guard is fine.
    drop(broken);
    assert!(kinds.iter().any(|k| k == "closed"), "the other one goes on: {kinds:?}");
}

/// Fails if: an observer is called after its guard is gone, or is called with a lock held.
pub(crate) async fn v01_an_observer_may_use_the_framework_and_ends_with_its_guard<R: Rt>() {
    let name = unique("reentrant");
    let canceller = Arc::new(Mutex::new(None::<scope_core::Canceller>));
    let calls = Arc::new(AtomicUsize::new(0));
    let (only, cancel, c) = (name.clone(), Arc::clone(&canceller), Arc::clone(&calls));
    let guard = event::observe(move |event| {
        if event.scope().name() == Some(&only) {
            c.fetch_add(1, Ordering::SeqCst);
            // Whatever it asks for in here, no lock may be in the way.
            let _ = scope_core::tree::dump();
            let canceller = cancel.lock().expect("no panic").clone();
            if let Some(canceller) = canceller {
                canceller.cancel("by an observer");
                let _ = canceller.reason();
            }
            drop(event::observe(|_| {}));
        }
    });
    let error = nursery(async |n| -> Result<(), Failure> {
        *canceller.lock().expect("no panic") = Some(n.canceller());
        n.spawn_erased(pending());
        pending().await
    })
    .named(name.clone())
    .await
    .expect_err("the observer cancelled it");
    assert_eq!(error.reason().expect("cancelled").text(), "by an observer");
    drop(guard);
    let told = calls.load(Ordering::SeqCst);
    assert!(told > 0);
    *canceller.lock().expect("no panic") = None;
    nursery(async |_| Ok(())).named(name).await.expect("nothing fails");
    assert_eq!(calls.load(Ordering::SeqCst), told);
}

/// Fails if: a guard that is dropped by a stranger goes unreported, or is reported twice, or without both tasks.
pub(crate) async fn v01_a_guard_dropped_elsewhere_is_one_violation<R: Rt>() {
    let name = unique("violated");
    let (seen, _guard) = Seen::of(&name);
    nursery(async |n| {
        let owned: OwnedScope = OwnedScope::open(name.clone())?;
        let home = owned.home().to_string();
        n.task("stranger")
            .spawn_erased_with_handle(async move {
                drop(owned);
                Ok(())
            })
            .await?;
        let told: Vec<_> = seen.all().into_iter().filter(|e| matches!(e.kind(), EventKind::Violated(_))).collect();
        assert_eq!(told.len(), 1, "{told:?}");
        let EventKind::Violated(how) = told[0].kind() else { unreachable!() };
        for part in [&name, &home, "stranger", "v01.rs"] {
            assert!(how.contains(part), "{part}: {how}");
        }
        Ok(())
    })
    .await
    .expect("a broken rule is no failure");
}

/// Fails if: the loser of a `select!` that has left nothing behind costs its heir something to wait for.
pub(crate) async fn v01_a_dropped_scope_that_left_nothing_is_closed_at_once<R: Rt>() {
    let name = unique("idle");
    let (seen, _guard) = Seen::of(&name);
    nursery(async |_| {
        {
            let idle = nursery(async |_| -> Result<(), Failure> { pending().await }).named(name.clone());
            assert!(poll_now(std::pin::pin!(idle).as_mut()).await.is_pending());
        }
        // Without another turn of the runtime.
        assert_eq!(seen.kinds(), ["opened", "cancelled: Dropped", "closed"]);
        Ok(())
    })
    .await
    .expect("nothing fails");
}
