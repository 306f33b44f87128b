//! A peer at the other end of two streams, of which nothing else is known.

use std::fmt;
use std::future::{Future, poll_fn};
use std::io;
use std::ops::ControlFlow;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_io::AsyncWrite;
use scope_core::rt::Handle;

use super::Stream;
use super::clock::Clock;
use super::lines::{Hear, Heard, Lines, TURNS};
use super::stream::{Reader, Writer};
use crate::error::{Gone, HowGone};
use crate::session::Session;

/// After it no longer read: for the last answers.
const GRACE_INPUT: Duration = Duration::from_secs(1);

/// For what was written to be passed on, when the connection is ended.
pub(crate) const CLOSING: Duration = Duration::from_secs(1);

pub(crate) struct StreamLink {
    peer: Arc<str>,
    rt: Handle,
    lines: Lines<Reader, Writer>,
    clock: Clock,
    /// The end of what is read is not the end of the connection.
    lingers: bool,
    /// What was seen first of its end, if anything.
    broken: Option<HowGone>,
}

impl StreamLink {
    /// With `lingers`, the peer may still wait for answers when it says no more, so that it is gone only when nothing can
    /// be written to it: for a server.
    pub(super) fn new(stream: Stream, peer: &Arc<str>, max_line: usize, rt: &Handle, lingers: bool) -> StreamLink {
        let (reader, writer) = stream.into_parts();
        StreamLink {
            peer: Arc::clone(peer),
            rt: rt.clone(),
            lines: Lines::new(Some(reader), Some(writer), max_line),
            clock: Clock::new(rt),
            lingers,
            broken: None,
        }
    }

    pub(super) fn poll(&mut self, session: &mut Session, hear: Hear<'_>, cx: &mut Context<'_>) -> Poll<Gone> {
        let mut more = self.poll_write(session, cx);
        for turn in 1..=TURNS {
            match self.lines.poll_read(session, hear, cx) {
                ControlFlow::Continue(Heard::All) => break,
                // That was enough, or all that was read at once: the peer goes on with the answers while more is heard.
                ControlFlow::Continue(_) => more |= self.poll_write(session, cx) || turn == TURNS,
                ControlFlow::Break(error) => {
                    self.seen(error.map_or(HowGone::HungUp, HowGone::Broken));
                    if !self.lingers {
                        self.clock.rest(Duration::ZERO);
                    }
                    break;
                }
            }
        }
        self.clock.renew(session);
        if self.clock.poll(session, cx).is_ready() {
            let how = self.broken.take().unwrap_or(HowGone::HungUp);
            let peer = Arc::clone(&self.peer);
            let gone = if self.lingers { Gone::of_client(peer, how) } else { Gone::new(peer, how, None, None) };
            return Poll::Ready(gone);
        }
        // What there is to say about time-outs, too.
        more |= self.poll_write(session, cx);
        if more {
            cx.waker().wake_by_ref();
        }
        Poll::Pending
    }

    /// Whether it could go on, and leaves the turn to others.
    #[inline]
    pub(super) fn poll_write(&mut self, session: &mut Session, cx: &mut Context<'_>) -> bool {
        // Asked several times in each turn, of which one has something to do.
        self.lines.has_to_write(session) && self.write(session, cx)
    }

    #[inline(never)]
    fn write(&mut self, session: &mut Session, cx: &mut Context<'_>) -> bool {
        self.lines.poll_write(session, cx).unwrap_or_else(|error| {
            // What has not been sent never will be; what was sent may still be answered.
            let closed = error.kind() == io::ErrorKind::BrokenPipe;
            self.seen(if closed { HowGone::HungUp } else { HowGone::Broken(error) });
            self.clock.rest(if self.lingers { Duration::ZERO } else { GRACE_INPUT });
            // Once more at once: the clock has to be set.
            true
        })
    }

    pub(super) fn is_late_for(&self, session: &Session) -> bool {
        self.clock.is_late_for(session)
    }

    fn seen(&mut self, how: HowGone) {
        self.broken.get_or_insert(how);
    }

    pub(super) fn input_ended(&self) -> bool {
        self.lines.input_ended()
    }

    /// Closes what is written to, and does not wait for a peer that does not read. Nothing more is read.
    ///
    /// # Cancel safety
    /// As [`Link::end`](super::Link::end).
    pub(super) async fn end(&mut self) {
        let (reader, closing) = self.lines.ends();
        *reader = None;
        let Some(writer) = closing else { return };
        let mut late = self.rt.sleep(CLOSING);
        poll_fn(|cx| match Pin::new(&mut *writer).poll_close(cx) {
            // An error: the peer is gone, so that there is nothing to be closed.
            Poll::Ready(_) => Poll::Ready(()),
            Poll::Pending => Pin::new(&mut late).poll(cx),
        })
        .await;
        *closing = None;
    }
}

impl fmt::Debug for StreamLink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StreamLink")
            .field("peer", &self.peer)
            .field("input_ended", &self.input_ended())
            .field("broken", &self.broken)
            .finish_non_exhaustive()
    }
}
