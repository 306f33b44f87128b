//! What the programs of a campaign did: that the generator reaches what it is meant to reach.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use scope_core::Lost;

use crate::facts::{Facts, Kind};
use crate::journal::{Closed, How, Leaf, Outcome, Phase, What};
use crate::program::{Ask, Program};
use crate::run::Report;

#[derive(Clone, Debug, Default)]
pub(crate) struct Tally {
    pub(crate) programs: u64,
    pub(crate) runs: u64,
    pub(crate) acts: u64,
    pub(crate) entries: u64,
    /// How many programs have such an act in them.
    pub(crate) features: BTreeMap<&'static str, u64>,
    /// In how many runs such a thing happened.
    pub(crate) happened: BTreeMap<&'static str, u64>,
    /// How many scopes ended so.
    pub(crate) outcomes: BTreeMap<&'static str, u64>,
}

/// How often ten thousand programs have these at least: far below what they have, far above chance.
const FEATURES: &[(&str, u64)] = &[
    ("abandoned", 1000),
    ("abort", 300),
    ("cancel", 1000),
    ("cancel by a handle", 300),
    ("cancel scope", 1000),
    ("cancellation awaited", 1000),
    ("checkpoint", 1000),
    ("child by a spawner", 1000),
    ("deadline moved", 500),
    ("destructor", 1000),
    ("error", 1000),
    ("fail_after", 1000),
    ("finalizer", 1000),
    ("finalizer of an owned scope", 500),
    ("foreign sleep", 1000),
    ("foreign task", 1000),
    ("forever", 1000),
    ("gate", 1000),
    ("handle awaited", 1000),
    ("handle dropped", 200),
    ("join", 1000),
    ("move_on_after", 1000),
    ("nursery", 1000),
    ("nursery with a deadline", 1000),
    ("owned scope", 1000),
    ("owned scope closed", 1000),
    ("owned scope dropped", 500),
    ("panic", 1000),
    ("parallel child", 1000),
    ("race", 1000),
    ("same-task child", 1000),
    ("service", 1000),
    ("service asked", 1000),
    ("service closed", 500),
    ("shield", 1000),
    ("shield lifted", 200),
    ("shielded cancel scope", 1000),
    ("sleep", 1000),
    ("turn", 1000),
];

/// In how many of their runs these happen at least.
const HAPPENED: &[(&str, u64)] = &[
    ("a body completed in a cancelled scope", 1000),
    ("a cancellation came while a shield was open in the body", 300),
    ("a child was cancelled by its handle", 30),
    ("a child was spawned into a cancelled scope", 500),
    ("a failure was told to be lost", 100),
    ("a finalizer overran", 500),
    ("a finalizer ran", 1000),
    ("a finalizer ran after its scope's future was dropped", 80),
    ("a finalizer was refused", 30),
    ("a foreign task was aborted", 100),
    ("a handle gave a value", 500),
    ("a handle said cancelled", 15),
    ("a handle said failed", 4),
    ("a handle said panicked", 4),
    ("a parallel child outlived its scope's future", 200),
    ("a parallel child was cut", 1000),
    ("a same-task child was cut", 500),
    ("a scope and the one around it were both cancelled", 40),
    ("a scope failed and so did others in it", 150),
    ("a scope failed by clean-up or adoption alone", 500),
    ("a scope was cancelled", 1000),
    ("a scope was cancelled in vain", 500),
    ("a scope's body was cut", 1000),
    ("a service answered", 50),
    ("a service refused", 80),
    ("a service served", 80),
    ("a service was closed by a handle", 150),
    ("a service was ended", 1000),
    ("a shield was lifted", 80),
    ("a spawn was refused", 300),
    ("a violation was told", 1000),
    ("an owned scope was closed", 1000),
    ("an owned scope was closed and had failed", 25),
    ("an owned scope was to be closed after its home had ended", 50),
    ("an owned scope was to be closed elsewhere", 30),
];

