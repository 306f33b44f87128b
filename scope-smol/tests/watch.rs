//! Watching descriptors, as far as it is smol's own matter: tests/tests/adapters has the rest.
#![cfg(unix)]

use std::future::poll_fn;
use std::io;
use std::os::unix::net::UnixStream;

use futures_lite::future::zip;
use rustix::io::{read, write};
use scope_core::rt::{Interest, Io, Runtime};
use scope_smol::SmolRuntime;

fn pair() -> (UnixStream, UnixStream) {
    let (a, b) = UnixStream::pair().unwrap();
    a.set_nonblocking(true).unwrap();
    b.set_nonblocking(true).unwrap();
    (a, b)
}

async fn read_from(io: &dyn Io, into: &mut [u8]) -> io::Result<usize> {
    poll_fn(|cx| io.poll_io(Interest::Read, cx, &mut |fd| Ok(read(fd, &mut *into)?))).await
}

async fn write_to(io: &dyn Io, from: &[u8]) -> io::Result<usize> {
    poll_fn(|cx| io.poll_io(Interest::Write, cx, &mut |fd| Ok(write(fd, from)?))).await
}

#[test]
fn works_after_the_executor_has_gone_and_from_any_thread() {
    let executor = std::sync::Arc::new(async_executor::Executor::new());
    let on = SmolRuntime::on(&executor);
    let (a, b) = pair();
    let before = on.watch(a.into()).unwrap();
    drop(executor);
    let after = std::thread::spawn(move || on.watch(b.into()).unwrap()).join().unwrap();
    let mut buf = [0; 8];
    let (got, sent) = async_io::block_on(zip(read_from(&*after, &mut buf), write_to(&*before, b"bye")));
    assert_eq!((got.unwrap(), sent.unwrap()), (3, 3));
}
