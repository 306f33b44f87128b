//! Two ends that are connected in memory: a client and a server in one program, without a process, a descriptor or a
//! runtime.

use std::collections::VecDeque;

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use futures_io::{AsyncRead, AsyncWrite};

use super::Stream;

/// Two streams: what is written to one is read from the other. Each direction holds at most `capacity` bytes; whoever
/// writes more waits until something has been read.
///
/// A writer that is closed or dropped ends what the other side reads, after what was written. When a reader is dropped,
/// what it had not read is lost, and writing to it is an error of kind [`BrokenPipe`](io::ErrorKind::BrokenPipe).
///
/// # Panics
/// If `capacity` is 0: nothing could ever pass.
///
/// # Cancel safety
/// A read or a write that is not ready has moved nothing.
#[track_caller]
pub fn pair(capacity: usize) -> (Stream, Stream) {
    assert!(capacity > 0, "a stream that holds nothing passes nothing on");
    let (here_reader, there_writer) = pipe(capacity);
    let (there_reader, here_writer) = pipe(capacity);
    (Stream::new(here_reader, here_writer), Stream::new(there_reader, there_writer))
}

fn pipe(capacity: usize) -> (Reader, Writer) {
    let pipe = Arc::new(Pipe { capacity, state: Mutex::default() });
    (Reader(Arc::clone(&pipe)), Writer(pipe))
}

struct Pipe {
    capacity: usize,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    bytes: VecDeque<u8>,
    /// Its writer is closed or gone.
    ended: bool,
    /// Its reader is gone.
    broken: bool,
    /// Who waits; not both at a time, but either may be left over.
    reader: Option<Waker>,
    writer: Option<Waker>,
}

struct Reader(Arc<Pipe>);

struct Writer(Arc<Pipe>);

impl Pipe {
    /// Changes the state, then wakes and drops wakers, whose code is somebody else's, without the lock.
    fn change<T>(&self, change: impl FnOnce(&mut State) -> (T, Woken)) -> T {
        let (value, Woken { wake, drop }) = change(&mut self.state());
        std::mem::drop(drop);
        if let Some(waker) = wake {
            waker.wake();
        }
        value
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Wakers that are no longer needed.
#[derive(Default)]
struct Woken {
    wake: Option<Waker>,
    drop: Option<Waker>,
}

impl AsyncRead for Reader {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        let waker = cx.waker().clone();
        self.0.change(|state| {
            if !state.bytes.is_empty() || state.ended || buf.is_empty() {
                let count = io::Read::read(&mut state.bytes, buf);
                return (Poll::Ready(count), Woken { wake: state.writer.take(), drop: Some(waker) });
            }
            (Poll::Pending, Woken { wake: None, drop: state.reader.replace(waker) })
        })
    }
}

impl AsyncWrite for Writer {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(buf)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let waker = cx.waker().clone();
        let capacity = self.0.capacity;
        self.0.change(|state| {
            if state.broken || state.ended {
                let error = io::ErrorKind::BrokenPipe.into();
                return (Poll::Ready(Err(error)), Woken { wake: None, drop: Some(waker) });
            }
            let before = state.bytes.len();
            for buf in bufs {
                let room = capacity - state.bytes.len();
                state.bytes.extend(&buf[..buf.len().min(room)]);
            }
            let count = state.bytes.len() - before;
            if count > 0 || bufs.iter().all(|buf| buf.is_empty()) {
                return (Poll::Ready(Ok(count)), Woken { wake: state.reader.take(), drop: Some(waker) });
            }
            (Poll::Pending, Woken { wake: None, drop: state.writer.replace(waker) })
        })
    }

    /// What was written can be read already.
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.end();
        Poll::Ready(Ok(()))
    }
}

