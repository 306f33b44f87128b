//! c01: wakers of a user's: run with no lock held, and none for the others.

use std::future::{Future, pending};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Wake, Waker};

use scope_core::nursery;
use scope_tests::{Rt, Stopped};

/// Fails if: `cancel` calls a waker under a lock, which its task needs to be dropped.
pub(crate) async fn c01_a_waker_that_drops_its_task<R: Rt>() {
    nursery(async |n| {
        let scope = n.canceller();
        let waits = Stopped::with(async move { drop(scope.cancelled().await) });
        n.cancel("enough");
        assert!(waits.has_gone());
        Ok(())
    })
    .await
    .expect("its value came first");
}

/// Counts, or panics.
struct Counts(Option<Arc<AtomicUsize>>);

impl Wake for Counts {
    fn wake(self: Arc<Self>) {
        let count = self.0.as_ref().expect("a waker that panics");
        count.fetch_add(1, Ordering::SeqCst);
    }
}

/// Fails if: those who wait behind one whose waker panics wait for ever; or who cancels has the panic.
pub(crate) async fn c01_a_waker_that_panics_keeps_nobody_from_being_told<R: Rt>() {
    nursery(async |n| {
        let (spawner, told) = (n.spawner(), Arc::new(AtomicUsize::new(0)));
        let wakers = [Some(told.clone()), None, Some(told.clone()), Some(told.clone())];
        let mut entered = Vec::new();
        for counts in wakers {
            let waker = Waker::from(Arc::new(Counts(counts)));
            let mut waits = Box::pin(spawner.enter(pending::<()>()));
            assert!(waits.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
            let scope = n.canceller();
            let mut asks = Box::pin(async move { scope.cancelled().await });
            assert!(asks.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
            entered.push((waits, asks));
        }
        assert!(catch_unwind(AssertUnwindSafe(|| n.cancel("enough"))).is_ok());
        assert_eq!(told.load(Ordering::SeqCst), 6);
        for (waits, asks) in entered {
            assert!(waits.await.expect_err("cut short").is_cancelled());
            assert_eq!(asks.await.text(), "enough");
        }
        Ok(())
    })
    .await
    .expect("its value came first");
}
