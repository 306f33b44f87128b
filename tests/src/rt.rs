//! The runtimes that every row is tried on.

use std::future::Future;
use std::num::NonZero;
use std::time::{Duration, Instant};

use futures_util::future::{AbortHandle, abortable};
use scope_core::{Failure, Nursery, Spawns, rt};

use crate::bound::{HANG_BOUND, within_bound};

/// How many seeds a case is run with on the deterministic runtime.
pub const SEEDS: u64 = 256;

/// A runtime that cases run on.
pub trait Rt: Send + Sync + 'static {
    /// Its module in the list of tests.
    const NAME: &'static str;
    /// Whether time is virtual: exact, and free.
    const VIRTUAL: bool;
    /// Whether tasks run on several threads at once.
    const THREADS: bool;

    /// Runs `case` as the root of a new runtime of this kind, on this thread, and what it left to the orphan root; on the
    /// deterministic one, once for each seed.
    fn run(case: impl AsyncFn());

    /// A parallel child by the way that this runtime's adapter offers: without a box.
    fn spawn<F>(n: &Nursery<'_, '_>, child: F)
    where
        F: Future<Output = Result<(), Failure>> + Send + 'static;

    /// Runs a case, named `name`, within the [bound](HANG_BOUND), as the root task. What it left to the orphan root is
    /// awaited too.
    ///
    /// # Panics
    /// If the case does, or hangs.
    fn check(name: &str, case: impl AsyncFn() + Send + 'static)
    where
        Self: Sized,
    {
        within_bound(&format!("{}::{name}", Self::NAME), move || Self::run(case));
    }

    /// Starts a task of the runtime that the framework knows nothing of.
    ///
    /// # Panics
    /// Outside a case.
    fn foreign(task: impl Future<Output = ()> + Send + 'static) -> Foreign {
        let (task, abort) = abortable(task);
        let running = async move {
            // Aborted or not, it ends here, and its future is dropped.
            let _ = task.await;
        };
        rt::current().expect("in a case").spawn(Box::pin(running)).expect("the runtime is running");
        Foreign(abort)
    }

    /// The time by the runtime's clock.
    ///
    /// # Panics
    /// Outside a case.
    fn now() -> Instant {
        rt::current().expect("in a case").now()
    }

    /// Checks that `expected` has passed since `begun`: exactly, where time is virtual; else at least that.
    ///
    /// # Panics
    /// If not.
    #[track_caller]
    fn assert_elapsed(begun: Instant, expected: Duration) {
        let elapsed = Self::now() - begun;
        if Self::VIRTUAL {
            assert_eq!(elapsed, expected);
        } else {
            assert!(elapsed >= expected, "only {elapsed:?} of {expected:?}");
            assert!(elapsed < HANG_BOUND, "{elapsed:?} instead of {expected:?}");
        }
    }

    /// Checks that nothing waited for a timer since `begun`: exactly, where time is virtual.
    ///
    /// # Panics
    /// If not.
    #[track_caller]
    fn assert_no_time_passed(begun: Instant) {
        Self::assert_elapsed(begun, Duration::ZERO);
    }
}

/// A task that the framework knows nothing of. Goes on when this is dropped.
#[derive(Debug)]
pub struct Foreign(AbortHandle);

impl Foreign {
    /// Has its future dropped, by the runtime, at the next turn.
    pub fn abort(&self) {
        self.0.abort();
    }
}

/// tokio, current-thread.
#[derive(Debug)]
pub struct TokioCt;

/// tokio, multi-thread, with four workers.
#[derive(Debug)]
pub struct TokioMt;

/// The same, with a task of tokio's for each parallel child.
#[derive(Debug)]
pub struct TokioOwn;

/// smol: async-executor on two threads, async-io.
#[derive(Debug)]
pub struct Smol;

/// The deterministic runtime, over [`SEEDS`] seeds.
#[derive(Debug)]
pub struct Det;

/// The root nursery around a case.
macro_rules! root {
    ($nursery:path, $case:ident) => {
        $nursery(async |_| {
            $case().await;
            Ok(())
        })
        .named("case")
    };
}

const ENDS_WELL: &str = "a case panics, or ends well";

fn on_tokio(mut builder: tokio::runtime::Builder, case: impl AsyncFn()) {
    let runtime = builder.enable_all().build().expect("a tokio runtime");
    scope_tokio::run_on(&runtime, root!(scope_tokio::nursery, case)).expect(ENDS_WELL);
}

impl Rt for TokioCt {
    const NAME: &'static str = "tokio_ct";
    const VIRTUAL: bool = false;
    const THREADS: bool = false;

    fn run(case: impl AsyncFn()) {
        on_tokio(tokio::runtime::Builder::new_current_thread(), case);
    }

    fn spawn<F>(n: &Nursery<'_, '_>, child: F)
    where
        F: Future<Output = Result<(), Failure>> + Send + 'static,
    {
        scope_tokio::SpawnExt::spawn(n, child);
    }
}

impl Rt for TokioMt {
    const NAME: &'static str = "tokio_mt";
    const VIRTUAL: bool = false;
    const THREADS: bool = true;

    fn run(case: impl AsyncFn()) {
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        builder.worker_threads(4);
        on_tokio(builder, case);
    }

    fn spawn<F>(n: &Nursery<'_, '_>, child: F)
    where
        F: Future<Output = Result<(), Failure>> + Send + 'static,
    {
        scope_tokio::SpawnExt::spawn(n, child);
    }
}

impl Rt for TokioOwn {
    const NAME: &'static str = "tokio_own";
    const VIRTUAL: bool = false;
    const THREADS: bool = true;

    fn run(case: impl AsyncFn()) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(4).enable_all().build();
        let runtime = runtime.expect("a tokio runtime");
        let tokio = scope_tokio::TokioRuntime::new(runtime.handle().clone());
        let handle = rt::Handle::new(tokio.with_own_tasks());
        let root = root!(scope_core::nursery, case).runtime(handle.clone());
        runtime.block_on(handle.settled_after(root)).expect(ENDS_WELL);
    }

    fn spawn<F>(n: &Nursery<'_, '_>, child: F)
    where
        F: Future<Output = Result<(), Failure>> + Send + 'static,
    {
        scope_tokio::SpawnExt::spawn(n, child);
    }
}

impl Rt for Smol {
    const NAME: &'static str = "smol";
    const VIRTUAL: bool = false;
    const THREADS: bool = true;

    fn run(case: impl AsyncFn()) {
        const TWO: NonZero<usize> = NonZero::new(2).unwrap();
        scope_smol::run_with_threads(TWO, async |_| {
            case().await;
            Ok(())
        })
        .expect(ENDS_WELL);
    }

    fn spawn<F>(n: &Nursery<'_, '_>, child: F)
    where
        F: Future<Output = Result<(), Failure>> + Send + 'static,
    {
        scope_smol::SpawnExt::spawn(n, child);
    }
}

impl Rt for Det {
    const NAME: &'static str = "det";
    const VIRTUAL: bool = true;
    const THREADS: bool = false;

    fn run(case: impl AsyncFn()) {
        scope_test::for_each_seed(0..SEEDS, async |runtime| {
            let handle = runtime.handle();
            root!(scope_core::nursery, case).runtime(handle.clone()).await.expect(ENDS_WELL);
            handle.settled().await;
        });
    }

    fn spawn<F>(n: &Nursery<'_, '_>, child: F)
    where
        F: Future<Output = Result<(), Failure>> + Send + 'static,
    {
        n.spawn_erased(child);
    }
}
