//! n01: every future is destroyed once, before its scope returns, and nothing runs after that.

use std::collections::BTreeMap;

use crate::facts::Kind;
use crate::journal::{How, What};
use crate::rules::Judge;

const ONCE: &str = "n01: every future is destroyed exactly once";
const IN_TIME: &str = "n01: destroyed before the scope returns";
const VALUE: &str = "n01: a value is destroyed once, in time unless a handle has it";
const ALIVE: &str = "n01: nothing runs before its start or after its end";
const AT_ONCE: &str = "f05: a dropped scope's body and same-task children go with it";
const STARTED: &str = "n05: a child is started, or refused and dropped unpolled";
const EVENTS: &str = "v01: a scope that was opened is closed, once";

pub(crate) fn judge(judge: &mut Judge<'_, '_>) {
    let facts = judge.facts;
    for (id, life) in &facts.lives {
        let Some(fact) = facts.get(*id) else {
            judge.broken(ONCE, format!("{id} is not in the program"));
            continue;
        };
        let (gone, started) = match (&life.made[..], &life.gone[..]) {
            ([_], [gone]) => (*gone, life.started.first().copied()),
            _ => {
                judge.broken(ONCE, format!("{id}: made {} times, gone {}", life.made.len(), life.gone.len()));
                continue;
            }
        };
        let Some(scope) = facts.scope_of(*id) else { continue };
        let end = facts.end_of(scope);
        let refused = facts.entries.iter().any(|entry| entry.what == What::Refused(*id));
        if !refused && gone > end {
            judge.broken(IN_TIME, format!("{id} is destroyed after s{scope} has ended"));
        }
        if refused && started.is_some() {
            judge.broken(STARTED, format!("t{id} was refused and started"));
        }
        if life.started.len() > 1 || life.ended.len() > 1 {
            judge.broken(ALIVE, format!("{id} started or ended more than once"));
        }
        let child = matches!(fact.kind, Kind::Local | Kind::Parallel);
        let values = usize::from(child && life.ended.iter().any(|(_, how)| *how == How::Ok));
        if life.value_gone.len() != values {
            judge.broken(VALUE, format!("t{id}: {} of {values} values destroyed", life.value_gone.len()));
        } else if !fact.handle && life.value_gone.iter().any(|gone| *gone > end) {
            judge.broken(VALUE, format!("t{id}: its value outlived s{scope}"));
        }
        let own = |at: &usize| started.is_some_and(|started| *at > started) && *at < gone;
        if !life.parked.iter().chain(life.ended.iter().map(|(at, _)| at)).all(own) {
            judge.broken(ALIVE, format!("{id} was polled after its end"));
        }
        // The bodies and same-task children of a scope whose future is dropped.
        if fact.kind != Kind::Parallel
            && let (Some(dropped), Some(over)) = (facts.dropped.get(&scope), facts.drop_over.get(&scope))
            && gone > *dropped
            && gone > *over
        {
            judge.broken(AT_ONCE, format!("{id} outlived the drop of s{scope}"));
        }
    }
    for (at, entry) in facts.entries.iter().enumerate() {
        let (What::Acts(body) | What::PassedOurs(body) | What::PassedForeign(body)) = entry.what else { continue };
        let Some(life) = facts.lives.get(&body) else { continue };
        let begun = life.started.first().is_some_and(|started| *started < at);
        if !begun || life.gone.first().is_none_or(|gone| *gone < at) {
            judge.broken(ALIVE, format!("{body} acts at {at}, before its start or after its end"));
        }
    }
    let mut events = BTreeMap::<_, (u32, u32)>::new();
    for entry in facts.entries {
        match &entry.what {
            What::SawOpened(scope) => events.entry(scope.get()).or_default().0 += 1,
            What::SawClosed(scope) => events.entry(scope.get()).or_default().1 += 1,
            _ => {}
        }
    }
    for (scope, counts) in events {
        if counts != (1, 1) {
            judge.broken(EVENTS, format!("scope {scope}: opened {} times, closed {}", counts.0, counts.1));
        }
    }
}
