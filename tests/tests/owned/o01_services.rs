//! o01: the home of what a service opens is the service: it may be opened in one part of its life and closed in another.

use scope_core::{Exit, Failure, Inbox, Name, NotClosed, OwnedScope, Service, Spawns, nursery};
use scope_tests::{Gate, Journal, Rt};

use crate::watch::{ENDED, Watch, busy};

/// A service that holds an owned scope from its opening to its end, or leaves it open.
struct Holds {
    journal: Journal,
    owned: Option<OwnedScope>,
    watch: async_channel::Sender<Watch>,
    closes: bool,
    ended: Gate,
}

impl Service for Holds {
    type Request = async_channel::Sender<OwnedScope>;
    type Info = ();
    type Report = Option<Result<(), NotClosed>>;

    fn name(&self) -> Name {
        Name::new("holder")
    }

    async fn open(&mut self) -> Result<(), Failure> {
        let (owned, begun) = busy("held by a service", &self.journal);
        begun.passed().await;
        self.watch.send(Watch::of(owned.scope())).await?;
        self.owned = Some(owned);
        Ok(())
    }

    async fn serve(&mut self, inbox: &mut Inbox<Self::Request>) -> Result<(), Failure> {
        while let Some(wants) = inbox.next().await {
            if let Some(owned) = self.owned.take() {
                assert!(!owned.canceller().is_cancelled(), "it outlives the opening");
                wants.send(owned).await?;
            }
        }
        Ok(())
    }

    async fn end(&mut self, _: Exit) -> Self::Report {
        self.ended.open();
        if !self.closes {
            return None;
        }
        let owned = self.owned.take()?;
        owned.canceller().cancel("the service ends");
        Some(owned.close().await)
    }
}

/// Fails if: what `open` opened ends with it, or `end` is not its home.
pub(crate) async fn o01_opened_in_open_and_closed_in_end<R: Rt>() {
    let (journal, watches) = (Journal::new(), async_channel::bounded(1));
    nursery(async |n| {
        let holds =
            Holds { journal: journal.clone(), owned: None, watch: watches.0.clone(), closes: true, ended: Gate::new() };
        let service = n.open(holds).await?;
        journal.assert_is(&[]);
        let report = service.close().await?;
        let closed = report.as_ref().as_ref().expect("it ended itself");
        assert!(closed.is_ok(), "{closed:?}");
        Ok(())
    })
    .await
    .expect("nothing fails");
    journal.assert_is(ENDED);
    watches.1.try_recv().expect("it was sent").assert_no_violation();
}

/// Fails if: a guard that a service gave away outlives it, or can be closed by whoever got it before that.
pub(crate) async fn o01_given_away_by_a_service<R: Rt>() {
    let (journal, watches) = (Journal::new(), async_channel::bounded(1));
    nursery(async |n| {
        let holds = Holds {
            journal: journal.clone(),
            owned: None,
            watch: watches.0.clone(),
            closes: false,
            ended: Gate::new(),
        };
        let ended = holds.ended.clone();
        let service = n.open(holds).await?;
        let watch = watches.1.recv().await?;
        let (give, got) = async_channel::bounded(1);
        service.send(give).await?;
        let error = got.recv().await?.close().await.expect_err("not its own");
        assert!(error.is_wrong_task() && error.to_string().contains("holder"), "{error}");
        let owned = error.into_scope().expect("unchanged");
        watch.assert_no_violation();
        service.close().await?;
        assert!(ended.is_open());
        watch.assert_one_violation(&["held by a service", "holder", "still open"]);
        journal.assert_is(ENDED);
        assert!(owned.close().await.expect_err("it has ended").is_home_ended());
        Ok(())
    })
    .await
    .expect("a broken rule is no failure");
}
