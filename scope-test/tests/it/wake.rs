use std::future::poll_fn;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Poll, Waker};
use std::thread;

use scope_test::{Config, poll_once, yield_now};

#[test]
fn a_wake_from_another_thread_is_not_lost() {
    for seed in 0..200 {
        let mut thread = None;
        scope_test::block_on(seed, async |rt| {
            let done = Arc::new(AtomicBool::new(false));
            poll_fn(|cx| {
                if done.load(Ordering::Acquire) {
                    return Poll::Ready(());
                }
                if thread.is_none() {
                    let (done, waker, outside) = (done.clone(), cx.waker().clone(), rt.outside());
                    // It may well wake the task while this very poll is still in progress.
                    thread = Some(thread::spawn(move || {
                        done.store(true, Ordering::Release);
                        waker.wake();
                        drop(outside);
                    }));
                }
                Poll::Pending
            })
            .await;
        });
        thread.expect("it was started").join().unwrap();
    }
}

#[test]
fn a_task_spawned_by_another_thread_runs() {
    scope_test::block_on(0, async |rt| {
        let (sender, parked) = (Arc::new(Mutex::new((false, None::<Waker>))), rt.outside());
        let (shared, rt2) = (sender.clone(), rt.clone());
        let thread = thread::spawn(move || {
            assert_eq!(rt2.current_task(), None);
            rt2.spawn(async move {
                let mut shared = shared.lock().unwrap();
                shared.0 = true;
                shared.1.take().into_iter().for_each(Waker::wake);
            })
            .unwrap();
            drop(parked);
        });
        poll_fn(|cx| {
            let mut shared = sender.lock().unwrap();
            if shared.0 {
                return Poll::Ready(());
            }
            shared.1 = Some(cx.waker().clone());
            Poll::Pending
        })
        .await;
        thread.join().unwrap();
    });
}

#[test]
fn a_task_woken_many_times_is_polled_once() {
    scope_test::for_each_seed(0..64, async |rt| {
        let waker = Arc::new(Mutex::new(None::<Waker>));
        let slot = waker.clone();
        let task = rt
            .spawn(async move {
                let mut first = true;
                poll_fn(|cx| {
                    if !std::mem::take(&mut first) {
                        return Poll::Ready(());
                    }
                    *slot.lock().unwrap() = Some(cx.waker().clone());
                    Poll::Pending
                })
                .await;
            })
            .unwrap();
        while rt.polls(task) == 0 {
            yield_now().await;
        }
        let waker = waker.lock().unwrap().take().unwrap();
        for _ in 0..10 {
            waker.wake_by_ref();
        }
        while rt.alive() > 1 {
            yield_now().await;
        }
        assert_eq!(rt.polls(task), 2);
        // Of a task that has ended: without effect.
        waker.wake();
        assert_eq!(rt.alive(), 1);
    });
}

#[test]
fn a_wake_during_the_poll_leads_to_another_poll() {
    scope_test::block_on(0, async |rt| {
        yield_now().await;
        assert_eq!(rt.polls(rt.current_task().unwrap()), 2);
    });
}

#[test]
fn a_waker_that_outlives_its_run_is_harmless() {
    let mut kept = None;
    scope_test::block_on(0, async |_| {
        poll_once(&mut poll_fn(|cx| {
            kept = Some(cx.waker().clone());
            Poll::<()>::Pending
        }))
        .await
        .is_pending()
    });
    kept.unwrap().wake();
}

#[test]
fn steps_count_polls_and_a_parked_task_costs_none() {
    let report = Config::new(0).try_block_on(async |rt| {
        let before = rt.steps();
        rt.sleep(std::time::Duration::from_secs(3600)).await;
        rt.steps() - before
    });
    assert_eq!(*report.result().unwrap(), 1);
    assert_eq!(report.steps(), 2);
}
