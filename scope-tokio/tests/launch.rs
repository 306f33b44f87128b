//! Tasks and blocking work, as far as it is tokio's own matter: tests/tests/adapters has the rest.

use std::sync::mpsc;
use std::time::Duration;

use scope_core::rt::{Handle, Runtime};
use scope_tokio::TokioRuntime;
use tokio::runtime::Builder;

const HANG: Duration = Duration::from_secs(20);

fn adapter(rt: &tokio::runtime::Runtime) -> TokioRuntime {
    TokioRuntime::new(rt.handle().clone())
}

#[test]
fn who_may_block_depends_on_the_flavour_and_on_whose_thread_it_is() {
    for multi in [false, true] {
        let rt = if multi { Builder::new_multi_thread() } else { Builder::new_current_thread() }.build().unwrap();
        let on = adapter(&rt);
        let in_root = rt.block_on(async { on.can_block() });
        assert_eq!(in_root, multi, "a current-thread runtime runs in block_on, the other does not");
        let other = Builder::new_current_thread().build().unwrap();
        assert!(other.block_on(async { on.can_block() }), "another runtime's thread does not stop this one");
    }
}

#[test]
fn the_adapter_is_found_again() {
    let rt = Builder::new_current_thread().build().unwrap();
    let on = Handle::new(adapter(&rt));
    assert_eq!(on.name(), "tokio");
    let found = on.downcast_ref::<TokioRuntime>().unwrap();
    assert_eq!(found.handle().id(), rt.handle().id());
    assert!(TokioRuntime::current().is_err());
    let _guard = rt.enter();
    assert_eq!(TokioRuntime::current().unwrap().handle().id(), rt.handle().id());
}

#[test]
fn a_worker_may_block_in_place() {
    let rt = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let on = Handle::new(adapter(&rt));
    let outcome = rt.block_on(async {
        tokio::spawn(async move {
            let inside = tokio::task::block_in_place(|| {
                assert!(on.can_block());
                // It is true what it says: a task of the runtime's only worker, woken from here, runs.
                let (tx, rx) = mpsc::channel();
                on.spawn(Box::pin(async move { tx.send(()).unwrap() })).unwrap();
                rx.recv_timeout(HANG)
            });
            (inside, on.can_block())
        })
        .await
        .unwrap()
    });
    assert_eq!(outcome, (Ok(()), false));
}
