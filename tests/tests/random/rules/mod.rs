//! The rules that every run has to keep: the contract, read as statements about a program and its journal. They know
//! nothing of the implementation, only when and in what order things happened.

mod cancels;
mod failures;
mod finalizers;
mod lifetimes;
mod outcomes;
mod owners;
mod promptness;
mod services;

use std::collections::BTreeSet;

use crate::facts::Facts;
use crate::program::Program;
use crate::run::Report;

/// The broken rules, each with what broke it.
pub(crate) struct Verdict {
    pub(crate) broken: Vec<(&'static str, String)>,
}

impl Verdict {
    pub(crate) fn is_good(&self) -> bool {
        self.broken.is_empty()
    }

    /// The rules alone: what has to stay the same while a program shrinks.
    pub(crate) fn rules(&self) -> BTreeSet<&'static str> {
        self.broken.iter().map(|(rule, _)| *rule).collect()
    }
}

/// What the rules are told to.
pub(crate) struct Judge<'f, 'r> {
    pub(crate) facts: &'f Facts<'r>,
    broken: Vec<(&'static str, String)>,
}

impl Judge<'_, '_> {
    pub(crate) fn broken(&mut self, rule: &'static str, what: impl Into<String>) {
        self.broken.push((rule, what.into()));
    }
}

/// How many polls an act may cost, all told.
const STEPS_FOR_AN_ACT: u64 = 30;

pub(crate) fn judge(program: &Program, report: &Report) -> Verdict {
    let facts = Facts::new(program, &report.entries);
    let mut judge = Judge { facts: &facts, broken: Vec::new() };
    if let Some(broken) = &report.broken {
        // What a run that stopped half-way left undone is no news.
        judge.broken("the run ends well", broken.clone());
        return Verdict { broken: judge.broken };
    }
    lifetimes::judge(&mut judge);
    finalizers::judge(&mut judge);
    failures::judge(&mut judge);
    outcomes::judge(&mut judge);
    cancels::judge(&mut judge);
    owners::judge(&mut judge);
    promptness::judge(&mut judge);
    services::judge(&mut judge);
    let most = 100 + STEPS_FOR_AN_ACT * program.size() as u64;
    if report.steps > most {
        judge.broken("c10: waiting costs no polls", format!("{} steps for {} acts", report.steps, program.size()));
    }
    Verdict { broken: judge.broken }
}
