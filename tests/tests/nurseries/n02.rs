//! n02: a failure cancels the rest at once, then everything is joined, then it comes out.

use std::panic::AssertUnwindSafe;
use std::pin::pin;

use futures_lite::future::{pending, yield_now};
use futures_util::FutureExt;
use scope_core::{CancelCause, Cause, Exit, Failure, Nursery, nursery};
use scope_tests::{Boom, Gate, Journal, Rt, panic_text, while_it_waits};

/// Two siblings that wait for nothing that ever comes, and go only if they are cancelled.
async fn park_siblings<'s, R: Rt>(n: &'s Nursery<'s, '_>, journal: &Journal) {
    let parked = Gate::new();
    let (note, here) = (journal.on_drop("parallel sibling"), parked.clone());
    R::spawn(n, async move {
        let _note = note;
        here.open();
        pending().await
    });
    let (note, same_task_parked) = (journal.on_drop("same-task sibling"), Gate::new());
    let here = same_task_parked.clone();
    n.spawn_local(async move {
        let _note = note;
        here.open();
        pending().await
    });
    parked.passed().await;
    same_task_parked.passed().await;
}

fn assert_all_gone(journal: &Journal) {
    for who in ["parallel sibling", "same-task sibling", "body"] {
        assert_eq!(journal.count(who), 1, "{who}: {journal:?}");
    }
}

/// Fails if: an error waits for the body or a sibling to end by itself: none of them ever would.
pub(crate) async fn n02_a_childs_error_cancels_siblings_and_body<R: Rt>() {
    let begun = R::now();
    for same_task in [false, true] {
        let journal = Journal::new();
        let error = nursery(async |n| -> Result<(), Failure> {
            park_siblings::<R>(n, &journal).await;
            let _note = journal.on_drop("body");
            if same_task {
                n.spawn_local(async { Err(Boom("same-task").into()) });
            } else {
                R::spawn(n, async { Err(Boom("parallel").into()) });
            }
            pending().await
        })
        .await
        .expect_err("a child failed");
        assert_all_gone(&journal);
        assert!(matches!(error.cause(), Cause::Failed(_)), "{error:?}");
        let boom = error.find::<Boom>().expect("the child's own error");
        assert_eq!(boom.0, if same_task { "same-task" } else { "parallel" });
    }
    R::assert_no_time_passed(begun);
}

/// Fails if: a panic is not caught at the child, or does not cancel, or comes out before the join.
pub(crate) async fn n02_a_childs_panic_cancels_siblings_and_body<R: Rt>() {
    for same_task in [false, true] {
        let journal = Journal::new();
        let panic = AssertUnwindSafe(nursery(async |n| -> Result<(), Failure> {
            park_siblings::<R>(n, &journal).await;
            let _note = journal.on_drop("body");
            if same_task {
                n.spawn_local(async { panic!("in a child") });
            } else {
                R::spawn(n, async { panic!("in a child") });
            }
            pending().await
        }))
        .catch_unwind()
        .await
        .expect_err("the child's panic is resumed here");
        assert_eq!(panic_text(&*panic), "in a child");
        assert_all_gone(&journal);
    }
}

/// Fails if: the body's error comes out while children run, or waits for them to end by themselves.
pub(crate) async fn n02_a_bodys_error_cancels_the_children<R: Rt>() {
    let journal = Journal::new();
    let error = nursery(async |n| -> Result<(), Failure> {
        park_siblings::<R>(n, &journal).await;
        let _note = journal.on_drop("body");
        Err(Boom("body").into())
    })
    .await
    .expect_err("the body failed");
    assert_all_gone(&journal);
    assert_eq!(error.find::<Boom>(), Some(&Boom("body")));
}

/// Fails if: a body's panic leaves its children behind.
pub(crate) async fn n02_a_bodys_panic_cancels_the_children<R: Rt>() {
    let journal = Journal::new();
    let panic = AssertUnwindSafe(nursery(async |n| -> Result<(), Failure> {
        park_siblings::<R>(n, &journal).await;
        let _note = journal.on_drop("body");
        panic!("in the body")
    }))
    .catch_unwind()
    .await
    .expect_err("it panics");
    assert_eq!(panic_text(&*panic), "in the body");
    assert_all_gone(&journal);
}

