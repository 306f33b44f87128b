//! One side of a conversation, without any input or output: lines go in, lines come out, time is told to it.
//!
//! Our requests are *calls* here, those of the peer are [*served*](served). Both sides can have both.
//!
//! # A call's life
//! ```text
//!            room on the wire            first byte out             answer, error,
//!  waiting ─────────────────▶ queued ───────────────────▶ sent ──▶ time-out, drop, end
//!     │                         │                                   (then `notifications/cancelled`
//!     └── time-out, drop, end: not sent ──────────────────           for a time-out or a drop)
//! ```
//! A call is in `calls` until its caller has been told, or has gone. Invariants:
//! 1. `waiting` names only calls that are waiting, or are gone already;
//! 2. `on_wire` counts the calls in `calls` that are queued or sent, and is at most `max_in_flight`;
//! 3. each call in `calls` has its entry in `deadlines`; of entries without one there are only so many more;
//! 4. an answer counts only for a call of which at least a byte went out.

mod deadlines;
mod incoming;
mod kept;
mod noise;
mod numbered;
mod outbox;
mod reply;
mod served;
mod spares;
mod window;

use std::collections::VecDeque;
use std::io::IoSlice;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::value::RawValue;

use crate::Revision;
use crate::client::{Subscriber, Subscribers, Traffic};
use crate::error::{Delivery, Fault, Gone, Spoken};
use crate::jsonrpc::{self, Id, Line, Rejection, ToolCall};
use crate::wire::{Direction, Wire, WireLine};

use deadlines::Deadlines;
use kept::Kept;
pub(crate) use noise::Noise;
use outbox::{Answers, Outbox, Step};
pub(crate) use reply::{Abandoned, Answer, Given, Made, Pending, Reply, Said, Waiting, pair};
use served::Served;
pub(crate) use served::{Arrived, ServedBounds};
use spares::Spares;
use window::Window;

/// No time-out is longer than this.
pub(crate) const LONGEST: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// Unsent bytes from which on no further call is put on the wire.
const HIGH_WATER: usize = 1024 * 1024;

/// Unsent bytes from which on requests of the server are not answered any more: it does not read.
const ANSWERS_MAX: usize = 2 * HIGH_WATER;

/// A line of no more bytes is kept, to be used again: for a call, or for an answer.
pub(crate) const KEPT: usize = 512;

/// Which side of the conversation this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    /// What is no message is noise: servers print all sorts of things.
    Client,
    /// What is no message is answered with an error.
    Server,
}

/// What a session goes by.
pub(crate) struct Settings {
    pub(crate) side: Side,
    pub(crate) max_in_flight: usize,
    pub(crate) max_waiting: usize,
    pub(crate) max_waiting_bytes: usize,
    pub(crate) max_line: usize,
    pub(crate) served: ServedBounds,
    pub(crate) wire: Option<Arc<dyn Wire>>,
}

/// A call, as its caller hands it over.
#[derive(Debug)]
pub(crate) struct NewCall {
    pub(crate) id: u64,
    matter: Matter,
    /// The whole request.
    pub(crate) line: Line,
    pub(crate) timeout: Duration,
    /// Progress starts the time-out anew, but does not go beyond this.
    pub(crate) max_timeout: Duration,
    /// Hears of its progress, if that was asked for.
    pub(crate) progress: Option<Arc<Subscriber>>,
    pub(crate) reply: Reply,
}

/// What a call is about, as far as that matters here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Matter {
    /// By which a conversation begins: never cancelled, for the protocol forbids it for the one; and who does not know the
    /// other does not know what is cancelled.
    Beginning,
    /// The server may end it by itself.
    Subscription,
    Other,
}

impl NewCall {
    /// A call of `method` that wants nothing more. `line` is the request with its id.
    pub(crate) fn new(id: u64, method: &str, line: impl Into<Line>, timeout: Duration, reply: Reply) -> NewCall {
        let matter = match method {
            "initialize" | "server/discover" => Matter::Beginning,
            "subscriptions/listen" => Matter::Subscription,
            _ => Matter::Other,
        };
        NewCall { id, matter, line: line.into(), timeout, max_timeout: timeout, progress: None, reply }
    }
}

