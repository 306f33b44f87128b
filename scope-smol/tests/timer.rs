//! Timers.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use async_executor::Executor;
use futures_lite::future::block_on;
use scope_core::rt::{Handle, Runtime, Timer};
use scope_smol::SmolRuntime;

const SHORT: Duration = Duration::from_millis(20);
const LONG: Duration = Duration::from_secs(3600);

fn poll_once(timer: &mut Pin<Box<dyn Timer>>) -> Poll<()> {
    timer.as_mut().poll_elapsed(&mut Context::from_waker(Waker::noop()))
}

fn wait_for(timer: &mut Pin<Box<dyn Timer>>) {
    block_on(poll_fn(|cx| timer.as_mut().poll_elapsed(cx)));
}

#[test]
fn elapses_at_its_time() {
    let on = SmolRuntime::global().unwrap();
    let at = on.now() + SHORT;
    let mut timer = on.timer(at);
    wait_for(&mut timer);
    assert!(on.now() >= at);
    assert!(poll_once(&mut timer).is_ready(), "stays ready until it is reset");
}

#[test]
fn one_in_the_past_elapses_at_the_first_poll() {
    let on = SmolRuntime::global().unwrap();
    assert!(poll_once(&mut on.timer(on.now())).is_ready());
    let past = on.now().checked_sub(SHORT).unwrap();
    assert!(poll_once(&mut on.timer(past)).is_ready());
}

#[test]
fn can_be_moved_earlier_and_later_and_used_again() {
    let on = SmolRuntime::global().unwrap();
    let start = on.now();
    let mut timer = on.timer(start + LONG);
    assert!(poll_once(&mut timer).is_pending());
    timer.as_mut().reset(start + SHORT);
    wait_for(&mut timer);
    assert!(on.now() >= start + SHORT);

    timer.as_mut().reset(start + LONG);
    assert!(poll_once(&mut timer).is_pending());
    timer.as_mut().reset(start + LONG + SHORT);
    assert!(poll_once(&mut timer).is_pending());
    timer.as_mut().reset(start);
    assert!(poll_once(&mut timer).is_ready());

    timer.as_mut().reset(start + LONG);
    timer.as_mut().reset(on.now() + SHORT);
    wait_for(&mut timer);
    assert!(on.now() >= start + 2 * SHORT);
}

#[test]
fn goes_on_after_the_executor_has_gone() {
    let executor = Arc::new(Executor::new());
    let on = Handle::new(SmolRuntime::on(&executor));
    drop(executor);
    let start = Instant::now();
    block_on(on.sleep(SHORT));
    assert!(start.elapsed() >= SHORT);
}

#[test]
fn dropping_it_disarms_it() {
    struct Quiet;
    impl std::task::Wake for Quiet {
        fn wake(self: Arc<Self>) {}
    }
    let on = SmolRuntime::global().unwrap();
    let held = Arc::new(Quiet);
    let waker = Waker::from(held.clone());
    let mut timer = on.timer(on.now() + LONG);
    assert!(timer.as_mut().poll_elapsed(&mut Context::from_waker(&waker)).is_pending());
    drop(waker);
    assert!(Arc::strong_count(&held) > 1);
    drop(timer);
    // Removed by the reactor's next turn: a timer that comes later is a reason to turn.
    let hang = Instant::now() + Duration::from_secs(20);
    while Arc::strong_count(&held) > 1 {
        assert!(Instant::now() < hang, "the reactor holds on to the waker");
        block_on(Handle::new(on.clone()).sleep(Duration::from_millis(1)));
    }
}