/// How many of their scopes end so at least.
const OUTCOMES: &[(&str, u64)] = &[
    ("cancelled", 500),
    ("dropped before its end", 1000),
    ("failed", 1000),
    ("failed, with more than one leaf", 300),
    ("ok", 1000),
    ("panicked", 1000),
    ("timed out", 1000),
];

impl Tally {
    /// What ten thousand programs should have reached more often.
    pub(crate) fn missing(&self) -> Vec<&'static str> {
        [(FEATURES, &self.features), (HAPPENED, &self.happened), (OUTCOMES, &self.outcomes)]
            .into_iter()
            .flat_map(|(least, counts)| {
                least.iter().filter(|(name, least)| counts.get(name).is_none_or(|count| count < least))
            })
            .map(|(name, _)| *name)
            .collect()
    }

    pub(crate) fn add_program(&mut self, program: &Program) {
        self.programs += 1;
        self.acts += program.size() as u64;
        for feature in program.features() {
            *self.features.entry(feature).or_default() += 1;
        }
    }

    pub(crate) fn add_run(&mut self, program: &Program, report: &Report) {
        self.runs += 1;
        self.entries += report.entries.len() as u64;
        let facts = Facts::new(program, &report.entries);
        for what in happened(&facts) {
            *self.happened.entry(what).or_default() += 1;
        }
        for (_, outcome) in facts.returned.values() {
            *self.outcomes.entry(outcome_name(outcome)).or_default() += 1;
        }
        let dropped = facts.dropped.len() as u64;
        if dropped > 0 {
            *self.outcomes.entry("dropped before its end").or_default() += dropped;
        }
    }

    pub(crate) fn merge(&mut self, other: Tally) {
        self.programs += other.programs;
        self.runs += other.runs;
        self.acts += other.acts;
        self.entries += other.entries;
        for (mine, theirs) in [
            (&mut self.features, other.features),
            (&mut self.happened, other.happened),
            (&mut self.outcomes, other.outcomes),
        ] {
            for (name, count) in theirs {
                *mine.entry(name).or_default() += count;
            }
        }
    }
}

fn outcome_name(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Ok => "ok",
        Outcome::Cancelled(_) => "cancelled",
        Outcome::TimedOut(_) => "timed out",
        Outcome::Failed { all, .. } if all.len() > 1 => "failed, with more than one leaf",
        Outcome::Failed { .. } => "failed",
        Outcome::Panicked(_) => "panicked",
    }
}

