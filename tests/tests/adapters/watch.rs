//! Watching descriptors.

use std::future::poll_fn;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::task::{Context, Waker};

use futures_lite::future::{yield_now, zip};
use rustix::io::{read, write};
use scope_core::rt::{Drained, Interest, Io};

use super::Setting;

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
fn waits_until_readable_and_then_reads() {
    Setting::each(|setting| {
        setting.block_on(async |on| {
            let (a, b) = pair();
            let (a, b) = (on.watch(a.into()).unwrap(), on.watch(b.into()).unwrap());
            let mut buf = [0; 8];
            let mut cx = Context::from_waker(Waker::noop());
            let early = a.poll_io(Interest::Read, &mut cx, &mut |fd| Ok(read(fd, &mut buf)?));
            assert!(early.is_pending());
            let (got, sent) = zip(read_from(&*a, &mut buf), async {
                // The reader has been polled, and waits, before anything is there.
                yield_now().await;
                write_to(&*b, b"hello").await
            })
            .await;
            assert_eq!((got.unwrap(), sent.unwrap()), (5, 5));
            assert_eq!(&buf[..5], b"hello");
        });
    });
}

async fn drain(io: &dyn Io) -> io::Result<u8> {
    let mut buf = [0; 8];
    let mut read = |fd: BorrowedFd<'_>| {
        let count = read(fd, &mut buf)?;
        Ok(Drained { count, all: count > 0 && count < buf.len() })
    };
    let count = poll_fn(|cx| io.poll_drain(cx, &mut read)).await?;
    assert!(count <= 1);
    Ok(if count == 0 { 0 } else { buf[0] })
}

#[test]
fn after_a_read_that_left_nothing_what_comes_is_read_too() {
    Setting::each(|setting| {
        setting.block_on(async |on| {
            use rustix::pipe::{PipeFlags, pipe_with};
            let (r, w) = pipe_with(PipeFlags::NONBLOCK | PipeFlags::CLOEXEC).unwrap();
            let r = on.watch(r).unwrap();
            for round in 1..100 {
                // There before it is waited for; and then while it is.
                write(&w, &[round]).unwrap();
                assert_eq!(drain(&*r).await.unwrap(), round);
                let (got, ()) = zip(drain(&*r), async {
                    yield_now().await;
                    write(&w, &[100 + round]).unwrap();
                })
                .await;
                assert_eq!(got.unwrap(), 100 + round);
            }
            // Its end as well, and again.
            drop(w);
            for _ in 0..2 {
                assert_eq!(drain(&*r).await.unwrap(), 0);
            }
        });
    });
}

#[test]
fn end_of_file_is_readiness() {
    Setting::each(|setting| {
        setting.block_on(async |on| {
            let (a, b) = pair();
            let a = on.watch(a.into()).unwrap();
            let mut buf = [0; 8];
            let (got, ()) = zip(read_from(&*a, &mut buf), async {
                yield_now().await;
                drop(b);
            })
            .await;
            assert_eq!(got.unwrap(), 0);
        });
    });
}

#[test]
fn a_closed_reader_is_readiness_to_write() {
    Setting::each(|setting| {
        setting.block_on(async |on| {
            use rustix::pipe::{PipeFlags, pipe_with};
            let (r, w) = pipe_with(PipeFlags::NONBLOCK | PipeFlags::CLOEXEC).unwrap();
            let w = on.watch(w).unwrap();
            // Full, so that writing waits.
            while write(w.fd(), &[0; 4096]).is_ok() {}
            let (outcome, ()) = zip(write_to(&*w, b"x"), async {
                yield_now().await;
                drop(r);
            })
            .await;
            let outcome = outcome.unwrap_err();
            assert_eq!(outcome.kind(), io::ErrorKind::BrokenPipe);
        });
    });
}

#[test]
fn a_megabyte_goes_through_a_small_buffer() {
    Setting::each(|setting| {
        setting.block_on(async |on| {
            const LEN: usize = 1 << 20;
            let (a, b) = pair();
            let (a, b) = (on.watch(a.into()).unwrap(), on.watch(b.into()).unwrap());
            let data: Vec<u8> = (0..LEN).map(|i| (i % 251) as u8).collect();
            let (got, ()) = zip(
                async {
                    let (mut got, mut buf) = (Vec::new(), [0; 4096]);
                    while got.len() < LEN {
                        let n = read_from(&*a, &mut buf).await.unwrap();
                        got.extend_from_slice(&buf[..n]);
                    }
                    got
                },
                async {
                    let mut left = &data[..];
                    while !left.is_empty() {
                        let n = write_to(&*b, left).await.unwrap();
                        left = &left[n..];
                    }
                },
            )
            .await;
            assert!(got == data);
        });
    });
}

