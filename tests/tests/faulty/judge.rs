//! What has to hold of every run, whatever its pipes do.

use std::time::Duration;

use scope_mcp::{CallError, Era};

use crate::journal::{All, Handled, Outcome, Seen};
use crate::plan::{Act, Call, Ending, LONG, Plan, Reply};

/// More than it takes to hear that a peer is gone, however it goes, with the time that its last words have.
const SOON: Duration = Duration::from_secs(10);

/// What is broken, one sentence each.
pub(crate) fn judge(plan: &Plan, all: &All) -> Vec<String> {
    let mut broken = Vec::new();
    let nothing = Seen::default();
    for call in &plan.calls {
        let seen = all.calls.get(&call.nonce).unwrap_or(&nothing);
        let mut case = Case { plan, call, seen, opened: all.opened, deaf_since: all.deaf_since, broken: &mut broken };
        case.handled();
        case.heard();
        match &seen.ended {
            None => case.rule(false, "a call ends"),
            Some((at, outcome)) => case.ended(*at, outcome),
        }
    }
    if let Some(nonce) = all.calls.keys().find(|nonce| plan.call(**nonce).is_none()) {
        broken.push(format!("{nonce}: nothing is handled that nobody asked"));
    }
    if plan.is_whole() && all.opened.is_none() {
        broken.push("a connection over pipes that lose nothing opens".to_owned());
    }
    broken
}

struct Case<'a> {
    plan: &'a Plan,
    call: &'a Call,
    seen: &'a Seen,
    opened: Option<(Duration, Era)>,
    deaf_since: Option<Duration>,
    broken: &'a mut Vec<String>,
}

impl Case<'_> {
    fn rule(&mut self, holds: bool, rule: &str) {
        if !holds {
            self.broken.push(format!("{}: {rule}", self.call.nonce));
        }
    }

    fn handled(&mut self) {
        let Seen { tool, question, mistaken, again, .. } = *self.seen;
        let asks = matches!(self.call.act, Act::Ask(_)) && self.opened.is_none_or(|(_, era)| era == Era::Modern);
        self.rule(tool.started <= if asks { 2 } else { 1 }, "a request is handled once at the most");
        self.rule(question.started <= 1, "a question is handled once at the most");
        for Handled { started, finished, dropped, .. } in [tool, question] {
            self.rule(started == finished + dropped, "a handler that has begun ends");
        }
        self.rule(question.started <= tool.started, "nobody is asked but by a handler");
        self.rule(!mistaken, "each handler gets what was sent to it");
        self.rule(!again, "a call ends once");
    }

    fn heard(&mut self) {
        for heard in [&self.seen.progress, &self.seen.logged] {
            self.rule(heard.is_sorted_by(|a, b| a < b), "what is told is heard in order and once");
            let last = heard.last().copied().unwrap_or_default();
            self.rule(last <= self.seen.told, "nothing is heard before it is told");
            let gapless = heard.iter().zip(1..).all(|(heard, step)| *heard == step);
            self.rule(gapless || self.plan.is_spoiled(), "nothing that is told is lost before what follows it");
        }
    }

    fn ended(&mut self, at: Duration, outcome: &Outcome) {
        let Seen { tool, question, began, .. } = *self.seen;
        let Call { act, nonce, .. } = *self.call;
        let took = at.saturating_sub(began);
        if let Ending::ClosedAt(closed) = self.plan.ending {
            self.rule(at <= closed.max(began), "closing ends all calls at once");
        }
        if self.plan.is_prompt() {
            self.prompt(at, took, outcome);
            if self.plan.is_whole() {
                let late = tool.ended.max(question.ended) > at;
                self.rule(!late, "a handler ends as soon as nobody waits for it");
            }
        }
        match outcome {
            Outcome::Answered(text) => {
                let can = matches!(act, Act::Answer | Act::Sleep(_) | Act::Report(..) | Act::Ask(Reply::After(_)));
                self.rule(can, "what cannot succeed does not");
                self.rule(*text == self.call.answer(), "the answer is the call's own");
                self.rule(tool.finished > 0, "what is answered has been handled");
                if let Act::Report(steps, _) = act
                    && !self.plan.is_spoiled()
                {
                    let all: Vec<u32> = (1..=steps).collect();
                    self.rule(self.seen.progress == all, "all progress is heard before the answer");
                    self.rule(self.seen.logged == all, "all that is logged is heard before the answer");
                }
            }
            Outcome::Failed(text) => {
                let can = match act {
                    Act::Refuse | Act::Ask(Reply::Refuse | Reply::Panic) => true,
                    Act::Ask(_) => !self.plan.is_whole(),
                    _ => false,
                };
                self.rule(can, "what does not fail is not told to have failed");
                let own = act != Act::Refuse || text.contains(&nonce.to_string());
                self.rule(own, "the failure is the call's own");
                self.rule(tool.finished > 0, "what is answered has been handled");
            }
            Outcome::GivenUp => {
                self.rule(self.call.given_up == Some(took), "a call is given up when it is and not before");
            }
            Outcome::Error(error) => self.failed(at, took, error),
        }
    }

    /// Time passes in handlers alone: whatever else does not happen at once waits for something that it was not told of.
    fn prompt(&mut self, at: Duration, took: Duration, outcome: &Outcome) {
        let answered = match outcome {
            Outcome::Answered(_) | Outcome::Failed(_) => true,
            Outcome::Error(error) => error.rejection().is_some() || error.is_input_required(),
            Outcome::GivenUp => false,
        };
        if self.plan.is_whole() && answered {
            let since = self.opened.map_or(Duration::ZERO, |(opened, _)| opened).max(self.seen.began);
            self.rule(Some(at - since) == self.call.takes(), "an answer is there when its handler is done");
        }
        if !self.plan.stalls() && !self.plan.is_spoiled() {
            self.rule(took <= SOON, "nobody waits for a peer that is gone");
        }
        if let Some(since) = self.deaf_since {
            self.rule(at <= since.max(self.seen.began) + SOON, "nobody waits long for one that cannot be written to");
        }
    }

    fn failed(&mut self, at: Duration, took: Duration, error: &CallError) {
        let Seen { tool, began, .. } = *self.seen;
        let Call { act, timeout, .. } = *self.call;
        let whole = self.plan.is_whole();
        if error.is_not_sent() {
            self.rule(tool.started == 0, "what was not sent is not handled");
        }
        if error.is_timeout() {
            self.rule(took >= timeout, "a time-out is not early");
            self.rule(timeout < LONG || !whole, "where nothing is lost, who waits long enough is answered");
        }
        // Progress starts the time anew.
        if !self.call.listens {
            let since = self.opened.map_or(began + self.plan.open_timeout, |(opened, _)| opened.max(began));
            self.rule(at <= since + timeout, "a call ends in its time");
        }
        if !self.plan.is_spoiled() {
            self.rule(!error.is_malformed(), "a peer of ours says nothing improper");
        }
        if error.rejection().is_some() {
            let panicked = act == Act::Panic && tool.dropped == 1;
            // The first round of a question was handled, and was answered with it.
            let asked = matches!(act, Act::Ask(_)) && tool.started == tool.finished;
            self.rule(panicked || asked || tool.started == 0, "what is refused is not handled, unless it panics");
        }
        if whole {
            let fits = match act {
                Act::Panic => error.is_timeout() || error.rejection().is_some(),
                Act::Ask(Reply::Refuse | Reply::Panic) => error.is_timeout() || error.is_input_required(),
                _ => error.is_timeout(),
            };
            self.rule(fits, "where nothing breaks, only time-outs, panics and unanswered questions are errors");
        }
    }
}
