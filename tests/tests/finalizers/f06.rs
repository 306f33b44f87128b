//! f06: a finalizer added to a closed scope runs at once, or comes back with what it holds.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use futures_lite::future::pending;
use scope_core::{Exit, Failure, Nursery, OwnedScope, Spawner, nursery};
use scope_tests::{Boom, Gate, Journal, Rt, poll_now, turns, way_to};

/// Fails if: it is dropped in silence, or run behind the back of whoever got the error.
pub(crate) async fn f06_through_a_spawner_it_comes_back<R: Rt>() {
    let journal = Journal::new();
    let spawner = nursery(async |n| Ok(n.spawner())).named("closed").await.expect("nothing fails");
    let (note, ran) = (journal.on_drop("handle dropped"), journal.clone());
    let refused = spawner.finalizer("late", async move |_: Exit| {
        ran.add("ran");
        drop(note);
        Ok(())
    });
    let refused = refused.expect_err("it has closed");
    assert_eq!(refused.scope(), spawner.scope());
    for part in ["late", "closed", "f06.rs"] {
        assert!(refused.to_string().contains(part), "{part}: {refused}");
    }
    journal.assert_is(&[]);
    // With all it holds, to be run here.
    refused.into_inner()(Exit::Ok).await.expect("it does not fail");
    journal.assert_is(&["ran", "handle dropped"]);
}

/// Fails if: a scope that is open refuses it, or runs it at another end than its own.
pub(crate) async fn f06_through_a_spawner_while_it_is_open<R: Rt>() {
    let journal = Journal::new();
    nursery(async |n| {
        let (spawner, j) = (n.spawner(), journal.clone());
        // By a child, and while the body has ended already.
        n.spawn_local(async move {
            turns(3).await;
            for name in ["first", "second"] {
                let j = j.clone();
                let added = spawner.finalizer(name, async move |_| {
                    j.add(name);
                    Ok(())
                });
                added.expect("it is open: it waits for this child");
            }
            Ok(())
        });
        Ok(())
    })
    .await
    .expect("nothing fails");
    journal.assert_is(&["second", "first"]);
}

/// Fails if: a finalizer that adds another, to a scope that is closed by then, loses it.
pub(crate) async fn f06_added_by_a_finalizer<R: Rt>() {
    let journal = Journal::new();
    nursery(async |n| {
        let (spawner, j) = (n.spawner(), journal.clone());
        n.finalizer("outer", async move |exit| {
            let (ran, note) = (j.clone(), j.on_drop("handle dropped"));
            let added = spawner.finalizer("inner", async move |_: Exit| {
                ran.add("inner ran");
                drop(note);
                Ok(())
            });
            if let Err(refused) = added {
                j.add("refused");
                refused.into_inner()(exit).await?;
            }
            Ok(())
        });
        Ok(())
    })
    .await
    .expect("nothing fails");
    journal.assert_is(&["refused", "inner ran", "handle dropped"]);
}

/// Fails if: an owned scope that has ended, with its home, drops it.
pub(crate) async fn f06_to_an_owned_scope_that_has_ended<R: Rt>() {
    let journal = Journal::new();
    let owned = nursery(async |_| Ok(OwnedScope::<Failure>::open("lent")?)).await.expect("a broken rule is no failure");
    let (note, ran) = (journal.on_drop("handle dropped"), journal.clone());
    let refused = owned.finalizer("late", async move |_: Exit| {
        ran.add("ran");
        drop(note);
        Ok(())
    });
    let refused = refused.expect_err("it has ended");
    assert!(refused.to_string().contains("lent"), "{refused}");
    journal.assert_is(&[]);
    drop(refused);
    journal.assert_is(&["handle dropped"]);
}

/// Adds a finalizer to its nursery when it is dropped.
struct AddsOnDrop<'s, 'env> {
    to: &'s Nursery<'s, 'env>,
    journal: Journal,
    fails: bool,
}

impl Drop for AddsOnDrop<'_, '_> {
    fn drop(&mut self) {
        let (journal, fails) = (self.journal.clone(), self.fails);
        self.to.finalizer("by a destructor", async move |_| {
            turns(1).await;
            journal.add("ran");
            if fails { Err(Boom("clean-up").into()) } else { Ok(()) }
        });
    }
}

