//! o03: closing a scope over what is open inside it closes that first, innermost first, and then reports the misuse.

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, PoisonError};

use futures_lite::future::pending;
use futures_util::join;
use scope_core::{Failure, OwnedScope, Spawns, nursery};
use scope_tests::{Boom, Gate, Journal, Rt, poll_now, turns};

use crate::watch::{ENDED, Watch, busy};

/// Gives `owned` a clean-up of some turns, more of them further in.
fn sweeps(owned: &OwnedScope, name: &'static str, length: usize, journal: &Journal) {
    let j = journal.clone();
    let sweep = async move |_| {
        j.add(format!("{name}: begins"));
        turns(length).await;
        j.add(format!("{name}: done"));
        Ok(())
    };
    owned.finalizer("sweep", sweep).expect("it is open");
}

const INNERMOST_FIRST: &[&str] =
    &["third: begins", "third: done", "second: begins", "second: done", "first: begins", "first: done"];

/// Fails if: the order that is asked for is told as a misuse, or anything is closed with something else.
pub(crate) async fn o03_in_order_it_is_no_misuse<R: Rt>() {
    nursery(async |_| {
        let journal = Journal::new();
        let first: OwnedScope = OwnedScope::open("first")?;
        let watch = Watch::of(first.scope());
        sweeps(&first, "first", 0, &journal);
        let second = first.open_inner("second")?;
        sweeps(&second, "second", 2, &journal);
        let third = second.open_inner("third")?;
        sweeps(&third, "third", 5, &journal);
        third.close().await?;
        journal.assert_is(&INNERMOST_FIRST[..2]);
        second.close().await?;
        journal.assert_is(&INNERMOST_FIRST[..4]);
        first.close().await?;
        journal.assert_is(INNERMOST_FIRST);
        watch.assert_no_violation();
        Ok(())
    })
    .await
    .expect("nothing fails");
}

/// Fails if: the outer one is closed beside or before what is inside it, the misuse is not told, or the inner guards can
/// still do something.
pub(crate) async fn o03_over_open_ones_they_are_closed_first_and_it_is_reported<R: Rt>() {
    nursery(async |_| {
        let journal = Journal::new();
        let first: OwnedScope = OwnedScope::open("first")?;
        let second = first.open_inner("second")?;
        let third = second.open_inner("third")?;
        sweeps(&first, "first", 0, &journal);
        sweeps(&second, "second", 2, &journal);
        sweeps(&third, "third", 5, &journal);
        let watches = [&first, &second, &third].map(|owned| Watch::of(owned.scope()));
        let error = first.close().await.expect_err("a misuse");
        journal.assert_is(INNERMOST_FIRST);
        assert!(error.is_out_of_order() && !error.is_wrong_task() && !error.is_closed_already(), "{error}");
        assert!(error.failed().is_none(), "{error}");
        for part in ["first", "second", "third", "o03.rs"] {
            assert!(error.to_string().contains(part), "{part}: {error}");
        }
        assert!(error.into_scope().is_none(), "it is closed all the same");
        for watch in &watches {
            assert_eq!(watch.ends(), 1);
        }
        watches[0].assert_no_violation();
        watches[1].assert_one_violation(&["second", "first"]);
        watches[2].assert_one_violation(&["third", "first"]);
        for inner in [second, third] {
            assert!(inner.spawn_erased(async { Ok(()) }).expect_err("it has ended").is_closed());
            let error = inner.close().await.expect_err("it has ended");
            assert!(error.is_closed_already() && !error.is_out_of_order(), "{error}");
        }
        watches[1].assert_one_violation(&[]);
        journal.assert_is(INNERMOST_FIRST);
        Ok(())
    })
    .await
    .expect("it came out of the close");
}

/// Fails if: what fails inside is lost, or hides the misuse.
pub(crate) async fn o03_what_fails_inside_is_in_the_report<R: Rt>() {
    nursery(async |_| {
        let first: OwnedScope = OwnedScope::open("first")?;
        let second = first.open_inner("second")?;
        second.finalizer("sweep", async |_| Err(Boom("inner clean-up").into()))?;
        first.finalizer("sweep", async |_| Err(Boom("outer clean-up").into()))?;
        let error = first.close().await.expect_err("a misuse");
        assert!(error.is_out_of_order(), "{error}");
        let failed = format!("{:?}", error.failed().expect("two things did"));
        for part in ["inner clean-up", "outer clean-up"] {
            assert!(failed.contains(part), "{part}: {failed}");
        }
        drop(second);
        Ok(())
    })
    .await
    .expect("it came out of the close");
}

