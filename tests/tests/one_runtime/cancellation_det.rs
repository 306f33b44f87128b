//! What the deterministic runtime does once instead of 256 times: the full size of c17.

use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use futures_lite::future::{pending, yield_now};
use scope_core::{Canceller, Failure, Spawns, canceller, nursery};
use scope_tests::{Gate, within_bound};

type Level = Pin<Box<dyn Future<Output = Result<(), Failure>> + Send>>;

struct Counts(Arc<AtomicUsize>);

impl Drop for Counts {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// The innermost one leaves a handle on its scope in `last`.
fn level(deeper: usize, bottom: Gate, gone: Arc<AtomicUsize>, last: Arc<OnceLock<Canceller>>) -> Level {
    Box::pin(async move {
        let _counts = Counts(gone.clone());
        if deeper == 0 {
            last.set(canceller().expect("in a scope")).expect("there is one innermost");
            bottom.open();
            return pending().await;
        }
        nursery(async |n| -> Result<(), Failure> {
            n.spawn_erased(level(deeper - 1, bottom, gone, last));
            pending().await
        })
        .await?;
        Ok(())
    })
}

/// Fails if: a hundred thousand nested scopes take a stack frame each, to be cancelled, to be dropped, or to be
/// forgotten by the last handle.
#[test]
fn c17_a_hundred_thousand_levels() {
    const DEPTH: usize = 100_000;
    within_bound("c17_a_hundred_thousand_levels", || {
        for cancelled in [true, false] {
            scope_test::for_each_seed(0..1, async |runtime| {
                let (gone, bottom, last) = (Arc::new(AtomicUsize::new(0)), Gate::new(), Arc::new(OnceLock::new()));
                nursery(async |_| {
                    let told = std::cell::OnceCell::new();
                    let mut outermost = Box::pin(nursery(async |n| -> Result<(), Failure> {
                        let _ = told.set(n.canceller());
                        n.spawn_erased(level(DEPTH - 1, bottom.clone(), gone.clone(), last.clone()));
                        pending().await
                    }));
                    assert!(scope_tests::poll_now(outermost.as_mut()).await.is_pending());
                    bottom.passed().await;
                    if cancelled {
                        told.get().expect("it was polled").cancel("all of them");
                        assert!(outermost.await.expect_err("cancelled").is_cancelled());
                    }
                    Ok(())
                })
                .runtime(runtime.handle())
                .await
                .expect("nothing fails");
                assert_eq!(gone.load(Ordering::SeqCst), DEPTH);
                // A handle on the innermost scope is all that holds the others, each by the one in it.
                drop(last);
            });
        }
    });
}

/// Fails if: an edit of a deadline leaves a timer behind on the virtual clock: the run would name it at its end.
#[test]
fn c17_a_million_deadline_edits() {
    const EDITS: u64 = 1_000_000;
    within_bound("c17_a_million_deadline_edits", || {
        scope_test::for_each_seed(0..1, async |runtime| {
            nursery(async |n| {
                let far = runtime.now() + Duration::from_secs(3600);
                for i in 0..EDITS {
                    n.set_deadline(Some(far + Duration::from_millis(if i % 3 == 0 { EDITS - i } else { i })));
                    if i % 4 == 0 {
                        yield_now().await;
                    }
                }
                Ok(())
            })
            .runtime(runtime.handle())
            .await
            .expect("nothing fails");
            assert_eq!(runtime.elapsed(), Duration::ZERO, "no deadline passed");
        });
    });
}
