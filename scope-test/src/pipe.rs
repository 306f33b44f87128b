//! A pipe in memory, for tests of what reads and writes bytes.

use std::collections::VecDeque;
use std::fmt;
use std::future::poll_fn;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};

use crate::fault::{Cut, Delay, Faults, PipeCut, Place};
use crate::runtime::TestRuntime;

/// A pipe that holds at most `capacity` bytes. Needs no run, and its ends may be in different ones.
/// [`FaultyPipe`](crate::FaultyPipe) makes one with faults.
///
/// ```
/// scope_test::block_on(0, async |rt| {
///     let (mut reader, mut writer) = scope_test::pipe(4);
///     rt.spawn(async move { writer.write_all(b"more than four").await.unwrap() }).unwrap();
///     assert_eq!(reader.read_to_end().await.unwrap(), b"more than four");
/// });
/// ```
///
/// # Panics
/// If `capacity` is 0: nothing could ever pass.
#[track_caller]
pub fn pipe(capacity: usize) -> (PipeReader, PipeWriter) {
    check(capacity);
    open(capacity, None, Faults::default())
}

#[track_caller]
pub(crate) fn check(capacity: usize) {
    assert!(capacity > 0, "a pipe without capacity passes nothing");
}

pub(crate) fn open(capacity: usize, rt: Option<TestRuntime>, faults: Faults) -> (PipeReader, PipeWriter) {
    let read_delay = Delay::new(rt.clone(), faults.read_delay.clone());
    let write_delay = Delay::new(rt.clone(), faults.write_delay.clone());
    let shared = Arc::new(Shared { capacity, rt, faults, state: Mutex::default() });
    shared.lock().reach(&shared.faults);
    (PipeReader { shared: shared.clone(), delay: read_delay }, PipeWriter { shared, delay: write_delay })
}

struct Shared {
    capacity: usize,
    rt: Option<TestRuntime>,
    faults: Faults,
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
    passed: u64,
    writes: u64,
    /// Where in the write that is to be cut it is cut, once that is drawn.
    cut_at: Option<u64>,
    cut: Option<Cut>,
    /// A fault that was set has been met, and is not met again when it is lifted.
    met: bool,
}

impl State {
    /// How many bytes may pass before a cut that was set.
    fn before_cut(&self, faults: &Faults) -> Option<u64> {
        match faults.cut {
            Some((Place::After(bytes), _)) if !self.met => Some(bytes - self.passed),
            Some((Place::InWrite(_), _)) if !self.met => self.cut_at.map(|at| at - self.passed),
            _ => None,
        }
    }

    /// Puts a cut that was set into force once its place is reached.
    fn reach(&mut self, faults: &Faults) {
        if let (Some(0), Some((_, cut))) = (self.before_cut(faults), faults.cut) {
            self.met = true;
            self.cut.get_or_insert(cut);
        }
    }

    fn cause(&self) -> PipeCut {
        PipeCut { passed: self.passed }
    }

    /// How many bytes can be read now.
    fn readable(&self, wanted: usize) -> Poll<io::Result<usize>> {
        if !self.bytes.is_empty() {
            return Poll::Ready(Ok(self.bytes.len().min(wanted)));
        }
        match self.cut {
            Some(Cut::End) => Poll::Ready(Ok(0)),
            Some(Cut::Error(kind)) => Poll::Ready(Err(self.cause().error(kind))),
            Some(Cut::Stall) => Poll::Pending,
            None if self.writer_gone => Poll::Ready(Ok(0)),
            None => Poll::Pending,
        }
    }

