//! n04: of several panics the first is resumed; the others are recorded, and none meets another on one stack.

use std::panic::AssertUnwindSafe;

use futures_lite::future::{pending, yield_now};
use futures_util::FutureExt;
use scope_core::{Failure, Spawns, nursery};
use scope_tests::{Gate, Journal, Rt, panic_text, poll_now};

use crate::n04::{PanicsWhenDropped, panics};
use crate::parked::parked;

/// Fails if: a later panic takes the place of the first, or is lost: it is recorded around the scope that panicked.
pub(crate) async fn n04_the_first_is_resumed_and_the_others_recorded<R: Rt>() {
    for same_task in [false, true] {
        let (caught, j) = (Journal::new(), Journal::new());
        let error = nursery(async |_| {
            let panic = AssertUnwindSafe(
                nursery(async |n| -> Result<(), Failure> {
                    let told = n.canceller();
                    let late = async move {
                        // Ready when the scope is cancelled: no await point is left.
                        told.cancelled().await;
                        panic!("second")
                    };
                    if same_task {
                        n.task("late").spawn_local(late);
                    } else {
                        n.task("late").spawn_erased(late);
                    }
                    parked(&n.canceller(), &["late"]).await;
                    n.task("early").spawn_erased(async { panic!("first") });
                    let _note = PanicsWhenDropped(j.clone(), "third");
                    pending().await
                })
                .named("inner"),
            )
            .catch_unwind()
            .await
            .expect_err("it panics");
            caught.add(panic_text(&*panic));
            Ok(())
        })
        .named("outer")
        .await
        .expect_err("the other panics are not lost");
        caught.assert_is(&["first"]);
        let mut others = panics(&error);
        others.sort();
        let expected = [("second", "outer > inner > late"), ("third", "outer > inner")];
        assert_eq!(others, expected.map(|(text, way)| (text.to_owned(), way.to_owned())), "{error:?}");
    }
}

/// Fails if: two panics meet on one stack, which ends the process; or the second one hides the first, or is lost; or the
/// sibling's own siblings are forgotten over it.
pub(crate) async fn n04_a_sibling_whose_destructor_panics_meanwhile_aborts_nothing<R: Rt>() {
    for same_task in [false, true] {
        let journal = Journal::new();
        let error = nursery(async |_| {
            let panic = AssertUnwindSafe(
                nursery(async |n| -> Result<(), Failure> {
                    let parked = [Gate::new(), Gate::new(), Gate::new(), Gate::new()];
                    for (at, gate) in parked.iter().enumerate() {
                        let (here, bad) = (gate.clone(), PanicsWhenDropped(journal.clone(), "destructor"));
                        let note = journal.on_drop("beside it");
                        let parks = async move {
                            let _note = note;
                            let _bad = bad;
                            here.open();
                            pending().await
                        };
                        if at % 2 == 0 {
                            n.spawn_local(parks);
                        } else {
                            R::spawn(n, parks);
                        }
                    }
                    for gate in &parked {
                        gate.passed().await;
                    }
                    if same_task {
                        n.spawn_local(async { panic!("in a child") });
                    } else {
                        R::spawn(n, async { panic!("in a child") });
                    }
                    pending().await
                })
                .named("inner"),
            )
            .catch_unwind()
            .await
            .expect_err("it panics");
            assert_eq!(panic_text(&*panic), "in a child");
            assert_eq!(journal.count("destructor"), 4);
            assert_eq!(journal.count("beside it"), 4);
            Ok(())
        })
        .named("outer")
        .await
        .expect_err("the destructors' panics are not lost");
        let texts: Vec<_> = panics(&error).into_iter().map(|(text, _)| text).collect();
        assert_eq!(texts, ["destructor"; 4], "{error:?}");
    }
}

/// Fails if: a nursery that is dropped before its end drops a panic of its children, or meets a second one on the way.
pub(crate) async fn n04_destructors_that_panic_when_the_nursery_is_dropped<R: Rt>() {
    let journal = Journal::new();
    let error = nursery(async |n| {
        {
            let parked = Gate::new();
            let mut unfinished = Box::pin(
                nursery(async |n| -> Result<(), Failure> {
                    let (here, bad) = (parked.clone(), PanicsWhenDropped(journal.clone(), "parallel"));
                    n.task("parallel").spawn_erased(async move {
                        let _bad = bad;
                        here.open();
                        pending().await
                    });
                    for name in ["same-task", "same-task too"] {
                        let bad = PanicsWhenDropped(journal.clone(), name);
                        n.task(name).spawn_local(async move {
                            let _bad = bad;
                            pending().await
                        });
                    }
                    let _bad = PanicsWhenDropped(journal.clone(), "body");
                    pending().await
                })
                .named("dropped"),
            );
            while !parked.is_open() {
                assert!(poll_now(unfinished.as_mut()).await.is_pending());
                yield_now().await;
            }
            // In the middle of nothing: no panic comes out of a drop.
            drop(unfinished);
        }
        assert!(!n.is_cancelled(), "it is nobody's failure here");
        Ok(())
    })
    .named("outer")
    .await
    .expect_err("panics are not lost");
    let mut lines = journal.lines();
    lines.sort();
    assert_eq!(lines, ["body", "parallel", "same-task", "same-task too"]);
    let mut found: Vec<_> = panics(&error).into_iter().map(|(text, _)| text).collect();
    found.sort();
    assert_eq!(found, lines, "{error:?}");
}
