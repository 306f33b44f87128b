//! What the peer says.

use std::borrow::Cow;
use std::sync::Arc;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::outbox::Answers;
use super::reply::Given;
use super::served::Refused;
use super::{Call, Matter, Session, Side, Stage};
use crate::codec::{self, About, Came, Frame, TooLong};
use crate::era;
use crate::error::{Fault, parse_error};
use crate::jsonrpc::{
    self, BUSY, Cut, INVALID_REQUEST, Id, Malformed, Message, Outcome, PARSE_ERROR, Rejection, TextAnswer,
};
use crate::model::Notification;
use crate::wire::{Direction, WireLine};

/// As .NET and PowerShell write it before their first line.
const BYTE_ORDER_MARK: [u8; 3] = *b"\xef\xbb\xbf";

/// What a peer is told that sends several messages in an array.
const NO_BATCHES: &str = "an array of messages is only taken in revision 2025-03-26, with 1 to 1024 in it";

/// A server that prints text all the time is not worth more lines of a log.
const NOISE_LOGGED: u64 = 100;

#[derive(Deserialize)]
struct Cancelled<'a> {
    #[serde(borrow, rename = "requestId")]
    request_id: &'a RawValue,
    #[serde(borrow)]
    reason: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
struct Token<'a> {
    #[serde(borrow, rename = "progressToken")]
    progress_token: &'a RawValue,
}

impl Session {
    /// Takes what the framer gave.
    pub(crate) fn received(&mut self, frame: Frame<'_>) {
        match frame {
            Frame::Line(line) => {
                self.tell_wire(line);
                self.message(line, None);
            }
            Frame::TooLong(what) => self.too_long(&what),
        }
        self.admit();
    }

    /// The same, for one who reads on and on, and leaves what is long to who keeps it.
    #[inline]
    pub(crate) fn hear(&mut self, came: Came<'_>) -> bool {
        match came {
            Came::Frame(frame) => self.received(frame),
            Came::Long(line) => {
                self.tell_wire(line.as_bytes());
                match Cut::of(std::mem::take(line)) {
                    Ok((id, result)) if self.side == Side::Client => {
                        self.answered(id, |call| {
                            call.reply.give(Given::Long(Box::new(result)), call.line.into_memory())
                        });
                    }
                    Ok((_, result)) => self.long_message(result.into_line()),
                    Err(line) => self.long_message(line),
                }
                self.admit();
            }
        }
        true
    }

    fn long_message(&mut self, line: String) {
        self.message(line.as_bytes(), None);
        self.keep(Arc::new(line));
    }

