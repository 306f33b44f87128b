//! c17: 100 000 nested scopes are cancelled and dropped without overflowing the stack; a million deadline edits leave a
//! bounded number of timers. On the deterministic runtime a smaller number in each run; the whole of it, once, is in
//! `one_runtime`.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_lite::future::{pending, yield_now};
use scope_core::{Failure, OwnedScope, Spawns, nursery, rt};
use scope_tests::{Gate, Rt, poll_now, turns};

use crate::timers::Timers;

/// How many levels; all at once they would not fit on any stack.
fn depth<R: Rt>() -> usize {
    if R::VIRTUAL { 400 } else { 100_000 }
}

type Level = Pin<Box<dyn Future<Output = Result<(), Failure>> + Send>>;

/// Counts the levels that have been destroyed.
struct Counts(Arc<AtomicUsize>);

impl Drop for Counts {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// A scope with one parallel child, which is a scope with one parallel child, and so on; the innermost opens `bottom`.
/// Their bodies wait too, or have ended.
fn level<R: Rt>(deeper: usize, bodies_wait: bool, bottom: Gate, gone: Arc<AtomicUsize>) -> Level {
    Box::pin(async move {
        let _counts = Counts(gone.clone());
        if deeper == 0 {
            bottom.open();
            return pending().await;
        }
        nursery(async |n| {
            R::spawn(n, level::<R>(deeper - 1, bodies_wait, bottom, gone));
            if bodies_wait { pending().await } else { Ok(()) }
        })
        .await?;
        Ok(())
    })
}

/// Fails if: telling the scopes further in, or ending them from the inside out, takes a stack frame for each.
pub(crate) async fn c17_a_parallel_child_per_level_cancelled<R: Rt>() {
    for bodies_wait in [true, false] {
        let (gone, bottom) = (Arc::new(AtomicUsize::new(0)), Gate::new());
        let error = nursery(async |n| -> Result<(), Failure> {
            R::spawn(n, level::<R>(depth::<R>(), bodies_wait, bottom.clone(), gone.clone()));
            bottom.passed().await;
            assert_eq!(gone.load(Ordering::SeqCst), 0);
            n.cancel("all of them");
            pending().await
        })
        .await
        .expect_err("cancelled");
        assert!(error.is_cancelled() && error.leaves().is_empty(), "{} leaves", error.leaves().len());
        assert_eq!(gone.load(Ordering::SeqCst), depth::<R>() + 1);
    }
}

/// Fails if: a drop of the outermost future, and the adoption after it, takes a stack frame for each.
pub(crate) async fn c17_a_parallel_child_per_level_dropped<R: Rt>() {
    let (gone, bottom) = (Arc::new(AtomicUsize::new(0)), Gate::new());
    nursery(async |_| {
        let mut outermost = Box::pin(nursery(async |n| -> Result<(), Failure> {
            R::spawn(n, level::<R>(depth::<R>(), true, bottom.clone(), gone.clone()));
            pending().await
        }));
        assert!(poll_now(outermost.as_mut()).await.is_pending());
        bottom.passed().await;
        drop(outermost);
        Ok(())
    })
    .await
    .expect("nothing fails");
    assert_eq!(gone.load(Ordering::SeqCst), depth::<R>() + 1, "all of it was waited for");
}

/// Fails if: a scope that is cancelled from the inside out, level by level, keeps its ancestors on the stack.
pub(crate) async fn c17_ended_from_the_inside_out<R: Rt>() {
    fn counted<R: Rt>(deeper: usize, go: Gate, gone: Arc<AtomicUsize>) -> Level {
        Box::pin(async move {
            let _counts = Counts(gone.clone());
            if deeper == 0 {
                go.passed().await;
                return Ok(());
            }
            nursery(async |n| {
                R::spawn(n, counted::<R>(deeper - 1, go, gone));
                Ok(())
            })
            .await?;
            Ok(())
        })
    }
    let (gone, go) = (Arc::new(AtomicUsize::new(0)), Gate::new());
    nursery(async |n| {
        R::spawn(n, counted::<R>(depth::<R>(), go.clone(), gone.clone()));
        turns(10).await;
        go.open();
        Ok(())
    })
    .await
    .expect("nothing fails");
    assert_eq!(gone.load(Ordering::SeqCst), depth::<R>() + 1);
}

/// Fails if: owned scopes that were opened inside each other take a stack frame each, to be cancelled, dropped or waited
/// for.
pub(crate) async fn c17_owned_scopes_cancelled_and_dropped<R: Rt>() {
    for outermost_first in [false, true] {
        for cancelled in [false, true] {
            let gone = Arc::new(AtomicUsize::new(0));
            nursery(async |_| {
                let mut scopes = vec![OwnedScope::<Failure>::open("outermost")?];
                for _ in 1..depth::<R>() {
                    let inner = scopes.last().expect("there is one").open_inner("inner")?;
                    scopes.push(inner);
                }
                for scope in &scopes {
                    let counts = Counts(gone.clone());
                    scope.spawn_erased(async move {
                        let _counts = counts;
                        pending().await
                    })?;
                }
                if cancelled {
                    scopes[0].canceller().cancel("all of them");
                    assert!(scopes.last().expect("there is one").canceller().is_cancelled());
                }
                if !outermost_first {
                    scopes.reverse();
                }
                drop(scopes);
                Ok(())
            })
            .await
            .expect("nothing fails");
            assert_eq!(gone.load(Ordering::SeqCst), depth::<R>(), "all of it was waited for");
        }
    }
}

/// How many scopes may be nested in one task on a thread with the default stack of 2 MiB, in a build without
/// optimizations: each is polled on the stack of the one around it. Documented in docs/CHECKED.md.
pub(crate) const SAME_TASK_DEPTH: usize = 150;

/// Where on the stack its caller is.
#[inline(never)]
fn place_on_the_stack() -> usize {
    let here = 0_u8;
    std::hint::black_box(&raw const here).addr()
}

/// Notes how deep on the stack the innermost future is polled, and dropped.
#[derive(Clone, Default)]
struct Deepest {
    polled: Arc<AtomicUsize>,
    dropped: Arc<AtomicUsize>,
}

impl Drop for Deepest {
    fn drop(&mut self) {
        self.dropped.store(place_on_the_stack(), Ordering::SeqCst);
    }
}

/// Nests `deeper` scopes in this task, as same-task children or as blocks in each other. The innermost ends when `go` is
/// open.
fn nested(deeper: usize, as_children: bool, go: Gate, deepest: Deepest) -> Level {
    Box::pin(async move {
        if deeper == 0 {
            deepest.polled.store(place_on_the_stack(), Ordering::SeqCst);
            go.passed().await;
            return Ok(());
        }
        nursery(async |n| {
            let inner = nested(deeper - 1, as_children, go, deepest);
            if as_children { Ok(n.spawn_local_with_handle(inner).await?) } else { inner.await }
        })
        .await?;
        Ok(())
    })
}

/// Fails if: a level of nesting in one task takes more of the stack than is documented, to poll it, to cancel it, or to
/// drop it. A test's thread has the default size.
pub(crate) async fn c17_same_task_nesting_to_the_documented_depth<R: Rt>() {
    const STACK: usize = 2 << 20;
    for (how, as_children) in [
        ("ends", false),
        ("ends", true),
        ("cancelled", false),
        ("cancelled", true),
        ("dropped", false),
        ("dropped", true),
    ] {
        let (go, deepest) = (Gate::new(), Deepest::default());
        let (polled, dropped) = (deepest.polled.clone(), deepest.dropped.clone());
        let top = place_on_the_stack();
        nursery(async |_| {
            let told = std::cell::OnceCell::new();
            let mut outermost = Box::pin(nursery(async |n| {
                let _ = told.set(n.canceller());
                nested(SAME_TASK_DEPTH - 1, as_children, go.clone(), deepest).await
            }));
            assert!(poll_now(outermost.as_mut()).await.is_pending());
            match how {
                "ends" => {
                    go.open();
                    outermost.await?;
                }
                "cancelled" => {
                    told.get().expect("it was polled").cancel("all of them");
                    assert!(outermost.await.expect_err("cancelled").is_cancelled());
                }
                _ => drop(outermost),
            }
            Ok(())
        })
        .await
        .expect("nothing fails");
        for (what, place) in [("polled", polled), ("dropped", dropped)] {
            let used = top.abs_diff(place.load(Ordering::SeqCst));
            // The other half is for the user's own futures, which lie between ours.
            assert!(used < STACK / 2, "{how}, {what}: {} bytes a level", used / SAME_TASK_DEPTH);
        }
    }
}

/// Fails if: each edit of a deadline leaves a timer, or makes one.
pub(crate) async fn c17_deadline_edits_leave_no_timers<R: Rt>() {
    let edits: u32 = if R::VIRTUAL { 4_000 } else { 1_000_000 };
    let timers = Timers::on(rt::current().expect("on a runtime"));
    nursery(async |n| {
        let far = R::now() + Duration::from_secs(3600);
        for i in 0..edits {
            // Both ways; mostly several edits in a poll.
            let at = far + Duration::from_millis(u64::from(if i % 3 == 0 { edits - i } else { i }));
            n.set_deadline(Some(at));
            if i % 16 == 0 {
                yield_now().await;
                assert!(timers.live() <= 1, "{} timers", timers.live());
            }
        }
        assert!(timers.made() <= 1, "{} timers were made", timers.made());
        // Taken away and set again: one at a time.
        for i in 0..edits / 16 {
            n.set_deadline((i % 2 == 0).then_some(far));
            yield_now().await;
        }
        assert!(timers.most() <= 1, "{} timers at once", timers.most());
        Ok(())
    })
    .runtime(timers.handle())
    .await
    .expect("nothing fails");
    assert!(timers.made() > 0, "the deadline had a timer");
    assert_eq!(timers.live(), 0);
}
