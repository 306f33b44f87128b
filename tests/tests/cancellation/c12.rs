//! c12: the effective deadline is the minimum over the visible ancestors; a shield cuts; it is readable.

use std::time::Duration;

use scope_core::{CancelScope, Failure, effective_deadline, fail_after, nursery, shield};
use scope_tests::{Gate, Journal, Rt};

const MINUTE: Duration = Duration::from_secs(60);

/// Fails if: there is one where nobody has set one.
pub(crate) async fn c12_none<R: Rt>() {
    assert_eq!(effective_deadline(), None);
    nursery(async |n| {
        assert_eq!(
            (effective_deadline(), n.canceller().effective_deadline(), n.canceller().deadline()),
            (None, None, None)
        );
        nursery(async |_| {
            assert_eq!(effective_deadline(), None);
            Ok(())
        })
        .await?;
        shield(async { assert_eq!(effective_deadline(), None) }).await;
        Ok(())
    })
    .await
    .expect("nothing fails");
}

/// Fails if: the innermost or the outermost one counts, and not the earliest.
pub(crate) async fn c12_the_earliest_of_all<R: Rt>() {
    let begun = R::now();
    let at = |minutes: u32| Some(begun + MINUTE * minutes);
    for order in [[3, 2, 1], [1, 2, 3], [2, 1, 3], [2, 3, 1]] {
        nursery(async |a| {
            nursery(async |b| {
                CancelScope::new()
                    .deadline(begun + MINUTE * order[2])
                    .run_with(async |c| {
                        let first = at(*order.iter().min().expect("there are three"));
                        assert_eq!(effective_deadline(), first);
                        assert_eq!(c.effective_deadline(), first);
                        assert_eq!(c.deadline(), at(order[2]));
                        assert_eq!(b.canceller().effective_deadline(), at(order[0].min(order[1])));
                        assert_eq!(b.canceller().deadline(), at(order[1]));
                        assert_eq!(a.canceller().effective_deadline(), at(order[0]));
                    })
                    .await?;
                assert_eq!(effective_deadline(), at(order[0].min(order[1])));
                Ok(())
            })
            .deadline(begun + MINUTE * order[1])
            .await?;
            assert_eq!(effective_deadline(), at(order[0]));
            Ok(())
        })
        .deadline(begun + MINUTE * order[0])
        .await
        .expect("in time");
    }
    assert_eq!(effective_deadline(), None);
}

/// Fails if: it is that of the task, or of the moment of entry: children see their nursery's, and an edit is seen at once.
pub(crate) async fn c12_in_children_and_after_an_edit<R: Rt>() {
    let begun = R::now();
    let at = |minutes: u32| Some(begun + MINUTE * minutes);
    for same_task in [false, true] {
        let (go, seen) = (Gate::new(), Journal::new());
        nursery(async |n| {
            n.set_deadline(at(5));
            let (parked, go_, seen_) = (Gate::new(), go.clone(), seen.clone());
            let here = parked.clone();
            let at = [5_u32, 2, 9].map(|minutes| Some(begun + MINUTE * minutes));
            let child = async move {
                assert_eq!(effective_deadline(), at[0]);
                fail_after(MINUTE * 60, async {
                    assert_eq!(effective_deadline(), at[0]);
                    here.open();
                    go_.passed().await;
                    assert_eq!(effective_deadline(), at[1]);
                    seen_.add("seen");
                })
                .await?;
                Ok(())
            };
            if same_task {
                n.spawn_local(child);
            } else {
                R::spawn(n, child);
            }
            parked.passed().await;
            n.set_deadline(at[1]);
            go.open();
            while !seen.has("seen") {
                scope_tests::turns(1).await;
            }
            n.set_deadline(at[2]);
            assert_eq!(effective_deadline(), at[2]);
            n.set_deadline(None);
            assert_eq!(effective_deadline(), None);
            n.canceller().set_deadline(at[2]);
            assert_eq!((effective_deadline(), n.deadline()), (at[2], at[2]));
            Ok(())
        })
        .await
        .expect("in time");
        seen.assert_is(&["seen"]);
    }
}

/// Fails if: a shield lets through what is further out, or cuts off what is its own.
pub(crate) async fn c12_a_shield_cuts<R: Rt>() {
    let begun = R::now();
    let at = |minutes: u32| Some(begun + MINUTE * minutes);
    nursery(async |n| -> Result<(), Failure> {
        assert_eq!(effective_deadline(), at(1));
        shield(async {
            assert_eq!(effective_deadline(), None);
            CancelScope::new()
                .deadline(begun + MINUTE * 7)
                .run(async {
                    assert_eq!(effective_deadline(), at(7));
                    shield(async { assert_eq!(effective_deadline(), None) }).await;
                    assert_eq!(effective_deadline(), at(7));
                })
                .await?;
            // Of the nursery itself, which is outside, seen from inside.
            assert_eq!(n.canceller().effective_deadline(), at(1));
            Ok::<_, Failure>(())
        })
        .await?;
        assert_eq!(effective_deadline(), at(1));
        CancelScope::new()
            .shield()
            .deadline(begun + MINUTE * 5)
            .run_with(async |c| {
                assert_eq!((effective_deadline(), c.effective_deadline()), (at(5), at(5)));
                assert!(c.lift_shield());
                assert_eq!((effective_deadline(), c.effective_deadline()), (at(1), at(1)));
            })
            .await?;
        Ok(())
    })
    .deadline(begun + MINUTE)
    .await
    .expect("in time");
}

/// Fails if: children of a nursery in a shield see further out than the shield.
pub(crate) async fn c12_children_in_a_shield<R: Rt>() {
    let begun = R::now();
    let seen = Journal::new();
    nursery(async |_| {
        shield(nursery(async |inner| {
            let j = seen.clone();
            R::spawn(inner, async move {
                assert_eq!(effective_deadline(), None);
                j.add("parallel");
                Ok(())
            });
            inner.spawn_local(async {
                assert_eq!(effective_deadline(), None);
                seen.add("same-task");
                Ok(())
            });
            Ok(())
        }))
        .await?;
        Ok(())
    })
    .deadline(begun + MINUTE)
    .await
    .expect("in time");
    assert_eq!(seen.lines().len(), 2);
}

/// Fails if: a time that no clock can count is a deadline, or one in the past is none.
pub(crate) async fn c12_at_the_ends_of_time<R: Rt>() {
    fail_after(Duration::MAX, async { assert_eq!(effective_deadline(), None) }).await.expect("in time");
    let past = R::now();
    nursery(async |_| {
        assert_eq!(effective_deadline(), Some(past));
        Ok(())
    })
    .deadline(past)
    .await
    .expect("it never waited");
}