    fn answered(&mut self, id: u64, give: impl FnOnce(Call)) {
        self.traffic.received += 1;
        match self.take_sent(id) {
            Some(call) => give(call),
            None => self.stray(),
        }
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
            wire.line(&WireLine::new(&self.peer, Direction::Received, line));
        }
    }

    /// A line that is a message.
    pub(super) fn heard(&mut self, line: &[u8]) {
        self.tell_wire(line);
        self.traffic.received += 1;
    }

    /// `batch` is the one that it came in.
    fn message(&mut self, line: &[u8], batch: Option<u64>) {
        if self.side == Side::Client
            && let Some(TextAnswer { id, result }) = TextAnswer::read(line)
        {
            return self.answered(id, |call| call.reply.give_text(result, call.line.into_memory()));
        }
        let malformed = match jsonrpc::parse(line) {
            Ok(message) => {
                self.traffic.received += 1;
                return match message {
                    Message::Answer { id, outcome } => self.answer(id, outcome),
                    Message::Request { id, method, params } => self.request(id, &method, params, batch),
                    Message::Notification { method, params } => self.notification(method, params),
                };
            }
            Err(malformed) => malformed,
        };
        match &malformed {
            Malformed::Batch if batch.is_none() && self.revision.is_some_and(crate::Revision::has_batches) => {
                if let Some(messages) = jsonrpc::parse_batch(line) {
                    return self.batch(&messages);
                }
            }
            Malformed::Batch if batch.is_none() && self.side == Side::Client => self.refuse_batch(line),
            Malformed::Both(id) | Malformed::Neither(id) => {
                let why = match malformed {
                    Malformed::Both(_) => "it has a result and an error",
                    _ => "it has neither a result nor an error",
                };
                if self.fail(id, || Fault::malformed(why)) {
                    return;
                }
            }
            Malformed::NotJson(error) => {
                if self.fail_meant(line, || format!("it is not proper JSON: {}", parse_error(error))) {
                    return;
                }
            }
            Malformed::ByteOrderMark => {
                let why = || "it begins with a byte order mark, which JSON does not allow".to_owned();
                if self.fail_meant(&line[BYTE_ORDER_MARK.len()..], why) {
                    return;
                }
            }
            Malformed::Batch | Malformed::NotAMessage => {}
        }
        if self.noise.count() < NOISE_LOGGED {
            tracing::debug!(peer = &*self.peer, "a line that is no message");
        }
        self.noise.heard(line);
        if self.side == Side::Server {
            self.refuse_malformed(line, &malformed, batch);
        }
    }

    fn batch(&mut self, messages: &[&RawValue]) {
        let key = self.served.begin_batch();
        for message in messages {
            self.message(message.get().as_bytes(), Some(key));
        }
        if let Some(answers) = self.served.end_batch(key) {
            self.answers(answers);
        }
    }

    /// Messages in an array, where the revision has no such thing: the server is told, if it meant messages at all, and the
    /// calls that they answer need not wait for their time-out.
    fn refuse_batch(&mut self, line: &[u8]) {
        let Some(messages) = jsonrpc::parse_batch(line) else { return };
        let mut meant = false;
        for message in messages {
            let Ok(message) = jsonrpc::parse(message.get().as_bytes()) else { continue };
            meant = true;
            if let Message::Answer { id, .. } = message {
                self.fail(id, || Fault::malformed("it came in an array, which this revision does not have"));
            }
        }
        if meant {
            self.refuse(None, &Rejection::new(INVALID_REQUEST, NO_BATCHES), None);
        }
    }

    /// Says what is wrong with a line. A peer that does not read is not told.
    fn refuse_malformed(&mut self, line: &[u8], malformed: &Malformed<'_>, batch: Option<u64>) {
        let (code, why) = match malformed {
            Malformed::NotJson(error) => (PARSE_ERROR, format!("that line is not proper JSON: {}", parse_error(error))),
            Malformed::ByteOrderMark => {
                (PARSE_ERROR, "that line begins with a byte order mark, which JSON does not allow".to_owned())
            }
            Malformed::Batch => (INVALID_REQUEST, NO_BATCHES.to_owned()),
            Malformed::NotAMessage => (INVALID_REQUEST, "that line is no JSON-RPC 2.0 message".to_owned()),
            // An answer, if not a good one: it is not for us to answer it.
            Malformed::Both(_) | Malformed::Neither(_) => return,
        };
        // So that it can tell which request it was, where that can be seen.
        let about = codec::about(line);
        let id = about.as_ref().and_then(About::asked);
        self.refuse(id, &Rejection::new(code, why), batch);
    }

    /// Refuses a line, or a request that is not taken in.
    fn refuse(&mut self, id: Option<&Id>, rejection: &Rejection, batch: Option<u64>) {
        if self.over.is_some() {
            return;
        }
        // JSON-RPC has `null` for an id that is not known. MCP leaves it out from 2025-11-25 on; and what is spoken without a
        // handshake is newer.
        let unknown = match self.revision {
            Some(revision) if revision < crate::Revision::V2025_11_25 => Some("null"),
            _ => None,
        };
        let line = jsonrpc::rejection_answer(id.map(Id::as_json).or(unknown), rejection);
        self.answer_at_once(&line, batch);
    }

    fn answer_at_once(&mut self, line: &[u8], batch: Option<u64>) {
        if self.outbox.bytes() > super::ANSWERS_MAX {
            self.traffic.unanswered_requests += 1;
            return;
        }
        match batch {
            Some(batch) => self.served.add_to_batch(batch, line),
            None => self.answers(Answers::one(line.to_vec())),
        }
    }

    fn answer(&mut self, id: &str, outcome: Outcome<'_>) {
        let call = jsonrpc::whole_number(id).and_then(|id| self.take_sent(id));
        let Some(call) = call else { return self.stray() };
        match outcome {
            Outcome::Result(raw) => call.reply.give(Given::Raw(raw.to_owned()), call.line.into_memory()),
            Outcome::Error(raw) => call.reply.fail(Fault::rejected(Rejection::from_raw(raw))),
        }
    }

    /// An answer came late, or was made up: nobody waits for it.
    fn stray(&mut self) {
        self.traffic.strays += 1;
        tracing::debug!(peer = &*self.peer, "an answer that nobody waits for");
    }

    fn request(&mut self, raw: &str, method: &str, params: Option<&RawValue>, batch: Option<u64>) {
        let Some(id) = Id::from_value(raw) else {
            // It could not tell our answer from another.
            self.noise.heard(raw.as_bytes());
            if self.side == Side::Server {
                let why = "the id of a request is a number or a string, of no more than 1024 bytes";
                self.refuse(None, &Rejection::new(INVALID_REQUEST, why), batch);
            }
            return;
        };
        if self.over.is_some() {
            return;
        }
        // A sign of life is given also when all handlers are busy. The modern era has no such request.
        if method == "ping" && !params.is_some_and(era::is_modern) {
            return self.answer_at_once(&jsonrpc::result_answer(&id, "{}"), batch);
        }
        let rejection = match self.served.arrive(id.clone(), method, params, batch) {
            Ok(()) => return,
            Err(Refused::InUse) => {
                Rejection::new(INVALID_REQUEST, "a request of that id has not been answered yet: use another id")
            }
            Err(Refused::Busy(waiting)) => {
                Rejection::new(BUSY, format!("{waiting} requests wait already: ask less at a time"))
            }
            Err(Refused::TooMuch(bytes)) => {
                let why =
                    format!("the parameters of requests not yet answered have {bytes} bytes: ask for less at a time");
                Rejection::new(BUSY, why)
            }
        };
        self.refuse(Some(&id), &rejection, batch);
    }

    fn notification(&mut self, method: Cow<'_, str>, params: Option<&RawValue>) {
        tracing::trace!(peer = &*self.peer, method = &*method, "notification");
        match &*method {
            "notifications/cancelled" => self.cancelled(params),
            "notifications/progress" if self.progress(&method, params) => return,
            _ => {}
        }
        if !self.subscribers.is_empty() {
            self.subscribers.push(Notification::new(method, params));
        }
    }

    /// The peer does not want an answer any more, or, of a subscription of ours, ends it.
    fn cancelled(&mut self, params: Option<&RawValue>) {
        let Some(cancelled) = params.and_then(|params| serde_json::from_str::<Cancelled<'_>>(params.get()).ok()) else {
            return;
        };
        let Some(id) = Id::from_value(cancelled.request_id.get()) else { return };
        if let Some(rest_of_batch) = self.served.cancel(&id) {
            return self.answers(rest_of_batch);
        }
        if let Some(number) = id.as_u64()
            && self.calls.get(number).is_some_and(|call| call.matter == Matter::Subscription)
            && let Some(call) = self.take_sent(number)
        {
            let reason = cancelled.reason.unwrap_or_default();
            call.reply.fail(Fault::ended(&reason));
        }
    }

    /// Tells whoever waits for this call. Returns whether it was told there, and to nobody else.
    fn progress(&mut self, method: &str, params: Option<&RawValue>) -> bool {
        let Some(token) = params.and_then(|params| serde_json::from_str::<Token<'_>>(params.get()).ok()) else {
            return false;
        };
        let Some(id) = jsonrpc::whole_number(token.progress_token.get()) else { return false };
        let Some(call) = self.calls.get_mut(id) else { return false };
        let Some(subscriber) = &call.progress else { return false };
        subscriber.push(Arc::new(Notification::new(Cow::Borrowed(method), params)));
        // It is alive.
        if !call.signed {
            call.signed = true;
            self.signs.push(id);
        }
        true
    }

    fn too_long(&mut self, what: &TooLong) {
        tracing::debug!(peer = &*self.peer, bytes = what.len, "a line that is too long");
        let (limit, len) = (self.max_line, what.len);
        let note = format!("(a line of {len} bytes, over the limit of {limit}: dropped)");
        self.tell_wire(note.as_bytes());
        let call = what.about.as_ref().and_then(About::answered).and_then(Id::as_u64).and_then(|id| self.take_sent(id));
        match call {
            Some(call) => {
                call.reply.fail(Fault::too_long(limit, len));
            }
            None => {
                self.noise.heard(note.as_bytes());
                if self.side == Side::Server {
                    let id = what.about.as_ref().and_then(About::asked);
                    let why = format!("that line has {len} bytes, and no more than {limit} are read");
                    self.refuse(id, &Rejection::new(INVALID_REQUEST, why), None);
                }
            }
        }
    }

    /// Fails the call that a broken line may have been meant for: its caller need not wait for the time-out. Whether there
    /// was one.
    fn fail_meant(&mut self, line: &[u8], why: impl FnOnce() -> String) -> bool {
        let about = codec::about(line);
        let Some(id) = about.as_ref().and_then(About::answered).and_then(Id::as_u64) else { return false };
        let Some(call) = self.take_sent(id) else { return false };
        call.reply.fail(Fault::malformed(why()));
        true
    }

    /// Whether there was a call to fail.
    fn fail(&mut self, id: &str, fault: impl FnOnce() -> Fault) -> bool {
        let Some(call) = jsonrpc::whole_number(id).and_then(|id| self.take_sent(id)) else { return false };
        call.reply.fail(fault());
        true
    }

    /// Takes a call out that the server can know of. No other can be answered.
    fn take_sent(&mut self, id: u64) -> Option<Call> {
        self.take_if(id, |call| call.stage == Stage::Sent)
    }
}