/// Fails if: only guards that the closer holds are closed: another task has the inner one.
pub(crate) async fn o03_over_one_that_another_task_holds<R: Rt>() {
    nursery(async |n| {
        let journal = Journal::new();
        let first: OwnedScope = OwnedScope::open("first")?;
        let second = first.open_inner("second")?;
        let (note, begun, cleaned) = (journal.on_drop("child ended"), Gate::new(), journal.clone());
        let b = begun.clone();
        second.spawn_erased(async move {
            let _note = note;
            b.open();
            pending().await
        })?;
        second.finalizer("sweep", async move |_| {
            cleaned.add("cleaned up");
            Ok(())
        })?;
        begun.passed().await;
        let (closed, f) = (Gate::new(), Gate::new());
        let (c, there) = (closed.clone(), f.clone());
        let holder = n.task("holder").spawn_erased_with_handle(async move {
            there.open();
            c.passed().await;
            Ok(second.close().await.expect_err("it has ended").is_closed_already())
        });
        f.passed().await;
        let error = first.close().await.expect_err("a misuse");
        assert!(error.is_out_of_order(), "{error}");
        journal.assert_is(ENDED);
        closed.open();
        assert!(holder.await?);
        Ok(())
    })
    .await
    .expect("it came out of the close");
}

type Held = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A block with a child that goes on for ever; the gate opens when it has begun.
fn block_with_a_child(journal: &Journal, begun: &Gate) -> Held {
    let (note, b) = (journal.on_drop("child ended"), begun.clone());
    Box::pin(async move {
        let block = nursery(async move |n| -> Result<(), Failure> {
            n.spawn_erased(async move {
                let _note = note;
                b.open();
                pending().await
            });
            pending().await
        });
        drop(block.await);
    })
}

/// Fails if: a block that was begun inside, and is still held, keeps its children beyond the end of the code that began it.
pub(crate) async fn o03_a_block_begun_inside_ends_with_the_code_that_began_it<R: Rt>() {
    nursery(async |_| {
        let journal = Journal::new();
        let owned: OwnedScope = OwnedScope::open("around a block")?;
        let begun = Gate::new();
        let mut held = block_with_a_child(&journal, &begun);
        owned
            .enter(async {
                while !begun.is_open() {
                    assert!(poll_now(held.as_mut()).await.is_pending());
                    turns(1).await;
                }
            })
            .await?;
        journal.assert_is(&["child ended"]);
        owned.close().await?;
        drop(held);
        journal.assert_is(&["child ended"]);
        Ok(())
    })
    .await
    .expect("a broken rule is no failure");
}

/// Fails if: a block inside it, which somebody still holds, keeps its children beyond the close.
pub(crate) async fn o03_a_block_inside_that_is_still_held_is_cancelled<R: Rt>() {
    nursery(async |_| {
        let journal = Journal::new();
        let owned: OwnedScope = OwnedScope::open("entered")?;
        let begun = Gate::new();
        let mut inside = Box::pin(owned.enter({
            let mut held = block_with_a_child(&journal, &begun);
            async move { held.as_mut().await }
        }));
        while !begun.is_open() {
            assert!(poll_now(inside.as_mut()).await.is_pending());
            turns(1).await;
        }
        drop(owned.close().await);
        journal.assert_is(&["child ended"]);
        drop(inside);
        Ok(())
    })
    .await
    .expect("a broken rule is no failure");
}

/// Fails if: code in the scope can close it, and so waits for itself.
pub(crate) async fn o03_from_within_it_is_an_error_without_effect<R: Rt>() {
    nursery(async |_| {
        let journal = Journal::new();
        let (owned, begun) = busy("closed from within", &journal);
        begun.passed().await;
        let shared = owned.shared();
        let canceller = shared.canceller().expect("it is open");
        let slot = Arc::new(Mutex::new(None));
        let (inner, s) = (shared.clone(), slot.clone());
        let spawner = shared.spawner().expect("it is open");
        // A child of it: another task, and inside.
        let child = spawner.task("child").spawn_erased_with_handle(async move {
            let error = inner.close().await.expect_err("another task");
            *s.lock().unwrap_or_else(PoisonError::into_inner) = Some(error.to_string());
            Ok(error.is_wrong_task())
        })?;
        assert!(child.await?);
        assert!(!canceller.is_cancelled());
        let text = slot.lock().unwrap_or_else(PoisonError::into_inner).take().expect("it tried");
        assert!(text.contains("closed from within") && text.contains("child"), "{text}");
        canceller.cancel("enough");
        shared.close().await?;
        journal.assert_is(ENDED);

        // Its own task, but inside it.
        let owned: OwnedScope = OwnedScope::open("entered")?;
        let (slot, holder) = (Arc::new(Mutex::new(None)), owned.spawner());
        let inside = owned.open_inner("further in")?;
        *slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(owned);
        let s = slot.clone();
        let owned = inside
            .enter(async move {
                let owned = s.lock().unwrap_or_else(PoisonError::into_inner).take().expect("it is there");
                let error = owned.close().await.expect_err("it would wait for itself");
                assert!(error.is_from_within(), "{error}");
                error.into_scope().expect("unchanged")
            })
            .await?;
        holder.spawn_erased(async { Ok(()) })?;
        inside.close().await?;
        owned.close().await?;
        Ok(())
    })
    .await
    .expect("nothing fails");
}

