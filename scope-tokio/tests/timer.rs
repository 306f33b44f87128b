//! Timers: on tokio's clock, without a time driver, after shutdown.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use scope_core::rt::{Handle, Runtime, Timer};
use scope_tokio::TokioRuntime;
use tokio::runtime::Builder;

const SHORT: Duration = Duration::from_millis(20);
const LONG: Duration = Duration::from_secs(3600);

fn adapter(rt: &tokio::runtime::Runtime) -> TokioRuntime {
    TokioRuntime::new(rt.handle().clone())
}

/// A runtime whose clock stands still unless everybody waits.
fn paused() -> tokio::runtime::Runtime {
    Builder::new_current_thread().enable_all().start_paused(true).build().unwrap()
}

fn poll_once(timer: &mut std::pin::Pin<Box<dyn Timer>>) -> Poll<()> {
    timer.as_mut().poll_elapsed(&mut Context::from_waker(Waker::noop()))
}

#[test]
fn elapses_at_its_time_by_the_runtimes_clock() {
    let rt = paused();
    let on = adapter(&rt);
    rt.block_on(async {
        let start = on.now();
        let mut timer = on.timer(start + LONG);
        assert!(poll_once(&mut timer).is_pending());
        poll_fn(|cx| timer.as_mut().poll_elapsed(cx)).await;
        assert!(on.now() >= start + LONG);
        assert!(poll_once(&mut timer).is_ready(), "stays ready until it is reset");
    });
}

#[test]
fn one_in_the_past_elapses_at_the_first_poll() {
    let rt = paused();
    let on = adapter(&rt);
    rt.block_on(async {
        tokio::time::advance(LONG).await;
        let mut timer = on.timer(on.now() - SHORT);
        assert!(poll_once(&mut timer).is_ready());
        let mut timer = on.timer(on.now());
        assert!(poll_once(&mut timer).is_ready());
    });
}

#[test]
fn can_be_moved_earlier_and_later_and_used_again() {
    let rt = paused();
    let on = adapter(&rt);
    rt.block_on(async {
        let start = on.now();
        let mut timer = on.timer(start + LONG);
        assert!(poll_once(&mut timer).is_pending());
        timer.as_mut().reset(start + SHORT);
        poll_fn(|cx| timer.as_mut().poll_elapsed(cx)).await;
        assert!(on.now() >= start + SHORT && on.now() < start + LONG);

        timer.as_mut().reset(start + 2 * LONG);
        assert!(poll_once(&mut timer).is_pending());
        timer.as_mut().reset(start + 3 * LONG);
        poll_fn(|cx| timer.as_mut().poll_elapsed(cx)).await;
        assert!(on.now() >= start + 3 * LONG);
    });
}

#[test]
fn the_paused_clock_is_seen_from_a_foreign_thread() {
    let rt = paused();
    let on = adapter(&rt);
    rt.block_on(async {
        tokio::time::advance(LONG).await;
        let here = on.now();
        let there = std::thread::scope(|s| s.spawn(|| on.now()).join().unwrap());
        assert_eq!(here, there);
    });
}

#[test]
fn works_where_the_runtime_has_no_time_driver() {
    let rt = Builder::new_current_thread().build().unwrap();
    let on = Handle::new(adapter(&rt));
    rt.block_on(async {
        let start = Instant::now();
        on.sleep(SHORT).await;
        assert!(start.elapsed() >= SHORT);
        on.sleep(SHORT).await;
        assert!(start.elapsed() >= 2 * SHORT);
    });
}

#[test]
fn works_on_a_thread_outside_of_the_runtime() {
    let rt = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let on = Handle::new(adapter(&rt));
    let start = Instant::now();
    let other = Builder::new_current_thread().build().unwrap();
    other.block_on(on.sleep(SHORT));
    assert!(start.elapsed() >= SHORT);
}

#[test]
fn keeps_its_time_when_the_runtime_shuts_down_before_it_is_polled() {
    let rt = Builder::new_current_thread().enable_all().build().unwrap();
    let on = adapter(&rt);
    let start = Instant::now();
    let mut before = on.timer(start + SHORT);
    let mut far = on.timer(start + LONG);
    drop(rt);
    let mut after = on.timer(start + 2 * SHORT);
    assert!(poll_once(&mut far).is_pending(), "shutdown is not the end of the hour");
    let other = Builder::new_current_thread().build().unwrap();
    other.block_on(poll_fn(|cx| before.as_mut().poll_elapsed(cx)));
    assert!(start.elapsed() >= SHORT);
    other.block_on(poll_fn(|cx| after.as_mut().poll_elapsed(cx)));
    assert!(start.elapsed() >= 2 * SHORT);
    far.as_mut().reset(start);
    assert!(poll_once(&mut far).is_ready());
}

#[test]
fn keeps_its_time_when_the_runtime_shuts_down_while_it_is_waited_for() {
    let rt = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let on = adapter(&rt);
    let start = Instant::now();
    let mut timer = on.timer(start + 5 * SHORT);
    let other = Builder::new_current_thread().build().unwrap();
    let mut rt = Some(rt);
    other.block_on(poll_fn(|cx| {
        let polled = timer.as_mut().poll_elapsed(cx);
        if let Some(rt) = rt.take() {
            rt.shutdown_background();
        }
        polled
    }));
    assert!(start.elapsed() >= 5 * SHORT);
}

#[test]
fn many_at_once_without_a_driver_all_end() {
    let rt = Builder::new_current_thread().build().unwrap();
    let on = Handle::new(adapter(&rt));
    let start = Instant::now();
    let tasks: Vec<_> = (0..50u64)
        .rev()
        .map(|i| {
            let (on, at) = (on.clone(), start + Duration::from_millis(20 + i));
            rt.spawn(async move {
                on.sleep_until(at).await;
                assert!(Instant::now() >= at);
            })
        })
        .collect();
    rt.block_on(async {
        for task in tasks {
            task.await.unwrap();
        }
    });
}

#[test]
fn dropping_it_disarms_it() {
    struct Quiet;
    impl std::task::Wake for Quiet {
        fn wake(self: Arc<Self>) {}
    }
    for driver in [true, false] {
        let mut builder = Builder::new_current_thread();
        if driver {
            builder.enable_time();
        }
        let rt = builder.build().unwrap();
        let on = adapter(&rt);
        let held = Arc::new(Quiet);
        let waker = Waker::from(held.clone());
        let mut timer = on.timer(Instant::now() + LONG);
        assert!(timer.as_mut().poll_elapsed(&mut Context::from_waker(&waker)).is_pending());
        drop(waker);
        assert_eq!(Arc::strong_count(&held), 2);
        drop(timer);
        assert_eq!(Arc::strong_count(&held), 1, "nothing is left that could be woken");
    }
}
