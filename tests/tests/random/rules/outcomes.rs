//! What a scope may return: c03, c05, c06, c14, n02, n03, n04.

use crate::facts::Kind;
use crate::journal::{How, Leaf, Outcome, Reason, What};
use crate::program::Id;
use crate::rules::Judge;

use scope_core::CancelCause;

const OK: &str = "n02: a scope in which something failed does not return a value";
const VALUE: &str = "c03: a completed value wins";
const OUTERMOST: &str = "c06: the outermost cancelled scope catches";
const FIRST: &str = "c01: the first reason wins";
const DEADLINE: &str = "c11: a time-out is exact, and none without a deadline";
const CUT: &str = "c02: a scope is cut short only if it was cancelled";
const ORDER: &str = "n03: the first cause comes first";
const PANIC: &str = "n04: a panic is resumed if it was the first";
const ALL: &str = "n03: what failed in a scope's own bodies is in its result";

pub(crate) fn judge(judge: &mut Judge<'_, '_>) {
    let facts = judge.facts;
    for (scope, (at, outcome)) in &facts.returned {
        let Some(fact) = facts.get(*scope) else { continue };
        if !matches!(fact.kind, Kind::Nursery | Kind::Block) {
            continue;
        }
        one_scope(judge, *scope, *at, outcome);
    }
}

fn one_scope(judge: &mut Judge<'_, '_>, scope: Id, at: usize, outcome: &Outcome) {
    let facts = judge.facts;
    let Some(fact) = facts.get(scope) else { return };
    let block = fact.kind == Kind::Block;
    // A scope whose own parent had been cancelled before it returned.
    let moot = !fact.carried && facts.cancelled_around(scope).is_some_and(|cancelled| cancelled < at);
    let bodies: Vec<_> = facts.bodies_of(scope).collect();
    // The failures of its bodies, in their order. A block's body gives its result to the block's owner.
    let mut failures: Vec<(usize, Id, &How)> = bodies
        .iter()
        .filter(|(body, _)| !(block && *body == scope))
        .flat_map(|(body, life)| life.ended.iter().map(|(at, how)| (*at, *body, how)))
        .filter(|(_, _, how)| **how != How::Ok)
        .collect();
    failures.sort_by_key(|(at, ..)| *at);
    let own = facts.lives.get(&scope);
    let cut = own.is_some_and(|life| life.was_cut());
    match outcome {
        Outcome::Ok => {
            if cut {
                judge.broken(CUT, format!("s{scope} is ok though its body was cut"));
            }
            if let Some((_, body, _)) = failures.first() {
                judge.broken(OK, format!("s{scope} is ok, {body} failed"));
            }
        }
        Outcome::Cancelled(reason) | Outcome::TimedOut(reason) => {
            let timed_out = matches!(outcome, Outcome::TimedOut(_));
            if !failures.is_empty() {
                judge.broken(ALL, format!("s{scope} ended early, and {failures:?} is not in it"));
            }
            if moot {
                judge.broken(OUTERMOST, format!("s{scope} caught, though a scope around it was cancelled"));
            }
            if timed_out {
                let times = facts.deadline_times(scope);
                let struck = bodies.iter().any(|(_, life)| {
                    // Then, or on entering a scope that had timed out already.
                    let late = life.made.iter().any(|made| times.iter().any(|when| facts.time(*made) > *when));
                    life.was_cut() && (late || life.gone.iter().any(|gone| times.contains(&facts.time(*gone))))
                });
                // Or when the last shield was left.
                let held = bodies.iter().any(|(body, _)| !facts.shields_in(*body).is_empty());
                if !struck && !held && !fact.carried {
                    judge.broken(DEADLINE, format!("s{scope} timed out at {:?}, not one of {times:?}", facts.time(at)));
                }
            } else if !cut {
                judge.broken(VALUE, format!("s{scope} is cancelled though its body was not cut"));
            }
            // One that was carried out of a scope that has ended is told why that was cancelled.
            let untold = matches!(outcome, Outcome::TimedOut(None)) && block;
            if !fact.carried && !untold {
                judge_reason(judge, scope, at, reason.as_ref(), timed_out);
            }
        }
        Outcome::Failed { own, all, reason } => {
            if moot && !block {
                judge.broken(OUTERMOST, format!("s{scope} failed, though a scope around it was cancelled"));
            }
            for (_, body, how) in &failures {
                let missing = match how {
                    How::Failed(leaves) => leaves.iter().any(|leaf| !all.contains(leaf)),
                    How::Panicked(leaf) => !all.contains(leaf),
                    How::Ok => false,
                };
                if missing {
                    judge.broken(ALL, format!("s{scope} lacks what {body} failed with, {how:?}"));
                }
            }
            order(judge, scope, own, &failures, block);
            if let Some(reason) = reason
                && !reason.own
                && !fact.carried
            {
                judge.broken(OUTERMOST, format!("s{scope} has the reason {reason:?}"));
            }
        }
        Outcome::Panicked(leaf) => {
            // In a block it is the body's own; and one of a destructor is of no body's end.
            let raised = facts.entries[..at].iter().position(|entry| entry.what == What::Raised(*leaf));
            if !block
                && failures.first().is_some_and(|(first, ..)| raised.is_none_or(|raised| raised > *first))
                && let Some((_, body, How::Failed(leaves))) = failures.first()
            {
                judge.broken(PANIC, format!("s{scope} panics though {body} failed first with {leaves:?}"));
            }
        }
    }
    if let Some((_, body, How::Panicked(leaf))) = failures.first()
        && !block
        && !moot
        && !matches!(outcome, Outcome::Panicked(_))
        && !adopted_first(outcome, *leaf)
    {
        judge.broken(PANIC, format!("s{scope} returns {outcome:?} though {body} panicked first"));
    }
    // A body that was cut without a failure in the scope, a cancellation from within it, a deadline or a drop.
    if cut && failures.is_empty() && matches!(outcome, Outcome::Ok) {
        judge.broken(CUT, format!("s{scope}"));
    }
}