/// Fails if: what a destructor of the body adds, at whatever end of it, is dropped.
pub(crate) async fn f06_by_a_destructor_of_the_body<R: Rt>() {
    // At the end of the body, and where it is cut.
    for cut in [false, true] {
        let journal = Journal::new();
        let ended = nursery(async |n| -> Result<(), Failure> {
            let _adds = AddsOnDrop { to: n, journal: journal.clone(), fails: false };
            if cut {
                n.cancel("enough");
                pending().await
            }
            Ok(())
        })
        .await;
        assert_eq!(ended.is_err(), cut);
        journal.assert_is(&["ran"]);
    }
    // Where the future of the nursery is dropped.
    let journal = Journal::new();
    nursery(async |_| {
        let mut half = Box::pin(nursery(async |n| -> Result<(), Failure> {
            let _adds = AddsOnDrop { to: n, journal: journal.clone(), fails: false };
            pending().await
        }));
        assert!(poll_now(half.as_mut()).await.is_pending());
        drop(half);
        Ok(())
    })
    .await
    .expect("nothing fails");
    journal.assert_is(&["ran"]);
}

/// Fails if: what a same-task child's destructor adds is dropped, or fails unseen: where the nursery's future is dropped
/// while it closes, too.
pub(crate) async fn f06_by_a_destructor_of_a_same_task_child<R: Rt>() {
    let journal = Journal::new();
    let error = nursery(async |_| {
        let begun = Gate::new();
        let mut half = Box::pin(nursery(async |n| {
            let (adds, b) = (AddsOnDrop { to: n, journal: journal.clone(), fails: true }, begun.clone());
            n.spawn_local(async move {
                let _adds = adds;
                b.open();
                pending().await
            });
            Ok(())
        }));
        while !begun.is_open() {
            assert!(poll_now(half.as_mut()).await.is_pending());
            turns(1).await;
        }
        drop(half);
        Ok(())
    })
    .named("around")
    .await
    .expect_err("what it added fails");
    journal.assert_is(&["ran"]);
    assert_eq!(error.leaves().len(), 1, "{error:?}");
    assert_eq!(way_to(&error.leaves()[0]).last().map(String::as_str), Some("by a destructor"));
}

/// Counts how often it was run, and how often dropped without that.
struct Counted {
    ran: Arc<AtomicUsize>,
    unused: Arc<AtomicUsize>,
    done: bool,
}

impl Counted {
    fn run(mut self) {
        self.done = true;
        self.ran.fetch_add(1, Ordering::SeqCst);
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        if !self.done {
            self.unused.fetch_add(1, Ordering::SeqCst);
        }
    }
}

/// Fails if: one that comes while the scope closes is neither run nor given back.
pub(crate) async fn f06_while_the_scope_closes_each_is_run_or_comes_back<R: Rt>() {
    const ADDED: usize = 40;
    for length in 0..6 {
        let [ran, unused, back] = [(); 3].map(|()| Arc::new(AtomicUsize::new(0)));
        let slot: Arc<Mutex<Option<Spawner>>> = Arc::default();
        let (done, wait) = async_channel::bounded(1);
        let (s, r, u, b) = (slot.clone(), ran.clone(), unused.clone(), back.clone());
        let foreign = R::foreign(async move {
            let spawner = loop {
                if let Some(spawner) = s.lock().unwrap_or_else(PoisonError::into_inner).take() {
                    break spawner;
                }
                turns(1).await;
            };
            for _ in 0..ADDED {
                let counted = Counted { ran: r.clone(), unused: u.clone(), done: false };
                let added = spawner.finalizer("raced for", async move |_: Exit| {
                    counted.run();
                    Ok(())
                });
                if let Err(refused) = added {
                    b.fetch_add(1, Ordering::SeqCst);
                    refused.into_inner()(Exit::Ok).await.expect("it does not fail");
                }
                turns(1).await;
            }
            assert!(done.send(()).await.is_ok());
        });
        nursery(async |n| {
            *slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(n.spawner());
            turns(length).await;
            n.finalizer("slow", async |_| {
                turns(3).await;
                Ok(())
            });
            Ok(())
        })
        .await
        .expect("nothing fails");
        wait.recv().await.expect("it is sent");
        drop(foreign);
        assert_eq!((ran.load(Ordering::SeqCst), unused.load(Ordering::SeqCst)), (ADDED, 0));
    }
}
