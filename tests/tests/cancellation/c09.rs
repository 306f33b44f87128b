//! c09: a cancelled host in a shield, waiting for an event that its child's clean-up sets, makes progress: children are told
//! though the host is shielded.

use futures_lite::future::{pending, yield_now};
use scope_core::{Failure, Spawns, nursery, shield};
use scope_tests::{Boom, Gate, Journal, Rt, turns};

/// Opens a gate when it is dropped: a clean-up that somebody waits for.
struct Opens(Gate);

impl Drop for Opens {
    fn drop(&mut self) {
        self.0.open();
    }
}

/// Fails if: a child is told only when the shield that its host is in has been left: then this hangs.
pub(crate) async fn c09_children_are_told_though_the_host_is_shielded<R: Rt>() {
    for same_task in [false, true] {
        for from_outside in [false, true] {
            let journal = Journal::new();
            let error = nursery(async |n| -> Result<(), Failure> {
                let (cleaned_up, parked) = (Gate::new(), Gate::new());
                let (opens, here) = (Opens(cleaned_up.clone()), parked.clone());
                let child = async move {
                    let _opens = opens;
                    here.open();
                    pending().await
                };
                if same_task {
                    n.spawn_local(child);
                } else {
                    R::spawn(n, child);
                }
                parked.passed().await;
                if from_outside {
                    let (canceller, waits) = (n.canceller(), cleaned_up.clone());
                    R::spawn(n, async move {
                        // Told itself, and waits no longer than for that.
                        turns(3).await;
                        assert!(!waits.is_open());
                        canceller.cancel("while the host waits in a shield");
                        Ok(())
                    });
                } else {
                    n.cancel("now");
                }
                shield(cleaned_up.passed()).await;
                journal.add("the host got its event");
                yield_now().await;
                journal.add("went on");
                Ok(())
            })
            .await
            .expect_err("cancelled");
            assert!(error.is_cancelled(), "{error:?}");
            journal.assert_is(&["the host got its event"]);
        }
    }
}

/// Fails if: the same with a clean-up that has to wait itself: a finalizer of a scope of the child's.
pub(crate) async fn c09_with_a_finalizer_of_the_childs<R: Rt>() {
    let journal = Journal::new();
    nursery(async |n| -> Result<(), Failure> {
        let (cleaned_up, parked) = (Gate::new(), Gate::new());
        let (opens, here) = (cleaned_up.clone(), parked.clone());
        R::spawn(n, async move {
            nursery(async |inner| -> Result<(), Failure> {
                inner.finalizer("sets the event", async move |_| {
                    turns(3).await;
                    opens.open();
                    Ok(())
                });
                here.open();
                pending().await
            })
            .await?;
            Ok(())
        });
        parked.passed().await;
        n.cancel("now");
        shield(cleaned_up.passed()).await;
        journal.add("the host got its event");
        pending().await
    })
    .await
    .expect_err("cancelled");
    journal.assert_is(&["the host got its event"]);
}

/// Fails if: a failure of one child does not reach the others while the host is shielded.
pub(crate) async fn c09_a_failure_is_told_too<R: Rt>() {
    let journal = Journal::new();
    let error = nursery(async |n| -> Result<(), Failure> {
        let (cleaned_up, parked) = (Gate::new(), Gate::new());
        let (opens, here) = (Opens(cleaned_up.clone()), parked.clone());
        n.task("waits").spawn_erased(async move {
            let _opens = opens;
            here.open();
            pending().await
        });
        parked.passed().await;
        n.task("fails").spawn_erased(async { Err(Boom("first").into()) });
        shield(cleaned_up.passed()).await;
        journal.add("the host got its event");
        pending().await
    })
    .await
    .expect_err("a child failed");
    assert_eq!(error.find::<Boom>(), Some(&Boom("first")));
    journal.assert_is(&["the host got its event"]);
}

/// Fails if: a cancellation from further out stops at the host's shield on its way to the children: here the host of the
/// child is shielded two scopes further in.
pub(crate) async fn c09_from_further_out<R: Rt>() {
    let journal = Journal::new();
    nursery(async |outer| -> Result<(), Failure> {
        nursery(async |n| -> Result<(), Failure> {
            let (cleaned_up, parked) = (Gate::new(), Gate::new());
            let (opens, here) = (Opens(cleaned_up.clone()), parked.clone());
            R::spawn(n, async move {
                let _opens = opens;
                here.open();
                pending().await
            });
            parked.passed().await;
            outer.cancel("from further out");
            nursery(async |_| {
                shield(cleaned_up.passed()).await;
                journal.add("the host got its event");
                pending::<()>().await;
                Ok(())
            })
            .await?;
            Ok(())
        })
        .await?;
        Ok(())
    })
    .await
    .expect_err("cancelled");
    journal.assert_is(&["the host got its event"]);
}
