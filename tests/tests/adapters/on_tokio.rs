//! tokio, as the cases for all adapters see it.

use scope_core::rt::{Handle, Refused};
use scope_tokio::TokioRuntime;
use tokio::runtime::{Builder, Runtime};

pub(crate) use scope_tokio as adapter;

#[path = "launch.rs"]
mod launch;
#[path = "nursery.rs"]
mod nursery;
#[path = "watch.rs"]
mod watch;

fn runtimes() -> [Runtime; 3] {
    let threads = |workers| {
        let mut builder = Builder::new_multi_thread();
        builder.worker_threads(workers);
        builder
    };
    [Builder::new_current_thread(), threads(1), threads(3)].map(|mut builder| builder.enable_all().build().unwrap())
}

fn handle_of(runtime: &Runtime) -> Handle {
    Handle::new(TokioRuntime::new(runtime.handle().clone()))
}

/// Where a case runs: in `block_on` of a runtime.
pub(crate) struct Setting(Runtime);

impl Setting {
    /// Tries `case` in each.
    pub(crate) fn each(case: impl Fn(&Setting) + Send + 'static) {
        crate::in_time(move || runtimes().map(Setting).iter().for_each(case));
    }

    pub(crate) fn block_on<T>(&self, case: impl AsyncFnOnce(Handle) -> T) -> T {
        self.0.block_on(case(handle_of(&self.0)))
    }

    /// Runs `task` in a task of the runtime.
    pub(crate) fn block_on_task<T: Send + 'static>(&self, task: impl Future<Output = T> + Send + 'static) -> T {
        self.0.block_on(self.0.spawn(task)).unwrap()
    }
}

/// A runtime that ends when the case says so.
pub(crate) struct Mortal(Runtime);

impl Mortal {
    pub(crate) fn all() -> impl Iterator<Item = Mortal> {
        runtimes().map(Mortal).into_iter()
    }

    pub(crate) fn handle(&self) -> Handle {
        handle_of(&self.0)
    }

    pub(crate) fn end(self) {
        drop(self.0);
    }

    /// Runs until `begun` is ready, and ends then. From any thread, also one that is in another runtime.
    pub(crate) fn end_after(self, begun: impl Future<Output = ()> + Send + 'static) {
        // A current-thread runtime runs only when it is driven, and tokio drives none inside another one.
        let driver = std::thread::spawn(move || {
            self.0.block_on(begun);
            self.end();
        });
        driver.join().unwrap();
    }
}

/// Spawns without a box.
pub(crate) fn launch(on: &Handle, task: impl Future<Output = ()> + Send + 'static) -> Result<(), Refused> {
    let runtime: &TokioRuntime = on.downcast_ref().unwrap();
    runtime.launch(task)
}

/// Has the runtime make what it keeps in this thread's locals.
pub(crate) fn touch_locals(on: &Handle) {
    let runtime: &TokioRuntime = on.downcast_ref().unwrap();
    drop(runtime.handle().enter());
}