    /// How many bytes can be written now.
    fn writable(&self, wanted: usize, capacity: usize) -> Poll<io::Result<usize>> {
        match self.cut {
            Some(Cut::End) => return Poll::Ready(Err(self.cause().error(io::ErrorKind::BrokenPipe))),
            Some(Cut::Error(kind)) => return Poll::Ready(Err(self.cause().error(kind))),
            Some(Cut::Stall) if wanted > 0 => return Poll::Pending,
            None if self.reader_gone || self.writer_gone => return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
            _ => {}
        }
        match (capacity - self.bytes.len()).min(wanted) {
            0 if wanted > 0 => Poll::Pending,
            room => Poll::Ready(Ok(room)),
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn below(&self, bound: usize) -> usize {
        self.rt.as_ref().map_or(0, |rt| rt.random_below(bound as u64) as usize)
    }

    /// How many of the `possible` bytes, at least one of them, are moved.
    fn portion(&self, short: bool, possible: usize) -> usize {
        if short { 1 + self.below(possible) } else { possible }
    }

    /// Takes a part of `buf`, for which there is `room`; nothing if the pipe is cut before that.
    fn fill(&self, state: &mut State, buf: &[u8], room: usize) -> Option<usize> {
        state.writes += 1;
        if let Some((Place::InWrite(number), _)) = self.faults.cut
            && state.writes == number
        {
            let part = if buf.len() > 1 { 1 + self.below(buf.len() - 1) } else { 0 };
            state.cut_at = Some(state.passed + part as u64);
        }
        let before_cut = state.before_cut(&self.faults).unwrap_or(u64::MAX);
        let possible = usize::try_from(before_cut).unwrap_or(usize::MAX).min(room);
        if possible == 0 {
            state.reach(&self.faults);
            return None;
        }
        let count = self.portion(self.faults.short_writes, possible);
        state.bytes.extend(&buf[..count]);
        state.passed += count as u64;
        state.reach(&self.faults);
        Some(count)
    }
}

/// The end that is read from. Dropping it breaks the pipe: what it still held is lost, and writing fails.
pub struct PipeReader {
    shared: Arc<Shared>,
    delay: Delay,
}

/// The end that is written to. Dropping it ends the stream, after what was written.
pub struct PipeWriter {
    shared: Arc<Shared>,
    delay: Delay,
}

impl PipeReader {
    /// Reads what is there, up to the length of `buf`: 0 if the stream has ended, or `buf` is empty.
    ///
    /// One task waits at a time: a later one replaces it.
    ///
    /// # Errors
    /// Where the pipe was [cut](Cut::Error), after what had passed.
    pub fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        if buf.is_empty() {
            return Poll::Ready(Ok(0));
        }
        loop {
            let waker = cx.waker().clone();
            let mut state = self.shared.lock();
            let readable = state.readable(buf.len());
            if let Poll::Ready(Ok(there @ 1..)) = readable
                && self.delay.is_over()
            {
                let count = self.shared.portion(self.shared.faults.short_reads, there);
                for (to, from) in buf.iter_mut().zip(state.bytes.drain(..count)) {
                    *to = from;
                }
                let writer = state.writer.take();
                drop(state);
                self.delay.moved();
                writer.into_iter().for_each(Waker::wake);
                return Poll::Ready(Ok(count));
            }
            if let Poll::Ready(Ok(0) | Err(_)) = readable {
                return readable;
            }
            // In a delay too: a cut ends it.
            let before = state.reader.replace(waker);
            drop(state);
            drop(before);
            if readable.is_pending() {
                return Poll::Pending;
            }
            ready!(self.delay.poll(cx));
        }
    }

    /// Reads what is there, and waits until there is something.
    ///
    /// # Errors
    /// As [`poll_read`](PipeReader::poll_read).
    ///
    /// # Cancel safety
    /// Nothing is lost: dropped before it is ready, it has read nothing.
    pub async fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        poll_fn(|cx| self.poll_read(cx, buf)).await
    }

    /// Reads until the stream ends.
    ///
    /// # Errors
    /// As [`poll_read`](PipeReader::poll_read); what was read by then is lost.
    ///
    /// # Cancel safety
    /// Not cancel safe: what was read by then is lost.
    pub async fn read_to_end(&mut self) -> io::Result<Vec<u8>> {
        let mut all = Vec::new();
        let mut buf = [0; 1024];
        loop {
            match self.read(&mut buf).await? {
                0 => return Ok(all),
                count => all.extend_from_slice(&buf[..count]),
            }
        }
    }

    /// The pipe itself, to cut it by hand.
    pub fn wire(&self) -> Wire {
        Wire(self.shared.clone())
    }
}

