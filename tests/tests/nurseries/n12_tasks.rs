//! n12: whose task an unread result is destroyed in.

use scope_core::{Spawns, nursery};
use scope_tests::{Journal, Rt, turns};

/// Fails if: results that were not read are destroyed outside the tasks that made them (t02: an untaken output's).
pub(crate) async fn n12_unread_results_are_destroyed_as_the_task_that_made_them<R: Rt>() {
    let journal = Journal::new();
    nursery(async |n| {
        let results = n.spawner().task("maker").results::<scope_tests::Note>();
        let note = journal.on_drop_with_task("result");
        results.spawn_erased(async move { Ok(note) })?;
        // Long enough for it to have ended where there is one thread; elsewhere either way is right.
        turns(20).await;
        drop(results);
        Ok(())
    })
    .await
    .expect("nothing fails");
    journal.assert_is(&["result@maker"]);
}
