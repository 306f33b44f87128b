//! o09: guards that are opened while a child's output is destroyed, which is the child's doing (t02), and go elsewhere.

use futures_lite::future::yield_now;
use scope_core::{OwnedScope, Spawns, Started, blocking, nursery, task};
use scope_tests::{Journal, Rt, turns};

use crate::watch::{ENDED, Watch, busy};

/// A value whose destructor opens a scope, and gives the guard away.
struct OpensInDrop {
    journal: Journal,
    to: async_channel::Sender<(Watch, OwnedScope)>,
}

impl Drop for OpensInDrop {
    fn drop(&mut self) {
        assert_eq!(task::current().and_then(|task| Some(task.name()?.to_owned())).as_deref(), Some("child"));
        let (owned, _begun) = busy("late", &self.journal);
        let _ = self.to.try_send((Watch::of(owned.scope()), owned));
    }
}

/// How the child and what it has made come to their end.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Made {
    HandleDroppedBefore,
    HandleDroppedAfter,
    ResultsDroppedAfter,
    StartDroppedAfter,
}

/// Fails if: a scope that is opened when its task is nearly over, or is over, stays open, keeps the nursery from ending, or
/// is not told of.
pub(crate) async fn o09_a_guard_opened_while_the_output_is_destroyed<R: Rt>() {
    for made in
        [Made::HandleDroppedBefore, Made::HandleDroppedAfter, Made::ResultsDroppedAfter, Made::StartDroppedAfter]
    {
        let journal = Journal::new();
        let (to, late) = async_channel::bounded(1);
        let output = OpensInDrop { journal: journal.clone(), to };
        nursery(async |n| {
            let child = n.task("child");
            match made {
                Made::HandleDroppedBefore => drop(child.spawn_erased_with_handle(async { Ok(output) })),
                Made::HandleDroppedAfter => {
                    let handle = child.spawn_erased_with_handle(async { Ok(output) });
                    while !handle.is_finished() {
                        yield_now().await;
                    }
                }
                Made::ResultsDroppedAfter => {
                    let results = n.spawner().task("child").results();
                    results.spawn_erased(async { Ok(output) })?;
                    // Time for the child to end, which nothing tells here; without threads it has.
                    turns(10).await;
                    drop(results);
                }
                Made::StartDroppedAfter => {
                    let start = child.start_erased(async |started: Started<OpensInDrop>| {
                        let _ = started.report(output);
                        Ok(())
                    });
                    // As above.
                    turns(10).await;
                    drop(start);
                }
            }
            Ok(())
        })
        .await
        .expect("a broken rule is no failure");
        let (watch, owned) = late.try_recv().expect("it was opened");
        journal.assert_is(ENDED);
        watch.assert_one_violation(&["late", "child", "still open"]);
        assert_eq!(watch.ends(), 1, "{made:?}");
        assert!(owned.close().await.expect_err("it has ended").is_home_ended());
    }
}

/// Fails if: a guard that blocking work has opened and given away stays open, and keeps the nursery from ending.
pub(crate) async fn o09_a_guard_opened_by_blocking_work<R: Rt>() {
    let journal = Journal::new();
    let j = journal.clone();
    let mut lent = None;
    nursery(async |_| {
        lent = Some(
            blocking(move |_| {
                let (owned, _begun) = busy("of the work", &j);
                (Watch::of(owned.scope()), owned)
            })
            .await?,
        );
        Ok(())
    })
    .await
    .expect("a broken rule is no failure");
    journal.assert_is(ENDED);
    let (watch, owned) = lent.expect("it was opened");
    watch.assert_one_violation(&["of the work", "still open"]);
    assert_eq!(watch.ends(), 1);
    assert!(owned.close().await.expect_err("it has ended").is_home_ended());
}
