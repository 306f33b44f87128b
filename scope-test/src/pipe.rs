//! A pipe in memory, for tests of what reads and writes bytes.

use std::collections::VecDeque;
use std::fmt;
use std::future::poll_fn;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use crate::runtime::TestRuntime;

/// A pipe that holds at most `capacity` bytes. Needs no run, and its ends may be in different ones.
///
/// ```
/// scope_test::block_on(0, async |rt| {
///     let (mut reader, mut writer) = scope_test::pipe(4);
///     rt.spawn(async move { writer.write_all(b"more than four").await.unwrap() }).unwrap();
///     assert_eq!(reader.read_to_end().await, b"more than four");
/// });
/// ```
///
/// # Panics
/// If `capacity` is 0: nothing could ever pass.
pub fn pipe(capacity: usize) -> (PipeReader, PipeWriter) {
    new(capacity, None)
}

/// A [`pipe`] where each read and write moves from one byte to as many as it could, as the seed of `rt` decides: code
/// that takes one read for one message fails over it.
///
/// # Panics
/// If `capacity` is 0.
pub fn short_pipe(capacity: usize, rt: &TestRuntime) -> (PipeReader, PipeWriter) {
    new(capacity, Some(rt.clone()))
}

fn new(capacity: usize, short: Option<TestRuntime>) -> (PipeReader, PipeWriter) {
    assert!(capacity > 0, "a pipe without capacity passes nothing");
    let shared = Arc::new(Shared { capacity, short, state: Mutex::default() });
    (PipeReader(shared.clone()), PipeWriter(shared))
}

struct Shared {
    capacity: usize,
    short: Option<TestRuntime>,
    state: Mutex<State>,
}

/// Wakers are taken out under the lock, and used and dropped after it.
#[derive(Default)]
struct State {
    bytes: VecDeque<u8>,
    reader_gone: bool,
    writer_gone: bool,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many of the `possible` bytes, at least one of them, are moved.
    fn portion(&self, possible: usize) -> usize {
        match &self.short {
            Some(rt) => 1 + rt.random_below(possible as u64) as usize,
            None => possible,
        }
    }
}

/// The end that is read from. Dropping it breaks the pipe: what it still held is lost, and writing fails.
pub struct PipeReader(Arc<Shared>);

/// The end that is written to. Dropping it ends the stream, after what was written.
pub struct PipeWriter(Arc<Shared>);

impl PipeReader {
    /// Reads what is there, up to the length of `buf`: 0 if the stream has ended, or `buf` is empty.
    ///
    /// One task waits at a time: a later one replaces it.
    pub fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<usize> {
        if buf.is_empty() {
            return Poll::Ready(0);
        }
        let waker = cx.waker().clone();
        let mut state = self.0.lock();
        let there = state.bytes.len().min(buf.len());
        if there == 0 {
            if state.writer_gone {
                return Poll::Ready(0);
            }
            let before = state.reader.replace(waker);
            drop(state);
            drop(before);
            return Poll::Pending;
        }
        let count = self.0.portion(there);
        for (to, from) in buf.iter_mut().zip(state.bytes.drain(..count)) {
            *to = from;
        }
        let writer = state.writer.take();
        drop(state);
        writer.into_iter().for_each(Waker::wake);
        Poll::Ready(count)
    }

    /// Reads what is there, and waits until there is something.
    ///
    /// # Cancel safety
    /// Nothing is lost: dropped before it is ready, it has read nothing.
    pub async fn read(&mut self, buf: &mut [u8]) -> usize {
        poll_fn(|cx| self.poll_read(cx, buf)).await
    }

    /// Reads until the stream ends.
    ///
    /// # Cancel safety
    /// Not cancel safe: what was read by then is lost.
    pub async fn read_to_end(&mut self) -> Vec<u8> {
        let mut all = Vec::new();
        let mut buf = [0; 1024];
        loop {
            match self.read(&mut buf).await {
                0 => return all,
                count => all.extend_from_slice(&buf[..count]),
            }
        }
    }
}

impl PipeWriter {
    /// Writes as much of `buf` as there is room for.
    ///
    /// One task waits at a time: a later one replaces it.
    ///
    /// # Errors
    /// [`BrokenPipe`](io::ErrorKind::BrokenPipe) when the reader is gone.
    pub fn poll_write(&mut self, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let waker = cx.waker().clone();
        let mut state = self.0.lock();
        if state.reader_gone {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        if buf.is_empty() {
            return Poll::Ready(Ok(0));
        }
        let room = (self.0.capacity - state.bytes.len()).min(buf.len());
        if room == 0 {
            let before = state.writer.replace(waker);
            drop(state);
            drop(before);
            return Poll::Pending;
        }
        let count = self.0.portion(room);
        state.bytes.extend(&buf[..count]);
        let reader = state.reader.take();
        drop(state);
        reader.into_iter().for_each(Waker::wake);
        Poll::Ready(Ok(count))
    }

    /// Writes as much of `buf` as there is room for, and waits until there is some.
    ///
    /// # Errors
    /// [`BrokenPipe`](io::ErrorKind::BrokenPipe) when the reader is gone.
    ///
    /// # Cancel safety
    /// Dropped before it is ready, it has written nothing.
    pub async fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        poll_fn(|cx| self.poll_write(cx, buf)).await
    }

    /// Writes all of `buf`.
    ///
    /// # Errors
    /// [`BrokenPipe`](io::ErrorKind::BrokenPipe) when the reader is gone; a part may have been written.
    ///
    /// # Cancel safety
    /// Not cancel safe: a part may have been written.
    pub async fn write_all(&mut self, mut buf: &[u8]) -> io::Result<()> {
        while !buf.is_empty() {
            let count = self.write(buf).await?;
            buf = &buf[count..];
        }
        Ok(())
    }
}

impl Drop for PipeReader {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.reader_gone = true;
        state.bytes = VecDeque::new();
        let (reader, writer) = (state.reader.take(), state.writer.take());
        drop(state);
        drop(reader);
        writer.into_iter().for_each(Waker::wake);
    }
}

impl Drop for PipeWriter {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.writer_gone = true;
        let (reader, writer) = (state.reader.take(), state.writer.take());
        drop(state);
        drop(writer);
        reader.into_iter().for_each(Waker::wake);
    }
}

fn fmt_end(name: &str, shared: &Shared, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let held = shared.lock().bytes.len();
    f.debug_struct(name).field("held", &held).field("capacity", &shared.capacity).finish_non_exhaustive()
}

impl fmt::Debug for PipeReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt_end("PipeReader", &self.0, f)
    }
}

impl fmt::Debug for PipeWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt_end("PipeWriter", &self.0, f)
    }
}
