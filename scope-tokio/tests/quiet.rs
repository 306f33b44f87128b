//! A runtime that has shut down makes no noise either: nothing panics, not even behind a catch. One test only: the panic
//! hook is the whole process's.

use std::future::poll_fn;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use scope_core::rt::Runtime as _;
use scope_tokio::TokioRuntime;
use tokio::runtime::Builder;

static PANICS: AtomicUsize = AtomicUsize::new(0);

#[test]
fn nothing_panics_after_shutdown() {
    let loud = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        PANICS.fetch_add(1, Ordering::SeqCst);
        loud(info);
    }));
    let here = Builder::new_current_thread().enable_all().build().unwrap();
    for multi in [false, true] {
        let mut builder = if multi { Builder::new_multi_thread() } else { Builder::new_current_thread() };
        let rt = builder.enable_all().build().unwrap();
        let on = TokioRuntime::new(rt.handle().clone());
        let at = Instant::now() + Duration::from_millis(5);
        let mut timers = vec![on.timer(at), on.timer(at)];
        drop(rt);
        timers.push(on.timer(at));
        timers[1].as_mut().reset(at);
        here.block_on(async {
            for timer in &mut timers {
                poll_fn(|cx| timer.as_mut().poll_elapsed(cx)).await;
            }
        });
        assert!(Instant::now() >= at);
        assert!(on.launch(async {}).is_err());
        assert!(on.spawn_blocking(Box::new(|| ())).is_err());
        #[cfg(unix)]
        assert!(on.watch(std::os::unix::net::UnixStream::pair().unwrap().0.into()).is_err());
        assert!(on.can_block());
        drop(scope_tokio::runtime_here(None));
        on.now();
    }
    assert_eq!(PANICS.load(Ordering::SeqCst), 0);
}