impl PipeWriter {
    /// Writes as much of `buf` as there is room for.
    ///
    /// One task waits at a time: a later one replaces it.
    ///
    /// # Errors
    /// [`BrokenPipe`](io::ErrorKind::BrokenPipe) when the reader is gone, or this was closed; what the pipe was [cut](Cut) with.
    pub fn poll_write(&mut self, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        loop {
            let waker = cx.waker().clone();
            let mut state = self.shared.lock();
            let writable = state.writable(buf.len(), self.shared.capacity);
            if let Poll::Ready(Ok(room @ 1..)) = writable
                && self.delay.is_over()
            {
                self.delay.moved();
                let count = self.shared.fill(&mut state, buf, room);
                let reader = state.reader.take();
                drop(state);
                reader.into_iter().for_each(Waker::wake);
                match count {
                    Some(count) => return Poll::Ready(Ok(count)),
                    // A cut before the first byte: it is told in the next turn.
                    None => continue,
                }
            }
            if let Poll::Ready(Ok(0) | Err(_)) = writable {
                return writable;
            }
            // In a delay too: a cut ends it.
            let before = state.writer.replace(waker);
            drop(state);
            drop(before);
            if writable.is_pending() {
                return Poll::Pending;
            }
            ready!(self.delay.poll(cx));
        }
    }

    /// Writes as much of `buf` as there is room for, and waits until there is some.
    ///
    /// # Errors
    /// As [`poll_write`](PipeWriter::poll_write).
    ///
    /// # Cancel safety
    /// Dropped before it is ready, it has written nothing.
    pub async fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        poll_fn(|cx| self.poll_write(cx, buf)).await
    }

    /// Ends the stream, after what was written, as dropping it does. Writing is an error from here on.
    pub fn close(&mut self) {
        let mut state = self.shared.lock();
        state.writer_gone = true;
        let (reader, writer) = (state.reader.take(), state.writer.take());
        drop(state);
        drop(writer);
        reader.into_iter().for_each(Waker::wake);
    }

    /// Writes all of `buf`.
    ///
    /// # Errors
    /// As [`poll_write`](PipeWriter::poll_write); a part may have been written.
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

    /// The pipe itself, to cut it by hand.
    pub fn wire(&self) -> Wire {
        Wire(self.shared.clone())
    }
}

/// A pipe between its ends, for a test to cut it at a moment of its choice. Keeps neither end open.
///
/// ```
/// use std::time::Duration;
///
/// use scope_test::Cut;
///
/// scope_test::block_on(0, async |rt| {
///     let (mut reader, mut writer) = scope_test::pipe(16);
///     let wire = reader.wire();
///     writer.write_all(b"half a mess").await.unwrap();
///     rt.spawn({
///         let rt = rt.clone();
///         async move {
///             rt.sleep(Duration::from_secs(30)).await;
///             wire.cut(Cut::End);
///         }
///     })
///     .unwrap();
///     assert_eq!(reader.read_to_end().await.unwrap(), b"half a mess");
///     assert_eq!(rt.elapsed(), Duration::from_secs(30));
/// });
/// ```
#[derive(Clone)]
pub struct Wire(Arc<Shared>);

impl Wire {
    /// Cuts the pipe here and now, and wakes both ends. Without effect on one that was cut already, a stalled one excepted.
    pub fn cut(&self, cut: Cut) {
        self.set(|state| match state.cut {
            None | Some(Cut::Stall) => state.cut = Some(cut),
            Some(Cut::End | Cut::Error(_)) => {}
        });
    }

    /// Lifts a [stall](Cut::Stall), and wakes both ends. Without effect on any other pipe.
    pub fn resume(&self) {
        self.set(|state| {
            if state.cut == Some(Cut::Stall) {
                state.cut = None;
            }
        });
    }

    /// The cut that is in force, set before or done by hand.
    pub fn is_cut(&self) -> Option<Cut> {
        self.0.lock().cut
    }

    /// How many bytes have been written so far, read or not.
    pub fn passed(&self) -> u64 {
        self.0.lock().passed
    }

    fn set(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.0.lock();
        change(&mut state);
        let (reader, writer) = (state.reader.take(), state.writer.take());
        drop(state);
        reader.into_iter().chain(writer).for_each(Waker::wake);
    }
}

impl Drop for PipeReader {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
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
        self.close();
    }
}

fn fmt_as(name: &str, shared: &Shared, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let state = shared.lock();
    let (held, cut) = (state.bytes.len(), state.cut);
    drop(state);
    f.debug_struct(name)
        .field("held", &held)
        .field("capacity", &shared.capacity)
        .field("cut", &cut)
        .finish_non_exhaustive()
}

impl fmt::Debug for PipeReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt_as("PipeReader", &self.shared, f)
    }
}

impl fmt::Debug for PipeWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt_as("PipeWriter", &self.shared, f)
    }
}

impl fmt::Debug for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt_as("Wire", &self.0, f)
    }
}
