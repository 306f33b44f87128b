//! What can go wrong in a pipe: set before it is opened, or done to it by hand.

use std::error::Error;
use std::fmt;
use std::future::Future;
use std::io;
use std::ops::RangeInclusive;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use scope_core::rt::Sleep;

use crate::pipe::{self, PipeReader, PipeWriter};
use crate::runtime::TestRuntime;

/// A pipe with faults, before it is opened: [`pipe`](crate::pipe()) without any.
///
/// What is left open by a setting, the seed decides: how short a read is, how long a delay, where the cut is. The same
/// seed gives the same faults.
///
/// ```
/// use std::io::ErrorKind;
/// use std::time::Duration;
///
/// use scope_test::{Cut, FaultyPipe};
///
/// /// Reads a line: code to be tested.
/// async fn line(reader: &mut scope_test::PipeReader) -> std::io::Result<String> {
///     let mut line = Vec::new();
///     let mut byte = [0];
///     while reader.read(&mut byte).await? == 1 {
///         if byte == *b"\n" {
///             return Ok(String::from_utf8_lossy(&line).into_owned());
///         }
///         line.extend(byte);
///     }
///     Err(ErrorKind::UnexpectedEof.into())
/// }
///
/// scope_test::for_each_seed(0..256, async |rt| {
///     let (mut reader, mut writer) = FaultyPipe::new(16, &rt)
///         .short_writes()
///         .write_delay(Duration::ZERO..=Duration::from_secs(60))
///         .cut_within(7..=11, Cut::Error(ErrorKind::ConnectionReset))
///         .open();
///     rt.spawn(async move { drop(writer.write_all(b"whole\nhalf a line\n").await) }).unwrap();
///     assert_eq!(line(&mut reader).await.unwrap(), "whole");
///     assert_eq!(line(&mut reader).await.unwrap_err().kind(), ErrorKind::ConnectionReset);
/// });
/// ```
#[derive(Clone, Debug)]
#[must_use = "a pipe is there once it is opened"]
pub struct FaultyPipe {
    capacity: usize,
    rt: TestRuntime,
    pub(crate) faults: Faults,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Faults {
    pub(crate) short_reads: bool,
    pub(crate) short_writes: bool,
    pub(crate) read_delay: Option<RangeInclusive<Duration>>,
    pub(crate) write_delay: Option<RangeInclusive<Duration>>,
    pub(crate) cut: Option<(Place, Cut)>,
}

/// Where a pipe is cut.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Place {
    /// When so many bytes have passed.
    After(u64),
    /// Within this write, counted from 1.
    InWrite(u64),
}

/// What becomes of a pipe that is cut. What has passed by then can still be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// The stream ends: reading says so, writing fails with [`BrokenPipe`](io::ErrorKind::BrokenPipe).
    End,
    /// Reading and writing fail with this kind. A broken connection says [`ConnectionReset`](io::ErrorKind::ConnectionReset).
    Error(io::ErrorKind),
    /// Nothing passes any more, and neither end hears from the other: not even that it is gone. Reading waits, and so
    /// does writing. [`Wire::resume`](crate::Wire::resume) lifts it.
    Stall,
}

/// The cause inside the [`io::Error`] of a pipe that was cut: see [`io::Error::get_ref`].
///
/// ```
/// use scope_test::{Cut, PipeCut};
///
/// scope_test::block_on(0, async |_| {
///     let (reader, mut writer) = scope_test::pipe(16);
///     writer.write_all(b"half").await.unwrap();
///     reader.wire().cut(Cut::Error(std::io::ErrorKind::ConnectionReset));
///     let error = writer.write(b" and half").await.unwrap_err();
///     let cut: &PipeCut = error.get_ref().unwrap().downcast_ref().unwrap();
///     assert_eq!(cut.passed(), 4);
///     assert_eq!(error.to_string(), "the test has cut this pipe after 4 bytes");
/// });
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PipeCut {
    pub(crate) passed: u64,
}

impl PipeCut {
    /// How many bytes had been written by then.
    pub fn passed(&self) -> u64 {
        self.passed
    }

    pub(crate) fn error(self, kind: io::ErrorKind) -> io::Error {
        io::Error::new(kind, self)
    }
}

impl fmt::Display for PipeCut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the test has cut this pipe after {} bytes", self.passed)
    }
}

impl Error for PipeCut {}

impl FaultyPipe {
    /// A pipe that holds at most `capacity` bytes, so far without a fault; `rt` gives the seed and the time.
    ///
    /// # Panics
    /// If `capacity` is 0: nothing could ever pass.
    #[track_caller]
    pub fn new(capacity: usize, rt: &TestRuntime) -> Self {
        pipe::check(capacity);
        FaultyPipe { capacity, rt: rt.clone(), faults: Faults::default() }
    }

