//! s07: a close with a bound of its own ends the task when its time is over: it does not abandon it.

use std::time::Duration;

use futures_lite::future::pending;
use scope_core::{Exit, Failure, Inbox, Name, Service, Spawns, nursery};
use scope_tests::{Gate, Journal, Rt, turns};

const SHORT: Duration = Duration::from_millis(20);
const LONG: Duration = Duration::from_secs(3600);

/// Where it hangs, whatever it is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Hangs {
    Nowhere,
    InOpen,
    InServe,
    InEnd,
    InServeAndEnd,
}

struct Stubborn {
    hangs: Hangs,
    journal: Journal,
    opening: Gate,
}

impl Service for Stubborn {
    type Request = ();
    type Info = ();
    type Report = &'static str;

    fn name(&self) -> Name {
        Name::new("stubborn")
    }

    fn cleanup_budget(&self) -> Option<Duration> {
        Some(SHORT)
    }

    async fn open(&mut self) -> Result<(), Failure> {
        self.opening.open();
        if self.hangs == Hangs::InOpen {
            pending::<()>().await;
        }
        Ok(())
    }

    async fn serve(&mut self, inbox: &mut Inbox<()>) -> Result<(), Failure> {
        let _note = self.journal.on_drop("serve is over");
        if matches!(self.hangs, Hangs::InServe | Hangs::InServeAndEnd) {
            pending::<()>().await;
        }
        while inbox.next().await.is_some() {}
        Ok(())
    }

    async fn end(&mut self, _: Exit) -> &'static str {
        let _note = self.journal.on_drop("end is over");
        if matches!(self.hangs, Hangs::InEnd | Hangs::InServeAndEnd) {
            pending::<()>().await;
        }
        turns(2).await;
        self.journal.add("ended");
        "report"
    }
}

impl Drop for Stubborn {
    fn drop(&mut self) {
        self.journal.add("dropped");
    }
}

fn stubborn(hangs: Hangs, journal: &Journal) -> (Stubborn, Gate) {
    let opening = Gate::new();
    (Stubborn { hangs, journal: journal.clone(), opening: opening.clone() }, opening)
}

/// Fails if: one that ends in time is cut, waited for longer than it takes, or gives another report.
pub(crate) async fn s07_a_bounded_close_of_one_that_ends_in_time_is_a_close<R: Rt>() {
    for hangs in [Hangs::Nowhere, Hangs::InOpen] {
        let journal = Journal::new();
        nursery(async |n| {
            let (service, opening) = stubborn(hangs, &journal);
            let service = n.serve(service);
            opening.passed().await;
            let begun = R::now();
            assert_eq!(*service.close_within(LONG).await?, "report");
            R::assert_no_time_passed(begun);
            assert_eq!(*service.close_within(SHORT).await?, "report", "and again");
            assert_eq!(*service.close().await?, "report");
            Ok(())
        })
        .await
        .expect("nothing fails");
        assert!(journal.lines().ends_with(&["ended", "end is over", "dropped"].map(String::from)), "{journal:?}");
    }
}

/// Fails if: its task goes on behind the back of the one who was told that the time is over, or the scope waits for it.
pub(crate) async fn s07_a_bounded_close_that_runs_out_of_time_ends_the_task<R: Rt>() {
    for hangs in [Hangs::InServe, Hangs::InEnd, Hangs::InServeAndEnd] {
        let journal = Journal::new();
        let begun = R::now();
        nursery(async |n| {
            let (service, _) = stubborn(hangs, &journal);
            let service = n.open(service).await?;
            let closed = service.close_within(SHORT).await;
            assert!(service.is_closed(), "{hangs:?}");
            // Cut short when the time is over; its `end` has its own budget.
            let cut = if hangs == Hangs::InEnd { Duration::ZERO } else { SHORT };
            let ending = if hangs == Hangs::InServe { Duration::ZERO } else { SHORT };
            R::assert_elapsed(begun, cut + ending);
            let lines = journal.lines();
            assert_eq!(lines.last().map(String::as_str), Some("dropped"), "{hangs:?}: {lines:?}");
            assert_eq!((journal.count("serve is over"), journal.count("end is over")), (1, 1), "{hangs:?}: {lines:?}");
            match closed {
                Ok(report) => assert_eq!((hangs, *report), (Hangs::InServe, "report")),
                Err(error) => {
                    assert!(error.has_ended() && !error.is_from_within(), "{hangs:?}: {error:?}");
                    assert!(error.to_string().contains("stubborn"), "{error}");
                }
            }
            assert!(!n.is_cancelled());
            Ok(())
        })
        .await
        .expect("the scope lives on");
    }
}

/// Fails if: of several who close it with bounds of their own the longest decides; or one who merely waits is not told.
pub(crate) async fn s07_the_shortest_bound_decides<R: Rt>() {
    let journal = Journal::new();
    let begun = R::now();
    nursery(async |n| {
        let (service, _) = stubborn(Hangs::InServeAndEnd, &journal);
        let service = n.open(service).await?;
        let (a, b, c) = futures_util::join!(service.close_within(LONG), service.close_within(SHORT), service.close());
        for closed in [a, b, c] {
            assert!(closed.expect_err("it hangs").has_ended());
        }
        R::assert_elapsed(begun, 2 * SHORT);
        Ok(())
    })
    .await
    .expect("the scope lives on");
}

/// Fails if: a bound of nothing is for ever, or a close from within waits for itself.
pub(crate) async fn s07_a_bounded_close_with_no_time_at_all<R: Rt>() {
    let journal = Journal::new();
    let begun = R::now();
    nursery(async |n| {
        let (service, _) = stubborn(Hangs::InServeAndEnd, &journal);
        let service = n.open(service).await?;
        assert!(service.close_within(Duration::ZERO).await.expect_err("no time").has_ended());
        assert!(journal.has("dropped"));
        Ok(())
    })
    .await
    .expect("the scope lives on");
    R::assert_elapsed(begun, SHORT);
}
