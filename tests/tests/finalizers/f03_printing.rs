//! f03, f01: errors of a user's that cannot be printed, or that ask the scope when they are.

use std::fmt;
use std::panic::AssertUnwindSafe;

use futures_lite::future::pending;
use futures_util::FutureExt;
use scope_core::{Canceller, Cause, Failure, Inbox, Name, OwnedScope, Service, Spawns, nursery};
use scope_tests::{Journal, Rt, panic_text, poll_now};

/// Printing it panics.
#[derive(Debug)]
struct Unprintable;

impl fmt::Display for Unprintable {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        panic!("it cannot be printed")
    }
}

impl std::error::Error for Unprintable {}

/// Asks its scope when it is printed.
struct Asks(Canceller);

impl fmt::Display for Asks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cancelled: {}", self.0.reason().is_some())
    }
}

impl fmt::Debug for Asks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Asks")
    }
}

impl std::error::Error for Asks {}

/// Fails if: it is printed under the scope's lock, and waits for itself.
pub(crate) async fn f03_an_error_that_asks_its_scope_when_it_is_printed<R: Rt>() {
    let journal = Journal::new();
    let error = nursery(async |n| {
        let (asks, j) = (n.canceller(), journal.clone());
        n.finalizer("first added", async move |_| {
            j.add("cleaned up");
            Ok(())
        });
        n.finalizer("last added", async move |_| Err(Asks(asks).into()));
        Ok(())
    })
    .await
    .expect_err("its clean-up failed");
    journal.assert_is(&["cleaned up"]);
    assert!(matches!(error.cause(), Cause::CleanUp(failure) if failure.is::<Asks>()), "{error:?}");
}

/// Fails if: the panic comes out before the other finalizers have run, or not at all.
pub(crate) async fn f03_an_error_that_cannot_be_printed<R: Rt>() {
    let journal = Journal::new();
    let panic = AssertUnwindSafe(nursery(async |n| {
        let j = journal.clone();
        n.finalizer("first added", async move |_| {
            j.add("cleaned up");
            Ok(())
        });
        n.finalizer("last added", async |_| Err(Unprintable.into()));
        Ok(())
    }))
    .catch_unwind()
    .await
    .expect_err("it panicked when it was printed");
    assert_eq!(panic_text(&*panic), "it cannot be printed");
    journal.assert_is(&["cleaned up"]);
}

/// Fails if: the clean-up of a scope that was dropped ends with it.
pub(crate) async fn f03_an_error_that_cannot_be_printed_in_a_dropped_scope<R: Rt>() {
    let journal = Journal::new();
    let error = nursery(async |_| {
        let mut dropped = Box::pin(nursery(async |n| -> Result<(), Failure> {
            let j = journal.clone();
            n.finalizer("first added", async move |_| {
                j.add("cleaned up");
                Ok(())
            });
            n.finalizer("last added", async |_| Err(Unprintable.into()));
            pending().await
        }));
        assert!(poll_now(dropped.as_mut()).await.is_pending());
        drop(dropped);
        Ok(())
    })
    .await
    .expect_err("what it adopted failed");
    assert!(matches!(error.cause(), Cause::Panicked(_)), "{error:?}");
    journal.assert_is(&["cleaned up"]);
}

/// Fails if: the scope around waits for ever for an owned one whose close it ended.
pub(crate) async fn f03_an_error_that_cannot_be_printed_in_an_owned_scope<R: Rt>() {
    let journal = Journal::new();
    nursery(async |_| {
        let owned: OwnedScope = OwnedScope::open("owned")?;
        let j = journal.clone();
        owned.finalizer("first added", async move |_| {
            j.add("cleaned up");
            Ok(())
        })?;
        owned.finalizer("last added", async |_| Err(Unprintable.into()))?;
        let panic = AssertUnwindSafe(owned.close()).catch_unwind().await.expect_err("it panicked");
        assert_eq!(panic_text(&*panic), "it cannot be printed");
        Ok(())
    })
    .await
    .expect("it was caught");
    journal.assert_is(&["cleaned up"]);
}

/// Fails to open, with that error.
struct Broken(Journal);

impl Service for Broken {
    type Request = ();
    type Info = ();
    type Report = ();

    fn name(&self) -> Name {
        Name::new("broken")
    }

    async fn open(&mut self) -> Result<(), Failure> {
        Err(Unprintable.into())
    }

    async fn serve(&mut self, _: &mut Inbox<()>) -> Result<(), Failure> {
        Ok(())
    }

    async fn end(&mut self, _: scope_core::Exit) {
        self.0.add("ended");
    }
}

/// Fails if: a service that cannot say why it failed is not ended.
pub(crate) async fn f03_an_error_that_cannot_be_printed_in_a_service<R: Rt>() {
    let journal = Journal::new();
    nursery(async |n| {
        let error = n.open(Broken(journal.clone())).await.expect_err("it cannot be opened");
        assert!(error.failure().is_some_and(|failure| failure.is::<Unprintable>()));
        Ok(())
    })
    .await
    .expect("it was told");
    journal.assert_is(&["ended"]);
}
