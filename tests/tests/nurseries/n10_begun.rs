//! n10: parallel children that are begun where they are spawned.

use std::collections::HashSet;
use std::future::{Ready, ready};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use futures_lite::future::{pending, yield_now};
use scope_core::{Begun, Cause, Failure, Room, ScopeError, Spawns, nursery, task};
use scope_tests::{Gate, Journal, Rt, poll_now, turns};

/// Fails if: a value that is there at once is lost or destroyed, or comes before the future's destructor has run, or the
/// child runs as the one who begins it.
pub(crate) async fn n10_a_child_that_ends_at_once_gives_its_value_to_who_begins_it<R: Rt>() {
    let journal = Journal::new();
    nursery(async |n| {
        let here = task::id();
        let j = &journal;
        let begun = n.place().begin(|| {
            let (note, value) = (j.on_drop("future"), j.on_drop("value"));
            async move {
                let _note = note;
                (task::id(), value)
            }
        })?;
        let Begun::Done((there, value)) = begun else { panic!("it did not wait") };
        assert!(there.is_some() && there != here, "it is a task of its own");
        journal.add("begun");
        drop(value);
        Ok(())
    })
    .await
    .unwrap();
    journal.assert_is(&["future", "begun", "value"]);
}

/// Fails if: a child that waits is not gone on with, not joined, or its value is not destroyed before the nursery returns.
pub(crate) async fn n10_a_child_that_is_begun_and_waits_goes_on_and_is_joined<R: Rt>() {
    let (journal, gate) = (Journal::new(), Gate::new());
    nursery(async |n| {
        let (j, opens) = (journal.clone(), gate.clone());
        let begun = n.place().begin(|| async move {
            j.add("started");
            let me = task::id();
            opens.passed().await;
            assert_eq!(task::id(), me);
            j.add("went on");
            j.on_drop("value")
        })?;
        assert!(matches!(begun, Begun::GoesOn));
        journal.add("begun");
        turns(3).await;
        gate.open();
        Ok(())
    })
    .await
    .unwrap();
    journal.assert_is(&["started", "begun", "went on", "value"]);
}

/// Fails if: one that is begun in the memory of another sees or is anything of it, or that of one that waits is used.
pub(crate) async fn n10_children_begun_one_after_the_other_in_one_room_are_like_others<R: Rt>() {
    let (journal, gate) = (Journal::new(), Gate::new());
    nursery(async |n| {
        let (mut room, mut ids) = (Room::default(), HashSet::new());
        for waits in [false, false, true, false, true, false] {
            let (note, opens) = (journal.on_drop("future"), gate.clone());
            let begun = n.place().begin_in(&mut room, || async move {
                let (_note, me) = (note, task::id());
                if waits {
                    opens.passed().await;
                }
                assert_eq!(task::id(), me);
                me
            })?;
            assert_eq!(matches!(begun, Begun::GoesOn), waits);
            if let Begun::Done(id) = begun {
                assert!(ids.insert(id), "it is a task of its own");
                journal.add("done");
            }
        }
        assert!(matches!(n.place().begin_in(&mut room, || ready(7))?, Begun::Done(7)), "of another type");
        journal.assert_is(&["future", "done"].repeat(4));
        n.cancel("enough");
        assert!(matches!(n.place().begin_in(&mut room, yield_now)?, Begun::Ended));
        assert!(matches!(n.place().begin_in(&mut room, yield_now)?, Begun::Ended));
        Ok(())
    })
    .await
    .unwrap();
    assert_eq!(journal.count("future"), 6);
}

/// Fails if: a child that has been begun is not cancelled like others, now and later.
pub(crate) async fn n10_a_child_that_is_begun_is_cancelled_like_others<R: Rt>() {
    let journal = Journal::new();
    let ended: Result<(), ScopeError> = nursery(async |n| {
        let later = journal.on_drop("waited");
        let begun = n.place().begin(|| async move {
            let _later = later;
            pending::<()>().await;
        })?;
        assert!(matches!(begun, Begun::GoesOn));
        n.cancel("enough");
        let at_once = journal.on_drop("began in a cancelled one");
        let begun = n.place().begin(|| async move {
            let _at_once = at_once;
            yield_now().await;
        })?;
        assert!(matches!(begun, Begun::Ended), "its first await point was its end");
        assert!(matches!(n.place().begin(|| ready(7))?, Begun::Done(7)), "a completed value wins");
        journal.add("begun");
        Ok(())
    })
    .await;
    ended.unwrap();
    // The one that waits ends when its runtime comes to it.
    assert_eq!(journal.count("waited"), 1);
    let others: Vec<_> = journal.lines().into_iter().filter(|line| line != "waited").collect();
    assert_eq!(others, ["began in a cancelled one", "begun"]);
}

/// Fails if: a panic in the first poll gets out of that, or is not the nursery's; or one of who makes the future leaves the
/// nursery waiting for a child that never was.
pub(crate) async fn n10_a_panic_of_a_child_that_is_begun_is_its_nurserys_and_one_before_is_the_callers<R: Rt>() {
    let mut panics = Box::pin(nursery(async |n| {
        let begun = n.place().begin(|| async { resume_unwind(Box::new("in the child")) })?;
        let _: Begun<()> = begun;
        assert!(matches!(begun, Begun::Ended));
        Ok(())
    }));
    loop {
        match catch_unwind(AssertUnwindSafe(|| futures_lite::future::block_on(poll_now(panics.as_mut())))) {
            Ok(polled) => assert!(polled.is_pending(), "the panic was lost"),
            Err(panic) => {
                assert_eq!(panic.downcast_ref::<&str>(), Some(&"in the child"));
                break;
            }
        }
        yield_now().await;
    }
    nursery(async |n| {
        let make = || -> Ready<()> { resume_unwind(Box::new("before there was one")) };
        let caught = catch_unwind(AssertUnwindSafe(|| n.place().begin(make)));
        assert!(caught.is_err());
        Ok(())
    })
    .await
    .unwrap();
}

/// Fails if: something is begun in a nursery that has ended, or whoever would make it is not dropped.
pub(crate) async fn n10_nothing_is_begun_in_a_nursery_that_has_ended<R: Rt>() {
    let spawner = nursery(async |n| Ok(n.spawner())).await.unwrap();
    let journal = Journal::new();
    let note = journal.on_drop("dropped");
    let refused = spawner.place().begin(|| {
        let _note = note;
        ready(())
    });
    assert!(refused.is_err());
    journal.assert_is(&["dropped"]);
}

/// Fails if: an error that the child leaves in its own way cancels nobody.
pub(crate) async fn n10_what_is_begun_can_fail_its_nursery<R: Rt>() {
    let failed = nursery(async |n| {
        let Begun::Done(outcome) = n.place().begin(|| async { Err::<(), _>(Failure::from("said at once")) })? else {
            panic!("it did not wait")
        };
        outcome
    })
    .await
    .unwrap_err();
    assert!(matches!(failed.leaves()[0].cause(), Cause::Failed(_)), "{failed}");
}
