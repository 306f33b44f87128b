//! A server that is a child process: its pipes and its end.

use std::future::Future;
use std::io;
use std::ops::ControlFlow;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use scope_core::rt::Handle;
use scope_process::{Exited, PipeReader, PipeWriter, Process, SpawnError, Tail};

use super::Ended;
use super::clock::Clock;
use super::lines::{Hear, Heard, Lines, TURNS};
use super::look::Look;
use crate::client::ServerSpec;
use crate::codec::Came;
use crate::error::{Gone, HowGone};
use crate::session::Session;
use crate::wakes::Wakes;

/// After the end of its process: for the pipes, which a grandchild may hold open.
const GRACE_PIPES: Duration = Duration::from_millis(250);

/// After the end of its output: for its process, which is usually ending.
const GRACE_EXIT: Duration = Duration::from_millis(500);

/// After it no longer read: for the last answers, and for its end.
const GRACE_INPUT: Duration = Duration::from_secs(1);

// What is woken apart. Reading can be lent.
const READING: usize = 0;
const WRITING: usize = 1;
/// Its standard error, its end, and time.
const SELDOM: usize = 2;
/// After who reading is lent to.
const LOOKING: usize = 3;

#[derive(Debug)]
pub(crate) struct ChildLink {
    server: Arc<str>,
    wakes: Wakes<4>,
    process: Process,
    lines: Lines<PipeReader, PipeWriter>,
    stderr: Option<PipeReader>,
    exited: Exited,
    has_exited: bool,
    tail: Tail,
    clock: Clock,
    look: Look,
    /// What was seen first of its end, if anything.
    broken: Option<HowGone>,
}

impl ChildLink {
    /// Starts the server. Blocks for about a millisecond.
    pub(super) fn start(
        spec: &ServerSpec,
        server: &Arc<str>,
        max_line: usize,
        rt: &Handle,
    ) -> Result<ChildLink, SpawnError> {
        let mut process = spec.command().spawn(rt)?;
        Ok(ChildLink {
            server: Arc::clone(server),
            wakes: Wakes::new(),
            lines: Lines::new(process.take_stdout(), process.take_stdin(), max_line),
            stderr: process.take_stderr(),
            exited: process.exited(),
            process,
            has_exited: false,
            tail: Tail::new(),
            clock: Clock::new(rt),
            look: Look::default(),
            broken: None,
        })
    }

    pub(super) fn id(&self) -> u32 {
        self.process.id()
    }

    pub(super) fn poll(&mut self, session: &mut Session, hear: Hear<'_>, cx: &mut Context<'_>) -> Poll<Gone> {
        let woken = self.wakes.take(cx);
        let mut more = self.poll_write(session);
        if woken.has(READING) {
            self.read(session, hear);
        }
        self.look.poll(&self.wakes, self.clock.rt(), woken.has(LOOKING), LOOKING);
        let mut over = false;
        if woken.has(SELDOM) || self.clock.is_late_for(session) {
            let waker = self.wakes.of(SELDOM).clone();
            let seldom = &mut Context::from_waker(&waker);
            if self.poll_stderr(seldom) {
                waker.wake_by_ref();
            }
            self.poll_exit(seldom);
            over = self.clock.poll(session, seldom).is_ready();
        }
        if over || (self.has_exited && self.lines.input_ended() && self.stderr.is_none()) {
            return Poll::Ready(self.gone());
        }
        // Answers to what was read, and what there is to say about time-outs.
        more |= self.poll_write(session);
        if more {
            cx.waker().wake_by_ref();
        }
        Poll::Pending
    }

    /// Whether it has ended.
    fn read(&mut self, session: &mut Session, hear: Hear<'_>) -> bool {
        let (reading, mut ended) = (self.wakes.of(READING), None);
        for turn in 1..=TURNS {
            match self.lines.poll_read(session, hear, &mut Context::from_waker(reading)) {
                ControlFlow::Continue(Heard::All) => break,
                ControlFlow::Continue(Heard::Some) if turn < TURNS => {}
                ControlFlow::Continue(_) => {
                    reading.wake_by_ref();
                    break;
                }
                ControlFlow::Break(error) => {
                    ended = Some(error.map_or(HowGone::ClosedOutput, HowGone::Broken));
                    break;
                }
            }
        }
        self.clock.renew(session);
        ended.map(|how| self.seen(how, GRACE_EXIT)).is_some()
    }

    pub(super) fn read_ahead(&mut self, session: &mut Session) -> bool {
        let heard = self.lines.read_ahead(session, &mut hear_answers);
        if heard == Heard::Enough {
            self.wakes.of(READING).wake_by_ref();
        }
        self.clock.renew(session);
        heard != Heard::All
    }

    pub(super) fn lend(&mut self, waker: &Waker) {
        self.wakes.lend(waker);
    }

    pub(super) fn read_lent(&mut self, session: &mut Session) -> bool {
        self.wakes.take_lent() && self.read(session, &mut hear_answers)
    }

    pub(super) fn take_back(&mut self) -> bool {
        self.wakes.take_back()
    }

    pub(super) fn write_now(&mut self, session: &mut Session) -> bool {
        !self.poll_write(session)
    }

    pub(super) fn is_late_for(&self, session: &Session) -> bool {
        self.clock.is_late_for(session)
    }

    /// Each of these returns whether it could go on and leaves the turn to others.
    fn poll_write(&mut self, session: &mut Session) -> bool {
        let cx = &mut Context::from_waker(self.wakes.of(WRITING));
        self.lines.poll_write(session, cx).unwrap_or_else(|error| {
            // What has not been sent never will be. Those who wait for it are told when it is known how the server
            // went, which it most likely is doing; what was sent may still be answered.
            let closed = error.kind() == io::ErrorKind::BrokenPipe;
            self.seen(if closed { HowGone::ClosedInput } else { HowGone::Broken(error) }, GRACE_INPUT);
            // Once more at once: the clock has to be set.
            true
        })
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
                self.clock.rest(GRACE_PIPES);
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
        self.clock.rest(grace);
    }

    pub(super) fn input_ended(&self) -> bool {
        self.lines.input_ended()
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
    pub(super) async fn end(&mut self) -> Ended {
        let ChildLink { process, lines, stderr, tail, .. } = self;
        let (stdout, stdin) = lines.ends();
        process.give_back(stdin.take(), stdout.take(), stderr.take());
        process.keep_stderr(tail);
        let process = process.close().await;
        Ended { process: Some(process), stderr_tail: tail.lines(), stderr_dropped: tail.dropped() }
    }
}

/// For one who is not the connection's task: hears answers, and leaves the rest to that, from the first line on that there is
/// something to be done for. So it is done before whoever is answered later goes on.
fn hear_answers(session: &mut Session, came: Came<'_>) -> bool {
    session.hear(came) && !session.has_more_to_do()
}
