//! c08: a shield lifted while something is parked behind it: what is parked wakes without any other event. Leaving a shield
//! with an outer cancellation pending delivers at the next await point.

use std::cell::{OnceCell, RefCell};

use futures_lite::future::{pending, yield_now};
use scope_core::{CancelScope, Canceller, Failure, nursery, shield};
use scope_tests::{Gate, Journal, Rt, poll_now, turns, while_it_waits};

/// Fails if: the one who lifts a shield does not wake what is parked behind it: nothing else happens here.
pub(crate) async fn c08_a_shield_lifted_by_another_task<R: Rt>() {
    for who in ["body", "same-task child", "parallel child"] {
        let journal = Journal::new();
        let (told, shields) = async_channel::bounded::<Canceller>(1);
        let error = nursery(async |outer| -> Result<(), Failure> {
            let note = journal.on_drop("parked");
            let j = journal.clone();
            let parked = async move {
                let _note = note;
                let ended = CancelScope::new()
                    .shield()
                    .run_with(async |c| {
                        assert!(c.is_shielded());
                        let _ = told.try_send(c);
                        pending::<()>().await;
                    })
                    .await;
                j.add(format!("came back: {ended:?}"));
                pending::<()>().await;
                Ok(())
            };
            let canceller = outer.canceller();
            R::spawn(outer, {
                let (journal, shields) = (journal.clone(), shields.clone());
                async move {
                    // This one is to lift it, so it is not to be cut itself.
                    shield(async move {
                        let shielded = shields.recv().await?;
                        canceller.cancel("behind a shield");
                        turns(5).await;
                        journal.add("lifted");
                        assert!(shielded.lift_shield());
                        assert!(!shielded.is_shielded() && !shielded.lift_shield(), "once is enough");
                        Ok::<_, Failure>(())
                    })
                    .await?;
                    Ok(())
                }
            });
            match who {
                "body" => parked.await,
                "same-task child" => {
                    outer.spawn_local(parked);
                    pending().await
                }
                _ => {
                    R::spawn(outer, parked);
                    pending().await
                }
            }
        })
        .await
        .expect_err("cancelled");
        assert!(error.is_cancelled(), "{who}: {error:?}");
        journal.assert_is(&["lifted", "parked"]);
    }
}

/// Fails if: lifting a shield cancels something that nobody has cancelled, or leaves it closed for what comes later.
pub(crate) async fn c08_lifted_before_anything_is_cancelled<R: Rt>() {
    let told = OnceCell::new();
    let outermost = OnceCell::new();
    let journal = Journal::new();
    let mut outer = Box::pin(nursery(async |outer| -> Result<(), Failure> {
        let _ = outermost.set(outer.canceller());
        let ended = CancelScope::new()
            .shield()
            .run_with(async |c| {
                let _ = told.set(c);
                let _note = journal.on_drop("parked");
                pending::<()>().await;
            })
            .await;
        journal.add(format!("came back: {ended:?}"));
        Ok(())
    }));
    while_it_waits(outer.as_mut(), "nobody has cancelled it").await;
    let shielded: &Canceller = told.get().expect("it was polled");
    assert!(shielded.lift_shield());
    while_it_waits(outer.as_mut(), "nobody has cancelled it").await;
    assert!(!shielded.is_cancelled());
    let outermost: &Canceller = outermost.get().expect("it was polled");
    outermost.cancel("after the shield was lifted");
    assert!(shielded.is_cancelled());
    assert!(outer.await.expect_err("cancelled").is_cancelled());
    journal.assert_is(&["parked"]);
}

/// Fails if: a scope that has no shield, or has ended, says that one was lifted.
pub(crate) async fn c08_nothing_to_lift<R: Rt>() {
    nursery(async |n| {
        assert!(!n.canceller().is_shielded() && !n.canceller().lift_shield());
        Ok(())
    })
    .await
    .expect("nothing fails");
    let late = RefCell::new(None);
    CancelScope::new().shield().run_with(async |c| *late.borrow_mut() = Some(c)).await.expect("nothing fails");
    // It may say either, but does nothing.
    late.borrow().as_ref().expect("it ran").lift_shield();
    yield_now().await;
}

/// Fails if: lifting the inner one of two shields lets through what the outer one masks.
pub(crate) async fn c08_an_outer_shield_stays<R: Rt>() {
    let journal = Journal::new();
    nursery(async |n| -> Result<(), Failure> {
        shield(async {
            let inner = CancelScope::new()
                .shield()
                .run_with(async |c| {
                    n.cancel("behind two shields");
                    assert!(c.lift_shield());
                    yield_now().await;
                    assert!(!c.is_cancelled());
                    7
                })
                .await;
            journal.add(format!("{:?}", inner.ok()));
            yield_now().await;
        })
        .await;
        journal.add("out of it");
        yield_now().await;
        journal.add("went on");
        Ok(())
    })
    .await
    .expect_err("cancelled");
    journal.assert_is(&["Some(7)", "out of it"]);
}

