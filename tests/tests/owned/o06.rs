//! o06: what is forgotten is sound: parallel children are ended, and that is told; same-task children leak.

use std::mem::forget;

use scope_core::{OwnedScope, Spawns, nursery};
use scope_tests::{Journal, Rt, poll_now, turns};

use crate::watch::{ENDED, Watch, busy};

/// Fails if: a forgotten guard leaves its children running, or nobody waits for them, or nobody hears of it.
pub(crate) async fn o06_a_forgotten_guard_ends_with_its_home<R: Rt>() {
    let journal = Journal::new();
    let watch = nursery(async |_| {
        let (owned, begun) = busy("forgotten", &journal);
        begun.passed().await;
        let watch = Watch::of(owned.scope());
        forget(owned);
        turns(5).await;
        journal.assert_is(&[]);
        watch.assert_no_violation();
        Ok(watch)
    })
    .await
    .expect("a broken rule is no failure");
    journal.assert_is(ENDED);
    watch.assert_one_violation(&["forgotten", "still open", "o06.rs"]);
    assert_eq!(watch.ends(), 1);
}

/// The same in a child, parallel or in the same task: it is the child that ends, the nursery that waits.
pub(crate) async fn o06_a_guard_forgotten_by_a_child<R: Rt>() {
    for parallel in [true, false] {
        let journal = Journal::new();
        let (j, watched) = (journal.clone(), async_channel::bounded(1));
        let child = async move {
            let (owned, begun) = busy("forgotten", &j);
            begun.passed().await;
            watched.0.send(Watch::of(owned.scope())).await?;
            forget(owned);
            Ok(())
        };
        nursery(async |n| {
            if parallel {
                n.task("forgetful").spawn_erased(child);
            } else {
                n.task("forgetful").spawn_local(child);
            }
            Ok(())
        })
        .await
        .expect("a broken rule is no failure");
        journal.assert_is(ENDED);
        watched.1.try_recv().expect("it was sent").assert_one_violation(&["forgetful", "still open"]);
    }
}

/// Fails if: a `close` that is forgotten half-way keeps its scope open for ever, or home's end ends it twice.
pub(crate) async fn o06_a_forgotten_close<R: Rt>() {
    let journal = Journal::new();
    let watch = nursery(async |_| {
        let (owned, begun) = busy("forgotten", &journal);
        begun.passed().await;
        let watch = Watch::of(owned.scope());
        let mut closing = Box::pin(owned.close());
        assert!(poll_now(closing.as_mut()).await.is_pending());
        forget(closing);
        Ok(watch)
    })
    .await
    .expect("a broken rule is no failure");
    journal.assert_is(ENDED);
    watch.assert_one_violation(&["forgotten"]);
    assert_eq!(watch.ends(), 1);
}

/// Fails if: forgetting what never began does something.
pub(crate) async fn o06_what_never_began_leaves_nothing<R: Rt>() {
    let journal = Journal::new();
    nursery(async |_| {
        forget(nursery(async |n| {
            let j = journal.clone();
            n.spawn_erased(async move {
                j.add("a child of one that was never polled");
                Ok(())
            });
            Ok(())
        }));
        let owned: OwnedScope = OwnedScope::open("closed, not forgotten")?;
        forget(owned.spawner());
        forget(owned.canceller());
        owned.close().await?;
        Ok(())
    })
    .await
    .expect("nothing fails");
    journal.assert_is(&[]);
}