    /// Each read takes from one byte to as many as it could: code that takes one read for one message fails over it.
    pub fn short_reads(mut self) -> Self {
        self.faults.short_reads = true;
        self
    }

    /// Each write takes from one byte to as many as it could.
    pub fn short_writes(mut self) -> Self {
        self.faults.short_writes = true;
        self
    }

    /// Each read for which there is something waits before it takes it, for a virtual time in `range`. The end of the
    /// stream, and an error, are told without delay.
    ///
    /// A read that is dropped meanwhile has taken nothing, and the next one waits for the rest of that time.
    ///
    /// # Panics
    /// If `range` is empty.
    #[track_caller]
    pub fn read_delay(mut self, range: RangeInclusive<Duration>) -> Self {
        assert!(!range.is_empty(), "there is no delay in {range:?}");
        self.faults.read_delay = Some(range);
        self
    }

    /// Each write for which there is room waits before it fills it, for a virtual time in `range`.
    ///
    /// A write that is dropped meanwhile has written nothing, and the next one waits for the rest of that time.
    ///
    /// # Panics
    /// If `range` is empty.
    #[track_caller]
    pub fn write_delay(mut self, range: RangeInclusive<Duration>) -> Self {
        assert!(!range.is_empty(), "there is no delay in {range:?}");
        self.faults.write_delay = Some(range);
        self
    }

    /// Cuts the pipe when `bytes` have passed: the write they end in is short, and the next one meets the cut. There is
    /// one cut: it replaces an earlier setting.
    pub fn cut_after(mut self, bytes: u64, cut: Cut) -> Self {
        self.faults.cut = Some((Place::After(bytes), cut));
        self
    }

    /// As [`cut_after`](FaultyPipe::cut_after), for a number of bytes in `range`.
    ///
    /// # Panics
    /// If `range` is empty.
    #[track_caller]
    pub fn cut_within(self, range: RangeInclusive<u64>, cut: Cut) -> Self {
        assert!(!range.is_empty(), "there is no number of bytes in {range:?}");
        let (first, last) = range.into_inner();
        let bytes = first + self.rt.random_below((last - first).saturating_add(1));
        self.cut_after(bytes, cut)
    }

    /// Cuts the pipe in the middle of a write: of the write with this number, counted from 1, a part passes, at least one
    /// byte and not all of them; none if it has only one. What a short write leaves is another write.
    ///
    /// # Panics
    /// If `number` is 0.
    #[track_caller]
    pub fn cut_in_write(mut self, number: u64, cut: Cut) -> Self {
        assert!(number > 0, "writes are counted from 1");
        self.faults.cut = Some((Place::InWrite(number), cut));
        self
    }

    /// Opens the pipe.
    pub fn open(self) -> (PipeReader, PipeWriter) {
        pipe::open(self.capacity, Some(self.rt), self.faults)
    }
}

/// A pipe with all its [short reads](FaultyPipe::short_reads) and [writes](FaultyPipe::short_writes).
///
/// # Panics
/// If `capacity` is 0.
#[track_caller]
pub fn short_pipe(capacity: usize, rt: &TestRuntime) -> (PipeReader, PipeWriter) {
    FaultyPipe::new(capacity, rt).short_reads().short_writes().open()
}

/// The delay of one end.
pub(crate) struct Delay {
    rt: Option<TestRuntime>,
    range: Option<RangeInclusive<Duration>>,
    sleep: Option<Sleep>,
    over: bool,
}

impl Delay {
    pub(crate) fn new(rt: Option<TestRuntime>, range: Option<RangeInclusive<Duration>>) -> Self {
        Delay { rt, range, sleep: None, over: false }
    }

    /// Whether the next move need not wait.
    pub(crate) fn is_over(&self) -> bool {
        self.over || self.range.is_none()
    }

    /// Ready when it is over.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let (Some(rt), Some(range), false) = (&self.rt, &self.range, self.over) else { return Poll::Ready(()) };
        let sleep = self.sleep.get_or_insert_with(|| {
            let span = u64::try_from((*range.end() - *range.start()).as_nanos()).unwrap_or(u64::MAX);
            rt.sleep(*range.start() + Duration::from_nanos(rt.random_below(span.saturating_add(1))))
        });
        ready!(Pin::new(sleep).poll(cx));
        (self.sleep, self.over) = (None, true);
        Poll::Ready(())
    }

    /// There was a move: the next one waits anew.
    pub(crate) fn moved(&mut self) {
        self.over = false;
    }
}