struct Call {
    matter: Matter,
    /// Until it is put on the wire; and from when it has gone out, if it is to be used again.
    line: Line,
    deadline: Instant,
    timeout: Duration,
    /// With progress, however often: when it is over, and after how long.
    latest: Instant,
    longest: Duration,
    progress: Option<Arc<Subscriber>>,
    /// It is in `signs`.
    signed: bool,
    reply: Reply,
    stage: Stage,
    /// Lines of noise before it.
    noise_before: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Waiting,
    Queued,
    Sent,
}

impl Call {
    fn delivery(&self) -> Delivery {
        if self.stage == Stage::Sent { Delivery::SentUnknown } else { Delivery::NotSent }
    }

    fn weight(&self) -> usize {
        self.line.len()
    }
}

/// See the [module](self).
pub(crate) struct Session {
    side: Side,
    peer: Arc<str>,
    max_in_flight: usize,
    max_waiting: usize,
    max_waiting_bytes: usize,
    max_line: usize,
    wire: Option<Arc<dyn Wire>>,
    subscribers: Arc<Subscribers>,
    /// Once it has been agreed upon.
    revision: Option<Revision>,
    calls: Window<Call>,
    waiting: VecDeque<u64>,
    waiting_count: usize,
    waiting_bytes: usize,
    on_wire: usize,
    deadlines: Deadlines,
    /// The calls whose progress was heard of since the last [`renew`](Session::renew), or that have gone since.
    signs: Vec<u64>,
    served: Served,
    /// Nothing more will come.
    deaf: bool,
    outbox: Outbox,
    /// Nothing can be sent any more, and why.
    over: Option<Over>,
    noise: Noise,
    traffic: Traffic,
    spares: Spares,
    kept: Kept,
}

/// Why nothing more is sent.
#[derive(Clone, Debug)]
enum Over {
    Closed,
    Gone(Gone),
}

impl Session {
    pub(crate) fn new(peer: &Arc<str>, settings: Settings, subscribers: &Arc<Subscribers>) -> Session {
        Session {
            side: settings.side,
            peer: Arc::clone(peer),
            max_in_flight: settings.max_in_flight.max(1),
            max_waiting: settings.max_waiting,
            max_waiting_bytes: settings.max_waiting_bytes,
            max_line: settings.max_line,
            wire: settings.wire,
            subscribers: Arc::clone(subscribers),
            revision: None,
            calls: Window::default(),
            waiting: VecDeque::new(),
            waiting_count: 0,
            waiting_bytes: 0,
            on_wire: 0,
            deadlines: Deadlines::default(),
            signs: Vec::new(),
            served: Served::new(settings.served),
            deaf: false,
            outbox: Outbox::default(),
            over: None,
            noise: Noise::default(),
            traffic: Traffic::default(),
            spares: Spares::default(),
            kept: Kept::default(),
        }
    }

    /// Memory for a request of that length, and for its answer.
    pub(crate) fn room(&mut self, length: usize) -> Vec<u8> {
        if length <= KEPT { self.spares.take() } else { Vec::with_capacity(length) }
    }

    /// It is not needed.
    pub(crate) fn give_back(&mut self, room: Vec<u8>) {
        if room.capacity() <= KEPT {
            self.spares.keep(room);
        }
    }

    /// Keeps the memory of a long line for the next, for a while.
    pub(crate) fn keep(&mut self, line: Arc<String>) {
        self.kept.keep(line);
    }

    /// What is kept. It is empty.
    pub(crate) fn take_kept(&mut self) -> Option<String> {
        self.kept.take()
    }

    /// From here on the rules of `revision` hold.
    pub(crate) fn agreed(&mut self, revision: Revision) {
        self.revision = Some(revision);
    }