impl Writer {
    fn end(&self) {
        self.0.change(|state| {
            state.ended = true;
            ((), Woken { wake: state.reader.take(), drop: state.writer.take() })
        });
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.end();
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.0.change(|state| {
            state.broken = true;
            state.bytes = VecDeque::new();
            ((), Woken { wake: state.writer.take(), drop: state.reader.take() })
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Wakes;

    fn write(writer: &mut Writer, cx: &mut Context<'_>, bufs: &[&[u8]]) -> Poll<io::Result<usize>> {
        let bufs: Vec<IoSlice<'_>> = bufs.iter().map(|buf| IoSlice::new(buf)).collect();
        Pin::new(writer).poll_write_vectored(cx, &bufs)
    }

    fn read(reader: &mut Reader, cx: &mut Context<'_>, most: usize) -> Poll<io::Result<Vec<u8>>> {
        let mut buf = vec![0; most];
        Pin::new(reader).poll_read(cx, &mut buf).map_ok(|count| buf[..count].to_vec())
    }

    fn ready<T>(poll: Poll<io::Result<T>>) -> io::Result<T> {
        let Poll::Ready(result) = poll else { panic!("it waits") };
        result
    }

    #[test]
    fn no_more_is_held_than_it_can_hold_and_whoever_waits_is_woken() {
        let (mut reader, mut writer) = pipe(5);
        let (reads, writes) = (Wakes::new(), Wakes::new());
        let (read_waker, write_waker) = (reads.waker(), writes.waker());
        let (r, w) = (&mut Context::from_waker(&read_waker), &mut Context::from_waker(&write_waker));
        assert!(read(&mut reader, r, 9).is_pending());
        assert_eq!(ready(write(&mut writer, w, &[b"ab", b"", b"cdef"])).unwrap(), 5);
        assert_eq!((reads.count(), writes.count()), (1, 0));
        assert!(write(&mut writer, w, &[b"f"]).is_pending());
        assert_eq!(ready(read(&mut reader, r, 3)).unwrap(), b"abc");
        assert_eq!((reads.count(), writes.count()), (1, 1));
        assert_eq!(ready(write(&mut writer, w, &[b"fgh"])).unwrap(), 3);
        assert_eq!(ready(read(&mut reader, r, 9)).unwrap(), b"defgh");
        assert_eq!((reads.count(), writes.count()), (1, 1), "nobody waited");
    }

    #[test]
    fn the_end_comes_after_what_was_written() {
        for closed in [true, false] {
            let (mut reader, mut writer) = pipe(5);
            let reads = Wakes::new();
            let waker = reads.waker();
            let cx = &mut Context::from_waker(&waker);
            assert_eq!(ready(write(&mut writer, cx, &[b"last"])).unwrap(), 4);
            if closed {
                ready(Pin::new(&mut writer).poll_close(cx)).unwrap();
                assert_eq!(ready(write(&mut writer, cx, &[b"x"])).unwrap_err().kind(), io::ErrorKind::BrokenPipe);
            } else {
                drop(writer);
            }
            assert_eq!(ready(read(&mut reader, cx, 9)).unwrap(), b"last");
            assert_eq!(ready(read(&mut reader, cx, 9)).unwrap(), b"");
        }
        let (mut reader, writer) = pipe(5);
        let reads = Wakes::new();
        let waker = reads.waker();
        assert!(read(&mut reader, &mut Context::from_waker(&waker), 9).is_pending());
        drop(writer);
        assert_eq!(reads.count(), 1);
    }

    #[test]
    fn a_reader_that_goes_breaks_it_and_wakes_who_waits_for_room() {
        let (reader, mut writer) = pipe(2);
        let writes = Wakes::new();
        let waker = writes.waker();
        let cx = &mut Context::from_waker(&waker);
        assert_eq!(ready(write(&mut writer, cx, &[b"abc"])).unwrap(), 2);
        assert!(write(&mut writer, cx, &[b"c"]).is_pending());
        drop(reader);
        assert_eq!(writes.count(), 1);
        assert_eq!(ready(write(&mut writer, cx, &[b"c"])).unwrap_err().kind(), io::ErrorKind::BrokenPipe);
    }
}
