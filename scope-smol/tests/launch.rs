//! Tasks on an executor of the caller's: tests/tests/adapters has what is the same on every runtime.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_executor::Executor;
use futures_lite::future::block_on;
use scope_core::rt::{Handle, Runtime};
use scope_smol::SmolRuntime;

/// A task that counts its polls. Until it is dropped it holds on to the counter.
fn task(polls: &Arc<AtomicUsize>) -> impl Future<Output = ()> + Send + 'static {
    let polls = polls.clone();
    async move {
        polls.fetch_add(1, Ordering::SeqCst);
    }
}

#[test]
fn runs_on_the_executor_it_was_given() {
    let executor = Arc::new(Executor::new());
    let on = SmolRuntime::on(&executor);
    let polls = Arc::default();
    on.launch(task(&polls)).unwrap();
    on.spawn(Box::pin(task(&polls))).unwrap();
    assert_eq!((polls.load(Ordering::SeqCst), Arc::strong_count(&polls)), (0, 3), "nobody runs them yet");
    block_on(executor.tick());
    block_on(executor.tick());
    assert_eq!((polls.load(Ordering::SeqCst), Arc::strong_count(&polls)), (2, 1));
    assert!(executor.is_empty());
}

#[test]
fn what_nobody_has_run_goes_with_the_executor() {
    let executor = Arc::new(Executor::new());
    let on = SmolRuntime::on(&executor);
    let polls = Arc::default();
    on.launch(task(&polls)).unwrap();
    drop(executor);
    assert_eq!((polls.load(Ordering::SeqCst), Arc::strong_count(&polls)), (0, 1), "the handle keeps nothing alive");
}

#[test]
fn a_destructor_that_spawns_while_the_executor_ends_is_refused() {
    struct SpawnsOnDrop(SmolRuntime, Arc<AtomicUsize>);
    impl Drop for SpawnsOnDrop {
        fn drop(&mut self) {
            if self.0.launch(async {}).is_err() {
                self.1.fetch_add(1, Ordering::SeqCst);
            }
        }
    }
    let executor = Arc::new(Executor::new());
    let on = SmolRuntime::on(&executor);
    let refused = Arc::new(AtomicUsize::new(0));
    let spawns = SpawnsOnDrop(on.clone(), refused.clone());
    on.launch(async move { drop(spawns) }).unwrap();
    drop(executor);
    assert_eq!(refused.load(Ordering::SeqCst), 1);
}

#[test]
fn a_thread_that_drives_the_reactor_may_block() {
    let on = SmolRuntime::global().unwrap();
    assert!(async_io::block_on(async { on.can_block() }), "nobody but this future needs this thread");
}

#[test]
fn the_adapter_is_found_again() {
    let executor = Arc::new(Executor::new());
    let on = Handle::new(SmolRuntime::on(&executor));
    assert_eq!(on.name(), "smol");
    let found = on.downcast_ref::<SmolRuntime>().unwrap();
    assert!(found.same_executor(&SmolRuntime::on(&executor)));
    assert!(!found.same_executor(&SmolRuntime::on(&Arc::new(Executor::new()))));
    assert!(!found.same_executor(&SmolRuntime::global().unwrap()));
}
