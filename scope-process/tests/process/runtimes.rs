//! Every runtime a test runs on.

use std::future::Future;
use std::time::Duration;

use scope_core::rt::Handle;
use scope_smol::SmolRuntime;
use scope_tokio::TokioRuntime;

/// Runs `test` on tokio with one thread, on tokio with several, and on smol.
pub(crate) fn on_each<F: AsyncFn(Handle)>(test: F) {
    on_one(&test);
    let several = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    several.block_on(bounded(&test, Handle::new(TokioRuntime::new(several.handle().clone()))));
    let smol = Handle::new(SmolRuntime::global().unwrap());
    futures_lite::future::block_on(bounded(&test, smol));
}

/// Runs `test` on tokio with one thread: where it is the system that matters.
pub(crate) fn on_one<F: AsyncFn(Handle)>(test: F) {
    let one = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    one.block_on(bounded(&test, Handle::new(TokioRuntime::new(one.handle().clone()))));
}

/// A hang is a failure, told by name.
async fn bounded<F: AsyncFn(Handle)>(test: &F, rt: Handle) {
    let name = rt.name();
    within(&rt.clone(), name, test(rt)).await;
}

/// Waits for what must happen, but not for ever.
pub(crate) async fn within<T>(rt: &Handle, what: &str, future: impl Future<Output = T>) -> T {
    let late = async {
        rt.sleep(Duration::from_secs(60)).await;
        panic!("{what}: nothing came of it in a minute");
    };
    futures_lite::future::or(future, late).await
}
