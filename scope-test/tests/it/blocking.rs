use std::future::poll_fn;
use std::sync::{Arc, Mutex, mpsc};
use std::task::{Poll, Waker};
use std::thread;
use std::time::Duration;

use scope_test::{Config, TestRuntime, yield_now};

/// What blocking work hands to a task.
#[derive(Clone, Default)]
struct Cell<T>(Arc<Mutex<(Option<T>, Option<Waker>)>>);

impl<T> Cell<T> {
    fn put(&self, value: T) {
        let waker = {
            let mut cell = self.0.lock().unwrap();
            cell.0 = Some(value);
            cell.1.take()
        };
        waker.into_iter().for_each(Waker::wake);
    }

    async fn take(&self) -> T {
        poll_fn(|cx| {
            let mut cell = self.0.lock().unwrap();
            if let Some(value) = cell.0.take() {
                return Poll::Ready(value);
            }
            cell.1 = Some(cx.waker().clone());
            Poll::Pending
        })
        .await
    }
}

async fn where_it_ran(rt: TestRuntime) -> (thread::ThreadId, bool) {
    let cell = Cell(Arc::default());
    let (theirs, handle) = (cell.clone(), rt.handle());
    rt.spawn_blocking(move || theirs.put((thread::current().id(), handle.can_block()))).unwrap();
    cell.take().await
}

#[test]
fn blocking_work_is_a_step_of_its_own_on_the_runs_thread() {
    scope_test::for_each_seed(0..64, async |rt| {
        assert_eq!(where_it_ran(rt).await, (thread::current().id(), false));
    });
}

#[test]
fn the_seed_decides_when_blocking_work_runs() {
    let mut orders = std::collections::HashSet::new();
    scope_test::for_each_seed(0..64, async |rt| {
        let order = Arc::new(Mutex::new(Vec::new()));
        let (one, two) = (order.clone(), order.clone());
        rt.spawn_blocking(move || one.lock().unwrap().push("work")).unwrap();
        rt.spawn(async move { two.lock().unwrap().push("task") }).unwrap();
        rt.sleep(Duration::from_secs(1)).await;
        orders.insert(order.lock().unwrap().clone());
    });
    assert_eq!(orders.len(), 2);
}

#[test]
fn blocking_work_on_a_real_thread_is_waited_for_and_time_stands_still() {
    for seed in 0..32 {
        Config::new(seed).blocking_threads(true).block_on(async |rt| {
            let (release, gate) = mpsc::channel();
            let (cell, rt2) = (Cell(Arc::default()), rt.clone());
            let timeout = rt.spawn(async move { rt2.sleep(Duration::from_secs(3600)).await }).unwrap();
            let theirs = cell.clone();
            // It waits for a task of the same run: only possible on a thread of its own.
            rt.spawn_blocking(move || theirs.put(gate.recv().unwrap())).unwrap();
            while rt.polls(timeout) == 0 {
                yield_now().await;
            }
            release.send(5).unwrap();
            assert_eq!(cell.take().await, 5);
            assert_eq!(rt.elapsed(), Duration::ZERO, "no time-out wins against a thread at work");
            rt.sleep(Duration::from_secs(7200)).await;
        });
    }
}

#[test]
fn real_threads_may_block() {
    let (id, can_block) = Config::new(0).blocking_threads(true).block_on(where_it_ran);
    assert_ne!(id, thread::current().id());
    assert!(can_block);
}

#[test]
fn a_panic_of_blocking_work_ends_the_run_on_either_kind_of_thread() {
    for threads in [false, true] {
        let text = crate::panic_text(|| {
            Config::new(0).blocking_threads(threads).block_on(async |rt| {
                rt.spawn_blocking(|| panic!("the work's own")).unwrap();
                std::future::pending::<()>().await;
            });
        });
        assert_eq!(text, "the work's own");
    }
}

#[test]
fn blocking_work_never_begun_is_a_leak() {
    let error = Config::new(0)
        .try_block_on(async |rt| rt.spawn_blocking(|| unreachable!("the root ended before")).unwrap())
        .into_result()
        .unwrap_err();
    assert!(error.is_leak());
    assert!(error.to_string().contains("task 1 (blocking work, not begun)"), "{error}");
}

#[cfg(unix)]
#[test]
fn descriptors_are_not_watched_and_the_error_says_what_to_do() {
    scope_test::block_on(0, async |rt| {
        let (one, _other) = std::os::unix::net::UnixStream::pair().unwrap();
        let Err(error) = rt.handle().watch(one.into()) else { panic!("there is no reactor") };
        assert_eq!(error.kind(), std::io::ErrorKind::Unsupported);
        assert!(error.to_string().contains("tokio or smol"), "{error}");
    });
}

#[test]
fn a_task_left_behind_is_reported_though_a_thread_still_waits_for_it() {
    let (_never, gate) = mpsc::channel::<()>();
    let error = Config::new(0)
        .blocking_threads(true)
        .try_block_on(async |rt| {
            rt.spawn(std::future::pending()).unwrap();
            rt.spawn_blocking(move || assert!(gate.recv().is_err())).unwrap();
        })
        .into_result()
        .unwrap_err();
    assert!(error.is_leak(), "{error}");
}
