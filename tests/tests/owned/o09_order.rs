//! o09: a task that ends with owned scopes open: they are closed, innermost first.

use scope_core::{OwnedScope, Spawns, nursery};
use scope_tests::{Journal, Rt, turns};

/// Opens one whose clean-up takes `length` turns, and says when it begins and when it ends.
fn open(name: &'static str, length: usize, journal: &Journal) -> OwnedScope {
    let owned: OwnedScope = OwnedScope::open(name).expect("in a task");
    let j = journal.clone();
    let sweep = async move |_| {
        j.add(format!("{name}: begins"));
        turns(length).await;
        j.add(format!("{name}: done"));
        Ok(())
    };
    owned.finalizer("sweep", sweep).expect("it is open");
    owned
}

const NEWEST_FIRST: &[&str] =
    &["third: begins", "third: done", "second: begins", "second: done", "first: begins", "first: done"];

/// Fails if: what was opened later, and may rest on what was opened before, is cleaned up beside it or after it.
pub(crate) async fn o09_the_newest_first_one_after_the_other<R: Rt>() {
    // The guards live on elsewhere.
    let journal = Journal::new();
    let guards =
        nursery(async |_| Ok([open("first", 0, &journal), open("second", 2, &journal), open("third", 5, &journal)]))
            .await
            .expect("a broken rule is no failure");
    journal.assert_is(NEWEST_FIRST);
    drop(guards);

    // In a child, whose nursery lives on.
    let journal = Journal::new();
    nursery(async |n| {
        let j = journal.clone();
        let child = n.spawn_erased_with_handle(async move {
            Ok([open("first", 0, &j), open("second", 2, &j), open("third", 5, &j)])
        });
        let _guards = child.await?;
        Ok(())
    })
    .await
    .expect("a broken rule is no failure");
    journal.assert_is(NEWEST_FIRST);
}
