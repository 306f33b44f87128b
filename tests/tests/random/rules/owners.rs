//! o01, o02, o09: an owned scope is closed by the task that opened it; another gets an error, or is reported.

use std::collections::BTreeMap;

use crate::journal::{Closed, What};
use crate::program::Id;
use crate::rules::Judge;

const ELSEWHERE: &str = "o01: closing elsewhere is an error, closing at home is none";
const HOME_ENDED: &str = "o01: closing after home has ended says so";
const VIOLATIONS: &str = "o02: one violation event for each broken rule, and none without";
const OPENED: &str = "t03: an owned scope is opened where a task is";

pub(crate) fn judge(judge: &mut Judge<'_, '_>) {
    let facts = judge.facts;
    // Each owned scope: its home, and where the body that opened it was gone.
    let mut opened = BTreeMap::<Id, (usize, Id, usize)>::new();
    let mut violations = BTreeMap::<Id, usize>::new();
    for (at, entry) in facts.entries.iter().enumerate() {
        match &entry.what {
            What::Opened { owned, task, .. } => {
                let body = facts.get(*owned).map_or(Id::MAX, |fact| fact.body);
                let life = facts.lives.get(&body);
                let home_gone = life.and_then(|life| life.gone.first()).copied().unwrap_or(facts.entries.len());
                opened.insert(*owned, (at, *task, home_gone));
            }
            What::NotOpened(owned) => judge.broken(OPENED, format!("s{owned}")),
            What::SawViolation(name) => {
                if let Some(owned) = crate::watch::number('s', name) {
                    *violations.entry(owned).or_default() += 1;
                } else if !facts.facts.values().any(|fact| fact.carried) {
                    // A scope without a name may have been left half-way with the one that it is in.
                    judge.broken(VIOLATIONS, format!("one of {name}"));
                }
            }
            _ => {}
        }
    }
    for (owned, (_, home, home_gone)) in &opened {
        let mut over = false;
        let mut expected = 0;
        let mut closing = false;
        // The body that opened it ended while another branch of the same task was closing it: it may win or not.
        // So may whoever ends the owned scope that it is inside of.
        let nested = facts.is_inside_owned(*owned);
        let mut either = nested;
        for (at, entry) in facts.entries.iter().enumerate() {
            if at > *home_gone && !over {
                either |= closing;
                expected += usize::from(!closing);
                over = true;
            }
            match &entry.what {
                What::CloseBegun { owned: o, task } if o == owned => closing = task == home && !over,
                What::DroppedOwned { owned: o, task } if o == owned && !over => {
                    expected += usize::from(task != home);
                    over = true;
                }
                What::CloseTried { owned: o, task, by, result } if o == owned => {
                    closing = false;
                    let at_home = task == home;
                    let good = match result {
                        Closed::HomeEnded => over || either,
                        Closed::WrongTask => !at_home && (!over || either),
                        Closed::FromWithin => facts.is_within(*by, *owned),
                        Closed::WithOuter => nested,
                        Closed::Ok | Closed::Failed(_) | Closed::OutOfOrder(_) => at_home && (!over || either),
                    };
                    if !good {
                        let rule = if over { HOME_ENDED } else { ELSEWHERE };
                        judge.broken(rule, format!("s{owned} of {home}, closed by {task}: {result:?}"));
                    }
                    over |= !matches!(result, Closed::WrongTask | Closed::FromWithin);
                }
                _ => {}
            }
        }
        if !over {
            either |= closing;
            expected += usize::from(!closing);
        }
        let seen = violations.remove(owned).unwrap_or(0);
        if seen != expected && !(either && seen <= 1) {
            judge.broken(VIOLATIONS, format!("s{owned}: {seen} events, {expected} expected"));
        }
    }
    for (owned, seen) in violations {
        // A scope's future that another task took up is reported once.
        if seen == 1 && facts.get(owned).is_some_and(|fact| fact.carried) {
            continue;
        }
        judge.broken(VIOLATIONS, format!("s{owned}: {seen} events though it was never opened"));
    }
}
