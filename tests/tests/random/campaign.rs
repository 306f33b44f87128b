//! Many programs, on all cores, each run with a few seeds.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use crate::generate;
use crate::program::Program;
use crate::rules::{Verdict, judge};
use crate::run::{Report, run};
use crate::shrink::shrink;
use crate::tally::Tally;

/// Which programs, and how often each.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Campaign {
    pub(crate) first: u64,
    pub(crate) programs: u64,
    pub(crate) schedules: u64,
    /// Whether the futures of scopes go from task to task.
    pub(crate) carried: bool,
}

impl Campaign {
    /// How many programs have to have tried everything.
    pub(crate) const ENOUGH_TO_COVER: u64 = 10_000;

    /// What `SCOPE_RANDOM_PROGRAMS`, `SCOPE_RANDOM_FIRST` and `SCOPE_RANDOM_SCHEDULES` say, or what CI runs.
    pub(crate) fn from_environment() -> Self {
        let number = |name: &str, default| match std::env::var(name) {
            Ok(text) => text.parse().unwrap_or_else(|_| panic!("{name} is {text:?}: it takes a number")),
            Err(_) => default,
        };
        Campaign {
            first: number("SCOPE_RANDOM_FIRST", 0),
            programs: number("SCOPE_RANDOM_PROGRAMS", 10_000),
            schedules: number("SCOPE_RANDOM_SCHEDULES", 2),
            carried: number("SCOPE_RANDOM_CARRIED", 0) != 0,
        }
    }

    /// The seeds of the runs of a program: the program's own first.
    fn schedules(&self, seed: u64) -> impl Iterator<Item = u64> + use<> {
        let schedules = self.schedules;
        (0..schedules).map(move |number| seed.wrapping_add(number << 32))
    }
}

/// A program that broke a rule.
pub(crate) struct Failure {
    pub(crate) seed: u64,
    pub(crate) carried: bool,
    pub(crate) schedule: u64,
    pub(crate) rules: BTreeSet<&'static str>,
}

/// Failures beyond so many are not collected.
const ENOUGH: usize = 50;

/// Runs them all, whatever fails.
pub(crate) fn run_all(campaign: Campaign) -> (Tally, Vec<Failure>) {
    let next = AtomicU64::new(0);
    let failures = Mutex::new(Vec::new());
    let tally = Mutex::new(Tally::default());
    let work = || {
        let mut mine = Tally::default();
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= campaign.programs {
                break;
            }
            let seed = campaign.first + number;
            let program = generate::program(seed, campaign.carried);
            mine.add_program(&program);
            for schedule in campaign.schedules(seed) {
                let report = run(&program, schedule);
                let verdict = judge(&program, &report);
                mine.add_run(&program, &report);
                if !verdict.is_good() {
                    let mut failures = failures.lock().expect("no thread panics with it");
                    if failures.len() < ENOUGH {
                        failures.push(Failure { seed, carried: campaign.carried, schedule, rules: verdict.rules() });
                    }
                    break;
                }
            }
        }
        tally.lock().expect("no thread panics with it").merge(mine);
    };
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(work);
        }
    });
    let mut failures = failures.into_inner().expect("no thread panics with it");
    failures.sort_by_key(|failure| failure.seed);
    (tally.into_inner().expect("no thread panics with it"), failures)
}

/// How many programs are tried to make one smaller.
const SHRINKS: usize = 20_000;
/// With how many seeds each.
const SCHEDULES: u64 = 12;

/// The smallest program found that breaks one of the same rules, with the seed that does it.
pub(crate) fn smallest(program: &Program, schedule: u64, rules: &BTreeSet<&'static str>) -> (Program, u64) {
    let mut found = schedule;
    let small = shrink(program, SHRINKS, |candidate| {
        let hit = (0..SCHEDULES).chain([schedule]).find(|seed| {
            let report = run(candidate, *seed);
            !judge(candidate, &report).rules().is_disjoint(rules)
        });
        found = hit.unwrap_or(found);
        hit.is_some()
    });
    (small, found)
}

/// Everything that helps to find out why.
pub(crate) fn explain(failure: &Failure) -> String {
    let program = generate::program(failure.seed, failure.carried);
    let (small, schedule) = smallest(&program, failure.schedule, &failure.rules);
    let report = run(&small, schedule);
    let verdict = judge(&small, &report);
    let mut text = String::new();
    let _ = writeln!(text, "program {} (seed {}) breaks rules: {:?}", failure.seed, failure.schedule, failure.rules);
    let _ = writeln!(text, "the smallest found, with seed {schedule}:\n\n{small}");
    show(&report, &verdict, &mut text);
    let _ = writeln!(
        text,
        "to repeat it: SCOPE_RANDOM_FIRST={} SCOPE_RANDOM_PROGRAMS=1 SCOPE_RANDOM_CARRIED={} cargo test -p scope-tests --test random",
        failure.seed,
        u8::from(failure.carried)
    );
    text
}

fn show(report: &Report, verdict: &Verdict, text: &mut String) {
    for entry in &report.entries {
        let _ = writeln!(text, "  {entry}");
    }
    for (rule, what) in &verdict.broken {
        let _ = writeln!(text, "BROKEN {rule}: {what}");
    }
}
