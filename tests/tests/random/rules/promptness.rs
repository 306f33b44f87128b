//! Time is virtual, so what has become possible happens at that very time: whoever is later has missed a wake-up.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::facts::{Facts, Kind};
use crate::journal::{Closed, What};
use crate::program::Id;
use crate::rules::Judge;

const RETURNS: &str = "n01: a scope returns as soon as nothing of it is left";
const CUT: &str = "c02: a cancellation is delivered at once";
const HANDLE: &str = "n07: a handle is ready as soon as its child has ended";
const SERVICE: &str = "s02: a close returns as soon as the service has ended";
const SLEEP: &str = "c11: a sleep takes as long as it says";

pub(crate) fn judge(judge: &mut Judge<'_, '_>) {
    returns(judge);
    cuts(judge);
    waits(judge);
}

/// What an entry tells of the state of a scope: whose it is.
fn subject(what: &What) -> Option<Id> {
    match what {
        What::Gone(id)
        | What::FinalizerGone(id)
        | What::ServiceGone(id)
        | What::DropOver(id)
        | What::Returned(id, _)
        | What::Started(id)
        | What::DroppedOwned { owned: id, .. }
        | What::CloseBegun { owned: id, .. }
        | What::CloseTried { owned: id, .. } => Some(*id),
        _ => None,
    }
}

fn returns(judge: &mut Judge<'_, '_>) {
    let facts = judge.facts;
    // When something last happened in a scope, or further in.
    let mut last = BTreeMap::<Id, Duration>::new();
    for entry in facts.entries {
        let Some(id) = subject(&entry.what) else { continue };
        let returned = match &entry.what {
            What::Returned(id, _) => Some(*id),
            What::CloseTried { owned, result: Closed::Ok | Closed::Failed(_) | Closed::OutOfOrder(_), .. } => {
                Some(*owned)
            }
            _ => None,
        };
        if let Some(scope) = returned
            && facts.get(scope).is_some_and(|fact| !fact.carried)
            && last.get(&scope).is_some_and(|last| *last != entry.at)
        {
            judge.broken(RETURNS, format!("s{scope} returns at {:?}, ready since {:?}", entry.at, last[&scope]));
        }
        let mut at = Some(id);
        while let Some(scope) = at {
            last.insert(scope, entry.at);
            at = facts.get(scope).and_then(|fact| fact.scope);
        }
    }
}

fn cuts(judge: &mut Judge<'_, '_>) {
    let facts = judge.facts;
    for (body, life) in &facts.lives {
        let Some(scope) = facts.scope_of(*body) else { continue };
        if facts.get(scope).is_none_or(|fact| fact.kind == Kind::Finalizer || fact.carried)
            || facts.get(*body).is_none_or(|fact| fact.carried)
        {
            continue;
        }
        let (Some(cancelled), Some(gone)) = (facts.body_cancelled(*body), life.gone.first()) else { continue };
        // Known to be cancelled when the clock had moved on: that is judged elsewhere.
        if facts.expired_by(scope, cancelled) {
            continue;
        }
        // A delivery waits for the shields on the way.
        let shields = facts.shields_in(*body).into_iter().filter(|(_, to)| to <= gone).map(|(_, to)| facts.time(to));
        let since = facts
            .time(cancelled)
            .max(shields.max().unwrap_or_default())
            .max(life.made.first().map_or(Duration::ZERO, |made| facts.time(*made)));
        if *gone > cancelled && facts.time(*gone) > since {
            judge.broken(CUT, format!("{body} is there until {:?}, cancelled at {since:?}", facts.time(*gone)));
        }
    }
}

fn waits(judge: &mut Judge<'_, '_>) {
    let facts = judge.facts;
    let always_polled = |body: Id| facts.get(body).is_some_and(|fact| !fact.carried);
    let mut begun = BTreeMap::<Id, Duration>::new();
    // When something last happened in a body, or in what it left.
    let mut last = BTreeMap::<Id, Duration>::new();
    for entry in facts.entries {
        let mut at = subject(&entry.what);
        while let Some(id) = at {
            last.insert(id, entry.at);
            at = around(facts, id);
        }
        match &entry.what {
            What::HandleAwaited { by, child } if always_polled(*by) => drop(begun.insert(*child, entry.at)),
            What::Handle { task, .. } if begun.contains_key(task) => {
                let since = begun.get(task).copied().max(last.get(task).copied());
                if since != Some(entry.at) {
                    judge.broken(HANDLE, format!("t{task} at {:?}, ready since {since:?}", entry.at));
                }
            }
            What::Answered { by, service, asked, refused } if always_polled(*by) => {
                let ended = facts.entries.iter().find(|entry| entry.what == What::ServiceGone(*service));
                let since = ended.map(|ended| ended.at.max(*asked));
                if !refused && since != Some(entry.at) {
                    judge.broken(SERVICE, format!("v{service} at {:?}, ended at {since:?}", entry.at));
                }
            }
            What::Overslept(body) if always_polled(*body) => judge.broken(SLEEP, format!("{body} at {:?}", entry.at)),
            _ => {}
        }
    }
}

/// Where a scope or body is a part of: a child of its scope, a scope of the body that opened it.
fn around(facts: &Facts<'_>, id: Id) -> Option<Id> {
    let fact = facts.get(id)?;
    match fact.kind {
        Kind::Nursery | Kind::Block | Kind::Owned => Some(fact.body).filter(|body| *body != id),
        _ => fact.scope,
    }
}
