//! n13: race, any-ok and all-ok are one call each, and the losers have ended when it returns.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::{Pin, pin};

use futures_lite::future::{pending, yield_now};
use futures_util::FutureExt;
use scope_core::{Cause, Failure, Spawns, all_ok, any_ok, nursery, race};
use scope_tests::{Boom, Gate, Journal, Rt, panic_text, poll_now, turns, while_it_waits};

type Entry<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Never wins; says when its own scope has been cleaned up, which waits for `sweep`, and when it is gone.
fn loses<'a, T: Send + 'a>(journal: &'a Journal, there: &'a Gate, sweep: &'a Gate) -> Entry<'a, T> {
    Box::pin(async move {
        let _note = journal.on_drop("loser");
        let (j, gate, entered) = (journal.clone(), sweep.clone(), there.clone());
        let _ = nursery(async |n| -> Result<(), Failure> {
            let note = j.on_drop("loser's child");
            n.finalizer("sweep", {
                let j = j.clone();
                async move |_| {
                    gate.passed().await;
                    j.add("swept");
                    Ok(())
                }
            });
            n.spawn_erased(async move {
                let _note = note;
                entered.open();
                pending().await
            });
            pending().await
        })
        .await;
        pending().await
    })
}

/// Wins when the other is there.
fn wins<'a, T: Send + 'a>(there: &'a Gate, value: T) -> Entry<'a, T> {
    Box::pin(async move {
        there.passed().await;
        value
    })
}

/// Polls `call` until the loser has begun to clean up, checks that it waits for that, and lets go.
async fn after_the_losers_clean_up<T>(
    mut call: Pin<&mut impl Future<Output = T>>,
    journal: &Journal,
    sweep: &Gate,
) -> T {
    while !journal.has("loser's child") {
        assert!(poll_now(call.as_mut()).await.is_pending());
        yield_now().await;
    }
    while_it_waits(call.as_mut(), "the loser cleans up").await;
    assert!(!journal.has("swept"));
    sweep.open();
    let out = call.await;
    for line in ["loser", "loser's child", "swept"] {
        assert_eq!(journal.count(line), 1, "{line}: {journal:?}");
    }
    out
}

/// Fails if: the winner's value comes out while a loser's scope is still being cleaned up.
pub(crate) async fn n13_a_races_losers_have_ended_before_it_returns<R: Rt>() {
    let (journal, there, sweep) = (Journal::new(), Gate::new(), Gate::new());
    let entries = [loses(&journal, &there, &sweep), wins(&there, 7)];
    let mut call = pin!(race(entries));
    let won = after_the_losers_clean_up(call.as_mut(), &journal, &sweep).await;
    assert_eq!(won.expect("nothing fails"), Some(7));
}

/// Fails if: a success comes out while the others still clean up.
pub(crate) async fn n13_any_oks_losers_have_ended_before_it_returns<R: Rt>() {
    let (journal, there, sweep) = (Journal::new(), Gate::new(), Gate::new());
    let entries = [loses::<Result<u32, Boom>>(&journal, &there, &sweep), wins(&there, Ok(7))];
    let mut call = pin!(any_ok(entries));
    let won = after_the_losers_clean_up(call.as_mut(), &journal, &sweep).await;
    assert_eq!(won.expect("one succeeded"), Some(7));
}

/// Fails if: a failure comes out while the others still clean up.
pub(crate) async fn n13_all_oks_others_have_ended_before_it_returns<R: Rt>() {
    let (journal, there, sweep) = (Journal::new(), Gate::new(), Gate::new());
    let entries = [loses::<Result<u32, Boom>>(&journal, &there, &sweep), wins(&there, Err(Boom("one")))];
    let mut call = pin!(all_ok(entries));
    let error = after_the_losers_clean_up(call.as_mut(), &journal, &sweep).await.expect_err("one failed");
    assert!(matches!(error.cause(), Cause::Failed(Boom("one"))), "{error:?}");
    assert_eq!(error.leaves().len(), 1, "{error:?}");
}

/// Fails if: any but the first to be ready wins, or more than one does.
pub(crate) async fn n13_the_first_to_be_ready_wins_the_race<R: Rt>() {
    let journal = Journal::new();
    let entries = (0..5).map(|at| {
        let journal = &journal;
        Box::pin(async move {
            turns(if at == 3 { 1 } else { 20 + at }).await;
            journal.add("past the post");
            at
        }) as Entry<'_, usize>
    });
    assert_eq!(race(entries).await.expect("nothing fails"), Some(3));
    journal.assert_is(&["past the post"]);

    // All are ready at once: one of them, and each was dropped.
    let dropped = Journal::new();
    let won = race((0..4).map(|at| {
        let note = dropped.on_drop("dropped");
        async move {
            let _note = note;
            at
        }
    }))
    .await
    .expect("nothing fails")
    .expect("there were some");
    assert!(won < 4);
    assert_eq!(dropped.count("dropped"), 4);
}

/// Fails if: an error wins, or ends it while one may still succeed.
pub(crate) async fn n13_any_ok_is_the_first_success<R: Rt>() {
    let entries = (0..4_usize).map(|at| async move {
        turns(at).await;
        if at < 2 { Err(Boom("early")) } else { Ok(at) }
    });
    assert_eq!(any_ok(entries).await.expect("one succeeds"), Some(2));
}

/// Fails if: an error of those that all failed is lost, or the order in which they did.
pub(crate) async fn n13_any_ok_has_every_error_when_all_fail<R: Rt>() {
    let gates: [Gate; 3] = Default::default();
    let names = ["a", "b", "c"];
    let entries = names.into_iter().enumerate().map(|(at, name)| {
        let gates = &gates;
        async move {
            gates[at].passed().await;
            // The next in line: c, then a, then b.
            gates[(at + 1) % 3].open();
            Err::<u32, _>(Boom(name))
        }
    });
    gates[2].open();
    let error = any_ok(entries).await.expect_err("all failed");
    let found: Vec<_> = error
        .leaves()
        .iter()
        .map(|leaf| match leaf.cause() {
            Cause::Failed(boom) => boom.0,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(found, ["c", "a", "b"]);
}

/// Fails if: values come in the order in which they were made.
pub(crate) async fn n13_all_ok_has_every_value_in_order<R: Rt>() {
    let entries = (0..5_usize).map(|at| async move {
        turns(5 - at).await;
        Ok::<_, Boom>(at * at)
    });
    assert_eq!(all_ok(entries).await.expect("nothing fails"), [0, 1, 4, 9, 16]);
}

/// Fails if: an error in all-ok waits for the others to end by themselves, or theirs, in ending, is lost.
pub(crate) async fn n13_all_ok_ends_at_the_first_error_and_loses_none<R: Rt>() {
    let begun = R::now();
    let entries: [Entry<'_, Result<u32, Failure>>; 3] = [
        Box::pin(async {
            turns(2).await;
            Err(Boom("first").into())
        }),
        Box::pin(async {
            nursery(async |n| -> Result<(), Failure> {
                n.finalizer("sweep", async |_| Err(Boom("clean-up").into()));
                pending().await
            })
            .await?;
            Ok(1)
        }),
        Box::pin(pending()),
    ];
    let error = all_ok(entries).await.expect_err("one failed");
    assert_eq!(error.find::<Boom>(), Some(&Boom("first")), "the first cause first");
    let all = format!("{error:?}");
    assert!(all.contains("clean-up"), "{all}");
    R::assert_no_time_passed(begun);
}

/// Fails if: there being nobody is a hang, a panic, or somebody's success.
pub(crate) async fn n13_nobody_at_all<R: Rt>() {
    assert_eq!(race(Vec::<Entry<'_, u32>>::new()).await.expect("nothing fails"), None);
    assert_eq!(any_ok(Vec::<Entry<'_, Result<u32, Boom>>>::new()).await.expect("nothing fails"), None);
    assert_eq!(all_ok(Vec::<Entry<'_, Result<u32, Boom>>>::new()).await.expect("nothing fails"), Vec::<u32>::new());
}

/// Fails if: a panic is lost, or leaves the others behind.
pub(crate) async fn n13_a_panic_is_resumed_when_the_others_have_ended<R: Rt>() {
    for which in 0..3 {
        let journal = Journal::new();
        let parked = || -> Entry<'_, Result<u32, Boom>> {
            let note = journal.on_drop("other");
            Box::pin(async move {
                let _note = note;
                pending().await
            })
        };
        let panics = || -> Entry<'_, Result<u32, Boom>> {
            Box::pin(async {
                turns(2).await;
                panic!("in an entry")
            })
        };
        let entries = [parked(), panics(), parked()];
        let call = async {
            match which {
                0 => drop(race(entries).await),
                1 => drop(any_ok(entries).await),
                _ => drop(all_ok(entries).await),
            }
        };
        let panic = AssertUnwindSafe(call).catch_unwind().await.expect_err("it panics");
        assert_eq!(panic_text(&*panic), "in an entry");
        journal.assert_is(&["other", "other"]);
    }
}

/// Fails if: the entries cannot borrow what stands around the call.
pub(crate) async fn n13_entries_may_borrow<R: Rt>() {
    let words = [String::from("a"), String::from("bb")];
    let mut lengths = [0; 2];
    let all = all_ok(words.iter().zip(&mut lengths).map(|(word, length)| async move {
        yield_now().await;
        *length = word.len();
        Ok::<_, Boom>(word.as_str())
    }))
    .await
    .expect("nothing fails");
    assert_eq!(all, ["a", "bb"]);
    assert_eq!(lengths, [1, 2]);
    let won = race(words.iter().map(|word| async move { word.as_str() })).await.expect("nothing fails");
    assert!(won.is_some_and(|word| words.iter().any(|w| w == word)));
}

/// Fails if: a call that is dropped mid-way leaves an entry, or its scope, behind the scope around; or one that is
/// cancelled from outside returns an error of its own there.
pub(crate) async fn n13_dropped_or_cancelled_it_leaves_nothing<R: Rt>() {
    for dropped in [false, true] {
        let (journal, there, sweep) = (Journal::new(), Gate::new(), Gate::new());
        sweep.open();
        let ended = nursery(async |n| -> Result<u32, Failure> {
            let mut call = pin!(race([loses::<u32>(&journal, &there, &sweep)]));
            while !there.is_open() {
                assert!(poll_now(call.as_mut()).await.is_pending());
                yield_now().await;
            }
            if dropped {
                return Ok(7);
            }
            n.cancel("enough");
            let _ = call.await;
            journal.add("it returned");
            Ok(8)
        })
        .await;
        match ended {
            Ok(7) => assert!(dropped),
            other => assert!(!dropped && other.as_ref().is_err_and(|error| error.is_cancelled()), "{other:?}"),
        }
        let mut lines = journal.lines();
        lines.sort();
        assert_eq!(lines, ["loser", "loser's child", "swept"]);
    }
}

/// Fails if: a loser polled after the race was won goes on past an await point.
pub(crate) async fn n13_losers_go_no_further<R: Rt>() {
    let (journal, go) = (Journal::new(), Gate::new());
    let entries: [Entry<'_, u32>; 3] = [
        Box::pin(async {
            go.passed().await;
            yield_now().await;
            journal.add("went on");
            1
        }),
        Box::pin(async {
            yield_now().await;
            go.open();
            2
        }),
        Box::pin(async {
            go.passed().await;
            yield_now().await;
            journal.add("went on");
            3
        }),
    ];
    assert_eq!(race(entries).await.expect("nothing fails"), Some(2));
    journal.assert_is(&[]);
}