/// Fails if: leaving a shield delivers nothing, or not before the second await point, or in the middle of the code that
/// comes first.
pub(crate) async fn c08_leaving_a_shield_delivers_at_the_next_await_point<R: Rt>() {
    for waits_in_it in [false, true] {
        let journal = Journal::new();
        let told = OnceCell::new();
        let go = Gate::new();
        let mut outer = Box::pin(nursery(async |n| -> Result<(), Failure> {
            let _ = told.set(n.canceller());
            let _note = journal.on_drop("body");
            shield(async {
                if waits_in_it {
                    go.passed().await;
                } else {
                    n.cancel("in a shield");
                }
            })
            .await;
            journal.add("left");
            std::future::ready(()).await;
            journal.add("ready at once");
            yield_now().await;
            journal.add("went on");
            Ok(())
        }));
        if waits_in_it {
            assert!(poll_now(outer.as_mut()).await.is_pending());
            let canceller: &Canceller = told.get().expect("it was polled");
            canceller.cancel("while it is in a shield");
            while_it_waits(outer.as_mut(), "a shield is open").await;
            go.open();
        }
        assert!(outer.await.expect_err("cancelled").is_cancelled());
        journal.assert_is(&["left", "ready at once", "body"]);
    }
}

/// A hard case: five nested scopes, of which the outer two are cancelled from inside a shield.
///
/// Fails if: leaving it delivers nothing, or more than once, or to another than the outermost.
pub(crate) async fn c08_five_scopes_of_which_the_outer_two_are_cancelled_in_a_shield<R: Rt>() {
    let journal = Journal::new();
    let error = nursery(async |first| -> Result<(), Failure> {
        let _first = journal.on_drop("first");
        let second = nursery(async |second| -> Result<(), Failure> {
            let _second = journal.on_drop("second");
            let third = nursery(async |_| -> Result<(), Failure> {
                let _third = journal.on_drop("third");
                let fourth = nursery(async |_| -> Result<(), Failure> {
                    let _fourth = journal.on_drop("fourth");
                    let fifth = nursery(async |fifth| -> Result<(), Failure> {
                        let _fifth = journal.on_drop("fifth");
                        shield(async {
                            second.cancel("second");
                            first.cancel("first");
                            turns(3).await;
                            journal.add("shielded");
                        })
                        .await;
                        assert!(fifth.is_cancelled());
                        journal.add("left");
                        yield_now().await;
                        journal.add("went on in the fifth");
                        Ok(())
                    })
                    .await;
                    journal.add(format!("past the fifth: {fifth:?}"));
                    Ok(())
                })
                .await;
                journal.add(format!("past the fourth: {fourth:?}"));
                Ok(())
            })
            .await;
            journal.add(format!("past the third: {third:?}"));
            Ok(())
        })
        .await;
        journal.add(format!("past the second: {second:?}"));
        Ok(())
    })
    .named("first")
    .await
    .expect_err("cancelled");
    assert_eq!(error.reason().expect("it has one").text(), "first");
    assert!(error.leaves().is_empty(), "{error:?}");
    let lines = journal.lines();
    assert_eq!(lines[..2], ["shielded", "left"]);
    let mut dropped = lines[2..].to_vec();
    dropped.sort();
    assert_eq!(dropped, ["fifth", "first", "fourth", "second", "third"], "each once");
}

/// The same with the shield further out: what is inside it is in it, and the delivery is where it ends.
///
/// Fails if: a scope in the shield catches, or the code between the shield and the cancelled scopes is cut too early.
pub(crate) async fn c08_five_scopes_with_the_shield_in_the_middle<R: Rt>() {
    let journal = Journal::new();
    nursery(async |first| -> Result<(), Failure> {
        nursery(async |second| -> Result<(), Failure> {
            shield(nursery(async |_| {
                nursery(async |_| {
                    nursery(async |fifth| {
                        second.cancel("second");
                        first.cancel("first");
                        assert!(!fifth.is_cancelled());
                        turns(2).await;
                        journal.add("fifth");
                        Ok(())
                    })
                    .await?;
                    turns(2).await;
                    journal.add("fourth");
                    Ok(())
                })
                .await?;
                turns(2).await;
                journal.add("third");
                Ok(())
            }))
            .await?;
            journal.add("left");
            yield_now().await;
            journal.add("went on in the second");
            Ok(())
        })
        .await?;
        journal.add("past the second");
        Ok(())
    })
    .await
    .expect_err("cancelled");
    journal.assert_is(&["fifth", "fourth", "third", "left"]);
}