    /// What was agreed upon, if anything was.
    pub(crate) fn revision(&self) -> Option<Revision> {
        self.revision
    }

    /// Whether the peer has given a sign that it is at a call, or something is to be kept for a while: then
    /// [`renew`](Session::renew) its time.
    pub(crate) fn has_signs(&self) -> bool {
        !self.signs.is_empty() || self.kept.is_new()
    }

    /// Gives the calls their time anew, within the limit of each, that the peer has given a sign of; and what is kept.
    pub(crate) fn renew(&mut self, now: Instant) {
        self.kept.told(now);
        for id in std::mem::take(&mut self.signs) {
            let Some(call) = self.calls.get_mut(id) else { continue };
            call.signed = false;
            let deadline = (now + call.timeout).min(call.latest);
            if call.deadline != deadline {
                call.deadline = deadline;
                self.deadlines.insert(deadline, id);
                self.tidy_deadlines();
            }
        }
    }

    /// Takes a call over, unless nobody waits for it any more. Whatever becomes of it, its reply says.
    pub(crate) fn call(&mut self, now: Instant, new: NewCall) {
        if !new.reply.is_gone() {
            self.call_now(now, new);
        }
    }

    /// The same, for one that has just been made.
    pub(crate) fn call_now(&mut self, now: Instant, new: NewCall) {
        let NewCall { id, matter, line, timeout, max_timeout, progress, reply } = new;
        if let Some(over) = &self.over {
            return reply.fail(over.fault(Delivery::NotSent));
        }
        if self.deaf {
            return reply.fail(Fault::closed(Delivery::NotSent));
        }
        if timeout.is_zero() {
            return reply.fail(Fault::timed_out(Delivery::NotSent, timeout, None));
        }
        let timeout = timeout.min(LONGEST);
        let max_timeout = max_timeout.clamp(timeout, LONGEST);
        let deadline = now + timeout;
        let mut call = Call {
            matter,
            line: Line::default(),
            deadline,
            timeout,
            latest: if max_timeout == timeout { deadline } else { now + max_timeout },
            longest: max_timeout,
            progress,
            signed: false,
            reply,
            stage: Stage::Queued,
            noise_before: self.noise.count(),
        };
        if self.has_room() {
            self.on_wire += 1;
            self.outbox.push(line, Some(id));
        } else {
            (call.line, call.stage) = (line, Stage::Waiting);
            let weight = call.weight();
            if self.waiting_count >= self.max_waiting
                || weight > self.max_waiting_bytes.saturating_sub(self.waiting_bytes)
            {
                return call.reply.fail(Fault::busy(self.waiting_count));
            }
            if self.waiting.len() > 2 * self.waiting_count + 64 {
                // Mostly ids of calls that have gone.
                let calls = &self.calls;
                self.waiting.retain(|id| calls.get(*id).is_some_and(|call| call.stage == Stage::Waiting));
            }
            self.waiting.push_back(id);
            self.waiting_count += 1;
            self.waiting_bytes += weight;
        }
        self.calls.insert(id, call);
        self.deadlines.insert(deadline, id);
    }

    /// Clears away the deadlines of calls that have gone, when there are too many of them.
    fn tidy_deadlines(&mut self) {
        let Session { deadlines, calls, .. } = self;
        if calls.is_empty() {
            deadlines.clear();
        } else if deadlines.len() > 2 * calls.len() + 64 {
            deadlines.retain(|at, id| calls.get(id).is_some_and(|call| call.deadline == at));
        }
    }

    /// The caller has dropped its call.
    pub(crate) fn abandon(&mut self, id: u64) {
        if let Some(call) = self.take(id) {
            self.tell_cancelled(id, &call, "the caller gave up");
            self.admit();
        }
    }

    /// The next request of the peer that is to be run, if one more may run. None while the peer does not read: its answer
    /// may be known at once, and could only be kept.
    pub(crate) fn next_request(&mut self) -> Option<Arrived> {
        if self.is_held_up() {
            return None;
        }
        self.served.next()
    }

