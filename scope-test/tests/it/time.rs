use std::future::poll_fn;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use scope_test::{Config, Manual, poll_once, yield_now};

const HOUR: Duration = Duration::from_secs(3600);

#[test]
fn an_hour_of_sleep_costs_no_real_time() {
    let begun = Instant::now();
    scope_test::for_each_seed(0..256, async |rt| {
        rt.sleep(HOUR).await;
        assert_eq!(rt.elapsed(), HOUR);
    });
    assert!(begun.elapsed() < HOUR / 10);
}

#[test]
fn timers_fire_in_the_order_of_their_times() {
    scope_test::for_each_seed(0..256, async |rt| {
        let fired = Arc::new(Mutex::new(Vec::new()));
        for millis in [50, 10, 40, 20, 30] {
            let (rt2, fired) = (rt.clone(), fired.clone());
            rt.spawn(async move {
                rt2.sleep(Duration::from_millis(millis)).await;
                fired.lock().unwrap().push((millis, rt2.elapsed()));
            })
            .unwrap();
        }
        rt.sleep(HOUR).await;
        let expected: Vec<_> = [10, 20, 30, 40, 50].map(|ms| (ms, Duration::from_millis(ms))).into();
        assert_eq!(*fired.lock().unwrap(), expected);
    });
}

#[test]
fn time_stands_still_while_anything_is_ready() {
    scope_test::for_each_seed(0..64, async |rt| {
        let mut sleep = Manual::new(rt.sleep(Duration::from_nanos(1)));
        assert!(sleep.poll().is_pending());
        for _ in 0..100 {
            yield_now().await;
        }
        assert_eq!(rt.elapsed(), Duration::ZERO);
        assert_eq!(sleep.wakes(), 0);
    });
}

#[test]
fn a_timer_of_the_past_elapses_at_its_first_poll() {
    scope_test::block_on(0, async |rt| {
        rt.sleep(HOUR).await;
        for at in [rt.now(), rt.now() - HOUR, rt.now() - HOUR * 2] {
            assert!(poll_once(&mut rt.sleep_until(at)).await.is_ready());
        }
        assert_eq!(rt.steps(), 2, "nobody had to wait for them");
    });
}

#[test]
fn an_elapsed_timer_stays_elapsed_until_it_is_reset() {
    scope_test::block_on(0, async |rt| {
        let mut sleep = rt.sleep(HOUR);
        (&mut sleep).await;
        assert!(poll_once(&mut sleep).await.is_ready());
        sleep.reset(rt.now() + HOUR);
        assert!(poll_once(&mut sleep).await.is_pending());
        (&mut sleep).await;
        assert_eq!(rt.elapsed(), HOUR * 2);
    });
}

#[test]
fn a_reset_moves_a_timer_both_ways() {
    scope_test::for_each_seed(0..64, async |rt| {
        let start = rt.now();
        for (first, then) in [(HOUR, HOUR * 3), (HOUR * 8, HOUR * 4)] {
            let mut sleep = rt.sleep_until(start + first);
            assert!(poll_once(&mut sleep).await.is_pending());
            sleep.reset(start + then);
            sleep.await;
            assert_eq!(rt.now(), start + then);
        }
    });
}

#[test]
fn a_timer_that_was_reset_or_dropped_wakes_nobody_at_its_old_time() {
    scope_test::block_on(0, async |rt| {
        let mut dropped = Manual::new(rt.sleep(HOUR));
        assert!(dropped.poll().is_pending());
        drop(dropped);
        let mut moved = rt.sleep(HOUR);
        assert!(poll_once(&mut moved).await.is_pending());
        moved.reset(rt.now() + HOUR * 3);
        assert!(poll_once(&mut moved).await.is_pending());
        rt.sleep(HOUR * 2).await;
        // Only the root's own timer has fired.
        assert_eq!(rt.trace().to_string().matches(" fires").count(), 1);
        moved.await;
        assert_eq!(rt.elapsed(), HOUR * 3);
        assert_eq!(rt.trace().to_string().matches(" fires").count(), 2);
    });
}

#[test]
fn a_timer_polled_by_another_task_wakes_the_last_one() {
    scope_test::block_on(0, async |rt| {
        let mut sleep = Box::pin(rt.sleep(HOUR));
        let mut first = Manual::new(poll_fn(|cx| Pin::new(&mut sleep).poll(cx)));
        assert!(first.poll().is_pending());
        let before = first.waker();
        drop(first);
        let mut second = Manual::new(poll_fn(|cx| Pin::new(&mut sleep).poll(cx)));
        assert!(second.poll().is_pending());
        rt.advance(HOUR);
        assert_eq!(second.wakes(), 1);
        assert!(second.poll().is_ready());
        drop(before);
    });
}

#[test]
fn advance_moves_the_clock_past_ready_work_and_fires_in_order() {
    scope_test::for_each_seed(0..64, async |rt| {
        let mut sleeps: Vec<_> = (1..=4).map(|n| Manual::new(rt.sleep(HOUR * n))).collect();
        for sleep in &mut sleeps {
            assert!(sleep.poll().is_pending());
        }
        rt.advance(HOUR * 2);
        assert_eq!(rt.elapsed(), HOUR * 2);
        assert_eq!(sleeps.iter().map(Manual::wakes).collect::<Vec<_>>(), [1, 1, 0, 0]);
        assert_eq!(rt.steps(), 1, "advancing is no await point");
    });
}

#[test]
fn a_clock_advanced_out_of_reach_says_so() {
    let text = crate::panic_text(|| scope_test::block_on(0, async |rt| rt.advance(Duration::MAX)));
    assert!(text.contains("cannot be advanced"), "{text}");
}

#[test]
fn a_sleep_for_ever_is_far_away_and_no_overflow() {
    let report = Config::new(0).try_block_on(async |rt| {
        let mut sleep = rt.sleep(Duration::MAX);
        assert!(poll_once(&mut sleep).await.is_pending());
    });
    assert!(report.result().is_ok());
}

#[test]
fn sleeps_of_the_same_length_end_in_any_order() {
    let mut orders = std::collections::HashSet::new();
    scope_test::for_each_seed(0..64, async |rt| {
        let order = Arc::new(Mutex::new(Vec::new()));
        for n in 0..2 {
            let (rt2, order) = (rt.clone(), order.clone());
            rt.spawn(async move {
                rt2.sleep(HOUR).await;
                order.lock().unwrap().push(n);
            })
            .unwrap();
        }
        rt.sleep(HOUR * 2).await;
        orders.insert(order.lock().unwrap().clone());
    });
    assert_eq!(orders.len(), 2);
}
