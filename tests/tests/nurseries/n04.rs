//! n04: a panic in a child comes out in its owner, after the join; a destructor's panic aborts nothing.

use std::panic::{AssertUnwindSafe, panic_any, resume_unwind};
use std::pin::pin;

use futures_lite::future::{pending, yield_now};
use futures_util::FutureExt;
use scope_core::{Cause, Exit, Failure, Lost, ScopeError, Spawns, TaskHandle, nursery};
use scope_tests::{Boom, Gate, Journal, Rt, panic_text, poll_now, turns, way_to, while_it_waits};

/// Says that it is dropped, and panics.
pub(crate) struct PanicsWhenDropped(pub(crate) Journal, pub(crate) &'static str);

impl Drop for PanicsWhenDropped {
    fn drop(&mut self) {
        self.0.add(self.1);
        // Without the hook's message: it is expected.
        resume_unwind(Box::new(self.1));
    }
}

/// What each leaf's panic said, in order, and the way to it.
pub(crate) fn panics(error: &ScopeError) -> Vec<(String, String)> {
    let leaf = |leaf: &scope_core::Leaf| {
        let text = match leaf.cause() {
            Cause::Panicked(payload) => payload.message().to_owned(),
            other => format!("no panic: {other:?}"),
        };
        (text, way_to(leaf).join(" > "))
    };
    error.leaves().iter().map(leaf).collect()
}

/// Fails if: the panic comes out while a sibling still cleans up, or in anyone's poll but the owner's.
pub(crate) async fn n04_a_childs_panic_is_resumed_in_the_owner_after_the_join<R: Rt>() {
    for same_task in [false, true] {
        let (let_go, cleaning, journal) = (Gate::new(), Gate::new(), Journal::new());
        let mut owner = pin!(
            AssertUnwindSafe(nursery(async |n| -> Result<(), Failure> {
                let (gate, begun, j) = (let_go.clone(), cleaning.clone(), journal.clone());
                n.finalizer("slow", async move |exit: Exit| {
                    assert!(matches!(&exit, Exit::Panicked(text) if text.contains("in a child")), "{exit:?}");
                    begun.open();
                    gate.passed().await;
                    j.add("cleaned up");
                    Ok(())
                });
                let (note, parked) = (journal.on_drop("sibling"), Gate::new());
                let here = parked.clone();
                R::spawn(n, async move {
                    let _note = note;
                    here.open();
                    pending().await
                });
                parked.passed().await;
                if same_task {
                    n.spawn_local(async { panic!("in a child") });
                } else {
                    R::spawn(n, async { panic!("in a child") });
                }
                pending().await
            }))
            .catch_unwind()
        );
        while !cleaning.is_open() {
            assert!(poll_now(owner.as_mut()).await.is_pending());
            yield_now().await;
        }
        while_it_waits(owner.as_mut(), "a finalizer runs").await;
        journal.assert_is(&["sibling"]);
        let_go.open();
        let panic = owner.await.expect_err("the child's panic");
        assert_eq!(panic_text(&*panic), "in a child");
        journal.assert_is(&["sibling", "cleaned up"]);
    }
}

/// Fails if: the payload is replaced on its way, by a text or another box.
pub(crate) async fn n04_the_payload_comes_through_as_it_is<R: Rt>() {
    #[derive(Debug, PartialEq)]
    struct Payload(u32);
    for same_task in [false, true] {
        let panic = AssertUnwindSafe(nursery(async |n| {
            // Through two owners: each resumes what it got.
            let inner = async move {
                nursery(async |n| {
                    if same_task {
                        n.spawn_local(async { panic_any(Payload(7)) });
                    } else {
                        n.spawn_erased(async { panic_any(Payload(7)) });
                    }
                    Ok(())
                })
                .await?;
                Ok(())
            };
            if same_task {
                n.spawn_local(inner);
            } else {
                R::spawn(n, inner);
            }
            Ok(())
        }))
        .catch_unwind()
        .await
        .expect_err("it panics");
        assert_eq!(panic.downcast_ref(), Some(&Payload(7)));
    }
}

/// Fails if: a destructor's panic is not the child's own: here it comes first, so it is resumed.
pub(crate) async fn n04_a_destructors_panic_counts_as_its_childs<R: Rt>() {
    for what in ["future", "output", "unwanted output", "body"] {
        let journal = Journal::new();
        let panic = AssertUnwindSafe(nursery(async |n| -> Result<(), Failure> {
            let bad = PanicsWhenDropped(journal.clone(), "destructor");
            let note = journal.on_drop("sibling");
            n.spawn_local(async move {
                let _note = note;
                pending().await
            });
            match what {
                "future" => R::spawn(n, async move {
                    let _bad = bad;
                    turns(2).await;
                    Ok(())
                }),
                "output" => {
                    drop(n.spawn_erased_with_handle(async move {
                        turns(2).await;
                        Ok(bad)
                    }));
                }
                "unwanted output" => {
                    drop(n.spawn_local_with_handle(async move {
                        yield_now().await;
                        Ok(bad)
                    }));
                }
                _ => {
                    let _bad = bad;
                    yield_now().await;
                    return Ok(());
                }
            }
            pending().await
        }))
        .catch_unwind()
        .await
        .expect_err(what);
        assert_eq!(panic_text(&*panic), "destructor", "{what}");
        journal.assert_is(&["destructor", "sibling"]);
    }
}

/// Fails if: a child panicking while its handle is awaited leaves the waiter waiting, or tells it something else.
pub(crate) async fn n04_the_handle_of_a_child_that_panicked_says_so<R: Rt>() {
    for same_task in [false, true] {
        let (sent, got) = async_channel::bounded(1);
        let panic = AssertUnwindSafe(nursery(async |n| -> Result<(), Failure> {
            let handle: TaskHandle<()> = if same_task {
                n.spawn_local_with_handle(async { panic!("in a child") })
            } else {
                n.spawn_erased_with_handle(async { panic!("in a child") })
            };
            sent.send(handle).await?;
            pending().await
        }))
        .catch_unwind()
        .await
        .expect_err("it panics");
        assert_eq!(panic_text(&*panic), "in a child");
        let handle = got.recv().await.expect("the body sent it");
        assert_eq!(handle.await.expect_err("no value"), Lost::Panicked);
    }
}

/// Fails if: one owner's panic spreads to a scope that only runs beside it, or further than the owner lets it.
pub(crate) async fn n04_a_caught_panic_goes_no_further<R: Rt>() {
    nursery(async |n| {
        let (done, go) = (Gate::new(), Gate::new());
        let (d, g) = (done.clone(), go.clone());
        R::spawn(n, async move {
            g.passed().await;
            d.open();
            Ok(())
        });
        let panic = AssertUnwindSafe(nursery(async |n| {
            R::spawn(n, async { panic!("in a child") });
            Ok(())
        }))
        .catch_unwind()
        .await
        .expect_err("it panics");
        assert_eq!(panic_text(&*panic), "in a child");
        assert!(!n.is_cancelled());
        go.open();
        done.passed().await;
        Ok(())
    })
    .await
    .expect("it was caught");
}

/// Fails if: a panic that comes after the first error hides it, or is lost.
pub(crate) async fn n04_a_panic_after_an_error_is_a_leaf<R: Rt>() {
    let journal = Journal::new();
    let error = nursery(async |n| -> Result<(), Failure> {
        let ready = Gate::new();
        let (here, bad) = (ready.clone(), PanicsWhenDropped(journal.clone(), "destructor"));
        n.task("bad").spawn_erased(async move {
            let _bad = bad;
            here.open();
            pending().await
        });
        ready.passed().await;
        n.task("failing").spawn_erased(async { Err(Boom("the cause").into()) });
        pending().await
    })
    .named("scope")
    .await
    .expect_err("a child failed");
    assert_eq!(error.leaves().len(), 2, "{error:?}");
    assert_eq!(error.find::<Boom>(), Some(&Boom("the cause")));
    assert!(matches!(error.cause(), Cause::Failed(_)), "{error:?}");
    assert_eq!(panics(&error)[1], ("destructor".to_owned(), "scope > bad".to_owned()));
}