    /// Whether calls of tools may be begun at once, as far as the line does not matter.
    pub(crate) fn may_call_at_once(&self) -> bool {
        self.side == Side::Server && self.over.is_none() && !self.is_held_up()
    }

    /// The call of a tool that `line` is, if it may be begun at once: as if it had been taken in, and come to its turn.
    pub(crate) fn call_at_once<'a>(&self, line: &'a [u8]) -> Option<ToolCall<'a>> {
        if !self.may_call_at_once() {
            return None;
        }
        let call = ToolCall::read(line)?;
        self.served.may_go_first(&call.id, call.members.len()).then_some(call)
    }

    /// It is begun. What comes back is its number.
    pub(crate) fn begin_at_once(&mut self, line: &[u8]) -> u64 {
        self.heard(line);
        self.served.new_key()
    }

    /// It has ended with that answer; `None` if there is to be none.
    pub(crate) fn ended_at_once(&mut self, line: Option<Line>) {
        if let Some(line) = line
            && self.over.is_none()
        {
            self.outbox.push_answers(Answers::one(line));
        }
    }

    /// It has not ended yet.
    pub(crate) fn goes_on(&mut self, key: u64, id: Id, weight: usize) {
        self.served.goes_on(key, id, weight);
    }

    /// Whether a request of the peer waits for nothing but to be begun.
    pub(crate) fn may_begin(&self) -> bool {
        self.served.may_begin()
    }

    /// Whether so much is to be written that no request of the peer is begun.
    pub(crate) fn is_held_up(&self) -> bool {
        self.outbox.bytes() >= HIGH_WATER
    }

    /// The requests that run and that the peer has cancelled since the last time.
    pub(crate) fn cancelled_requests(&mut self) -> Vec<u64> {
        self.served.take_cancelled()
    }

    /// A request of the peer is over: answers it, unless it was cancelled.
    pub(crate) fn respond(&mut self, key: u64, outcome: Result<&str, &Rejection>) {
        let line = self.served.wanted(key).map(|id| match outcome {
            Ok(result) => jsonrpc::result_answer(id, result),
            Err(rejection) => jsonrpc::rejection_answer(Some(id.as_json()), rejection),
        });
        self.respond_line(key, line.map(Line::from));
    }

    /// As [`respond`](Session::respond), for an answer that is a line already; `None` if there is to be none.
    pub(crate) fn respond_line(&mut self, key: u64, line: Option<Line>) {
        if let Some(answers) = self.served.over(key, line) {
            self.answers(answers);
        }
    }

    fn answers(&mut self, answers: Answers) {
        if self.over.is_none() {
            self.outbox.push_answers(answers);
        }
    }

    /// Whether a request of the peer waits or runs.
    pub(crate) fn serves(&self) -> bool {
        !self.served.is_empty()
    }

    /// How many requests of the peer have not been answered, and should be. An answer that is not written is none.
    pub(crate) fn unanswered_requests(&self) -> usize {
        self.served.unanswered() + self.outbox.answers()
    }

    /// Bytes that are to be written.
    pub(crate) fn unsent(&self) -> usize {
        self.outbox.bytes()
    }

    /// The peer will say nothing more: no call of ours has an answer from here on.
    pub(crate) fn end_input(&mut self) {
        self.deaf = true;
        let mut calls: Vec<u64> = self.calls.iter().map(|(id, _)| id).collect();
        calls.sort_unstable();
        for id in calls {
            if let Some(call) = self.take(id) {
                let fault = Fault::closed(call.delivery());
                call.reply.fail(fault);
            }
        }
    }

    /// Sends a line as it is.
    pub(crate) fn send(&mut self, line: Line) {
        if self.over.is_none() {
            self.outbox.push(line, None);
        }
    }

    /// Sends a notification, ahead of the calls that wait.
    pub(crate) fn notify(&mut self, method: &str, params: Option<&RawValue>) {
        if self.over.is_none() {
            self.outbox.push(jsonrpc::notification(method, params), None);
        }
    }

    /// When something times out next, or somewhat earlier.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        let call = self.deadlines.first().map(|(at, _)| at);
        match self.kept.until() {
            None => call,
            Some(until) => Some(call.map_or(until, |call| call.min(until))),
        }
    }

    /// Ends the calls whose time is over.
    pub(crate) fn expire(&mut self, now: Instant) {
        self.kept.expire(now);
        while let Some((at, id)) = self.deadlines.first()
            && at <= now
        {
            self.deadlines.remove_first();
            // It may have gone, or have got its time anew.
            if self.calls.get(id).is_some_and(|call| call.deadline == at)
                && let Some(call) = self.take(id)
            {
                let time = if at == call.latest { call.longest } else { call.timeout };
                let reason = format!("no answer in {}", Spoken(time));
                self.tell_cancelled(id, &call, &reason);
                let noise = self.noise.last_since(call.noise_before);
                let fault = Fault::timed_out(call.delivery(), time, noise);
                call.reply.fail(fault);
            }
        }
        self.admit();
    }

    /// The server is gone, but another may take its place: those who wait for answers are told.
    pub(crate) fn interrupted(&mut self, gone: &Gone) {
        let over = Over::Gone(gone.clone());
        self.over = Some(over.clone());
        self.finish_calls(&over);
    }

    /// Begins anew with another server: what was asked of the first is over.
    pub(crate) fn start_over(&mut self) {
        self.finish_calls(&Over::Closed);
        self.revision = None;
        self.over = None;
        self.deaf = false;
    }

    /// What is to be written, if it is in one piece.
    pub(crate) fn only_output(&self) -> Option<&[u8]> {
        self.outbox.one_piece()
    }

    /// What is to be written, in order, as far as there are places for it. Returns how many those are.
    pub(crate) fn output<'a>(&'a self, places: &mut [IoSlice<'a>]) -> usize {
        self.outbox.fill(places)
    }

    /// Whether so few calls are under way that the next one will not come at once: one, and another that lasts.
    pub(crate) fn is_quiet(&self) -> bool {
        self.on_wire <= 2
    }

    /// Whether a call has no answer yet, and is not over.
    pub(crate) fn waits_for(&self, id: u64) -> bool {
        self.calls.get(id).is_some()
    }

    /// Whether what was received is more than answers to calls: something is to be said, run or cancelled.
    pub(crate) fn has_more_to_do(&self) -> bool {
        self.has_output() || self.served.has_more_to_do()
    }

    /// Whether there is anything to be written.
    pub(crate) fn has_output(&self) -> bool {
        !self.outbox.is_empty()
    }

    /// So many bytes of the output have been written.
    pub(crate) fn wrote(&mut self, count: usize) {
        let Session { outbox, calls, wire, peer, traffic, side, spares, .. } = self;
        outbox.advance(count, |step, call| {
            let mut call = call.and_then(|id| calls.get_mut(id));
            if let Some(line) = step.begun() {
                traffic.sent += 1;
                if let Some(call) = &mut call {
                    call.stage = Stage::Sent;
                }
                if let Some(wire) = wire {
                    wire.line(&WireLine::new(peer, Direction::Sent, &line.whole()));
                }
            }
            if let Step::Done(line) | Step::Whole(line) = step {
                let memory = line.into_memory();
                if memory.capacity() <= KEPT {
                    if let Some(call) = call {
                        call.line = memory.into();
                    } else if *side == Side::Server {
                        spares.keep(memory);
                    }
                }
            }
        });
        self.admit();
    }

    /// The server is gone: everybody who waits is told.
    pub(crate) fn lost(&mut self, gone: &Gone) {
        self.finish(Over::Gone(gone.clone()));
    }

    /// The connection is being closed on this side. Returns how many calls had no answer.
    pub(crate) fn close(&mut self) -> usize {
        self.finish(Over::Closed)
    }

    /// What has been counted.
    pub(crate) fn traffic(&self) -> Traffic {
        Traffic { noise: self.noise.count(), ..self.traffic }
    }

    /// What came that was no message.
    pub(crate) fn noise(&self) -> &Noise {
        &self.noise
    }

    fn finish(&mut self, over: Over) -> usize {
        let over = match (self.over.take(), over) {
            (Some(earlier), Over::Closed) => earlier,
            (_, latest) => latest,
        };
        self.over = Some(over.clone());
        let unanswered = self.finish_calls(&over);
        self.subscribers.end();
        unanswered
    }

    fn finish_calls(&mut self, over: &Over) -> usize {
        let mut calls: Vec<(u64, Call)> = self.calls.take_all().collect();
        calls.sort_unstable_by_key(|(id, _)| *id);
        self.deadlines.clear();
        self.signs.clear();
        self.waiting.clear();
        self.waiting_count = 0;
        self.waiting_bytes = 0;
        self.on_wire = 0;
        self.outbox = Outbox::default();
        self.served.abandon();
        let mut unanswered = 0;
        for (_, call) in calls {
            if !call.reply.is_gone() {
                unanswered += 1;
            }
            let fault = over.fault(call.delivery());
            call.reply.fail(fault);
        }
        unanswered
    }

    fn has_room(&self) -> bool {
        self.on_wire < self.max_in_flight && self.outbox.bytes() < HIGH_WATER
    }

    /// Puts as many waiting calls on the wire as there is room for.
    fn admit(&mut self) {
        if self.waiting.is_empty() {
            return;
        }
        while self.has_room()
            && let Some(id) = self.waiting.pop_front()
        {
            self.put_on_wire(id);
        }
        if self.waiting_count == 0 {
            // Calls that went away leave their ids behind.
            self.waiting.clear();
        }
    }

    fn put_on_wire(&mut self, id: u64) {
        let Some(call) = self.calls.get_mut(id).filter(|call| call.stage == Stage::Waiting) else { return };
        self.waiting_count -= 1;
        self.waiting_bytes -= call.weight();
        self.on_wire += 1;
        call.stage = Stage::Queued;
        let line = std::mem::take(&mut call.line);
        self.outbox.push(line, Some(id));
    }

    /// Takes a call out of all the books.
    fn take(&mut self, id: u64) -> Option<Call> {
        self.take_if(id, |_| true)
    }

    /// The same, if it is as it is to be.
    fn take_if(&mut self, id: u64, is: impl FnOnce(&Call) -> bool) -> Option<Call> {
        let call = self.calls.remove_if(id, is)?;
        self.tidy_deadlines();
        match call.stage {
            Stage::Waiting => {
                self.waiting_count -= 1;
                self.waiting_bytes -= call.weight();
            }
            Stage::Queued => {
                self.on_wire -= 1;
                self.outbox.remove(id);
            }
            Stage::Sent => self.on_wire -= 1,
        }
        Some(call)
    }

    /// Tells the server that nobody waits any more, if it knows of the call at all.
    fn tell_cancelled(&mut self, id: u64, call: &Call, reason: &str) {
        if call.stage != Stage::Sent || call.matter == Matter::Beginning {
            return;
        }
        let params = serde_json::json!({ "requestId": id, "reason": reason });
        if let Ok(params) = serde_json::value::to_raw_value(&params) {
            self.notify("notifications/cancelled", Some(&params));
        }
    }
}

impl Over {
    fn fault(&self, delivery: Delivery) -> Fault {
        match self {
            Over::Closed => Fault::closed(delivery),
            Over::Gone(gone) => Fault::gone(delivery, gone.clone()),
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.finish(Over::Closed);
    }
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session")
            .field("peer", &self.peer)
            .field("calls", &self.calls.len())
            .field("on_wire", &self.on_wire)
            .field("waiting", &self.waiting_count)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