/// Whether something that is no failure of the scope's own bodies stands before `leaf`.
fn adopted_first(outcome: &Outcome, leaf: Leaf) -> bool {
    matches!(outcome, Outcome::Failed { own, .. } if own.first().is_some_and(|(first, _)| *first != leaf))
}

fn judge_reason(judge: &mut Judge<'_, '_>, scope: Id, at: usize, reason: Option<&Reason>, timed_out: bool) {
    let facts = judge.facts;
    let Some(reason) = reason else {
        judge.broken(FIRST, format!("s{scope} has no reason"));
        return;
    };
    if !reason.own {
        judge.broken(OUTERMOST, format!("s{scope} ends for another scope: {reason:?}"));
    }
    let explicit: Vec<_> = facts.entries[..at]
        .iter()
        .filter_map(|entry| match entry.what {
            What::Cancelled { by, scope: told, did: true } if told == scope => Some(by),
            _ => None,
        })
        .collect();
    if explicit.len() > 1 {
        judge.broken(FIRST, format!("s{scope} was cancelled by more than one: {explicit:?}"));
    }
    let good = match (timed_out, explicit.first()) {
        (true, None) => reason.cause == CancelCause::Deadline,
        (false, Some(by)) => reason.cause == CancelCause::Explicit && reason.text == format!("c{by}"),
        _ => false,
    };
    if !good {
        judge.broken(FIRST, format!("s{scope} ended for {reason:?}, cancelled by {explicit:?}"));
    }
}

fn order(judge: &mut Judge<'_, '_>, scope: Id, own: &[(Leaf, String)], failures: &[(usize, Id, &How)], block: bool) {
    let position = |how: &How| {
        let first = match how {
            How::Failed(leaves) => leaves.first().copied(),
            How::Panicked(leaf) => Some(*leaf),
            How::Ok => None,
        };
        own.iter().position(|(leaf, _)| Some(*leaf) == first)
    };
    let positions: Vec<_> = failures.iter().filter_map(|(_, _, how)| position(how)).collect();
    if !positions.is_sorted() {
        judge.broken(ORDER, format!("s{scope}: {own:?}, but failed in the order {failures:?}"));
    }
    // Each is said to have failed where it did.
    for (_, body, how) in failures {
        let letter = if *body == scope && !block { 's' } else { 't' };
        if let Some(at) = position(how)
            && own[at].1 != format!("{letter}{body}")
        {
            judge.broken("n03: each leaf has its path", format!("{body} in {:?}", own[at]));
        }
    }
}
