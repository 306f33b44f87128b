//! c04: cancelled before entry: the body starts, ends at its first await point, and its destructors run.

use futures_lite::future::{pending, ready, yield_now};
use scope_core::{CancelCause, Failure, nursery, rt};
use scope_tests::{Journal, Rt};

/// What a body does here that is entered cancelled.
async fn body(journal: &Journal) -> Result<(), Failure> {
    let _note = journal.on_drop("destructor");
    journal.add("started");
    ready(()).await;
    journal.add("still there");
    yield_now().await;
    journal.add("past its first await point");
    Ok(())
}

const AS_IT_SHOULD: &[&str] = &["started", "still there", "destructor"];

/// Fails if: a nursery entered in a cancelled scope does not start its body, or lets it past an await point.
pub(crate) async fn c04_entered_under_a_cancelled_scope<R: Rt>() {
    let journal = Journal::new();
    let error = nursery(async |outer| {
        outer.cancel("before the inner one is entered");
        nursery(async |inner| {
            assert!(inner.is_cancelled());
            assert_eq!(inner.reason().expect("it has one").cause(), CancelCause::Parent);
            body(&journal).await
        })
        .await?;
        journal.add("past the inner nursery");
        Ok(())
    })
    .await
    .expect_err("cancelled");
    assert!(error.is_cancelled(), "{error:?}");
    journal.assert_is(AS_IT_SHOULD);
}

/// Fails if: only the nursery that a canceller belongs to is looked at, not those between.
pub(crate) async fn c04_entered_two_levels_down_and_in_a_child<R: Rt>() {
    let journal = Journal::new();
    nursery(async |outer| {
        outer.cancel("before");
        let j = journal.clone();
        R::spawn(outer, async move {
            nursery(async |_| {
                nursery(async |_| body(&j).await).await?;
                j.add("past the inner nursery");
                Ok(())
            })
            .await?;
            j.add("past the outer nursery");
            Ok(())
        });
        Ok(())
    })
    .await
    .expect("the body had its value");
    journal.assert_is(AS_IT_SHOULD);
}

/// Fails if: a deadline that passed before entry skips the body, or is only noticed when its timer fires.
pub(crate) async fn c04_entered_after_its_deadline<R: Rt>() {
    let journal = Journal::new();
    let past = rt::current().expect("on a runtime").now();
    let error = nursery(async |_| body(&journal).await).deadline(past).await.expect_err("its deadline has passed");
    assert!(error.is_timed_out(), "{error:?}");
    journal.assert_is(AS_IT_SHOULD);
}

/// Fails if: a body without an await point is kept from its value by a cancellation that came first.
pub(crate) async fn c04_a_body_that_never_waits_still_completes<R: Rt>() {
    let journal = Journal::new();
    nursery(async |outer| {
        outer.cancel("before");
        let value = nursery(async |_| Ok(7)).await;
        journal.add(format!("{value:?}"));
        pending::<()>().await;
        Ok(())
    })
    .await
    .expect_err("delivered at the await point after it");
    journal.assert_is(&["Ok(7)"]);
}