/// Fails if: the error is returned when it happens instead of when all have ended.
pub(crate) async fn n02_everything_is_joined_before_the_error_comes_out<R: Rt>() {
    let (let_go, cleaning) = (Gate::new(), Gate::new());
    let journal = Journal::new();
    let mut failing = pin!(nursery(async |n| -> Result<(), Failure> {
        let (gate, begun, ready, j) = (let_go.clone(), cleaning.clone(), Gate::new(), journal.clone());
        let is_ready = ready.clone();
        R::spawn(n, async move {
            // Told to end, it still has something to clean up.
            nursery(async move |inner| {
                inner.finalizer("slow", async move |_| {
                    begun.open();
                    gate.passed().await;
                    j.add("cleaned up");
                    Ok(())
                });
                is_ready.open();
                pending().await
            })
            .await?;
            Ok(())
        });
        ready.passed().await;
        R::spawn(n, async { Err(Boom("child").into()) });
        pending().await
    }));
    while !cleaning.is_open() {
        assert!(scope_tests::poll_now(failing.as_mut()).await.is_pending());
        yield_now().await;
    }
    while_it_waits(failing.as_mut(), "a sibling cleans up").await;
    journal.assert_is(&[]);
    let_go.open();
    let error = failing.await.expect_err("a child failed");
    journal.assert_is(&["cleaned up"]);
    assert_eq!(error.find::<Boom>(), Some(&Boom("child")));
}

/// Fails if: the cancellation that a failure causes says that somebody called `cancel`.
pub(crate) async fn n02_siblings_are_told_that_a_sibling_failed<R: Rt>() {
    let (told, reasons) = async_channel::bounded(1);
    nursery(async |n| -> Result<(), Failure> {
        n.finalizer("asks", async move |exit: Exit| {
            let _ = told.send(exit).await;
            Ok(())
        });
        R::spawn(n, async { Err(Boom("child").into()) });
        let canceller = n.canceller();
        canceller.cancelled().await;
        let reason = canceller.reason().expect("it was cancelled");
        assert_eq!(reason.cause(), CancelCause::SiblingFailed);
        pending().await
    })
    .await
    .expect_err("a child failed");
    let exit = reasons.recv().await.expect("the finalizer ran");
    assert!(matches!(exit, Exit::Failed(_)), "{exit:?}");
}

/// Fails if: a body that is deep in scopes of its own is cut without their clean-up, or that clean-up's error is lost.
pub(crate) async fn n02_a_body_deep_in_scopes_is_cut_and_they_are_cleaned_up<R: Rt>() {
    for same_task in [false, true] {
        let journal = Journal::new();
        let error = nursery(async |n| -> Result<(), Failure> {
            let ready = Gate::new();
            let here = ready.clone();
            let fails = async move {
                here.passed().await;
                Err(Boom("child").into())
            };
            if same_task {
                n.spawn_local(fails);
            } else {
                R::spawn(n, fails);
            }
            nursery(async |middle| -> Result<(), Failure> {
                let j = journal.clone();
                middle.finalizer("middle", async move |_| {
                    j.add("middle");
                    Err(Boom("clean-up").into())
                });
                nursery(async |inner| -> Result<(), Failure> {
                    park_siblings::<R>(inner, &journal).await;
                    let j = journal.clone();
                    inner.finalizer("inner", async move |_| {
                        yield_now().await;
                        j.add("inner");
                        Ok(())
                    });
                    let _note = journal.on_drop("body");
                    ready.open();
                    pending().await
                })
                .await?;
                Ok(())
            })
            .await?;
            journal.add("the body went on");
            Ok(())
        })
        .await
        .expect_err("a child failed");
        assert_all_gone(&journal);
        assert!(!journal.has("the body went on"), "{journal:?}");
        let lines = journal.lines();
        let at = |line: &str| lines.iter().position(|l| l == line).unwrap_or_else(|| panic!("{line}: {lines:?}"));
        assert!(at("inner") < at("middle"), "{lines:?}");
        let all = error.all_leaves();
        assert_eq!(all.len(), 2, "{error:?}");
        assert_eq!(error.find::<Boom>(), Some(&Boom("child")), "the first cause first");
    }
}
