//! A server that is our child, while it is talked to: its standard error, and its end.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::process::ExitStatus;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use scope_core::rt::{Handle, Sleep};
use scope_mcp::{Gone, HowGone};
use scope_process::{Exited, PipeReader, Process};

use crate::handle::Known;

/// Reads of standard error, before others get their turn.
const TURNS: usize = 16;

/// After the end of its process: for the pipes, which a grandchild may hold open.
const GRACE_PIPES: Duration = Duration::from_millis(250);

/// After the end of its output: for its process, which is usually ending.
const GRACE_EXIT: Duration = Duration::from_millis(500);

/// After it no longer read: for the last answers, and for its end.
const GRACE_INPUT: Duration = Duration::from_secs(1);

/// Between the failure of messages and the end of receiving: for rmcp to hear of the first before the second.
const LINGER: Duration = Duration::from_millis(20);

pub(crate) struct Server {
    rt: Handle,
    known: Arc<Known>,
    /// `None` once it is being closed.
    process: Option<Process>,
    stderr: Option<PipeReader>,
    exited: Exited,
    has_exited: bool,
    output_ended: bool,
    /// What was seen of its end besides the process's own, if anything.
    deaf: Option<HowGone>,
    mute: Option<HowGone>,
    /// Since it no longer reads: how long to wait for more.
    deaf_rest: Option<Sleep>,
    /// Since its end, or that of its output: how long the rest may take.
    rest: Option<(Instant, Sleep)>,
    linger: Option<Sleep>,
}

/// How it is.
#[derive(Debug)]
pub(crate) enum Life {
    Lives,
    /// It no longer reads, and that is all. What it says can still be received.
    Deaf(Gone),
    Gone(Gone),
}

impl Server {
    pub(crate) fn new(rt: Handle, known: Arc<Known>, process: Process, stderr: Option<PipeReader>) -> Server {
        Server {
            rt,
            known,
            stderr,
            exited: process.exited(),
            process: Some(process),
            has_exited: false,
            output_ended: false,
            deaf: None,
            mute: None,
            deaf_rest: None,
            rest: None,
            linger: None,
        }
    }

    /// It no longer reads.
    pub(crate) fn input_broke(&mut self, error: io::Error) {
        let closed = error.kind() == io::ErrorKind::BrokenPipe;
        self.deaf = Some(if closed { HowGone::ClosedInput } else { HowGone::Broken(error) });
        self.deaf_rest = Some(self.rt.sleep(GRACE_INPUT));
    }

    /// It no longer writes, or cannot be read.
    pub(crate) fn output_ended(&mut self, error: Option<io::Error>) {
        self.output_ended = true;
        self.mute = Some(error.map_or(HowGone::ClosedOutput, HowGone::Broken));
        self.rest(GRACE_EXIT);
    }

    /// Reads its standard error, and looks how it is.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Life {
        if hear(&mut self.stderr, &self.known, cx) {
            cx.waker().wake_by_ref();
        }
        self.poll_exit(cx);
        let elapsed = |sleep: &mut Sleep, cx: &mut Context<'_>| Pin::new(sleep).poll(cx).is_ready();
        if self.rest.as_mut().is_some_and(|(_, sleep)| elapsed(sleep, cx))
            || (self.has_exited && self.output_ended && self.stderr.is_none())
        {
            let (how, status) = self.end();
            return Life::Gone(self.known.gone(how, status));
        }
        if self.deaf_rest.as_mut().is_some_and(|sleep| elapsed(sleep, cx)) {
            self.deaf_rest = None;
            let (how, status) = self.end();
            return Life::Deaf(self.known.describe(how, status));
        }
        Life::Lives
    }

    /// Ready a moment after it was asked first.
    pub(crate) fn poll_linger(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        Pin::new(self.linger.get_or_insert_with(|| self.rt.sleep(LINGER))).poll(cx)
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
                self.mute = Some(HowGone::Broken(error));
                self.rest(Duration::ZERO);
            }
        }
    }

    /// Never made longer by what is seen later.
    fn rest(&mut self, grace: Duration) {
        let until = self.rt.now() + grace;
        if self.rest.as_ref().is_none_or(|(earlier, _)| until < *earlier) {
            self.rest = Some((until, self.rt.sleep_until(until)));
        }
    }

    fn end(&mut self) -> (HowGone, Option<ExitStatus>) {
        let status = self.process.as_ref().and_then(Process::status);
        let how = match self.mute.take().or_else(|| self.deaf.take()) {
            Some(seen) if status.is_none() && !self.has_exited => seen,
            Some(HowGone::Broken(error)) if status.is_none() => HowGone::Broken(error),
            _ => HowGone::Exited,
        };
        (how, status)
    }

    /// The process, to be closed, and what is read of it meanwhile.
    pub(crate) fn take(&mut self) -> Option<(Process, Option<PipeReader>)> {
        Some((self.process.take()?, self.stderr.take()))
    }
}

/// Reads what it says on its standard error. Whether there may be more at once.
fn hear(stderr: &mut Option<PipeReader>, known: &Known, cx: &mut Context<'_>) -> bool {
    let mut buffer = [0; 4096];
    for _ in 0..TURNS {
        let Some(reader) = stderr else { return false };
        match reader.poll_read(cx, &mut buffer) {
            Poll::Pending => return false,
            Poll::Ready(Ok(count)) if count > 0 => known.heard(&buffer[..count]),
            // It may close it and live.
            Poll::Ready(_) => *stderr = None,
        }
    }
    true
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Server")
            .field("process", &self.process)
            .field("has_exited", &self.has_exited)
            .field("output_ended", &self.output_ended)
            .finish_non_exhaustive()
    }
}
