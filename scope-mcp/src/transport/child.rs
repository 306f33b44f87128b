//! A server that is a child process: its pipes and its end.

use std::future::{Future, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use scope_core::rt::Handle;
use scope_process::{CloseReport, Exited, PipeReader, PipeWriter, Process, SpawnError, Tail};

use super::alarm::Alarm;
use crate::client::ServerSpec;
use crate::codec::Framer;
use crate::error::{Gone, HowGone};
use crate::session::Session;

/// Reads, writes, and reads of standard error, before the others get their turn.
const TURNS: usize = 16;

/// So many lines go into one `writev`.
const LINES: usize = 64;

/// After the end of its process: for the pipes, which a grandchild may hold open.
const GRACE_PIPES: Duration = Duration::from_millis(250);

/// After the end of its output: for its process, which is usually ending.
const GRACE_EXIT: Duration = Duration::from_millis(500);

/// After it no longer read: for the last answers, and for its end.
const GRACE_INPUT: Duration = Duration::from_secs(1);

/// The connection to a server process.
///
/// Reading, writing, its standard error and its end are all polled together: a pipe that is full stops nothing but what
/// is to be written to it.
#[derive(Debug)]
pub(crate) struct Link {
    server: Arc<str>,
    rt: Handle,
    process: Process,
    stdin: Option<PipeWriter>,
    stdout: Option<PipeReader>,
    stderr: Option<PipeReader>,
    exited: Exited,
    has_exited: bool,
    framer: Framer,
    tail: Tail,
    alarm: Alarm,
    /// What was seen first of its end, if anything.
    broken: Option<HowGone>,
    /// Since then: how long the rest may take.
    rest_until: Option<Instant>,
}

impl Link {
    /// Starts the server. Blocks for about a millisecond.
    pub(crate) fn start(
        spec: &ServerSpec,
        server: &Arc<str>,
        max_line: usize,
        rt: &Handle,
    ) -> Result<Link, SpawnError> {
        let mut process = spec.command().spawn(rt)?;
        Ok(Link {
            server: Arc::clone(server),
            rt: rt.clone(),
            stdin: process.take_stdin(),
            stdout: process.take_stdout(),
            stderr: process.take_stderr(),
            exited: process.exited(),
            process,
            has_exited: false,
            framer: Framer::new(max_line),
            tail: Tail::new(),
            alarm: Alarm::default(),
            broken: None,
            rest_until: None,
        })
    }

    /// The number of the process.
    pub(crate) fn id(&self) -> u32 {
        self.process.id()
    }

    /// What it wrote to standard error.
    pub(crate) fn tail(&self) -> &Tail {
        &self.tail
    }

    /// Moves whatever can be moved between the server and `session`. Ready when the server is gone.
    pub(crate) fn poll(&mut self, session: &mut Session, cx: &mut Context<'_>) -> Poll<Gone> {
        let mut more = self.poll_write(session, cx);
        more |= self.poll_read(session, cx);
        more |= self.poll_stderr(cx);
        self.poll_exit(cx);
        loop {
            let due = session.next_deadline().into_iter().chain(self.rest_until).min();
            if self.alarm.poll(&self.rt, due, cx).is_pending() {
                break;
            }
            let now = self.rt.now();
            session.expire(now);
            if self.rest_until.is_some_and(|until| until <= now) {
                return Poll::Ready(self.gone());
            }
        }
        if self.has_exited && self.stdout.is_none() && self.stderr.is_none() {
            return Poll::Ready(self.gone());
        }
        // Answers to what was read, and what there is to say about time-outs.
        more |= self.poll_write(session, cx);
        if more {
            cx.waker().wake_by_ref();
        }
        Poll::Pending
    }

    /// Each of these returns whether it could go on and leaves the turn to others.
    fn poll_write(&mut self, session: &mut Session, cx: &mut Context<'_>) -> bool {
        for _ in 0..TURNS {
            let Some(stdin) = &mut self.stdin else { return false };
            if !session.has_output() {
                return false;
            }
            let written = match stdin.poll_write_vectored(cx, &session.output(LINES)) {
                Poll::Pending => return false,
                Poll::Ready(Ok(0)) => Err(io::ErrorKind::WriteZero.into()),
                Poll::Ready(written) => written,
            };
            match written {
                Ok(count) => session.wrote(count),
                Err(error) => {
                    // What has not been sent never will be. Those who wait for it are told when it is known how the
                    // server went, which it most likely is doing; what was sent may still be answered.
                    self.stdin = None;
                    let closed = error.kind() == io::ErrorKind::BrokenPipe;
                    self.seen(if closed { HowGone::ClosedInput } else { HowGone::Broken(error) }, GRACE_INPUT);
                    return false;
                }
            }
        }
        true
    }

    fn poll_read(&mut self, session: &mut Session, cx: &mut Context<'_>) -> bool {
        for _ in 0..TURNS {
            let Some(stdout) = &mut self.stdout else { return false };
            let read = match stdout.poll_read(cx, self.framer.room()) {
                Poll::Pending => return false,
                Poll::Ready(read) => read,
            };
            match read {
                Ok(0) => {
                    if let Some(frame) = self.framer.finish() {
                        session.received_last(frame);
                    }
                    self.stdout = None;
                    self.seen(HowGone::ClosedOutput, GRACE_EXIT);
                    return false;
                }
                Ok(count) => {
                    self.framer.filled(count);
                    while let Some(frame) = self.framer.next() {
                        session.received(frame);
                    }
                }
                Err(error) => {
                    self.stdout = None;
                    self.seen(HowGone::Broken(error), GRACE_EXIT);
                    return false;
                }
            }
        }
        true
    }

    fn poll_stderr(&mut self, cx: &mut Context<'_>) -> bool {
        let mut buffer = [0; 4096];
        for _ in 0..TURNS {
            let Some(stderr) = &mut self.stderr else { return false };
            match stderr.poll_read(cx, &mut buffer) {
                Poll::Pending => return false,
                Poll::Ready(Ok(count)) if count > 0 => self.tail.push(&buffer[..count]),
                // A server may close it and live.
                Poll::Ready(_) => self.stderr = None,
            }
        }
        true
    }

    fn poll_exit(&mut self, cx: &mut Context<'_>) {
        if self.has_exited {
            return;
        }
        match Pin::new(&mut self.exited).poll(cx) {
            Poll::Pending => {}
            Poll::Ready(Ok(())) => {
                self.has_exited = true;
                self.rest(GRACE_PIPES);
            }
            Poll::Ready(Err(error)) => {
                // The runtime is shutting down. Polled no more.
                self.has_exited = true;
                self.seen(HowGone::Broken(error), Duration::ZERO);
            }
        }
    }

    fn seen(&mut self, how: HowGone, grace: Duration) {
        self.broken.get_or_insert(how);
        self.rest(grace);
    }

    fn rest(&mut self, grace: Duration) {
        let until = self.rt.now() + grace;
        self.rest_until = Some(self.rest_until.map_or(until, |earlier| earlier.min(until)));
    }

    fn gone(&mut self) -> Gone {
        let status = self.process.status();
        let how = match self.broken.take() {
            Some(broken) if status.is_none() && !self.has_exited => broken,
            Some(HowGone::Broken(error)) if status.is_none() => HowGone::Broken(error),
            _ => HowGone::Exited,
        };
        Gone::new(Arc::clone(&self.server), how, status, Some(self.tail.lines()))
    }

    /// Ends the process, politely at first, and everything it started. Its output is read on meanwhile, so that it is
    /// not kept from ending by a full pipe; nobody waits for what is in it.
    ///
    /// # Cancel safety
    /// As [`Process::close`].
    pub(crate) async fn end(&mut self) -> CloseReport {
        let Link { process, stdin, stdout, stderr, tail, .. } = self;
        let mut close = pin!(process.close());
        poll_fn(|cx| {
            let mut more = false;
            discard(stdout, cx, &mut more, |_| {});
            discard(stderr, cx, &mut more, |bytes| tail.push(bytes));
            let closed = close.as_mut().poll(cx);
            // The polite request. Not before `close` has looked, or one that follows it at once would seem to have ended
            // by itself.
            *stdin = None;
            if more && closed.is_pending() {
                cx.waker().wake_by_ref();
            }
            closed
        })
        .await
    }
}

/// Reads what is there; `more` is set when there may be more.
fn discard(pipe: &mut Option<PipeReader>, cx: &mut Context<'_>, more: &mut bool, mut seen: impl FnMut(&[u8])) {
    let mut buffer = [0; 8192];
    for _ in 0..TURNS {
        let Some(reader) = pipe else { return };
        match reader.poll_read(cx, &mut buffer) {
            Poll::Pending => return,
            Poll::Ready(Ok(count)) if count > 0 => seen(&buffer[..count]),
            Poll::Ready(_) => *pipe = None,
        }
    }
    *more |= pipe.is_some();
}
