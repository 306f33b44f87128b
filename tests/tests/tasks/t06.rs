//! t06: code in a foreign task enters a living scope by handle; what it leaves behind is adopted there.

use futures_lite::future::{pending, yield_now};
use scope_core::{Failure, OwnedScope, Spawner, Spawns, nursery, rt, task};
use scope_tests::{Gate, Journal, Rt, turns};

/// What an HTTP handler does: a scope of its own, with a child and something to clean up.
async fn handles(journal: Journal, working: Gate) -> Result<(), Failure> {
    nursery(async |n| {
        let j = journal.clone();
        n.finalizer("roll back", async move |_| {
            turns(3).await;
            scope_core::checkpoint().await;
            j.add("rolled back");
            Ok(())
        });
        let j = journal.clone();
        n.spawn_erased(async move {
            let _note = j.on_drop("query: dropped");
            working.open();
            pending().await
        });
        pending().await
    })
    .await?;
    Ok(())
}

/// Fails if: foreign code stays foreign, or does not get what it came for.
pub(crate) async fn t06_foreign_code_becomes_a_child_of_the_scope<R: Rt>() {
    nursery(async |n| {
        let (spawner, done) = (n.spawner(), Gate::new());
        let opens = done.clone();
        let scope = n.scope();
        R::foreign(async move {
            assert_eq!(task::id(), None);
            let inside = spawner
                .enter(async {
                    yield_now().await;
                    // A task of its own, with the scope's runtime: all that a child has.
                    let me = task::id().expect("a task");
                    rt::current().expect("the scope's runtime");
                    let owned: OwnedScope = OwnedScope::open("inside").expect("in a task");
                    owned.close().await.expect("at home");
                    let child = nursery(async |n| {
                        n.spawn_erased_with_handle(async { Ok(task::id()) }).await.map_err(Failure::from)
                    });
                    assert_ne!(child.await.expect("nothing fails"), Some(me));
                    me
                })
                .await
                .expect("the scope lives");
            assert_eq!(task::id(), None, "outside again");
            assert!(inside.get() > 0);
            opens.open();
        });
        done.passed().await;
        assert_eq!(scope.id(), n.scope().id());
        Ok(())
    })
    .await
    .expect("nothing fails");
}

/// Fails if: the scope returns while someone who has entered it is still at work.
pub(crate) async fn t06_the_scope_waits_for_who_has_entered<R: Rt>() {
    let journal = Journal::new();
    nursery(async |n| {
        let (spawner, entered, goes_on) = (n.spawner(), Gate::new(), Gate::new());
        let (e, g, j) = (entered.clone(), goes_on.clone(), journal.clone());
        R::foreign(async move {
            let _ = spawner
                .enter(async {
                    e.open();
                    g.passed().await;
                    turns(5).await;
                    j.add("done");
                })
                .await;
        });
        entered.passed().await;
        goes_on.open();
        Ok(())
    })
    .await
    .expect("nothing fails");
    journal.assert_is(&["done"]);
}

/// Fails if: a handler that its server drops leaves a query behind that nobody ends, or a transaction that nobody rolls back,
/// or the scope returns before that.
pub(crate) async fn t06_what_a_dropped_handler_leaves_is_adopted<R: Rt>() {
    for before in [true, false] {
        let journal = Journal::new();
        nursery(async |server| {
            let (spawner, working) = (server.spawner(), Gate::new());
            let (j, w) = (journal.clone(), working.clone());
            let handler = R::foreign(async move {
                let _ = spawner.enter(handles(j, w)).await;
            });
            working.passed().await;
            // The client hangs up: while the server goes on, or as it ends.
            handler.abort();
            if before {
                while !journal.has("rolled back") {
                    yield_now().await;
                }
                assert!(!server.is_cancelled());
            }
            Ok(())
        })
        .await
        .expect("a client that hangs up is no failure");
        journal.assert_is(&["query: dropped", "rolled back"]);
    }
}

/// Fails if: the scope's cancellation does not reach who has entered, or is not told to him.
pub(crate) async fn t06_a_cancellation_ends_what_has_entered<R: Rt>() {
    let (journal, told) = (Journal::new(), Gate::new());
    nursery(async |n| -> Result<(), Failure> {
        let (spawner, working) = (n.spawner(), Gate::new());
        let (j, w, t) = (journal.clone(), working.clone(), told.clone());
        R::foreign(async move {
            let error = spawner.enter(handles(j, w)).await.expect_err("the server stops");
            assert!(!error.is_closed(), "{error:?}");
            assert_eq!(error.reason().expect("cancelled").text(), "the server stops");
            t.open();
        });
        working.passed().await;
        n.cancel("the server stops");
        pending().await
    })
    .await
    .expect_err("cancelled");
    journal.assert_is(&["query: dropped", "rolled back"]);
    told.passed().await;
}

/// Fails if: a scope that has ended is entered all the same, or in silence.
pub(crate) async fn t06_a_scope_that_has_ended_is_not_entered<R: Rt>() {
    let spawner: Spawner = nursery(async |n| Ok(n.spawner())).await.expect("nothing fails");
    let (journal, done) = (Journal::new(), Gate::new());
    let (note, opens) = (journal.on_drop("dropped unpolled"), done.clone());
    R::foreign(async move {
        let entered = spawner
            .enter(async move {
                drop(note);
                panic!("it was polled");
            })
            .await;
        let error = Result::<(), _>::expect_err(entered, "the scope has ended");
        assert!(error.is_closed() && error.reason().is_none(), "{error:?}");
        opens.open();
    });
    done.passed().await;
    journal.assert_is(&["dropped unpolled"]);
}

/// Fails if: one who enters a cancelled scope does not begin, or goes on past his first await point, or is not told why.
pub(crate) async fn t06_a_cancelled_scope_is_entered_up_to_the_first_await_point<R: Rt>() {
    let journal = Journal::new();
    nursery(async |n| {
        // Something keeps it open.
        let (shut, parked) = (Gate::new(), Gate::new());
        let (s, p) = (shut.clone(), parked.clone());
        R::spawn(n, async move {
            p.open();
            scope_core::shield(s.passed()).await;
            Ok(())
        });
        parked.passed().await;
        n.cancel("too late");
        let (spawner, j) = (n.spawner(), journal.clone());
        R::foreign(async move {
            let note = j.on_drop("ended");
            let error = spawner
                .enter(async {
                    let _note = note;
                    j.add("begun");
                    yield_now().await;
                    j.add("went on");
                })
                .await
                .expect_err("cancelled");
            assert_eq!(error.reason().expect("cancelled").text(), "too late");
            shut.open();
        });
        Ok(())
    })
    .await
    .expect("the body had its value");
    journal.assert_is(&["begun", "ended"]);
}
