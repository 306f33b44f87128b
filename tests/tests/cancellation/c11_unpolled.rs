//! c11, c20: deadlines of scopes that have no future of their own to arm a timer, or whose body has ended: an owned scope's, a
//! child's own, a block's with something left in it.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::time::Duration;

use futures_lite::future::pending;
use scope_core::{
    CancelCause, CancelScope, Cause, Lost, OwnedScope, Spawns, blocking, canceller, nursery, sleep, sleep_until,
};
use scope_tests::Rt;

const SHORT: Duration = Duration::from_millis(10);
const HOUR: Duration = Duration::from_secs(3600);

/// Fails if: nobody keeps an owned scope's deadline, before it is closed or meanwhile; or one that was moved.
pub(crate) async fn c11_an_owned_scopes_deadline<R: Rt>() {
    for while_closing in [false, true] {
        let begun = R::now();
        nursery(async |_| {
            let outer: OwnedScope = OwnedScope::open("outer")?;
            let owned = outer.open_inner("owned")?;
            owned.spawn_erased(async { pending().await })?;
            let scope = owned.canceller();
            scope.set_deadline(Some(R::now() + HOUR));
            scope.set_deadline(Some(R::now() + SHORT));
            if !while_closing {
                assert_eq!(scope.cancelled().await.cause(), CancelCause::Deadline);
            }
            owned.close().await?;
            assert_eq!(scope.reason().map(|reason| reason.cause()), Some(CancelCause::Deadline));
            outer.close().await?;
            Ok(())
        })
        .await
        .expect("a deadline is no failure");
        R::assert_elapsed(begun, SHORT);
    }
}

/// Fails if: an owned scope's deadline is kept for longer than the scope.
pub(crate) async fn c11_an_owned_scope_that_ends_before_its_deadline<R: Rt>() {
    let begun = R::now();
    nursery(async |_| {
        let owned: OwnedScope = OwnedScope::open("owned")?;
        owned.canceller().set_deadline(Some(R::now() + HOUR));
        owned.close().await?;
        let dropped: OwnedScope = OwnedScope::open("dropped")?;
        dropped.canceller().set_deadline(Some(R::now() + HOUR));
        Ok(())
    })
    .await
    .expect("nothing fails");
    R::assert_no_time_passed(begun);
}

/// Fails if: a deadline of an owned scope is forgotten in silence where there is no clock.
pub(crate) async fn c11_an_owned_scopes_deadline_without_a_runtime<R: Rt>() {
    std::thread::spawn(|| {
        futures_lite::future::block_on(async {
            nursery(async |_| {
                let owned: OwnedScope = OwnedScope::open("owned")?;
                owned.canceller().set_deadline(Some(std::time::Instant::now() + HOUR));
                owned.canceller().cancelled().await;
                let error = owned.close().await.expect_err("it has failed");
                let failed = error.failed().expect("in the scope");
                assert!(matches!(failed.cause(), Cause::NoRuntime(_)), "{failed:?}");
                Ok(())
            })
            .await
            .expect("it was told");
        });
    })
    .join()
    .expect("it holds");
}

/// Fails if: the grace of an owned scope's shutdown is never over.
pub(crate) async fn c20_the_grace_of_an_owned_scope<R: Rt>() {
    let begun = R::now();
    nursery(async |_| {
        let owned: OwnedScope = OwnedScope::open("owned")?;
        owned.spawn_erased(async { pending().await })?;
        owned.canceller().shutdown(SHORT);
        let reason = owned.canceller().cancelled().await;
        assert_eq!(reason.cause(), CancelCause::Shutdown);
        owned.close().await?;
        Ok(())
    })
    .await
    .expect("a shutdown is no failure");
    R::assert_elapsed(begun, SHORT);
}

/// Fails if: nobody keeps a deadline that a child with a handle gives its own scope.
pub(crate) async fn c11_a_childs_own_deadline<R: Rt>() {
    for parallel in [true, false] {
        let begun = R::now();
        let child = async {
            let own = canceller().expect("in a scope");
            own.set_deadline(Some(R::now() + HOUR));
            own.set_deadline(Some(R::now() + SHORT));
            pending::<()>().await;
            Ok(())
        };
        nursery(async |n| {
            let ended = if parallel { n.spawn_erased_with_handle(child) } else { n.spawn_local_with_handle(child) };
            assert_eq!(ended.await, Err(Lost::Cancelled));
            assert!(!n.is_cancelled());
            Ok(())
        })
        .await
        .expect("it was the child's own");
        R::assert_elapsed(begun, SHORT);
    }
}

/// Fails if: what blocking work leaves in a scope is not under its deadline once the body has ended.
pub(crate) async fn c11_a_block_whose_body_has_ended<R: Rt>() {
    let begun = R::now();
    nursery(async |_| {
        let leaves = blocking(|work| work.spawner().spawn_erased(async { pending().await }).is_ok());
        let left = CancelScope::new().timeout(SHORT).run(leaves).await??;
        assert!(left);
        Ok(())
    })
    .await
    .expect("its body had its value");
    R::assert_elapsed(begun, SHORT);
}

/// Fails if: a runtime's timers cannot be set as far ahead as its clock counts.
pub(crate) async fn c11_as_far_ahead_as_the_clock_counts<R: Rt>() {
    let begun = R::now();
    let (mut counts, mut too_far) = (Duration::ZERO, Duration::MAX);
    while too_far - counts > Duration::from_nanos(1) {
        let between = counts + (too_far - counts) / 2;
        if begun.checked_add(between).is_some() { counts = between } else { too_far = between }
    }
    let last = begun + counts;
    nursery(async |n| {
        n.set_deadline(Some(last - HOUR));
        sleep(SHORT).await?;
        n.set_deadline(Some(last));
        let (mut late, mut soon) = (pin!(sleep_until(last)), pin!(sleep(SHORT)));
        poll_fn(|cx| {
            assert!(late.as_mut().poll(cx).is_pending());
            soon.as_mut().poll(cx)
        })
        .await?;
        Ok(())
    })
    .await
    .expect("nothing fails");
    R::assert_elapsed(begun, SHORT * 2);
}