fn happened(facts: &Facts<'_>) -> BTreeSet<&'static str> {
    let mut happened = BTreeSet::new();
    for (id, life) in &facts.lives {
        let kind = facts.get(*id).map(|fact| fact.kind);
        match (kind, life.was_cut()) {
            (Some(Kind::Local), true) => drop(happened.insert("a same-task child was cut")),
            (Some(Kind::Parallel), true) => drop(happened.insert("a parallel child was cut")),
            (Some(_), true) => drop(happened.insert("a scope's body was cut")),
            _ => {}
        }
        let Some(scope) = facts.scope_of(*id) else { continue };
        if facts.dropped.get(&scope).is_some_and(|at| life.gone.iter().any(|gone| gone > at))
            && kind == Some(Kind::Parallel)
        {
            happened.insert("a parallel child outlived its scope's future");
        }
        if let (Some(cancelled), Some(made)) = (facts.cancelled(scope), life.made.first())
            && made > &cancelled
            && matches!(kind, Some(Kind::Local | Kind::Parallel))
        {
            happened.insert("a child was spawned into a cancelled scope");
        }
        if life.ended.iter().any(|(_, how)| *how == How::Ok)
            && facts.cancelled(scope).is_some_and(|at| life.ended.iter().any(|(ended, _)| *ended > at))
        {
            happened.insert("a body completed in a cancelled scope");
        }
    }
    for id in facts.facts.keys() {
        let Some(cancelled) = facts.body_cancelled(*id) else { continue };
        if facts.shields_in(*id).iter().any(|(from, to)| *from < cancelled && cancelled < *to) {
            happened.insert("a cancellation came while a shield was open in the body");
        }
    }
    for (scope, (at, outcome)) in &facts.returned {
        if let Outcome::Failed { own, .. } = outcome {
            let adopted =
                own.iter().any(|(leaf, _)| matches!(leaf, Leaf::Error(_) | Leaf::Panic(_) | Leaf::Overran(_)));
            let direct = facts.bodies_of(*scope).any(|(_, life)| life.ended.iter().any(|(_, how)| *how != How::Ok));
            if adopted && !direct {
                happened.insert("a scope failed by clean-up or adoption alone");
            }
            if adopted && direct && own.len() > 1 {
                happened.insert("a scope failed and so did others in it");
            }
        }
        let around = facts.get(*scope).and_then(|fact| fact.scope);
        if let Some(around) = around
            && facts.cancelled_itself(around).is_some_and(|cancelled| cancelled < *at)
            && facts.cancelled_itself(*scope).is_some_and(|cancelled| cancelled < *at)
        {
            happened.insert("a scope and the one around it were both cancelled");
        }
    }
    for (at, entry) in facts.entries.iter().enumerate() {
        happened.insert(match &entry.what {
            What::Refused(_) => "a spawn was refused",
            What::Cancelled { did: true, .. } => "a scope was cancelled",
            What::Cancelled { did: false, .. } => "a scope was cancelled in vain",
            What::CancelledChild { did: true, .. } => "a child was cancelled by its handle",
            What::CancelledChild { .. } => "a child was cancelled by its handle in vain",
            What::Lifted(_) => "a shield was lifted",
            What::FinalizerStarted { id, .. } => {
                let scope = facts.get(*id).and_then(|fact| fact.scope);
                match scope.and_then(|scope| facts.dropped.get(&scope)) {
                    Some(dropped) if *dropped < at => "a finalizer ran after its scope's future was dropped",
                    _ => "a finalizer ran",
                }
            }
            What::FinalizerRefused(_) => "a finalizer was refused",
            What::Raised(Leaf::Overran(_)) => "a finalizer overran",
            What::CloseTried { result, .. } => match result {
                Closed::Ok => "an owned scope was closed",
                Closed::Failed(_) => "an owned scope was closed and had failed",
                Closed::OutOfOrder(_) => "an owned scope was closed out of order",
                Closed::FromWithin => "an owned scope was to be closed from within",
                Closed::WithOuter => "an owned scope was to be closed after the one around it",
                Closed::WrongTask => "an owned scope was to be closed elsewhere",
                Closed::HomeEnded => "an owned scope was to be closed after its home had ended",
            },
            What::SawViolation(_) => "a violation was told",
            What::Handle { result: Ok(()), .. } => "a handle gave a value",
            What::Handle { result: Err(Lost::Cancelled), .. } => "a handle said cancelled",
            What::Handle { result: Err(Lost::Failed), .. } => "a handle said failed",
            What::Handle { result: Err(Lost::Panicked), .. } => "a handle said panicked",
            What::Phase { phase: Phase::Serve, .. } => "a service served",
            What::Phase { phase: Phase::End, .. } => "a service was ended",
            What::Answer { how: Ask::Request, result: Ok(()), .. } => "a service answered",
            What::Answer { how: Ask::Request, result: Err(_), .. } => "a service refused",
            What::Answer { how: Ask::Close, .. } => "a service was closed by a handle",
            What::Aborting(_) => "a foreign task was aborted",
            What::SawLost(_) => "a failure was told to be lost",
            _ => continue,
        });
    }
    happened
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} programs, {} acts in all, run {} times: {} journal entries",
            self.programs, self.acts, self.runs, self.entries
        )?;
        for (title, counts) in [
            ("programs with", &self.features),
            ("runs in which", &self.happened),
            ("scopes that ended", &self.outcomes),
        ] {
            writeln!(f, "{title}:")?;
            for (name, count) in counts {
                writeln!(f, "{count:>10}  {name}")?;
            }
        }
        Ok(())
    }
}
