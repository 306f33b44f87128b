//! What the server says.

use serde_json::value::RawValue;

use super::{Answer, Session, Stage};
use crate::codec::{self, About, Frame, TooLong};
use crate::error::{CallError, parse_error};
use crate::jsonrpc::{self, Id, METHOD_NOT_FOUND, Malformed, Message, Outcome, Rejection};
use crate::model::Notification;
use crate::wire::{Direction, WireLine};

/// A server that prints text all the time is not worth more lines of a log.
const NOISE_LOGGED: u64 = 100;

impl Session {
    /// Takes what the framer gave.
    pub(crate) fn received(&mut self, frame: Frame<'_>) {
        match frame {
            Frame::Line(line) => {
                self.tell_wire(line);
                self.message(line, true);
            }
            Frame::TooLong(what) => self.too_long(&what),
        }
        self.admit();
    }

    /// Takes what was left when the stream ended. Half a message counts for nothing: whoever waits for it learns that
    /// the server is gone.
    pub(crate) fn received_last(&mut self, frame: Frame<'_>) {
        match frame {
            Frame::Line(line) if jsonrpc::parse(line).is_err() => {
                self.tell_wire(line);
                self.noise.heard(line);
            }
            whole => self.received(whole),
        }
    }

    fn tell_wire(&self, line: &[u8]) {
        if let Some(wire) = &self.wire {
            wire.line(&WireLine::new(&self.server, Direction::Received, line));
        }
    }

    fn message(&mut self, line: &[u8], batch_allowed: bool) {
        let malformed = match jsonrpc::parse(line) {
            Ok(message) => {
                self.traffic.received += 1;
                return match message {
                    Message::Answer { id, outcome } => self.answer(id, outcome),
                    Message::Request { id, method } => self.request(id, &method),
                    Message::Notification { method, params } => {
                        tracing::trace!(server = &*self.server, method = &*method, "notification");
                        if !self.subscribers.is_empty() {
                            self.subscribers.push(Notification::new(method, params));
                        }
                    }
                };
            }
            Err(malformed) => malformed,
        };
        match malformed {
            Malformed::Batch if batch_allowed && self.revision.is_some_and(crate::Revision::has_batches) => {
                if let Ok(messages) = jsonrpc::parse_batch(line) {
                    for message in messages {
                        self.message(message.get().as_bytes(), false);
                    }
                    return;
                }
            }
            Malformed::Both(id) | Malformed::Neither(id) => {
                let why = match malformed {
                    Malformed::Both(_) => "it has a result and an error",
                    _ => "it has neither a result nor an error",
                };
                if self.fail(id, |name| CallError::malformed(name, why)) {
                    return;
                }
            }
            Malformed::NotJson(error) => {
                // It may have been meant as an answer: then its caller need not wait for the time-out.
                let about = codec::about(line);
                if let Some(id) = about.as_ref().and_then(About::answered).and_then(Id::as_u64)
                    && let Some(call) = self.take_sent(id)
                {
                    let error =
                        CallError::malformed(&call.name, format!("it is not proper JSON: {}", parse_error(&error)));
                    return call.reply.send(Err(error));
                }
            }
            Malformed::Batch | Malformed::ByteOrderMark | Malformed::NotAMessage => {}
        }
        if self.noise.count() < NOISE_LOGGED {
            tracing::debug!(server = &*self.server, "a line on standard output that is no message");
        }
        self.noise.heard(line);
    }

    fn answer(&mut self, id: &RawValue, outcome: Outcome<'_>) {
        let call = jsonrpc::whole_number(id.get()).and_then(|id| self.take_sent(id));
        let Some(call) = call else {
            // Late, or made up: nobody waits for it.
            self.traffic.strays += 1;
            tracing::debug!(server = &*self.server, "an answer that nobody waits for");
            return;
        };
        let answer: Answer = match outcome {
            Outcome::Result(raw) => Ok(raw.to_owned()),
            Outcome::Error(raw) => Err(CallError::rejected(&call.name, Rejection::from_raw(raw))),
        };
        call.reply.send(answer);
    }

    /// We offer nothing to a server but a sign of life.
    fn request(&mut self, id: &RawValue, method: &str) {
        let Some(id) = Id::from_raw(id) else {
            // It could not tell our answer from another.
            return self.noise.heard(id.get().as_bytes());
        };
        if self.over.is_some() {
            return;
        }
        if self.outbox.bytes() > super::ANSWERS_MAX {
            self.traffic.unanswered_requests += 1;
            return;
        }
        let line = if method == "ping" {
            jsonrpc::result_answer(&id, "{}")
        } else {
            jsonrpc::error_answer(&id, METHOD_NOT_FOUND, "this client does not offer that method")
        };
        self.outbox.push(line, None);
    }

    fn too_long(&mut self, what: &TooLong) {
        tracing::debug!(server = &*self.server, bytes = what.len, "a line that is too long");
        let (limit, len) = (self.max_line, what.len);
        let note = format!("(a line of {len} bytes, over the limit of {limit}: dropped)");
        self.tell_wire(note.as_bytes());
        let call = what.about.as_ref().and_then(About::answered).and_then(Id::as_u64).and_then(|id| self.take_sent(id));
        match call {
            Some(call) => {
                let error = CallError::too_long(&call.name, limit, len);
                call.reply.send(Err(error));
            }
            None => self.noise.heard(note.as_bytes()),
        }
    }

    /// Whether there was a call to fail.
    fn fail(&mut self, id: &RawValue, error: impl FnOnce(&crate::error::CallName) -> CallError) -> bool {
        let Some(call) = jsonrpc::whole_number(id.get()).and_then(|id| self.take_sent(id)) else { return false };
        let error = error(&call.name);
        call.reply.send(Err(error));
        true
    }

    /// Takes a call out that the server can know of. No other can be answered.
    fn take_sent(&mut self, id: u64) -> Option<super::Call> {
        self.calls.get(&id).filter(|call| call.stage == Stage::Sent)?;
        self.take(id)
    }
}
