//! `Process::exited` and `Process::status`.

use std::future::Future;
use std::pin::pin;

use futures_lite::future::{poll_once, zip};
use scope_process::Budgets;

use crate::oracle;
use crate::runtimes::{on_each, within};
use crate::servers::{self, sh};

#[test]
fn an_end_is_seen_and_not_reaped() {
    on_each(async |rt| {
        let mut process = sh("read line; exit 5").spawn(&rt).unwrap();
        let mut input = process.take_stdin().unwrap();
        assert!(poll_once(process.exited()).await.is_none());
        assert_eq!(process.status(), None);
        input.write_all(b"go\n").await.unwrap();
        within(&rt, "its end", process.exited()).await.unwrap();
        // Its number, and with it the group's, stays taken.
        assert_eq!(oracle::state(process.id()), Some(('Z', std::process::id())));
        for _ in 0..2 {
            assert_eq!(process.status().unwrap().code(), Some(5));
        }
        assert_eq!(process.close().await.status().unwrap().code(), Some(5));
    });
}

#[test]
fn an_end_by_a_signal_is_told_before_it_is_reaped() {
    use std::os::unix::process::ExitStatusExt;
    on_each(async |rt| {
        let process = sh("kill -9 $$").spawn(&rt).unwrap();
        within(&rt, "its end", process.exited()).await.unwrap();
        assert_eq!(process.status().unwrap().signal(), Some(9));
    });
}

#[test]
fn everyone_who_waits_for_the_end_is_told() {
    on_each(async |rt| {
        let mut process = sh(servers::POLITE).spawn(&rt).unwrap();
        let (first, second, given_up) = (process.exited(), process.exited(), process.exited());
        // All three wait, with different wakers as it may be; one gives up, and none is forgotten.
        let mut given_up = Box::pin(given_up);
        assert!(poll_once(given_up.as_mut()).await.is_none());
        let (done, told) = std::sync::mpsc::channel();
        for waiter in [first, second] {
            let done = done.clone();
            rt.spawn(Box::pin(async move {
                let mut waiter = pin!(waiter);
                let mut begun = false;
                std::future::poll_fn(|cx| {
                    let poll = waiter.as_mut().poll(cx);
                    if !std::mem::replace(&mut begun, true) {
                        done.send("waiting").unwrap();
                    }
                    poll
                })
                .await
                .unwrap();
                done.send("told").unwrap();
            }))
            .unwrap();
        }
        let hears = async |what: &str| {
            while told.try_recv() != Ok(what) {
                futures_lite::future::yield_now().await;
            }
        };
        within(&rt, "both wait", async {
            zip(hears("waiting"), async {}).await;
            hears("waiting").await
        })
        .await;
        drop(given_up);
        drop(process.take_stdin());
        within(&rt, "both are told", async {
            hears("told").await;
            hears("told").await
        })
        .await;
        assert!(process.close_with(Budgets::NONE).await.is_complete());
    });
}

#[test]
fn waiting_for_the_end_outlives_the_process() {
    on_each(async |rt| {
        let process = sh(servers::IGNORES_EOF_AND_TERM).spawn(&rt).unwrap();
        let exited = process.exited();
        drop(process);
        within(&rt, "an end that is past", exited).await.unwrap();
    });
}

#[test]
fn what_is_awaited_can_be_sent_to_other_threads() {
    fn is_send<T: Send>(value: T) -> T {
        value
    }
    fn is_sync<T: Sync>(value: T) -> T {
        value
    }
    on_each(async |rt| {
        let mut process = is_sync(is_send(sh(servers::POLITE).spawn(&rt).unwrap()));
        drop(is_send(process.exited()));
        let mut input = is_sync(is_send(process.take_stdin().unwrap()));
        is_send(input.write_all(b"x")).await.unwrap();
        drop(input);
        drop(is_sync(is_send(is_send(process.close()).await)));
    });
}
