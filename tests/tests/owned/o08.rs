//! o08: what a broken rule does is the user's to say: report (the default), panic, abort. Abort stands in `one_runtime`.

use std::panic::AssertUnwindSafe;

use futures_util::FutureExt;
use scope_core::{Failure, OwnedScope, Policy, Spawns, nursery};
use scope_tests::{Boom, Journal, Rt, panic_text};

use crate::watch::{ENDED, Watch, busy};

/// Has a stranger drop a guard; what became of the stranger, and what was told.
async fn break_a_rule(journal: &Journal) -> (Result<(), String>, Watch) {
    let (owned, begun) = busy("broken", journal);
    begun.passed().await;
    let watch = Watch::of(owned.scope());
    let ended = std::thread::spawn(move || std::panic::catch_unwind(AssertUnwindSafe(|| drop(owned))));
    let ended = ended.join().expect("caught").map_err(|panic| panic_text(&*panic).to_owned());
    (ended, watch)
}

/// Fails if: the default is anything but an event.
pub(crate) async fn o08_report_is_the_default<R: Rt>() {
    for policy in [None, Some(Policy::Report), Some(Policy::Inherit)] {
        let journal = Journal::new();
        let body = nursery(async |_| {
            let (ended, watch) = break_a_rule(&journal).await;
            assert_eq!(ended, Ok(()));
            watch.assert_one_violation(&["broken", "no task"]);
            Ok(())
        });
        match policy {
            Some(policy) => body.policy(policy).await,
            None => body.await,
        }
        .expect("a broken rule is no failure");
        journal.assert_is(ENDED);
    }
}

/// Fails if: "panic" tells nothing, panics without having made it good, or leaves the text out.
pub(crate) async fn o08_panic_panics_where_it_was_broken_and_makes_it_good<R: Rt>() {
    let journal = Journal::new();
    nursery(async |_| {
        let (ended, watch) = break_a_rule(&journal).await;
        let text = ended.expect_err("the policy says so");
        for part in ["broken", "o08.rs", "no task"] {
            assert!(text.contains(part), "{part}: {text}");
        }
        watch.assert_one_violation(&["broken"]);
        Ok(())
    })
    .policy(Policy::Panic)
    .await
    .expect("it panicked elsewhere");
    journal.assert_is(ENDED);
}

/// Fails if: a broken rule while a thread unwinds turns that into an abort.
pub(crate) async fn o08_panic_while_panicking_only_tells<R: Rt>() {
    let journal = Journal::new();
    nursery(async |_| {
        let (owned, begun) = busy("broken", &journal);
        begun.passed().await;
        let watch = Watch::of(owned.scope());
        let panic = std::thread::spawn(move || {
            let _owned = owned;
            panic!("the stranger's own");
        });
        let panic = panic.join().expect_err("it panics");
        assert_eq!(panic_text(&*panic), "the stranger's own");
        watch.assert_one_violation(&["broken"]);
        Ok(())
    })
    .policy(Policy::Panic)
    .await
    .expect("it panicked elsewhere");
    journal.assert_is(ENDED);
}

/// Fails if: a task that ends with a scope open is let off where the policy is "panic", or the panic is lost.
pub(crate) async fn o08_panic_when_a_task_ends_with_a_scope_open<R: Rt>() {
    let journal = Journal::new();
    let ended = AssertUnwindSafe(
        nursery(async |n| {
            let j = journal.clone();
            n.task("opener").spawn_erased(async move {
                let (owned, begun) = busy("left open", &j);
                begun.passed().await;
                std::mem::forget(owned);
                Ok(())
            });
            Ok(())
        })
        .policy(Policy::Panic),
    )
    .catch_unwind()
    .await;
    journal.assert_is(ENDED);
    let text = match ended {
        Err(panic) => panic_text(&*panic).to_owned(),
        Ok(ended) => format!("{:?}", ended.expect_err("a test is to fail for it")),
    };
    assert!(text.contains("left open") && text.contains("opener"), "{text}");
}

/// Fails if: the policy of one root is that of another, or scopes further in do not have their root's.
pub(crate) async fn o08_settable_per_root_and_inherited<R: Rt>() {
    let (strict, lax) = (Journal::new(), Journal::new());
    let root = async |journal: &Journal, policy: Policy| {
        // In a foreign task, with nothing around it.
        let (journal, runtime) = (journal.clone(), scope_core::rt::current().expect("on a runtime"));
        let (done, wait) = async_channel::bounded(1);
        let foreign = R::foreign(async move {
            let ended = nursery(async |_| {
                // Further in, and further in still.
                let ended = nursery(async |_| {
                    let outer: OwnedScope = OwnedScope::open("outer")?;
                    let (ended, _) = outer.enter(break_a_rule(&journal)).await?;
                    outer.close().await?;
                    Ok(ended)
                });
                Ok(ended.await?)
            });
            let ended = ended.policy(policy).runtime(runtime).await;
            assert!(done.send(ended.expect("it panicked elsewhere")).await.is_ok());
        });
        let ended = wait.recv().await.expect("it is sent");
        drop(foreign);
        ended
    };
    let (strictly, laxly) = futures_util::join!(root(&strict, Policy::Panic), root(&lax, Policy::Report));
    assert!(strictly.is_err());
    assert_eq!(laxly, Ok(()));
    strict.assert_is(ENDED);
    lax.assert_is(ENDED);
}

/// Fails if: the policy cannot be set from within, for what is opened afterwards.
pub(crate) async fn o08_set_from_within<R: Rt>() {
    let journal = Journal::new();
    let error = nursery(async |n| -> Result<(), Failure> {
        n.set_policy(Policy::Panic);
        let (ended, _) = break_a_rule(&journal).await;
        assert!(ended.is_err());
        n.set_policy(Policy::Report);
        let (ended, _) = break_a_rule(&journal).await;
        assert_eq!(ended, Ok(()));
        Err(Boom("through").into())
    })
    .await
    .expect_err("it comes to its end");
    assert_eq!(error.find::<Boom>(), Some(&Boom("through")));
    assert_eq!(journal.lines().len(), 4, "{journal:?}");
}
