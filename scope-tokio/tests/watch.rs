//! Watching descriptors, as far as it is tokio's own matter: tests/tests/adapters has the rest.
#![cfg(unix)]

use std::future::poll_fn;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::task::{Context, Poll, Waker};

use rustix::io::{read, write};
use scope_core::rt::{Interest, Runtime};
use scope_tokio::TokioRuntime;
use tokio::runtime::Builder;

fn pair() -> (UnixStream, UnixStream) {
    let (a, b) = UnixStream::pair().unwrap();
    a.set_nonblocking(true).unwrap();
    b.set_nonblocking(true).unwrap();
    (a, b)
}

#[test]
fn without_an_io_driver_it_is_an_error_that_says_what_to_do() {
    let rt = Builder::new_current_thread().build().unwrap();
    let on = TokioRuntime::new(rt.handle().clone());
    for _ in 0..2 {
        let error = on.watch(pair().0.into()).err().unwrap();
        assert_eq!(error.kind(), io::ErrorKind::Unsupported);
        assert!(error.to_string().contains("enable_io"), "{error}");
    }
}

#[test]
fn after_shutdown_what_can_be_done_at_once_is_done_and_nothing_waits() {
    let rt = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let on = TokioRuntime::new(rt.handle().clone());
    let (a, b) = pair();
    let a = on.watch(a.into()).unwrap();
    drop(rt);
    let mut cx = Context::from_waker(Waker::noop());
    let wrote = a.poll_io(Interest::Write, &mut cx, &mut |fd| Ok(write(fd, b"bye")?));
    assert!(matches!(wrote, Poll::Ready(Ok(3))));
    let mut buf = [0; 8];
    assert_eq!(read(b.as_fd(), &mut buf).unwrap(), 3);
    let waits = a.poll_io(Interest::Read, &mut cx, &mut |fd| Ok(read(fd, &mut buf)?));
    assert!(matches!(waits, Poll::Ready(Err(ref e)) if e.kind() != io::ErrorKind::WouldBlock), "{waits:?}");
    assert!(on.watch(b.into()).is_err());
}

#[test]
fn a_watch_outlives_its_thread_and_is_woken_by_shutdown() {
    let rt = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let on = TokioRuntime::new(rt.handle().clone());
    let (a, _b) = pair();
    let a = std::thread::spawn(move || on.watch(a.into()).unwrap()).join().unwrap();
    let other = Builder::new_current_thread().build().unwrap();
    let mut rt = Some(rt);
    let outcome = other.block_on(poll_fn(|cx| {
        let polled = a.poll_io(Interest::Read, cx, &mut |fd| Ok(read(fd, &mut [0; 8])?));
        if let Some(rt) = rt.take() {
            assert!(polled.is_pending());
            rt.shutdown_background();
        }
        polled
    }));
    assert!(outcome.is_err());
}

#[test]
fn who_finds_room_each_time_leaves_a_turn_to_others() {
    let rt = Builder::new_current_thread().enable_all().build().unwrap();
    let on = TokioRuntime::new(rt.handle().clone());
    rt.block_on(async {
        let (a, b) = pair();
        let a = on.watch(a.into()).unwrap();
        let others = tokio::spawn(async {});
        let mut writes = 0;
        while !others.is_finished() {
            let wrote = poll_fn(|cx| a.poll_io(Interest::Write, cx, &mut |fd| Ok(write(fd, b"!")?))).await;
            assert_eq!(wrote.unwrap(), 1);
            assert_eq!(read(b.as_fd(), &mut [0; 8]).unwrap(), 1);
            writes += 1;
            assert!(writes < 100_000, "nobody else ran");
        }
    });
}
