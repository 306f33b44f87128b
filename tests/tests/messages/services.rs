//! Services that cannot be opened, break, or cannot be closed from here.

use std::error::Error;
use std::time::Duration;

use futures_lite::future::{block_on, pending};
use scope_core::{Exit, Failure, Inbox, Name, Reply, Service, ServiceError, ServiceHandle, Spawner, Spawns, nursery};
use scope_tests::{Boom, Doomed, Gate};

use crate::{on_a_runtime, says};

/// An error with a cause of its own.
#[derive(Debug, thiserror::Error)]
#[error("no route to host")]
struct NoRoute(#[source] Boom);

/// How it goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Goes {
    Well,
    WrongInOpen,
    WrongInServe,
    PanicsInServe,
    HangsInEnd,
    PanicsInEnd,
}

struct Database {
    goes: Goes,
    break_now: Gate,
}

impl Database {
    fn that(goes: Goes) -> (Self, Gate) {
        let break_now = Gate::new();
        (Database { goes, break_now: break_now.clone() }, break_now)
    }
}

enum Ask {
    Forget(Reply<()>),
    CloseYourself(ServiceHandle<Database>, Reply<String>),
}

impl Service for Database {
    type Request = Ask;
    type Info = ();
    type Report = ();

    fn name(&self) -> Name {
        Name::new("database")
    }

    fn cleanup_budget(&self) -> Option<Duration> {
        Some(Duration::from_millis(100))
    }

    async fn open(&mut self) -> Result<(), Failure> {
        if self.goes == Goes::WrongInOpen { Err(NoRoute(Boom("the cable is out")).into()) } else { Ok(()) }
    }

    async fn serve(&mut self, inbox: &mut Inbox<Ask>) -> Result<(), Failure> {
        if matches!(self.goes, Goes::WrongInServe | Goes::PanicsInServe) {
            self.break_now.passed().await;
            assert!(self.goes != Goes::PanicsInServe, "index out of range");
            return Err(NoRoute(Boom("the cable is out")).into());
        }
        while let Some(request) = inbox.next().await {
            match request {
                Ask::Forget(reply) => drop(reply),
                Ask::CloseYourself(handle, reply) => {
                    let error = handle.close().await.expect_err("it would wait for itself");
                    let _ = reply.send(error.to_string());
                }
            }
        }
        Ok(())
    }

    async fn end(&mut self, _: Exit) {
        if self.goes == Goes::HangsInEnd {
            pending::<()>().await;
        }
        assert!(self.goes != Goes::PanicsInEnd, "index out of range");
    }
}

/// Runs `case` in a scope that has a runtime and a name.
fn in_main(case: impl AsyncFnOnce(Spawner) -> Result<(), Failure>) {
    on_a_runtime(|runtime| async move {
        nursery(async |n| case(n.spawner()).await).named("main").runtime(runtime).await.expect("the rest goes well");
    });
}

/// An error and what it gives as its sources, a line each.
fn with_sources(error: &ServiceError) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text.push_str(&format!("\nbecause: {error}"));
        source = error.source();
    }
    text
}

#[test]
fn one_that_cannot_be_opened() {
    in_main(async |n| {
        let error = n.open(Database::that(Goes::WrongInOpen).0).await.expect_err("no route");
        says("service-open-failed", with_sources(&error));
        says("service-open-failed-debug", format!("{error:?}"));
        Ok(())
    });
}

#[test]
fn one_that_was_closed() {
    in_main(async |n| {
        let service = n.open(Database::that(Goes::Well).0).await?;
        service.close().await?;
        says("service-closed", service.ask(Ask::Forget).await.expect_err("it has been closed"));
        Ok(())
    });
}

#[test]
fn one_that_broke() {
    for (goes, name) in [(Goes::WrongInServe, "service-failed"), (Goes::PanicsInServe, "service-panicked")] {
        in_main(async |n| {
            let (database, break_now) = Database::that(goes);
            let service = n.open(database).await?;
            break_now.open();
            service.closed().await;
            says(name, with_sources(&service.ask(Ask::Forget).await.expect_err("it broke")));
            Ok(())
        });
    }
}

#[test]
fn one_whose_scope_was_cancelled() {
    in_main(async |_| {
        let (sent, service) = async_channel::bounded(1);
        let _ = nursery(async |n| -> Result<(), Failure> {
            let _ = sent.send(n.open(Database::that(Goes::Well).0).await?).await;
            n.cancel("maintenance");
            pending().await
        })
        .named("storage")
        .await;
        let service = service.recv().await?;
        says("service-cancelled", service.ask(Ask::Forget).await.expect_err("it ended with its scope"));
        Ok(())
    });
}

#[test]
fn one_that_forgets_to_answer() {
    in_main(async |n| {
        let service = n.open(Database::that(Goes::Well).0).await?;
        says("service-unanswered", service.ask(Ask::Forget).await.expect_err("it forgot"));
        Ok(())
    });
}

#[test]
fn one_that_went_down_with_its_runtime() {
    on_a_runtime(|on| async move {
        let doomed = Doomed::new(on);
        let mut kept = None;
        nursery(async |n| -> Result<(), Failure> {
            kept = Some(n.open(Database::that(Goes::Well).0).await?);
            doomed.end();
            pending().await
        })
        .named("main")
        .runtime(doomed.handle())
        .await
        .expect_err("its runtime has ended");
        let service = kept.expect("the body has run");
        says("service-aborted", service.closed().await.error());
        says("close-aborted", service.close().await.expect_err("there is no report"));
    });
}

#[test]
fn one_that_was_not_started() {
    let mut kept = None;
    block_on(
        nursery(async |n| {
            kept = Some(n.serve(Database::that(Goes::Well).0));
            Ok(())
        })
        .named("main"),
    )
    .expect_err("nobody could run it");
    let service = kept.expect("the body has run");
    says("service-not-started", block_on(service.ask(Ask::Forget)).expect_err("it was not started"));
}

#[test]
fn closing_one_from_within() {
    in_main(async |n| {
        let service = n.open(Database::that(Goes::Well).0).await?;
        let handle = service.clone();
        says("close-from-within", service.ask(|reply| Ask::CloseYourself(handle, reply)).await?);
        Ok(())
    });
}

#[test]
fn closing_one_by_blocking_its_runtime() {
    in_main(async |n| {
        let service = n.open(Database::that(Goes::Well).0).await?;
        says("close-would-block", service.close_blocking().expect_err("it would stand still"));
        Ok(())
    });
}

#[test]
fn closing_one_whose_end_hangs() {
    in_main(async |n| {
        let service = n.open(Database::that(Goes::HangsInEnd).0).await?;
        says("close-overran", service.close().await.expect_err("there is no report"));
        Ok(())
    });
}

#[test]
fn closing_one_whose_end_panics() {
    in_main(async |n| {
        let service = n.open(Database::that(Goes::PanicsInEnd).0).await?;
        says("close-panicked", service.close().await.expect_err("there is no report"));
        Ok(())
    });
}
