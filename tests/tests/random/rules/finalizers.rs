//! f01, f02: finalizers run once, the last added first, after the children, within the budget, and know how it ended.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::facts::Kind;
use crate::journal::{How, Outcome, What};
use crate::program::Id;
use crate::rules::Judge;

const ONCE: &str = "f01: a finalizer runs exactly once";
const LAST_FIRST: &str = "f01: the last added runs first, one at a time";
const AFTER: &str = "f01: after the children";
const IN_TIME: &str = "f01: before the scope returns";
const BUDGET: &str = "f01: within the clean-up budget";
const EXIT: &str = "f02: a finalizer learns how the scope ended";

#[derive(Default)]
struct Finalizer {
    added: Option<usize>,
    refused: bool,
    started: Vec<usize>,
    exit: String,
    gone: Vec<usize>,
}

pub(crate) fn judge(judge: &mut Judge<'_, '_>) {
    let facts = judge.facts;
    let mut finalizers = BTreeMap::<Id, Finalizer>::new();
    for (at, entry) in facts.entries.iter().enumerate() {
        match &entry.what {
            What::FinalizerAdded(id) => finalizers.entry(*id).or_default().added = Some(at),
            What::FinalizerRefused(id) => finalizers.entry(*id).or_default().refused = true,
            What::FinalizerStarted { id, exit } => {
                let finalizer = finalizers.entry(*id).or_default();
                finalizer.started.push(at);
                finalizer.exit.clone_from(exit);
            }
            What::FinalizerGone(id) => finalizers.entry(*id).or_default().gone.push(at),
            _ => {}
        }
    }
    let mut scopes = BTreeMap::<Id, Vec<(Id, &Finalizer)>>::new();
    for (id, finalizer) in &finalizers {
        let runs = usize::from(!finalizer.refused);
        if finalizer.started.len() != runs || finalizer.gone.len() != 1 {
            judge.broken(
                ONCE,
                format!("f{id} started {} times, destroyed {}", finalizer.started.len(), finalizer.gone.len()),
            );
            continue;
        }
        if let (false, Some(scope)) = (finalizer.refused, facts.get(*id).and_then(|fact| fact.scope)) {
            scopes.entry(scope).or_default().push((*id, finalizer));
        }
    }
    for (scope, mut finalizers) in scopes {
        finalizers.sort_by_key(|(_, finalizer)| finalizer.started[0]);
        one_scope(judge, scope, &finalizers);
    }
}

fn one_scope(judge: &mut Judge<'_, '_>, scope: Id, finalizers: &[(Id, &Finalizer)]) {
    let facts = judge.facts;
    // A scope that was left half-way and is ended by the one around it leaves its body, and the finalizer that was being
    // run, to whoever holds its future.
    let carried = facts.get(scope).is_some_and(|fact| fact.carried);
    for pair in finalizers.windows(2) {
        let ((first, one), (second, other)) = (pair[0], pair[1]);
        if !carried && (one.added < other.added || one.gone[0] > other.started[0]) {
            judge.broken(LAST_FIRST, format!("f{first}, then f{second}"));
        }
    }
    let (Some((first, begun)), Some((last, ended))) = (finalizers.first(), finalizers.last()) else { return };
    for (body, life) in facts.bodies_of(scope) {
        let unpolled = life.started.is_empty();
        if !unpolled && !carried && life.gone.iter().any(|gone| *gone > begun.started[0]) {
            judge.broken(AFTER, format!("f{first} starts while {body} is there"));
        }
    }
    if !carried && ended.gone[0] > facts.end_of(scope) {
        judge.broken(IN_TIME, format!("f{last} ends after s{scope}"));
    }
    let took = facts.time(ended.gone[0]).saturating_sub(facts.time(begun.started[0]));
    if let Some(budget) = budget_of(judge, scope)
        && took > budget
    {
        judge.broken(BUDGET, format!("s{scope} takes {took:?} of {budget:?}"));
    }
    for (id, finalizer) in finalizers {
        let took = facts.time(finalizer.gone[0]).saturating_sub(facts.time(finalizer.started[0]));
        if let Some(share) = facts.get(*id).filter(|fact| !fact.carried).and_then(|fact| fact.share)
            && took > Duration::from_millis(share.into())
        {
            judge.broken(BUDGET, format!("f{id} takes {took:?} of {share}ms"));
        }
        exit(judge, scope, *id, finalizer);
    }
}

/// `None` where it is another scope's.
fn budget_of(judge: &Judge<'_, '_>, scope: Id) -> Option<Duration> {
    let fact = judge.facts.get(scope)?;
    match fact.kind {
        // Who is not polled does not look at the clock.
        Kind::Nursery if !fact.carried => {
            Some(fact.budget.map_or(Duration::from_secs(5), |millis| Duration::from_millis(millis.into())))
        }
        _ => None,
    }
}

fn exit(judge: &mut Judge<'_, '_>, scope: Id, id: Id, finalizer: &Finalizer) {
    let facts = judge.facts;
    // What failed in the scope's bodies first, before this one was told.
    let failures = facts.bodies_of(scope).filter(|(body, _)| {
        // A block's own result is not the block's failure.
        facts.get(*body).is_some_and(|fact| fact.kind != Kind::Block)
    });
    let first = failures
        .flat_map(|(_, life)| life.ended.iter())
        .filter(|(at, how)| *how != How::Ok && *at < finalizer.started[0])
        .min_by_key(|(at, _)| *at);
    let told = finalizer.exit.as_str();
    let adopted = !facts.returned.contains_key(&scope) && facts.closed_at(scope).is_none();
    let good = match (first, facts.returned.get(&scope)) {
        // A failure handed in by adoption may have been first; and what was dropped is told that.
        (Some(_), _) => told.starts_with("failed: ") || told.starts_with("panicked: ") || adopted,
        (None, Some((_, Outcome::Ok))) => told == "ok",
        (None, Some((_, Outcome::Cancelled(_) | Outcome::TimedOut(_)))) => {
            told != "ok" && !told.starts_with("failed") && !told.starts_with("panicked")
        }
        _ => true,
    };
    if !good {
        judge.broken(EXIT, format!("f{id} of s{scope} was told {told:?}"));
    }
}