/// Fails if: a second close through another handle does something, waits, or is told as anything but that.
pub(crate) async fn o03_closed_twice_through_a_shared_handle<R: Rt>() {
    nursery(async |n| {
        let journal = Journal::new();
        let (owned, begun) = busy("shared", &journal);
        begun.passed().await;
        let watch = Watch::of(owned.scope());
        let one = owned.shared();
        let other = one.clone();
        assert_eq!((one.scope(), one.home()), (other.scope(), other.home()));
        one.canceller().expect("it is open").cancel("enough");
        one.close().await?;
        journal.assert_is(ENDED);
        for again in [&other, &one] {
            let error = again.close().await.expect_err("it has been closed");
            assert!(error.is_closed_already() && error.into_scope().is_none());
        }
        let there = n.task("stranger").spawn_erased_with_handle(async move {
            let error = other.close().await.expect_err("it has been closed");
            assert!(error.to_string().contains("shared"), "{error}");
            Ok(error.is_closed_already())
        });
        assert!(there.await?);
        assert!(one.spawner().is_none() && one.canceller().is_none());
        drop(one);
        journal.assert_is(ENDED);
        watch.assert_no_violation();
        assert_eq!(watch.ends(), 1);
        Ok(())
    })
    .await
    .expect("nothing fails");
}

/// Fails if: two closes at once wait for each other, or both close.
pub(crate) async fn o03_closed_through_two_handles_at_once<R: Rt>() {
    nursery(async |_| {
        let owned: OwnedScope = OwnedScope::open("shared")?;
        let watch = Watch::of(owned.scope());
        let go = Gate::new();
        let g = go.clone();
        owned.finalizer("slow", async move |_| {
            g.passed().await;
            Ok(())
        })?;
        let one = owned.shared();
        let other = one.clone();
        let (first, second) = join!(one.close(), async {
            let mut second = pin!(other.close());
            let told = poll_now(second.as_mut()).await;
            go.open();
            told
        });
        first?;
        match second {
            std::task::Poll::Ready(Err(error)) => assert!(error.is_closed_already(), "{error}"),
            other => panic!("at once, and without effect: {other:?}"),
        }
        assert_eq!(watch.ends(), 1);
        Ok(())
    })
    .await
    .expect("nothing fails");
}

/// Fails if: a shared handle lets another task close, or loses the scope to it.
pub(crate) async fn o03_a_shared_handle_in_the_wrong_task<R: Rt>() {
    nursery(async |n| {
        let journal = Journal::new();
        let (owned, begun) = busy("shared", &journal);
        begun.passed().await;
        let watch = Watch::of(owned.scope());
        let home = owned.shared();
        let lent = home.clone();
        let stranger = n.task("stranger").spawn_erased_with_handle(async move {
            let error = lent.close().await.expect_err("not its own");
            assert!(error.is_wrong_task() && error.to_string().contains("stranger"), "{error}");
            // It stays where it is shared, for whoever has the right to close it.
            assert!(error.into_scope().is_none());
            Ok(())
        });
        stranger.await?;
        watch.assert_no_violation();
        journal.assert_is(&[]);
        home.canceller().expect("it is open").cancel("enough");
        home.close().await?;
        journal.assert_is(ENDED);
        Ok(())
    })
    .await
    .expect("nothing fails");
}

/// Fails if: dropping one clone ends it, or dropping the last, by a stranger, is no broken rule.
pub(crate) async fn o03_the_last_clone_dropped_is_the_guard_dropped<R: Rt>() {
    let journal = Journal::new();
    nursery(async |n| {
        let (owned, begun) = busy("shared", &journal);
        begun.passed().await;
        let watch = Watch::of(owned.scope());
        let home = owned.shared();
        let lent = home.clone();
        drop(home);
        turns(5).await;
        journal.assert_is(&[]);
        let stranger = n.task("stranger").spawn_erased_with_handle(async move {
            drop(lent);
            Ok(())
        });
        stranger.await?;
        watch.assert_one_violation(&["shared", "stranger"]);
        Ok(())
    })
    .await
    .expect("a broken rule is no failure");
    journal.assert_is(ENDED);
}

/// Fails if: a scope can be opened inside one that has ended: nobody would end it.
pub(crate) async fn o03_nothing_is_opened_inside_one_that_has_ended<R: Rt>() {
    nursery(async |_| {
        let first: OwnedScope = OwnedScope::open("first")?;
        let second = first.open_inner("second")?;
        drop(first.close().await.expect_err("a misuse"));
        let error = second.open_inner("third").expect_err("it has ended");
        assert!(error.is_outer_ended() && !error.is_no_task());
        for part in ["second", "o03.rs"] {
            assert!(error.to_string().contains(part), "{part}: {error}");
        }
        Ok(())
    })
    .await
    .expect("it came out of the close");
}
