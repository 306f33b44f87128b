//! smol, as the cases for all adapters see it.

use std::num::NonZero;
use std::sync::Arc;

use async_executor::Executor;
use scope_core::rt::{Handle, Refused};
use scope_smol::SmolRuntime;

pub(crate) use scope_smol as adapter;

#[path = "launch.rs"]
mod launch;
#[path = "nursery.rs"]
mod nursery;
#[path = "watch.rs"]
mod watch;

/// Where a case runs.
#[derive(Clone, Copy)]
pub(crate) enum Setting {
    /// With the global executor, on a thread that drives the reactor while it waits.
    Reactor,
    /// With the global executor, on a thread that does not: async-io's own has to.
    NoReactor,
    /// In a run on so many threads.
    Run(usize),
}

impl Setting {
    /// Tries `case` in each.
    pub(crate) fn each(case: impl Fn(&Setting) + Send + 'static) {
        crate::in_time(move || {
            [Setting::Reactor, Setting::NoReactor, Setting::Run(1), Setting::Run(3)].iter().for_each(case);
        });
    }

    pub(crate) fn block_on<T>(&self, case: impl AsyncFnOnce(Handle) -> T) -> T {
        let global = || Handle::new(SmolRuntime::global().unwrap());
        match *self {
            Setting::Reactor => async_io::block_on(case(global())),
            Setting::NoReactor => futures_lite::future::block_on(case(global())),
            Setting::Run(threads) => {
                let threads = NonZero::new(threads).unwrap();
                scope_smol::run_with_threads(threads, async |n| Ok(case(n.runtime()?).await)).unwrap()
            }
        }
    }

    /// Runs `task` in a task of an executor: the run's own, or one that is nobody's.
    pub(crate) fn block_on_task<T: Send + 'static>(&self, task: impl Future<Output = T> + Send + 'static) -> T {
        let executor = Arc::new(Executor::new());
        self.block_on(async |on| match self {
            Setting::Reactor | Setting::NoReactor => executor.run(executor.spawn(task)).await,
            Setting::Run(_) => {
                let (done, is_done) = async_channel::bounded(1);
                launch(&on, async move { assert!(done.send(task.await).await.is_ok()) }).unwrap();
                is_done.recv().await.unwrap()
            }
        })
    }
}

/// An executor that ends when the case says so.
pub(crate) struct Mortal(Arc<Executor<'static>>);

impl Mortal {
    pub(crate) fn all() -> impl Iterator<Item = Mortal> {
        std::iter::once(Mortal(Arc::new(Executor::new())))
    }

    pub(crate) fn handle(&self) -> Handle {
        Handle::new(SmolRuntime::on(&self.0))
    }

    /// After one task of it had its turn: as with tokio, some have run and some have not.
    pub(crate) fn end(self) {
        self.0.try_tick();
    }

    /// Runs until `begun` is ready, and ends then. From any thread.
    pub(crate) fn end_after(self, begun: impl Future<Output = ()> + Send + 'static) {
        futures_lite::future::block_on(self.0.run(begun));
    }
}

/// Spawns without a box.
pub(crate) fn launch(on: &Handle, task: impl Future<Output = ()> + Send + 'static) -> Result<(), Refused> {
    let runtime: &SmolRuntime = on.downcast_ref().unwrap();
    runtime.launch(task)
}

/// Has the runtime make what it keeps in this thread's locals.
pub(crate) fn touch_locals(on: &Handle) {
    on.can_block();
    futures_lite::future::block_on(on.sleep(std::time::Duration::ZERO));
}