#[test]
fn a_false_readiness_is_waited_out() {
    Setting::each(|setting| {
        setting.block_on(async |on| {
            let (a, b) = pair();
            let thief = a.try_clone().unwrap();
            let a = on.watch(a.into()).unwrap();
            let (mut buf, mut calls) = ([0; 8], 0);
            let reading = poll_fn(|cx| {
                a.poll_io(Interest::Read, cx, &mut |fd| {
                    calls += 1;
                    if calls == 1 {
                        // Another holder of the descriptor takes what the reactor has announced.
                        assert_eq!(read(thief.as_fd(), &mut [0; 8])?, 5);
                    }
                    Ok(read(fd, &mut buf)?)
                })
            });
            write(b.as_fd(), b"stale").unwrap();
            let (got, ()) = zip(reading, async {
                yield_now().await;
                // Once the stale bytes are gone: fresh ones.
                while rustix::io::ioctl_fionread(&thief).unwrap() > 0 {
                    yield_now().await;
                }
                write(b.as_fd(), b"new").unwrap();
            })
            .await;
            assert_eq!(got.unwrap(), 3);
            assert!(calls >= 2);
        });
    });
}

#[test]
fn both_directions_can_be_waited_for_at_once() {
    Setting::each(|setting| {
        setting.block_on(async |on| {
            let (a, b) = pair();
            let a = on.watch(a.into()).unwrap();
            // Fill it, so that writing waits as well.
            while write(a.fd(), &[0; 4096]).is_ok() {}
            let mut buf = [0; 4096];
            let mut into = [0; 8];
            let both = zip(write_to(&*a, b"x"), read_from(&*a, &mut into));
            let ((wrote, got), ()) = zip(both, async {
                yield_now().await;
                write(b.as_fd(), b"up").unwrap();
                while read(b.as_fd(), &mut buf).is_ok() {}
            })
            .await;
            assert_eq!((wrote.unwrap(), got.unwrap()), (1, 2));
        });
    });
}

#[test]
fn an_error_of_the_operation_is_passed_on() {
    Setting::each(|setting| {
        setting.block_on(async |on| {
            let (a, _b) = pair();
            let a = on.watch(a.into()).unwrap();
            let failed =
                poll_fn(|cx| a.poll_io(Interest::Write, cx, &mut |_| Err(io::Error::from(io::ErrorKind::InvalidData))))
                    .await;
            assert_eq!(failed.unwrap_err().kind(), io::ErrorKind::InvalidData);
        });
    });
}

#[test]
fn a_regular_file_cannot_be_watched() {
    Setting::each(|setting| {
        setting.block_on(async |on| {
            let file = std::fs::File::open(std::env::current_exe().unwrap()).unwrap();
            assert!(on.watch(file.into()).is_err());
        });
    });
}

#[test]
fn dropping_it_closes_the_descriptor() {
    Setting::each(|setting| {
        setting.block_on(async |on| {
            let (a, b) = pair();
            drop(on.watch(a.into()).unwrap());
            assert_eq!(read(b.as_fd(), &mut [0; 1]).unwrap(), 0);
        });
    });
}

#[cfg(target_os = "linux")]
#[test]
fn a_pidfd_becomes_readable_when_the_process_exits() {
    use rustix::process::{Pid, PidfdFlags, WaitId, WaitIdOptions, pidfd_open, waitid};
    Setting::each(|setting| {
        setting.block_on(async |on| {
            let mut child = std::process::Command::new("cat").stdin(std::process::Stdio::piped()).spawn().unwrap();
            let pid = Pid::from_child(&child);
            let pidfd: OwnedFd = pidfd_open(pid, PidfdFlags::NONBLOCK).unwrap();
            let pidfd = on.watch(pidfd).unwrap();
            let mut exited = |fd: std::os::fd::BorrowedFd<'_>| {
                let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT | WaitIdOptions::NOHANG;
                match waitid(WaitId::PidFd(fd), options)? {
                    Some(_) => Ok(0),
                    None => Err(io::ErrorKind::WouldBlock.into()),
                }
            };
            let early = pidfd.poll_io(Interest::Read, &mut Context::from_waker(Waker::noop()), &mut exited);
            assert!(early.is_pending(), "it waits for its input");
            drop(child.stdin.take());
            poll_fn(|cx| pidfd.poll_io(Interest::Read, cx, &mut exited)).await.unwrap();
            assert!(child.wait().unwrap().success());
        });
    });
}
