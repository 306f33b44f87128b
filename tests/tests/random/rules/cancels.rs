//! c02: in a cancelled scope everything ends at its next await point.

use crate::facts::Kind;
use crate::journal::What;
use crate::rules::Judge;

const CHECKPOINT: &str = "c02: no await point of ours is passed in a cancelled scope";
const PENDING: &str = "c02: after its next Pending it is not polled again";
const ONCE: &str = "c01: a scope is cancelled once";
const AFTER_DEADLINE: &str = "c11: nothing goes on after the deadline";

pub(crate) fn judge(judge: &mut Judge<'_, '_>) {
    let facts = judge.facts;
    for (at, entry) in facts.entries.iter().enumerate() {
        match &entry.what {
            What::PassedOurs(body)
                if facts.get(*body).is_some_and(|fact| fact.kind != Kind::Service)
                    && facts.body_cancelled(*body).is_some_and(|cancelled| cancelled < at) =>
            {
                judge.broken(CHECKPOINT, format!("{body} passes one at {at}"));
            }
            What::Cancelled { by, scope, did: true } => {
                let again = facts.entries[..at].iter().any(
                    |earlier| matches!(earlier.what, What::Cancelled { scope: told, did: true, .. } if told == *scope),
                );
                if again {
                    judge.broken(ONCE, format!("c{by} cancels s{scope} again"));
                }
            }
            _ => {}
        }
    }
    for (body, life) in &facts.lives {
        let Some(scope) = facts.scope_of(*body) else { continue };
        // Clean-up is not cut.
        if facts.get(scope).is_none_or(|fact| fact.kind == Kind::Finalizer) {
            continue;
        }
        let Some(cancelled) = facts.body_cancelled(*body) else { continue };
        let shields = facts.shields_in(*body);
        let held = |at: usize| shields.iter().any(|(from, to)| *from < at && at < *to);
        let after = life.parked.iter().filter(|at| **at > cancelled && !held(**at)).count();
        if after > 1 {
            judge.broken(PENDING, format!("{body} was polled {after} times and more after s{scope} was cancelled"));
        }
        if let Some((passed, when)) = facts.expired(scope)
            && life.started.first().is_some_and(|started| *started < passed)
            && shields.is_empty()
            && life.gone.first().is_some_and(|gone| *gone > passed && facts.time(*gone) > when)
        {
            judge.broken(AFTER_DEADLINE, format!("{body} is there after the deadline of s{scope}, {when:?}"));
        }
    }
}
