//! Receiving: lines in, rmcp's messages out.

use std::io;
use std::task::{Context, Poll};

use rmcp::service::{RxJsonRpcMessage, ServiceRole};
use scope_mcp::codec::{Frame, Framer};

use crate::decode::{Broken, Decoded, Remedy, decode};
use crate::fault::{Answered, Faults};
use crate::queue::Hub;
use crate::stream::Input;

/// Reads, before others get their turn.
const TURNS: usize = 16;

/// The receiving side of a transport.
pub(crate) struct Incoming {
    /// `None` after its end.
    input: Option<Input>,
    framer: Framer,
    limit: usize,
    /// Why nothing more comes, until that has been told.
    end: Option<End>,
}

/// Why nothing more comes.
#[derive(Debug)]
pub(crate) enum End {
    Eof,
    Error(io::Error),
}

/// What lines that are no messages need.
pub(crate) struct Around<'a> {
    pub(crate) peer: &'a str,
    pub(crate) faults: &'a Faults,
    pub(crate) hub: &'a Hub,
}

impl Incoming {
    pub(crate) fn new(input: Input, limit: usize) -> Incoming {
        Incoming { input: Some(input), framer: Framer::new(limit), limit, end: None }
    }

    /// The next message. `Err` once, at the end of the input; `Pending` for ever after it.
    ///
    /// # Cancel safety
    /// What is half done is kept in `self`.
    pub(crate) fn poll<R: ServiceRole>(
        &mut self,
        around: &Around<'_>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<RxJsonRpcMessage<R>, End>> {
        for _ in 0..TURNS {
            while let Some(frame) = self.framer.next() {
                if let Some(message) = around.take::<R>(&frame, self.limit) {
                    return Poll::Ready(Ok(message));
                }
            }
            let Some(input) = &mut self.input else {
                return self.end.take().map_or(Poll::Pending, |end| Poll::Ready(Err(end)));
            };
            self.end = match input.poll_read(cx, self.framer.room()) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Ok(0)) => Some(End::Eof),
                Poll::Ready(Ok(count)) => {
                    self.framer.filled(count);
                    continue;
                }
                Poll::Ready(Err(error)) => Some(End::Error(error)),
            };
            self.input = None;
            // A last line without an end counts if it is whole.
            if let Some(frame) = self.framer.finish()
                && let Some(message) = around.take::<R>(&frame, self.limit)
            {
                return Poll::Ready(Ok(message));
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Takes away what is read: nothing more comes.
    pub(crate) fn take_input(&mut self) -> Option<Input> {
        self.input.take()
    }
}

impl Around<'_> {
    fn take<R: ServiceRole>(&self, frame: &Frame<'_>, limit: usize) -> Option<RxJsonRpcMessage<R>> {
        match decode::<R>(frame, limit) {
            Decoded::Message(message) => Some(message),
            Decoded::Unknown => {
                tracing::trace!(peer = self.peer, "a notification that rmcp does not know");
                None
            }
            Decoded::Broken(Broken { kind, bytes, remedy }) => {
                let (answered, message) = match remedy {
                    Remedy::FailOurCall(message) => (Answered::OurCall, Some(message)),
                    Remedy::Refuse(reply) => {
                        let line = serde_json::to_vec(&reply).map(|mut line| {
                            line.push(b'\n');
                            line
                        });
                        let sent = line.is_ok_and(|line| self.hub.queue().push_reply(line));
                        (if sent { Answered::Peer } else { Answered::Nobody }, None)
                    }
                    Remedy::None => (Answered::Nobody, None),
                };
                let line = if let Frame::Line(line) = frame { line } else { &[][..] };
                self.faults.add(self.peer, kind, bytes, line, answered);
                message
            }
        }
    }
}

impl std::fmt::Debug for Incoming {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Incoming")
            .field("open", &self.input.is_some())
            .field("framer", &self.framer)
            .finish_non_exhaustive()
    }
}
