//! s01: a service is opened, served and ended by one task, and ended exactly once.

use std::collections::BTreeMap;

use scope_core::Lost;

use crate::facts::{Facts, Kind};
use crate::journal::{How, Phase, What};
use crate::program::Id;
use crate::rules::Judge;

const ENDED: &str = "s01: a service is ended exactly once";
const ONE_TASK: &str = "s01: one task opens, serves and ends it";
const IN_TIME: &str = "s07: a service has gone before its scope returns";
const HANDLE: &str = "n07: a handle says what became of the child";

#[derive(Default)]
struct Seen {
    opened: usize,
    ended: usize,
    tasks: Vec<Option<scope_core::TaskId>>,
    gone: Vec<usize>,
    last: usize,
}

pub(crate) fn judge(judge: &mut Judge<'_, '_>) {
    let facts = judge.facts;
    let mut services = BTreeMap::<Id, Seen>::new();
    for (at, entry) in facts.entries.iter().enumerate() {
        match &entry.what {
            What::Phase { service, phase, task } => {
                let seen = services.entry(*service).or_default();
                seen.opened += usize::from(*phase == Phase::Open);
                seen.ended += usize::from(*phase == Phase::End);
                seen.last = at;
                if !seen.tasks.contains(task) {
                    seen.tasks.push(*task);
                }
            }
            What::ServiceGone(service) => services.entry(*service).or_default().gone.push(at),
            What::Handle { task, result } => handle(judge, *task, *result),
            _ => {}
        }
    }
    for (id, seen) in services {
        if seen.opened > 1 || seen.ended != 1 || seen.gone.len() != 1 {
            judge.broken(
                ENDED,
                format!("v{id}: opened {}, ended {}, gone {} times", seen.opened, seen.ended, seen.gone.len()),
            );
            continue;
        }
        if seen.tasks.len() != 1 || seen.tasks[0].is_none() {
            judge.broken(ONE_TASK, format!("v{id}: {:?}", seen.tasks));
        }
        let end = facts.get(id).and_then(|fact| fact.scope).map_or(0, |scope| facts.end_of(scope));
        if seen.gone[0] > end || seen.last > seen.gone[0] {
            judge.broken(IN_TIME, format!("v{id}"));
        }
    }
}

fn handle(judge: &mut Judge<'_, '_>, child: Id, result: Result<(), Lost>) {
    let facts: &Facts<'_> = judge.facts;
    let Some(life) = facts.lives.get(&child) else { return };
    let good = match (life.ended.first(), result) {
        (Some((_, How::Ok)), Ok(()))
        | (Some((_, How::Failed(_))), Err(Lost::Failed))
        | (Some((_, How::Panicked(_))), Err(Lost::Panicked)) => true,
        // A destructor may panic when it is cut.
        (None, Err(Lost::Cancelled | Lost::Panicked)) => life.was_cut(),
        (None, Err(Lost::Refused)) => life.started.is_empty(),
        _ => false,
    };
    let fine = good && facts.get(child).is_some_and(|fact| matches!(fact.kind, Kind::Local | Kind::Parallel));
    if !fine {
        judge.broken(HANDLE, format!("t{child}: {result:?}, ended {:?}", life.ended));
    }
}
